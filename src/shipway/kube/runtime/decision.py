"""A decision is data: what a controller wants done, said by a pure function and carried out by one shell.

    observe   gathers a frozen snapshot from memory        (no network, no disk, no waiting)
    decide    decide(observed, now) -> Decision            (pure)
    conclude  conclude(fresh, decision, outcomes, now)     (pure, optional: what was created, refused or left -> the change)

The shell executes the batches in order (inside a batch in parallel), writes the change if it is one, puts the asks to
their lanes, and comes back at `wake`. Every action is safe to repeat and safe to crash after.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from shipway.base.clock import Instant
from shipway.base.errors import ShipwayError
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, uid_of

PatchType = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]


class Create(Struct, frozen=True):
    """POST. A name already taken by an object of ours is a success (`adopt_if_exists`), by another a `Conflict`."""

    resource: Resource
    obj: Obj
    adopt_if_exists: bool = True


class Apply(Struct, frozen=True):
    """Server-side apply with `manager`. `obj` may carry metadata.resourceVersion as precondition."""

    resource: Resource
    obj: Obj
    manager: str
    force: bool = True


class Patch(Struct, frozen=True):
    """PATCH of one object or subresource; `uid` and `resource_version` are preconditions where given."""

    resource: Resource
    namespace: str
    name: str
    body: Any
    type: PatchType = "merge"
    subresource: str = ""
    uid: str = ""
    resource_version: str = ""


class Replace(Struct, frozen=True):
    """PUT: for the foreign kinds where a patch cannot say what must go. `obj` carries its resourceVersion."""

    resource: Resource
    obj: Obj
    subresource: str = ""


class Delete(Struct, frozen=True):
    """DELETE; an object that is already gone is a success."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""
    propagation: Propagation = "Background"
    grace_seconds: int | None = None


class Evict(Struct, frozen=True):
    """Eviction of a pod, which respects disruption budgets."""

    namespace: str
    name: str


class Bind(Struct, frozen=True):
    """Binds a pod to a node (the pods/binding subresource)."""

    namespace: str
    name: str
    node: str


Action = Create | Apply | Patch | Replace | Delete | Evict | Bind


class Batch(Struct, frozen=True):
    """Actions that may run in parallel. After a failure, `stop` leaves the later batches alone. `as_user`: whose rights
    count, our own where it is ""."""

    actions: tuple[Action, ...]
    on_failure: Literal["stop", "continue"] = "stop"
    as_user: str = ""


class Outcome(Struct, frozen=True):
    """What became of one action: the object as the server returned it, or the error. Neither: it was not reached."""

    action: Action
    result: Obj | None = None
    error: ShipwayError | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None and self.error is None


class Ask(Struct, frozen=True):
    """A slow question to the outside, as a value: equal asks are one question.

    An *immutable* ask names everything its answer depends on, so its answer never changes. A *standing* ask is asked
    again when its remote changed (webhook) or every `poll_seconds`; it holds the last good answer beside the last error.
    """

    standing: ClassVar[bool] = False
    poll_seconds: ClassVar[float] = 180.0
    at_once: ClassVar[int] = 4
    """How many such questions one remote is asked at a time."""
    acts: ClassVar[bool] = False
    """Whether answering it changes something outside: a process that may only look does not ask it."""
    wakes: ClassVar[bool] = True
    """Whether whoever asks is woken by the answer, or sees it the next time it looks."""
    together: ClassVar[str] = ""
    """Whoever puts several asks under one such word can do nothing before the last is answered, and is woken only then."""

    @property
    def lane(self) -> str:
        """The remote that answers; lanes are bounded, so one that hangs delays only itself."""
        return type(self).__name__


class Answer(Struct, frozen=True):
    """What is known about an ask: the last good `value` (None before the first) and the `error` of the latest try.

    `at`: when it was asked. A standing ask wakes its subscribers only when the value changed; a value with a method
    `says_the_same(old)` is asked itself.
    """

    value: Any = None
    error: ShipwayError | None = None
    at: Instant = Instant(0.0)


