"""The proxy's HTTP server: one listener for a whole cluster, routed by Host, path, headers and weights.

A request takes the table as it is when its head has come. A new table replaces the old one between requests and
cuts nothing: what is open stays with the pod it has. On 127.0.0.1 and localhost the proxy answers for itself under `/-/`.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from msgspec.structs import replace

from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.proxy.backends import Address, Backends
from shipway.localcluster.node.proxy.balance import Balancer
from shipway.localcluster.node.proxy.counters import Counters
from shipway.localcluster.node.proxy.exchange import ANSWER_SECONDS, Answer, Exchange, Failure, Outgoing, request_bytes
from shipway.localcluster.node.proxy.http1 import BadMessage, RequestHead, end_to_end, parse_request, plain_response
from shipway.localcluster.node.proxy.pages import is_own_host, own_page
from shipway.localcluster.node.proxy.table import Backend, Entry, Redirect, Rule, Table, rewritten_path
from shipway.localcluster.node.proxy.wire import Closed, Wire

log = structlog.get_logger()

IDLE_SECONDS = 120.0
FINISH_SECONDS = 5.0
MOST_TRIES = 3


class ProxyServer:
    """Listens between `start` and `stop`; `route` gives it a new table at any time."""

    def __init__(self, addresses: AddressBook, counters: Counters, tasks: asyncio.TaskGroup) -> None:
        self.table = Table()
        self._addresses = addresses
        self._counters = counters
        self._tasks = tasks
        self._backends = Backends()
        self._balancer = Balancer()
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], Wire] = {}
        self._busy: set[Wire] = set()
        self._is_stopping = False

    async def start(self, host: str, port: int) -> int:
        """Returns the port (chosen by the system when it was 0). Raises OSError when it is taken."""
        self._listener = await asyncio.get_running_loop().create_server(lambda: Wire(self._accept), host, port, backlog=1024)
        return self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """No new connections; idle ones close, open requests get a moment to finish."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        for wire in self._open.values():
            if wire not in self._busy:
                wire.close()
        if self._open:
            await asyncio.wait(set(self._open), timeout=FINISH_SECONDS)
        for task in list(self._open):
            task.cancel()
        self._backends.close()

    def route(self, table: Table) -> None:
        """From the next request on."""
        self.table = table
        rules = table.rules()
        backends = [b for rule in rules for b in (*rule.backends, *(mirror.backend for mirror in rule.filters.mirrors))]
        turns = {rule.id for rule in rules} | {_copies(rule, n) for rule in rules for n in range(len(rule.filters.mirrors))}
        self._balancer.keep(turns, {backend.id for backend in backends})
        known = (self._addresses.resolve(e.ip, e.port) for b in backends for e in b.endpoints)
        self._backends.keep(frozenset(address for address in known if address is not None))

    def _accept(self, wire: Wire) -> None:
        task = self._tasks.create_task(self._serve(wire))
        self._open[task] = wire
        task.add_done_callback(lambda done: self._open.pop(done, None))

    async def _serve(self, wire: Wire) -> None:
        """All requests of one connection. A bug costs this connection and is reported."""
        try:
            while await self._next(wire):
                pass
        except (Closed, TimeoutError):
            pass
        except BadMessage as error:
            wire.write(plain_response(400, f"{error}\n", close=True))
        except Exception:
            log.exception("proxy_failed")
            wire.abort()
        finally:
            self._busy.discard(wire)
            wire.close()

    async def _next(self, wire: Wire) -> bool:
        """Serves one request; False when the connection is done."""
        async with asyncio.timeout(IDLE_SECONDS):
            raw = await wire.head()
        self._busy.add(wire)
        request = parse_request(raw)
        host = _host_of(request)
        if is_own_host(host) and request.target.startswith("/-/"):
            page = own_page(request.target, self._counters, asyncio.get_running_loop().time())
            keep = request.is_keep_alive and request.framing == "none"
            wire.write(plain_response(page.status, page.text, close=not keep, kind=page.kind))
        else:
            keep = await self._forward(wire, request, host)
        self._busy.discard(wire)
        return keep and not self._is_stopping

    async def _forward(self, wire: Wire, request: RequestHead, host: str) -> bool:
        begun = asyncio.get_running_loop().time()
        entry = self.table.find(host, request.method, request.target, request.fields)
        if entry is None:
            known = ", ".join(sorted(h for h in self.table.hosts if h.endswith(".localhost"))[:10]) or "none yet"
            return self._refuse(wire, request, Failure(404, f"no route for {host}{request.target} here; hosts: {known}"))
        if entry.rule.filters.redirect is not None:
            return self._redirect(wire, request, entry, entry.rule.filters.redirect)
        backend = self._choose(entry)
        if isinstance(backend, Failure):
            return self._refuse(wire, request, backend)
        mirrors = self._mirrors(request, entry)
        has_body = request.framing != "none"
        if not has_body:
            self._copy(mirrors, request, entry, b"")
        exchange = Exchange(wire, self._backends, replace(_outgoing(request, entry, backend), is_copied=bool(mirrors)))
        try:
            answer = await exchange.run(self._addresses_of(backend))
        except Failure as failure:
            answer = Answer(failure.status, "", False)
            if exchange.has_begun_answer:
                wire.abort()
            else:
                text = f"Service {backend.namespace}/{backend.service}: {failure.text}"
                answer = Answer(failure.status, "", self._refuse(wire, request, Failure(failure.status, text)))
        if has_body and exchange.copied:
            self._copy(mirrors, request, entry, exchange.copied)
        now = asyncio.get_running_loop().time()
        service = (backend.namespace, backend.service)
        self._counters.add(service, answer.status, now - begun, version=answer.version, now=now)
        return answer.is_keep_alive

    def _choose(self, entry: Entry) -> Backend | Failure:
        """The backend whose turn it is; a Failure when it cannot serve."""
        rule = entry.rule
        index = self._balancer.backend(rule.id, rule.weights) if rule.backends else None
        if index is None:
            return Failure(500, f"{rule.id} has no backend with a weight above 0")
        backend = rule.backends[index]
        if backend.problem:
            return Failure(500, f"{rule.id}: {backend.problem}")
        if not backend.endpoints:
            self._counters.add(
                (backend.namespace, backend.service), 503, 0.0, version="", now=asyncio.get_running_loop().time()
            )
            where = f"Service {backend.namespace}/{backend.service}"
            return Failure(503, f"{where} has no ready endpoint: look at its pods (kubectl -n {backend.namespace} get pods)")
        return backend

    def _addresses_of(self, backend: Backend) -> list[Address]:
        """Where to try, the endpoint whose turn it is first."""
        count = len(backend.endpoints)
        turn = self._balancer.turn(backend.id, count)
        ordered = [backend.endpoints[(turn + step) % count] for step in range(min(count, MOST_TRIES))]
        found = (self._addresses.resolve(endpoint.ip, endpoint.port) for endpoint in ordered)
        return [address for address in found if address is not None]

    def _refuse(self, wire: Wire, request: RequestHead, failure: Failure) -> bool:
        """The proxy's own answer. A body that nobody reads ends the connection."""
        keep = request.is_keep_alive and request.framing == "none"
        wire.write(plain_response(failure.status, f"{failure.text}\n", close=not keep))
        return keep

    def _redirect(self, wire: Wire, request: RequestHead, entry: Entry, redirect: Redirect) -> bool:
        keep = request.is_keep_alive and request.framing == "none"
        host = redirect.host or request.fields.get("host", "").partition(":")[0]
        port = f":{redirect.port}" if redirect.port else ""
        target = rewritten_path(redirect.path, entry.match, request.target) if redirect.path else request.target
        location = f"{redirect.scheme or 'http'}://{host}{port}{target}"
        wire.write(plain_response(redirect.status, "", close=not keep, extra=(("Location", location),)))
        return keep

    def _mirrors(self, request: RequestHead, entry: Entry) -> list[Backend]:
        """Who gets a copy of this request."""
        if request.is_upgrade:
            return []
        found: list[Backend] = []
        for number, mirror in enumerate(entry.rule.filters.mirrors):
            share, backend = round(mirror.percent * 100), mirror.backend
            turn = self._balancer.backend(_copies(entry.rule, number), (share, 10_000 - share))
            if turn == 0 and backend.endpoints and not backend.problem:
                found.append(backend)
        return found

    def _copy(self, mirrors: Sequence[Backend], request: RequestHead, entry: Entry, body: bytes) -> None:
        """Copies whose answers nobody waits for. One with a body leaves when the request itself is through."""
        for backend in mirrors:
            self._tasks.create_task(self._send_copy(backend, replace(_outgoing(request, entry, backend), body=body)))

    async def _send_copy(self, backend: Backend, out: Outgoing) -> None:
        begun = asyncio.get_running_loop().time()
        try:
            answer = await Exchange(Wire(), self._backends, out).run(self._addresses_of(backend))
            status, version = answer.status, answer.version
        except Failure as failure:
            status, version = failure.status, ""
        except Exception:
            log.exception("mirror_failed")
            return
        now = asyncio.get_running_loop().time()
        self._counters.add((backend.namespace, backend.service), status, now - begun, version=version, now=now)


