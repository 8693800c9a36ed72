"""The HTTP face of `shipway run`: is it alive, is it ready, what does it count, what does it see of Applications that another
engine reconciles, what the ledger holds of an Application, what is kept for a backup, and the push webhook.

A webhook only says "look at this repository now"; what is there is always read from the repository itself, so a forged,
replayed or duplicate delivery can at most cause one extra look. `/api/webhook` is the path that Argo CD users have
configured already.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shipway.api.ledger import SIGHT
from shipway.base.errors import ShipwayError, Unavailable
from shipway.server.listening import listen
from shipway.server.webhook import PushEvent, parse_push

log = structlog.get_logger()

LARGEST_DELIVERY = 25 * 2**20
"""Bytes; GitHub's own limit for a webhook payload."""


class Process(Protocol):
    """What the server asks of the process it speaks for."""

    def is_ready(self) -> bool: ...

    def pushed(self, event: PushEvent) -> int:
        """Tells the engines to look at the event's repositories now; returns how many asks that concerned."""
        ...

    def shadows(self) -> Sequence[Struct]:
        """What is seen of each Application that another engine reconciles."""
        ...

    async def ledger(self, application: str, sight: str) -> Sequence[Struct]:
        """The rows of the ledger of `namespace/name`. Raises Unavailable, Denied where `sight` is not its own."""
        ...

    async def kept(self, sealed: bytes) -> bytes:
        """The sealed answer to a sealed question about what is kept. Raises Unavailable, InvalidInput for another key's."""
        ...


class HttpServer:
    """Serves until stopped; `url` is known once it has started."""

    def __init__(self, process: Process, registry: CollectorRegistry, webhook_secrets: Callable[[], Mapping[str, str]]) -> None:
        self._process = process
        self._registry = registry
        self._webhook_secrets = webhook_secrets
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Raises InvalidInput (CannotListen) for an address that is taken or not ours."""
        app = web.Application(client_max_size=LARGEST_DELIVERY)
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/shadow", self._shadow)
        app.router.add_get("/ledger/{namespace}/{name}", self._ledger)
        app.router.add_post("/kept", self._kept)
        app.router.add_post("/api/webhook", self._webhook)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        address, found = await listen(self._runner, host, port, "--listen")
        self.url = f"http://{f'[{address}]' if ':' in address else address}:{found}"

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, request: web.Request) -> web.Response:
        if self._process.is_ready():
            return web.Response(text="ok")
        return web.Response(status=503, text="not ready: standby, or still reading the first lists")

    async def _metrics(self, request: web.Request) -> web.Response:
        """All figures, or those of the names that `name[]` gives, as Prometheus' clients serve them."""
        names = request.query.getall("name[]", [])
        chosen = self._registry.restricted_registry(names) if names else self._registry
        return web.Response(body=generate_latest(chosen), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _shadow(self, request: web.Request) -> web.Response:
        items = [msgspec.to_builtins(one) for one in self._process.shadows()]
        return web.json_response({"apiVersion": "shipway.dev/v1alpha1", "kind": "ShadowReport", "items": items})

    async def _ledger(self, request: web.Request) -> web.Response:
        told = request.match_info
        try:
            rows = await self._process.ledger(f"{told['namespace']}/{told['name']}", request.headers.get(SIGHT, ""))
        except ShipwayError as error:
            return _refused(error)
        items = [msgspec.to_builtins(one) for one in rows]
        return web.json_response({"apiVersion": "shipway.dev/v1alpha1", "kind": "Ledger", "items": items})

    async def _kept(self, request: web.Request) -> web.Response:
        """For who holds the installation's key: others can neither ask nor read the answer."""
        try:
            return web.Response(body=await self._process.kept(await request.read()))
        except ShipwayError as error:
            return _refused(error)

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            event = parse_push(headers, body, self._webhook_secrets())
        except ShipwayError as error:
            log.warning("webhook_refused", reason=error.reason, message=error.message)
            status = 503 if isinstance(error, Unavailable) else 400  # as Argo CD answers
            return web.json_response({"reason": error.reason, "message": error.message}, status=status)
        woken = self._process.pushed(event) if event else 0
        return web.json_response({"refreshed": woken})


def _refused(error: ShipwayError) -> web.Response:
    status = 503 if isinstance(error, Unavailable) else 403
    return web.json_response({"reason": error.reason, "message": error.message}, status=status)
