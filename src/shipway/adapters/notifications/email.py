"""`service.email`: a mail by SMTP, encrypted where the server can (on port 465 from the start). Commas part the recipients.

    {host: smtp.example.com, port: 587, from: shipway@example.com, username: $mail-user, password: $mail-password}

A template says `subject` and `body` under `email`; without a body its `message` is sent. `html: true`: the body is HTML.
"""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage

from shipway.adapters.notifications.parts import text_of
from shipway.api.metrics import Fetch
from shipway.api.notifications import Message
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.base.tls import trusting
from shipway.kube.objects.resource import Obj

SECONDS = 10.0
"""For each answer of the server."""
SUBMISSIONS = 465
"""The port on which everything is encrypted from the start."""


async def send(fetch: Fetch, settings: Obj, message: Message) -> None:
    """Raises Unavailable, Denied (the login) or InvalidInput. `fetch` is for the services that speak HTTP."""
    mail = _mail(settings, message)
    try:
        await asyncio.to_thread(_deliver, settings, mail)
    except smtplib.SMTPAuthenticationError as error:
        raise Denied(f"email: {settings.get('host')} does not take the login: {_said(error.smtp_error)}") from None
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _refusal(code, words) from None
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"email: {settings.get('host')}: {error or type(error).__name__}") from None


def _mail(settings: Obj, message: Message) -> EmailMessage:
    sender, recipients = str(settings.get("from") or settings.get("username") or ""), _recipients(message)
    if not settings.get("host") or not sender or not recipients:
        raise InvalidInput("email: give service.email a host and from, and the subscription an address")
    if not str(settings.get("port") or 0).isdecimal():
        raise InvalidInput(f"email: port {settings['port']} is no number")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = map(_line, (sender, ", ".join(recipients), text_of(message, "subject")))
    mail["Message-ID"] = f"<{message.id}@shipway>"
    mail.set_content(text_of(message, "body") or message.text, subtype="html" if settings.get("html") else "plain")
    return mail


def _line(text: str) -> str:
    """A header is one line, whatever a template makes of it."""
    return " ".join(text.split())


def _recipients(message: Message) -> list[str]:
    return [address.strip() for address in message.recipient.split(",") if address.strip()]


def _deliver(settings: Obj, mail: EmailMessage) -> None:
    host, port = str(settings["host"]), int(settings.get("port") or 0)
    context = trusting(insecure=bool(settings.get("insecure_skip_verify")))
    with _connected(host, port, context) as server:
        if port != SUBMISSIONS and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        if settings.get("username"):
            server.login(str(settings["username"]), str(settings.get("password") or ""))
        server.send_message(mail)


def _connected(host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    if port == SUBMISSIONS:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=SECONDS)
    server.ehlo()
    return server


def _refusal(code: int, words: bytes | str) -> InvalidInput | Unavailable:
    """Servers say with a 4 in front what they may take later."""
    told = f"email: the server answered {code} {_said(words)}"
    return Unavailable(told) if 400 <= code < 500 else InvalidInput(told, reason="NotificationRefused")


def _said(words: bytes | str) -> str:
    return (words.decode(errors="replace") if isinstance(words, bytes) else words).strip()[:200]
