"""The two servers that every table of this folder is asked of: one in this process, one real over HTTPS."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from shipway.base.tls import trusting
from shipway.kube.client.transport import in_pieces
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer
from tests.kube.control_plane import ControlPlane

AGENT = {"user-agent": "tester/1"}


@dataclass(frozen=True)
class Reply:
    """`headers` by lower-case name; one that is given several times is joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server(Protocol):
    """Answers requests, and opens streams: the first chunk of a stream is empty and says that it runs."""

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply: ...

    def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]: ...


class Embedded:
    """The server in this process."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    @staticmethod
    def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
        path, _, query = path.partition("?")
        pairs = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
        return Request(method, path, pairs, {**AGENT, **headers}, body)

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        answer = await self._server.send(self._request(method, path, headers, body or b""))
        if answer.stream is not None:
            await answer.stream.aclose()
            return Reply(answer.status, answer.headers, b'"stream"')
        return Reply(answer.status, answer.headers, answer.body)

    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        answer = await self._server.send(self._request("GET", path, headers, b""))
        assert answer.stream is not None, answer.body
        yield b""
        async with aclosing(answer.stream) as stream:
            async for chunk in stream:
                yield chunk


class Real:
    """A real one over HTTPS."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        sent = {**AGENT, **headers}
        skipped = () if "content-type" in sent else ("Content-Type",)
        async with self._session.request(
            method, self._url + path, data=in_pieces(body), headers=sent, skip_auto_headers=skipped
        ) as response:
            found = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
            return Reply(response.status, found, await response.read())

    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        async with self._session.get(self._url + path, headers={**AGENT, **headers}) as response:
            assert response.status == 200, await response.text()
            yield b""
            async for chunk in response.content.iter_any():
                yield chunk


class ApiServerAlone(ControlPlane):
    """etcd and kube-apiserver without controllers and scheduler, so that nobody else writes."""

    def _programs(self) -> dict[str, list[str]]:
        programs = super()._programs()
        server = [*programs["kube-apiserver"], "--disable-admission-plugins=ServiceAccount"]
        return {"etcd": programs["etcd"], "kube-apiserver": server}

    def _waits_for(self) -> list[str]:
        return [f"{self.url}/readyz", f"{self.url}/api/v1/namespaces/default"]


def admin_session(plane: ControlPlane) -> aiohttp.ClientSession:
    """An administrator's, by client certificate."""
    pki = plane.folder / "pki"
    context = trusting(ca_file=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
