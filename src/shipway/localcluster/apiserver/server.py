"""The embedded API server: one `send` for clients in this process and for the network alike.

A request is routed by its path: health and version, discovery, OpenAPI, or a resource. A resource request becomes a
`Target`, is handled by the verb's module and answered in the shape its Accept header asks for. Refusals become Status
objects here and nowhere else; anything unforeseen is a 500 with a traceback in the log.
"""

import sqlite3
from pathlib import Path

import orjson
import structlog

from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.ids import Ids
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver import bootstrap, crds
from shipway.localcluster.apiserver.backend import Backend, LogSource, StreamSource
from shipway.localcluster.apiserver.builtin_kinds import builtin_kinds
from shipway.localcluster.apiserver.discovery import Discovery
from shipway.localcluster.apiserver.negotiation import MAX_BODY
from shipway.localcluster.apiserver.openapi import OpenApi
from shipway.localcluster.apiserver.patching import refused_by
from shipway.localcluster.apiserver.persistence import STORAGE_FAILED, SqliteJournal
from shipway.localcluster.apiserver.problems import PlainNotFound, Refused, internal
from shipway.localcluster.apiserver.registry import Registry
from shipway.localcluster.apiserver.resources import Resources
from shipway.localcluster.apiserver.selection import selectable_fields
from shipway.localcluster.apiserver.store import ShelfKey, Store

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3+shipway",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "python",
}
_READS = ("GET", "HEAD")
"""These are answered also when nothing can be stored."""
_HEALTH = ("/healthz", "/livez", "/readyz")
_log = structlog.get_logger(__name__)


class ApiServer:
    """A whole API server in this process. It is a Transport. Made by `open`, ended by `close`."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._discovery = Discovery(backend.registry)
        self._openapi = OpenApi(backend.registry)
        self._resources = Resources(backend)

    @classmethod
    async def open(
        cls, *, path: Path | None, clock: Clock, ids: Ids, history_seconds: float = 300.0, history_minimum: int = 1_000
    ) -> "ApiServer":
        """`path` is the SQLite file that holds the state, None keeps it in memory. `history_seconds` bounds how far back a
        watch may start; together with `history_minimum` events tests use it to provoke 410. Raises InvalidInput for a
        damaged file."""
        registry = Registry(builtin_kinds())

        def fields_of(shelf: ShelfKey, obj: Obj) -> dict[str, str]:
            return selectable_fields(shelf, obj, registry.selectable_of(shelf))

        store = Store(clock=clock, fields_of=fields_of, history_seconds=history_seconds, history_minimum=history_minimum)
        backend = Backend(store, registry, clock, ids)
        if path is not None:
            store.journal = await _load(backend, path)
        bootstrap.fill(backend)
        await store.journal.safe(store.version)
        return cls(backend)

    def attach_logs(self, source: LogSource) -> None:
        """From now on `pods/log` is answered by `source`."""
        self.backend.log_source = source

    def attach_streams(self, source: StreamSource) -> None:
        """From now on `pods/exec`, `pods/attach` and `pods/portforward` are answered by `source`."""
        self.backend.stream_source = source

    async def send(self, request: Request) -> Response:
        """Answers one request. Never raises for anything that a client did."""
        await self.backend.clock.sleep(0)
        journal, reads = self.backend.store.journal, request.method in _READS
        try:
            if journal.failure and not reads:
                raise internal(journal.failure)
            response = await self._route(request)
            if not (journal.failure and reads):
                await journal.safe(self.backend.store.version)
            return response
        except Refused as refusal:
            return _status(refusal)
        except InvalidInput as error:
            return _status(refused_by(error))
        except Unavailable as error:
            is_storage = error.reason == STORAGE_FAILED
            return _status(internal(error.message) if is_storage else Refused(503, "ServiceUnavailable", error.message))
        except PlainNotFound as error:
            return Response(
                404, {"content-type": "text/plain; charset=utf-8"}, f"{error.message}\n".encode() if error.message else b""
            )
        except Exception as error:
            _log.exception("request failed", method=request.method, path=request.path)
            return _status(internal(f"{type(error).__name__}: {error}"))

    async def close(self) -> None:
        await self.backend.store.journal.close()

    async def _route(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        if len(request.body) > MAX_BODY:
            message = f"Request entity too large: limit is {MAX_BODY}"
            raise Refused(413, "RequestEntityTooLarge", message)
        if is_health(path):
            return Response(200, {"content-type": "text/plain; charset=utf-8"}, b"ok")
        if path == "/version":
            return Response(200, {"content-type": "application/json"}, orjson.dumps(VERSION))
        if path.startswith("/openapi"):
            return self._openapi.answer(request)
        parts = path.split("/")[1:]
        if (found := self._discovery.answer(request, parts)) is not None:
            return found
        if parts[0] in ("api", "apis"):
            return await self._resources.answer(request)
        raise PlainNotFound("404 page not found")


async def _load(backend: Backend, path: Path) -> SqliteJournal:
    """Fills the empty store from the file, and returns the journal that goes on with it."""
    journal = await SqliteJournal.open(path, backend.store.publish)
    try:
        crds.load(backend, journal.rows(crds.SHELF))
        backend.store.load(journal.rows(), journal.version)
        backend.signing_key = journal.signing_key(backend.signing_key)
    except (ValueError, KeyError, TypeError, sqlite3.Error) as error:
        await journal.close()
        what = f"the cluster's state in {path} can not be read ({type(error).__name__}: {error})"
        raise InvalidInput(f"{what}; move the file away to start empty") from error
    return journal


def is_health(path: str) -> bool:
    """Whether the path is one of the health checks, or a single check of one (`/readyz/ping`)."""
    return any(path == check or path.startswith(f"{check}/") for check in _HEALTH)


def _status(refusal: Refused) -> Response:
    return Response(refusal.code, {"content-type": "application/json", **refusal.headers}, orjson.dumps(refusal.status()))