def _copies(rule: Rule, number: int) -> str:
    """Whose turns say which requests are copied to a mirror."""
    return f"{rule.id}/mirror/{number}"


def _host_of(request: RequestHead) -> str:
    """The Host without its port, in lower case; the one of an absolute target goes before."""
    host = request.fields.get("host", "")
    if request.target.startswith("http://"):
        host = request.target[7:].partition("/")[0]
    return host.lower().rpartition(":")[0] if ":" in host and not host.endswith("]") else host.lower()


def _outgoing(request: RequestHead, entry: Entry, backend: Backend) -> Outgoing:
    filters = entry.rule.filters
    target = request.target
    if target.startswith("http://"):
        target = f"/{target[7:].partition('/')[2]}"
    headers = end_to_end(request.headers, request.fields)
    if filters.rewrite is not None:
        if filters.rewrite.path:
            target = rewritten_path(filters.rewrite.path, entry.match, target)
        if filters.rewrite.host:
            headers = [("Host", filters.rewrite.host), *(h for h in headers if h[0].lower() != "host")]
    for change in (filters.request, backend.request):
        headers = change.apply(headers) if change else headers
    edit: Callable[[list[tuple[str, str]]], list[tuple[str, str]]] | None = filters.response.apply if filters.response else None
    return Outgoing(request_bytes(request, target, headers), request, edit, entry.rule.timeout_seconds or ANSWER_SECONDS)
