"""What a controller is: which kinds wake it, how events map to keys, and the three pure rooms.

A key is a small frozen value and says nothing about the event that woke it: any pass may be the first or the last.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.runtime.decision import Answer, Ask, Conclusion, Decision, Outcome, Watch

Key = TypeVar("Key", contravariant=True)
Observed = TypeVar("Observed")


class ObjectKey(Struct, frozen=True, order=True):
    """The usual key: namespace ("" for cluster-scoped kinds) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Obj) -> ObjectKey:
    return ObjectKey(namespace_of(obj), name_of(obj))


def own_key(obj: Obj) -> Iterable[ObjectKey]:
    """Maps an event about an object to the object's own key."""
    return (key_of(obj),)


class World(Protocol):
    """All that `observe` may look at: caches and answers that have arrived. Nothing here waits."""

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None: ...

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        """Objects of one namespace, or of all when it is "". For kinds of which there are few."""
        ...

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        """Objects that a declared index files under `value`."""
        ...

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        """Whether a watched kind has been listed once: before that, absence means nothing. `with_managed_fields`: and whether
        it is known of all objects who owns which field, which takes a watch that keeps that."""
        ...

    def refusal(self, resource: Resource) -> str:
        """Why a watched kind may not be listed, in the server's words; "" as far as nobody refuses."""
        ...

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        """The served resource of a group and kind at its preferred version, from discovery; None if unknown."""
        ...

    def has_discovered(self, cluster: str, reach: Reach = EVERYWHERE) -> bool:
        """Whether it is known what the cluster serves, and we look as far there as `reach` says: before that, an unknown kind
        means nothing, and no object either."""
        ...

    def served(self, cluster: str = "") -> tuple[Resource, ...]:
        """All kinds that can be listed and watched, at their preferred versions; a key that asked wakes when they change.
        () while nothing is watched of the cluster."""
        ...

    def answer(self, ask: Ask) -> Answer | None:
        """The answer to an ask that some earlier decision put; None while it is under way or unasked."""
        ...


class Controller(Protocol[Key, Observed]):
    """The contract of every engine. Implementations hold no client, no clock and no state."""

    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> tuple[Watch, ...]: ...

    def observe(self, key: Key, world: World) -> Observed | None:
        """A frozen snapshot of what the key needs; None when there is nothing to decide (the object is gone)."""
        ...

    def decide(self, observed: Observed, now: Instant) -> Decision: ...

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        """None: the decision's own change, wake and notes stand. `fresh` is a new observation after the batches ran."""
        ...


Resolver = Callable[[Any], Awaitable[Any]]
"""Async function from an ask to its answer's value; raises a ShipwayError. Wired to ask types in `assembly`."""
