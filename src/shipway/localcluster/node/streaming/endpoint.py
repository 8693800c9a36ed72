"""The node's own HTTPS endpoint, where the API server of a real cluster fetches logs and carries streams to, as at a kubelet.

    /containerLogs/{namespace}/{pod}/{container}      /exec/…      /attach/…      /portForward/{namespace}/{pod}

Since 1.36 an API server passes a WebSocket through to a node that declares `ExtendWebSocketsToKubelet` (KEP-4006); an older one
would speak SPDY and is refused. Only the one client whose certificate bears `client_name` is let in: a certificate of
the cluster's authority alone proves no more than that somebody is a user. Without an `EndpointTls` there is no endpoint.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from shipway.base.clock import Clock, parse_rfc3339
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.base.tls import serving
from shipway.kube.objects.wire import Upgrade
from shipway.localcluster.apiserver.backend import Streams
from shipway.localcluster.apiserver.problems import status_object
from shipway.localcluster.apiserver.upgrading import upgraded
from shipway.localcluster.node.logs import LogOptions, NodeLogs
from shipway.localcluster.node.streaming.service import NodeStreams


class EndpointTls(Struct, frozen=True):
    """PEM files of the endpoint, the authority of its clients, and the common name of the one client that may come in."""

    certificate: Path
    key: Path
    client_ca: Path
    client_name: str


class _Endpoint:
    def __init__(self, logs: NodeLogs, streams: NodeStreams, client_name: str, clock: Clock) -> None:
        self._logs = logs
        self._streams = streams
        self._client_name = client_name
        self._clock = clock

    @web.middleware
    async def guard(self, request: web.Request, handler) -> web.StreamResponse:
        """Lets one client in, and says what is wrong: of a log in plain text, which the API server makes a Status of; of a
        stream as a Status, which it passes on as it is."""
        if _common_name(request) != self._client_name:
            return web.Response(status=403, text="only the API server's kubelet client is served here\n")
        try:
            return await handler(request)
        except NotFound as error:
            return _refused(request, 404, "NotFound", error.message)
        except InvalidInput as error:
            return _refused(request, 400, "BadRequest", error.message)
        except Unavailable as error:
            return _refused(request, 503, "ServiceUnavailable", error.message)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """A log that is not there is a bad request, as a kubelet has it: only then does the API server pass its words on."""
        query, place = request.query, _names(request)
        options: LogOptions = {
            "follow": _flag(query.get("follow")),
            "tail_lines": _number(query.get("tailLines")),
            "since_seconds": self._since(request),
            "previous": _flag(query.get("previous")),
            "timestamps": _flag(query.get("timestamps")),
            "limit_bytes": _number(query.get("limitBytes")),
        }
        try:
            async for _ in self._logs.logs(*place, previous=options["previous"], tail_lines=0):
                pass
        except NotFound as error:
            raise InvalidInput(error.message) from None
        response = web.StreamResponse(headers={"content-type": "text/plain"})
        await response.prepare(request)
        async with aclosing(self._logs.logs(*place, **options)) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
        await response.write_eof()
        return response

    def _since(self, request: web.Request) -> float | None:
        if text := request.query.get("sinceTime"):
            return max(0.0, self._clock.now() - parse_rfc3339(text))
        return _number(request.query.get("sinceSeconds"))

    async def exec(self, request: web.Request) -> web.StreamResponse:
        command = request.query.getall("command", [])
        return await upgraded(request, self._streams.exec(*_names(request), command, _streams(request)))

    async def attach(self, request: web.Request) -> web.StreamResponse:
        return await upgraded(request, self._streams.attach(*_names(request), _streams(request)))

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        ports = [int(port) for port in request.query.getall("port", []) if port.isdigit()]
        found: Upgrade = self._streams.port_forward(request.match_info["namespace"], request.match_info["pod"], ports)
        return await upgraded(request, found)


@asynccontextmanager
async def serve_endpoint(
    tls: EndpointTls, logs: NodeLogs, streams: NodeStreams, clock: Clock, host: str = "127.0.0.1"
) -> AsyncGenerator[int, None]:
    """Serves while the block lasts and yields the port, one that was free."""
    endpoint = _Endpoint(logs, streams, tls.client_name, clock)
    application = web.Application(middlewares=[endpoint.guard])
    place = "/{namespace}/{pod}/{container}"
    application.router.add_get(f"/containerLogs{place}", endpoint.logs)
    application.router.add_route("*", f"/exec{place}", endpoint.exec)
    application.router.add_route("*", f"/attach{place}", endpoint.attach)
    application.router.add_route("*", "/portForward/{namespace}/{pod}", endpoint.port_forward)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        ssl_context = serving(tls.certificate, tls.key, client_ca=tls.client_ca)
        await web.TCPSite(runner, host, 0, ssl_context=ssl_context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _refused(request: web.Request, code: int, reason: str, message: str) -> web.Response:
    if request.path.startswith("/containerLogs/"):
        return web.Response(status=code, text=message)
    return web.json_response(status_object(code, reason, message), status=code)


def _common_name(request: web.Request) -> str:
    certificate = request.get_extra_info("peercert") or {}
    return next((value for rdn in certificate.get("subject", ()) for key, value in rdn if key == "commonName"), "")


def _names(request: web.Request) -> tuple[str, str, str]:
    return request.match_info["namespace"], request.match_info["pod"], request.match_info["container"]


def _streams(request: web.Request) -> Streams:
    query = request.query
    return Streams(*(_flag(query.get(name)) for name in ("input", "output", "error", "tty")))


def _flag(text: str | None) -> bool:
    return text in ("1", "true")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
