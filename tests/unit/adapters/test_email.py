"""Mail over real SMTP: what a server is handed, with and without a login and encryption, and what its refusals mean."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shipway.adapters.notifications import email
from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.api.notifications import Message
from shipway.base.errors import Denied, InvalidInput, ShipwayError, Unavailable
from shipway.base.tls import serving as encrypting
from shipway.kube.objects.resource import Obj
from tests.kube.certificates import write_certificates

GOOD = {"STARTTLS": "220 ready", "DATA": "354 go on", "AUTH": "235 welcome", "QUIT": "221 bye"}
LOGIN = base64.b64encode(b"\0ada\0t0ps3cret").decode()


class MailServer:
    """Takes one mail after the other, or refuses as it is told to; `context`: it can encrypt."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.commands: list[str] = []
        self.mails: list[str] = []
        self.answers: dict[str, str] = {}
        self.port = 0
        self._context = context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_encrypted = False
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            verb = line.split()[0].upper()
            if verb == "EHLO":
                offers = ["STARTTLS"] if self._context and not is_encrypted else []
                lines = ["mail.test", *offers, "AUTH PLAIN"]
                answer = "\r\n".join(f"250{' ' if one is lines[-1] else '-'}{one}" for one in lines)
            else:
                answer = self.answers.get(verb) or {"DATA": "354 go on", "AUTH": "235 welcome", "QUIT": "221 bye"}.get(
                    verb, "250 ok"
                )
            if verb == "STARTTLS":
                answer = "220 ready"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if verb == "STARTTLS" and self._context:
                await writer.start_tls(self._context)
                is_encrypted = True
            if answer.startswith("354"):
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 taken\r\n")
            if verb == "QUIT":
                break
        writer.close()


@asynccontextmanager
async def serving(there: MailServer) -> AsyncGenerator[Obj]:
    """The settings that lead to it."""
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    async with server:
        yield {"host": "127.0.0.1", "port": there.port, "from": "shipway@example.org"}


def certified(folder: Path) -> ssl.SSLContext:
    """Of an authority that nobody knows."""
    write_certificates(folder)
    return encrypting(folder / "server.crt", folder / "server.key")


async def no_http(call: HttpCall) -> HttpAnswer:
    raise AssertionError(call.url)


MAIL = Message("email", "ada@example.org, bob@example.org", "is live", {"subject": "shop\nis live"}, "k1")


async def test_a_mail_is_handed_over() -> None:
    there = MailServer()
    async with serving(there) as settings:
        await email.send(no_http, settings, MAIL)
    (mail,) = there.mails
    assert [line for line in there.commands if line.startswith("rcpt")] == [
        "rcpt TO:<ada@example.org>",
        "rcpt TO:<bob@example.org>",
    ]
    assert "Subject: shop is live\r\n" in mail and "Message-ID: <k1@shipway>\r\n" in mail and mail.endswith("is live\r\n.\r\n")


async def test_where_the_server_can_it_is_encrypted_before_the_login(tmp_path: Path) -> None:
    there = MailServer(certified(tmp_path))
    async with serving(there) as settings:
        login = {"username": "ada", "password": "t0ps3cret", "html": True, "insecure_skip_verify": True}
        await email.send(no_http, {**settings, **login}, MAIL)
    verbs = [line.split()[0].upper() for line in there.commands]
    assert verbs.index("STARTTLS") < verbs.index("AUTH") and f"AUTH PLAIN {LOGIN}" in there.commands
    assert "Content-Type: text/html" in there.mails[0]


async def test_a_server_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path) -> None:
    there = MailServer(certified(tmp_path))
    async with serving(there) as settings:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await email.send(no_http, {**settings, "username": "ada", "password": "t0ps3cret"}, MAIL)
    assert there.mails == [] and not any("AUTH" in line for line in there.commands)


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ({"RCPT": "550 no such person"}, InvalidInput, "answered 550 no such person"),
        ({"RCPT": "450 busy"}, Unavailable, "answered 450 busy"),
        ({"MAIL": "530 who are you"}, InvalidInput, "answered 530 who are you"),
        ({"DATA": "451 later"}, Unavailable, "answered 451 later"),
        ({"AUTH": "535 no"}, Denied, "does not take the login: no"),
    ],
)
async def test_what_the_server_refuses_for_now_is_told_from_what_it_refuses(
    answers: dict[str, str], error: type[ShipwayError], said: str
) -> None:
    there = MailServer()
    there.answers = answers
    async with serving(there) as settings:
        login = {"username": "ada", "password": "t0ps3cret"} if "AUTH" in answers else {}
        with pytest.raises(error, match=said) as caught:
            await email.send(no_http, {**settings, **login}, MAIL)
    assert "t0ps3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "to", "error"),
    [
        ({}, "ada@example.org", InvalidInput),
        ({"host": "127.0.0.1", "from": "a@b"}, " , ", InvalidInput),
        ({"host": "127.0.0.1", "port": 1, "from": "a@b"}, "ada@example.org", Unavailable),
        ({"host": "127.0.0.1", "port": "smtp", "from": "a@b"}, "ada@example.org", InvalidInput),
    ],
)
async def test_without_an_address_or_a_server_it_says_so(settings: Obj, to: str, error: type[ShipwayError]) -> None:
    with pytest.raises(error, match="email: "):
        await email.send(no_http, settings, Message("email", to, "hello", id="k1"))
