"""The network side of the client: one API server.

A request whose answer never ends (a watch, a log) comes back as a stream, over aiohttp; everything else as a whole body,
bounded, over connections of our own (`connections.py`), for there are thousands of those; behind a proxy all goes over aiohttp.
Failures to reach the server are `Unavailable`; answers of any status are returned as they are. After a 401 credentials
that can change are fetched again, once; after a 429 that says when to come back soon, we come back. Certificates and CAs are
read again when their files change.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator
from urllib.parse import urlencode, urlsplit

import aiohttp
from msgspec import structs
from yarl import URL

from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.client.connections import CONNECT_SECONDS, Endpoint, Pool
from shipway.kube.client.credentials import Credentials, files_stamp, tls_context
from shipway.kube.client.errors import retry_after
from shipway.kube.client.http1 import LARGEST_BODY, BrokenAnswer, request_bytes
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.client.pacing import LONGEST_RETRY, RETRIES, Limits, Pace, is_near, limits_of
from shipway.kube.objects.wire import IMPERSONATE_USER, Request, Response

_ANSWER_SECONDS = 120.0
_STREAM_MARGIN = 30.0
WATCH_SILENCE = 150.0
"""Servers send a bookmark about every minute; two that are missing mean a connection that is dead without saying so."""
_CHUNK = 256 << 10
_LARGE = 1 << 20
"""Bytes of a body above which aiohttp wants to send it piece by piece, so that others get their turn."""


def in_pieces(body: bytes | None) -> bytes | io.BytesIO | None:
    """A body as aiohttp likes to be given it."""
    return io.BytesIO(body) if body is not None and len(body) >= _LARGE else body


class HttpTransport:
    """A `Transport` over HTTP(S). Connections are opened on first use; `close` ends them."""

    def __init__(
        self, config: ClusterConfig, *, clock: Clock | None = None, silence_seconds: float = WATCH_SILENCE,
        limits: Limits | None = None, answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:  # fmt: skip
        """`silence_seconds`: a watch on which nothing at all arrives for so long has lost its server, and ends;
        `answer_seconds`: how long any other answer may take.

        Without `limits`, a server on this machine is not paced and any other is by the defaults."""
        self._config = config
        self._silence = silence_seconds
        self._answer_seconds = answer_seconds
        self._clock = clock or SystemClock()
        self._credentials = Credentials(config, self._clock)
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[object, ssl.SSLContext] | None = None
        self._pool = Pool(self._clock)
        parts = urlsplit(config.server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"server {config.server!r} is not a URL like https://host:6443", reason="BadServer")
        if config.proxy_url and urlsplit(config.proxy_url).scheme not in ("http", "https"):
            raise InvalidInput(f"proxy-url {config.proxy_url!r}: only http and https proxies are supported", reason="BadProxy")
        self._secure = parts.scheme == "https"
        self._prefix = parts.path
        self._host = parts.netloc.rpartition("@")[2]
        self._endpoint = Endpoint(parts.hostname, _port_of(config.server), name=config.tls_server_name or None)
        self._near = is_near(parts.hostname)
        self._pace = Pace(limits or limits_of(parts.hostname), self._clock)

    async def send(self, request: Request) -> Response:
        response = await self._paced(request)
        if response.status == 401 and self._credentials.refresh():
            response = await self._paced(request)
        for _ in range(RETRIES):
            after = retry_after(response.headers) if response.status == 429 else None
            # An eviction that a budget forbids is no overload: who asked for it decides when to ask again.
            if after is None or after > LONGEST_RETRY or request.path.endswith("/eviction"):
                break
            await self._clock.sleep(after)
            response = await self._paced(request)
        return response

    async def close(self) -> None:
        self._pool.close()
        if self._session is not None:
            await self._session.close()
            self._session = None
        # Aborted connections give their sockets back on the loop's next turns.
        await self._clock.sleep(0)
        await self._clock.sleep(0)

    async def _paced(self, request: Request) -> Response:
        await self._pace.turn()
        own = await self._credentials.headers()
        if IMPERSONATE_USER in request.headers:  # a kubeconfig that says `as` names another one: their rights must not mix
            own = [(name, value) for name, value in own if not name.startswith("impersonate-")]
        headers = [*request.headers.items(), *own]
        # Compressing for loopback costs both ends time and saves nothing.
        headers.append(("accept-encoding", "identity" if self._near else "gzip"))
        if _is_stream(request):  # it may last for hours, so it takes no place
            return await self._stream(request, headers)
        async with self._pace.places:
            return await (self._stream(request, headers) if self._config.proxy_url else self._ask(request, headers))

    async def _ask(self, request: Request, headers: list[tuple[str, str]]) -> Response:
        target = f"{self._prefix}{request.path}{_query(request)}"
        raw = request_bytes(request.method, target, [("host", self._host), *headers], request.body)
        endpoint = self._endpoint_for_now()
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await self._pool.ask(endpoint, request.method, raw)
            return Response(answer.status, answer.headers, answer.body())
        except (OSError, UnicodeError, BrokenAnswer) as error:  # a TimeoutError is an OSError
            raise _unreachable(self._config.server, error) from error

    async def _stream(self, request: Request, headers: list[tuple[str, str]]) -> Response:
        try:
            answer = await self._open().request(
                request.method, self._url(request), data=in_pieces(request.body or None), headers=headers,
                ssl=self._tls_for_now() if self._secure else True,
                server_hostname=(self._config.tls_server_name or None) if self._secure else None,
                proxy=self._config.proxy_url or None, allow_redirects=False,
                timeout=_timeout(request, self._silence, self._answer_seconds),
            )  # fmt: skip
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(self._config.server, error) from error
        names = {name.lower(): value for name, value in answer.headers.items()}
        if _is_stream(request) and answer.status < 400:
            return Response(answer.status, names, stream=_chunks(answer, self._config.server))
        return Response(answer.status, names, await _whole(answer, self._config.server))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # Watches hold their connections, so a limit here would starve requests.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(
                connector=connector, read_bufsize=_CHUNK, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("user-agent",)
            )
        return self._session

    def _endpoint_for_now(self) -> Endpoint:
        if self._secure and (tls := self._tls_for_now()) is not self._endpoint.tls:
            self._endpoint = structs.replace(self._endpoint, tls=tls)
        return self._endpoint

    def _tls_for_now(self) -> ssl.SSLContext:
        certificate = self._credentials.client_certificate()
        state = (certificate, files_stamp(self._config))
        if self._tls is None or self._tls[0] != state:
            try:
                self._tls = (state, tls_context(self._config, certificate))
            except InvalidInput:
                # A certificate without its new key yet: a rotation is under way, and what we had is still good.
                if self._tls is None:
                    raise
        return self._tls[1]

    def _url(self, request: Request) -> URL:
        return URL(f"{self._config.server}{request.path}{_query(request)}", encoded=True)


def _query(request: Request) -> str:
    return f"?{urlencode(request.query)}" if request.query else ""


def _port_of(server: str) -> int:
    """Raises InvalidInput."""
    parts = urlsplit(server)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise InvalidInput(f"server {server!r}: {error}", reason="BadServer") from error


def _is_stream(request: Request) -> bool:
    return ("watch", "true") in request.query or (request.method == "GET" and request.path.endswith("/log"))


def _timeout(request: Request, silence: float, answer: float) -> aiohttp.ClientTimeout:
    if not _is_stream(request):
        return aiohttp.ClientTimeout(total=answer, sock_connect=CONNECT_SECONDS)
    # The server ends a watch after timeoutSeconds; if it does not, the connection is dead.
    asked = next((float(value) for key, value in request.query if key == "timeoutSeconds"), None)
    total = asked + _STREAM_MARGIN if asked else None
    is_watch = ("watch", "true") in request.query
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS, sock_read=silence if is_watch else None)


async def _chunks(answer: aiohttp.ClientResponse, server: str) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except TimeoutError:
        # Whoever watches goes on from the last version it has seen.
        return
    except (aiohttp.ClientError, OSError) as error:
        raise _unreachable(server, error) from error
    finally:
        _hang_up(answer)


def _hang_up(answer: aiohttp.ClientResponse) -> None:
    """Ends a stream at once: waiting for a TLS farewell would outlive whoever closes."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()
    answer.close()


async def _whole(answer: aiohttp.ClientResponse, server: str) -> bytes:
    parts: list[bytes] = []
    weight = 0
    try:
        async with answer:
            async for chunk in answer.content.iter_any():
                parts.append(chunk)
                weight += len(chunk)
                if weight > LARGEST_BODY:
                    raise Unavailable(f"{server}: the answer is larger than 512 MiB", reason="AnswerTooLarge")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(server, error) from error
    return b"".join(parts)


def _unreachable(server: str, error: BaseException) -> Unavailable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(f"{server}: its certificate is not trusted: {error}", reason="BadCertificate")
    if isinstance(error, BrokenAnswer) and error.reason != "Unreachable":
        return Unavailable(f"{server}: {error}", reason=error.reason)
    said = str(error) or type(error).__name__
    return Unavailable(f"{server} does not answer: {said}", reason="Unreachable")
