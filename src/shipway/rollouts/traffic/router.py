"""What every traffic router is: a pure reading of its configuration that says which objects should look how.

    targets   the objects that it reads or writes                     (the shell watches their kinds while anybody needs them)
    problem   why the split cannot be carried by what is there        (a sentence of InvalidSpec; nothing is touched then)
    edits     what to change so that the objects say the split        (nothing to change is no edit)
    taken_up  whether the data plane follows, given this pass's edits (None: this router can never tell)

`Split` is what is wanted, `Seen` what there is. A router knows no client, no clock and no Rollout: all that it needs of one
stands in the Split. Each edit is guarded by the version it was computed from, so a write in between is never run over.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
from msgspec import Struct

from shipway.api.rollout import Destination, SetHeaderRoute, StringMatch, Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import controller_of

GROUP_HINTS = {
    "gateway.networking.k8s.io": "the Gateway API CRDs",
    "networking.istio.io": "Istio's CRDs",
    "traefik.io": "Traefik's CRDs",
    "split.smi-spec.io": "the SMI CRDs",
    "apisix.apache.org": "APISIX's CRDs",
    "getambassador.io": "Ambassador's (Emissary's) CRDs",
    "appmesh.k8s.aws": "App Mesh's CRDs",
}

Look = Callable[[Ref], Obj | None]
"""What is there under a name by now: for a router whose objects lead from one to the next."""


def sees_nothing(ref: Ref) -> None:
    """The look of those who only ask what a Rollout names itself."""


class RouteMatch(Wire, frozen=True):
    """Requests that a mirror route copies: all that is given must hold."""

    method: StringMatch | None = None
    path: StringMatch | None = None
    headers: dict[str, StringMatch] | None = None


class MirrorRoute(Wire, frozen=True):
    """A `setMirrorRoute` step. Without `match` it takes the route away; without `percentage` all requests are copied."""

    name: str = ""
    match: tuple[RouteMatch, ...] | None = None
    percentage: int | None = None


class Entrance(Struct, frozen=True):
    """The port of a variant's Service: `port`, or the one that answers for a certain port of the stable Service."""

    port: int
    of: Mapping[int, int] = {}

    def at(self, port: int) -> int:
        return self.of.get(port, self.port)


class Split(Struct, frozen=True):
    """What the routes should say. `canary`, `stable` and the weights of `others` are all traffic.

    `others` are Services of an Experiment's variants, `entrances` their ports; `former` those that had a share some day, and
    get none but as `others`.

    `managed` are the names that added routes may have, in the order in which they stand; `owner` is the owner reference for
    objects that a router creates. A hash of "" says: leave what is there. `coming_hash` is the canary's from the moment it has
    one, whether or not pods answer for it yet: for meshes that a pod joins when it is born. `leaving`: the Rollout writes here
    for the last time, and takes with it what it brought.
    """

    canary_service: str
    stable_service: str
    canary: int
    stable: int
    header_routes: tuple[SetHeaderRoute, ...] = ()
    managed: tuple[str, ...] = ()
    mirror_routes: tuple[MirrorRoute, ...] = ()
    canary_hash: str = ""
    stable_hash: str = ""
    coming_hash: str = ""
    rollout: str = ""
    namespace: str = ""
    owner: Mapping[str, Any] = {}
    leaving: bool = False
    others: tuple[Destination, ...] = ()
    former: frozenset[str] = frozenset()
    entrances: Mapping[str, Entrance] = {}

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """Services with their weights, in Argo Rollouts' order: canary, variants, stable."""
        others = ((one.service_name, one.weight) for one in self.others)
        return ((self.canary_service, self.canary), *others, (self.stable_service, self.stable))


class Seen(Struct, frozen=True):
    """The objects a router named: None for one that is not there. `unserved`: kinds that the cluster does not know.

    `versions`: the `apiVersion` in which objects of a kind are read and written, the one that the cluster prefers.
    """

    objs: Mapping[Ref, Obj | None]
    unserved: frozenset[tuple[str, str]] = frozenset()
    versions: Mapping[tuple[str, str], str] = {}

    def get(self, ref: Ref) -> Obj | None:
        return self.objs.get(ref)

    def absence(self, ref: Ref, field: str) -> "Problem | None":
        """Why `ref` cannot be used; None when it is there."""
        if (ref.group, ref.kind) in self.unserved:
            hint = GROUP_HINTS.get(ref.group, f"the CRDs of {ref.group}")
            return Problem(field, ref.name, f"this cluster does not serve {ref.kind}: install {hint}")
        if self.get(ref) is None:
            return Problem(field, ref.name, f'{ref.kind} "{ref.name}" not found in namespace "{ref.namespace}"')
        return None


class Problem(Struct, frozen=True):
    """`field` is the path below `spec.strategy.canary.trafficRouting`, `value` what stands there."""

    field: str
    value: Any
    detail: str


class Edit(Struct, frozen=True):
    """One object's change: JSON patch `ops` on what is there, `obj` to be created, or `gone`.

    `turn`: an edit waits for those of earlier turns, of all routers.
    `told` is the event of it, as (reason, message); empty where Argo Rollouts tells none.
    """

    target: Ref
    ops: Sequence[Obj] = ()
    obj: Obj | None = None
    gone: bool = False
    turn: int = 0
    told: tuple[str, str] = ("", "")


class Router(Protocol):
    """The four questions. Implementations are frozen values read from the Rollout's spec."""

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]: ...

    def problem(self, seen: Seen, split: Split) -> Problem | None: ...

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]: ...

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None: ...


def difference(live: Any, wanted: Any, path: str = "") -> Iterator[Obj]:
    """JSON patch operations from `live` to `wanted`: the smallest places that differ; a list of another length as a whole."""
    if live == wanted:
        return
    if isinstance(live, dict) and isinstance(wanted, dict):
        yield from _between_objects(cast(Obj, live), cast(Obj, wanted), path)
    elif isinstance(live, list) and isinstance(wanted, list) and len(cast(list[Any], live)) == len(cast(list[Any], wanted)):
        for index, (before, after) in enumerate(zip(cast(list[Any], live), cast(list[Any], wanted), strict=True)):
            yield from difference(before, after, f"{path}/{index}")
    else:
        yield {"op": "replace", "path": path, "value": wanted}


def _between_objects(live: Obj, wanted: Obj, path: str) -> Iterator[Obj]:
    for key in sorted(live.keys() - wanted.keys()):
        yield {"op": "remove", "path": f"{path}/{escape(key)}"}
    for key, value in wanted.items():
        where = f"{path}/{escape(key)}"
        if key not in live:
            yield {"op": "add", "path": where, "value": value}
        else:
            yield from difference(live[key], value, where)


def escape(key: str) -> str:
    """A key as it stands in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def is_owned(live: Obj, split: Split) -> bool:
    """Whether the Rollout is the controller of an object."""
    return (controller_of(live) or {}).get("uid") == split.owner.get("uid")


def read_as(raw: Any, kind: type[Any]) -> Any:
    """`raw` as a struct, or the sentence that says what is wrong with it."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        return f"Invalid value: {error}"
