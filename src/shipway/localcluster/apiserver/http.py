"""The network front: HTTP/1.1, TLS, bearer tokens. Everything else is `ApiServer.send`.

Only health and version are answered to strangers. Streams (watches, followed logs) are written chunk by chunk as they come, and
end with the connection. `serve` runs until its context is left; requests that still run then are cancelled.
"""

import hmac
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager

import orjson
from aiohttp import web
from msgspec import Struct

from shipway.base.errors import Unavailable
from shipway.base.tls import serving
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.negotiation import MAX_BODY
from shipway.localcluster.apiserver.problems import status_object
from shipway.localcluster.apiserver.reviews import GROUP_HEADER, USER_HEADER, account_of
from shipway.localcluster.apiserver.server import ApiServer, is_health
from shipway.localcluster.apiserver.tls import TlsFiles
from shipway.localcluster.apiserver.tokens import Account
from shipway.localcluster.apiserver.upgrading import upgraded

_OWN_HEADERS = (USER_HEADER, GROUP_HEADER)
_BREATH = 0.01
"""Seconds between two chunks of a stream. The first change after a silence goes out at once; in a burst, what came meanwhile
goes out in one piece, or fifty watchers would cost fifty encryptions and system calls for each change."""


class Identity(Struct, frozen=True):
    """Who a token stands for."""

    user: str
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")


class _Front:
    """Translates between aiohttp and `send`."""

    def __init__(self, server: ApiServer, tokens: Mapping[str, Identity]) -> None:
        self._server = server
        self._tokens = {token.encode(): identity for token, identity in tokens.items()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        identity = self._identity(request)
        if identity is None and not (is_health(request.path) or request.path.rstrip("/") == "/version"):
            body = orjson.dumps(status_object(401, "Unauthorized", "Unauthorized"))
            return web.Response(status=401, body=body, content_type="application/json")
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        if identity is not None:
            headers |= {USER_HEADER: identity.user, GROUP_HEADER: ",".join(identity.groups)}
        query = tuple((key, value) for key, value in request.query.items())
        try:
            body = await request.read() if request.can_read_body else b""
        except web.HTTPRequestEntityTooLarge:
            body = b" " * (MAX_BODY + 1)  # `send` has the answer to it
        answer = await self._server.send(Request(request.method, request.path, query, headers, body))
        if answer.upgrade is not None:
            return await upgraded(request, answer.upgrade)
        if answer.stream is None:
            return web.Response(status=answer.status, headers=_sent_headers(answer), body=answer.body)
        return await self._stream(request, answer, answer.stream)

    def _identity(self, request: web.Request) -> Identity | None:
        """Constant time per token, so that timing says nothing about them."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = None
        for token, identity in self._tokens.items():
            if hmac.compare_digest(token, given.strip().encode()):
                found = identity
        if found is None and isinstance(account := account_of(self._server.backend, given.strip()), Account):
            found = Identity(account.user, account.groups)
        return found

    async def _stream(self, request: web.Request, answer: Response, stream: AsyncGenerator[bytes, None]) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_sent_headers(answer))
        async with aclosing(stream):
            await response.prepare(request)
            try:
                async for chunk in stream:
                    await response.write(chunk)
                    await self._server.backend.clock.sleep(_BREATH)
                await response.write_eof()
            except ConnectionError:
                pass  # the client has gone: it will ask again if it wants more
        return response


def _sent_headers(answer: Response) -> dict[str, str]:
    """`transfer-encoding` belongs to aiohttp."""
    return {name: value for name, value in answer.headers.items() if name != "transfer-encoding"}


@asynccontextmanager
async def serve(
    server: ApiServer, *, tokens: Mapping[str, Identity], tls: TlsFiles | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[str, None]:
    """Serves `server` while the block runs and yields its URL; `port` 0 takes a free one. Raises Unavailable when the port
    is taken. `tokens` says who may come in."""
    front = _Front(server, tokens)
    application = web.Application(client_max_size=MAX_BODY + 1024)
    application.router.add_route("*", "/{path:.*}", front.handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1, keepalive_timeout=75)
    await runner.setup()
    try:
        ssl_context = serving(tls.certificate, tls.key) if tls else None
        site = web.TCPSite(runner, host, port, ssl_context=ssl_context, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            raise Unavailable(f"cannot listen on {host}:{port}: {error}; choose another port", reason="PortTaken") from error
        yield f"{'https' if tls else 'http'}://{host}:{_port(runner)}"
    finally:
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    return runner.addresses[0][1]
