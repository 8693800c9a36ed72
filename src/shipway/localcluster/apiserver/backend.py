"""What every handler works with: the store, the kinds, time and chance, addresses and, if there is a node, its logs."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, TypedDict, Unpack

from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.ids import Ids
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Upgrade
from shipway.localcluster.apiserver.addresses import Addresses
from shipway.localcluster.apiserver.faces import from_face, to_face
from shipway.localcluster.apiserver.history import Record
from shipway.localcluster.apiserver.problems import not_found
from shipway.localcluster.apiserver.registry import Kind, Registry
from shipway.localcluster.apiserver.store import Store, decode_object


class LogOptions(TypedDict, total=False):
    """Which part of a log is wanted. None or left out: no limit."""

    follow: bool
    tail_lines: int | None
    since_seconds: float | None
    previous: bool
    timestamps: bool
    limit_bytes: int | None


class LogSource(Protocol):
    """The node's side of `pods/log`: chunks of the container's log. Raises InvalidInput or NotFound when there is no such
    container or it has not written yet."""

    def logs(self, namespace: str, pod: str, container: str, **options: Unpack[LogOptions]) -> AsyncGenerator[bytes, None]: ...


class Streams(Struct, frozen=True):
    """Which streams of a command a client wants."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class StreamSource(Protocol):
    """The node's side of `pods/exec`, `pods/attach` and `pods/portforward`. Raises InvalidInput, NotFound or Unavailable
    with what the user is told."""

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str], streams: Streams) -> Upgrade: ...

    def attach(self, namespace: str, pod: str, container: str, streams: Streams) -> Upgrade: ...

    def port_forward(self, namespace: str, pod: str, ports: Sequence[int]) -> Upgrade: ...


class Backend:
    """The parts of a running server, passed to every handler. `signing_key` signs the tokens of service accounts."""

    def __init__(self, store: Store, registry: Registry, clock: Clock, ids: Ids) -> None:
        self.signing_key = f"{ids.uid()}{ids.uid()}".encode()
        self.store = store
        self.registry = registry
        self.clock = clock
        self.ids = ids
        self.addresses = Addresses(store)
        self.log_source: LogSource | None = None
        self.stream_source: StreamSource | None = None

    def record(self, kind: Kind, namespace: str, name: str) -> Record:
        """The stored object. Raises Refused(404)."""
        record = self.store.get(kind.shelf, namespace, name)
        if record is None:
            raise not_found(kind.named(name))
        return record

    def read(self, kind: Kind, namespace: str, name: str) -> Obj:
        """A fresh copy of the object. Raises Refused(404)."""
        return to_face(kind, decode_object(self.record(kind, namespace, name), kind.kind, kind.api_version))

    def commit(self, kind: Kind, obj: Obj) -> None:
        """Stores the object under a new version, which is written into its metadata."""
        stored = from_face(kind, obj)
        self.store.commit(kind.shelf, stored)
        obj["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]

    def remove(self, kind: Kind, obj: Obj) -> None:
        """Takes the object out of the store; `obj` is what watchers see last."""
        stored = from_face(kind, obj)
        self.store.remove(kind.shelf, stored)
        obj["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]

    def records_in(self, kind: Kind, namespace: str) -> list[Obj]:
        """Fresh copies of all objects of a kind in a namespace."""
        shelf = self.store.shelf(kind.shelf)
        return [decode_object(record, kind.kind, kind.api_version) for record in shelf.in_order(namespace)]