class Change(Struct, frozen=True):
    """ONE merge patch of the key's own object: `root` (metadata, spec, `operation`) and `status` together.

    `resource_version` is the version that was observed; on 409 the shell reads again and concludes again, so that a
    client's write in between wins. Kinds with a status subresource get two requests, root first. `wakes`: whether there may be
    more to do once it is written; what is the last word comes back as an event that wakes nobody.
    """

    resource: Resource
    namespace: str
    name: str
    resource_version: str
    root: Obj = field(default_factory=dict)
    status: Obj | None = None
    wakes: bool = True


def regarding(resource: Resource, obj: Obj) -> Obj:
    """What an event about `obj` says that it is about."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
    }


class Note(Struct, frozen=True):
    """A Kubernetes Event about `regarding` (apiVersion, kind, namespace, name, uid).

    `change` is (topic, before, after) of a message `topic: before -> after`: what goes on before it is told is told as one.
    """

    regarding: Obj
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"
    change: tuple[str, str, str] | None = None

    def after(self, earlier: "Note") -> "Note | None":
        """Both as one; None where they are no one way from one state to another."""
        if self.change is None or earlier.change is None:
            return None
        (topic, before, between), (same, left, after) = earlier.change, self.change
        if topic != same or between != left or before == after:
            return None
        return replace(self, message=f"{topic}: {before} -> {after}", change=(topic, before, after))


def nobody(_: Obj) -> tuple[()]:
    """The keys that the events of a kind wake which is only looked at."""
    return ()


class Watch(Struct, frozen=True):
    """One kind that wakes a controller; `keys` maps an event's object to the keys it wakes.

    For an update `keys` is called for the old object too, so that both sides of a moved reference wake. `indexes` name
    functions from an object to the values it is filed under (`World.indexed`). `metadata_only` watches carry
    PartialObjectMetadata; `keep_managed_fields` keeps what says who owns which field (dropped otherwise, it is a third of
    every object). `namespace`: only the objects of one. `after`: seconds in which events become one wake, for kinds that change
    often and matter little.

    Watches of one part of a kind with equal `keys` are one to a controller: those that are made anew in each pass take a
    function of a module, a method or a frozen value, not a lambda.
    """

    resource: Resource
    keys: Callable[[Obj], Iterable[Any]] = nobody
    indexes: dict[str, Callable[[Obj], Iterable[str]]] = field(default_factory=dict)
    field_selector: str = ""
    label_selector: str = ""
    metadata_only: bool = False
    keep_managed_fields: bool = False
    namespace: str = ""
    after: float = 0.0


class Indexed(Struct, frozen=True):
    """In place of a key in `Watch.keys`: the own keys of all objects of `resource` that `index` files under `value`.

    For references that only the referring side knows: a Rollout names a Service, an Application its AppProject, not the
    other way round.
    """

    resource: Resource
    index: str
    value: str


class Decision(Struct, frozen=True):
    """Everything one pass wants. The empty decision is "nothing to do until something changes".

    `watches` are kinds that this key needs beyond its controller's own (found at run time); the shell counts who needs
    them and ends a watch that nobody needs any more. `asks` likewise: an ask that no key repeats is forgotten.
    `refresh`: those of the standing asks that are to be asked anew at once, of the remote itself. `memo`: what `conclude` has
    to know of the moment before the actions; nobody else looks at it. `figures` are for the metrics: what is counted of the
    key's object and stands in no status. `report`: the key is somebody else's, so nothing of the decision is carried out or
    written, and this is told instead. Who listens to the passes reads both (`PassListener.decided`).
    """

    batches: tuple[Batch, ...] = ()
    asks: tuple[Ask, ...] = ()
    watches: tuple[Watch, ...] = ()
    change: Change | None = None
    wake: Instant | None = None
    notes: tuple[Note, ...] = ()
    refresh: tuple[Ask, ...] = ()
    memo: Any = None
    report: Any = None
    figures: tuple[tuple[str, float], ...] = ()


class Conclusion(Struct, frozen=True):
    """What `conclude` adds once the outcomes are known; it replaces the decision's change, wake and notes."""

    change: Change | None = None
    wake: Instant | None = None
    notes: tuple[Note, ...] = ()
