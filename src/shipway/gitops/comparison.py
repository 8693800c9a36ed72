"""The whole application compared: every object that Git wants and every live object that the application tracks.

Pure over what `observe` gathered. The result is a tuple of `Item`s, in the order in which they would be applied, and the
questions that still have to be answered.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from shipway.api.handed_over import Claim, claims_of, places_of
from shipway.api.kinds import APPLICATIONS
from shipway.gitops.annotations import COMPARE_OPTIONS, IGNORE_HEALTHCHECK, comma_list
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.desired import Desired
from shipway.gitops.health import Health, HealthStatus, health_of, worst
from shipway.gitops.health.scripted import Scripted
from shipway.gitops.order import is_hook, wave_of
from shipway.gitops.ownership import Context, Drift, Judgement, judge
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of
from shipway.kube.objects.views import annotations_of, is_deleting

SyncState = Literal["Synced", "OutOfSync", "Unknown"]
Judge = Callable[[Desired, Obj | None, Sequence[Claim], Context], Judgement]


class Live(Struct, frozen=True):
    """A live object, the resource it was read as, and what a script of its team says of its health. `is_judged`: its health
    counts; not that of the application itself."""

    obj: Obj
    resource: Resource
    scripted: Scripted | None = None
    own_health: Health | None = None
    """What the catalogue says; worked out once, since a pass asks for it several times."""
    is_judged: bool = True

    def __post_init__(self) -> None:
        if self.scripted is None and self.is_judged:
            force_setattr(self, "own_health", health_of(self.obj))

    @property
    def health(self) -> Health | None:
        """None for kinds that have no health."""
        if self.scripted is None:
            return self.own_health
        return self.scripted.health or Health("Progressing", "Waiting for the health script of its kind")


class Item(Struct, frozen=True):
    """One object: wanted, live or both. `claims` are the hands it is in besides ours."""

    ref: Ref
    desired: Desired | None = None
    live: Live | None = None
    claims: tuple[Claim, ...] = ()
    state: SyncState = "OutOfSync"
    is_pending: bool = False
    drifts: tuple[Drift, ...] = ()
    is_hook: bool = False
    is_skipped: bool = False
    """Git has it and says that no sync concerns it: it is neither applied nor pruned, and not compared."""
    shared_with: str = ""
    """Another application that tracks the live object."""

    @property
    def obj(self) -> Obj:
        """Git's object, else the live one."""
        return self.desired.obj if self.desired else self.live.obj if self.live else {}

    @property
    def live_obj(self) -> Obj | None:
        return self.live.obj if self.live else None

    @property
    def resource(self) -> Resource | None:
        return self.desired.resource if self.desired else self.live.resource if self.live else None

    @property
    def requires_pruning(self) -> bool:
        return self.desired is None and not (self.is_hook or self.is_skipped)

    @property
    def is_going(self) -> bool:
        """It has been deleted already and only waits for its finalizers."""
        return self.live is not None and is_deleting(self.live.obj)

    @property
    def counts(self) -> bool:
        """Whether it can make the application OutOfSync."""
        if self.is_hook or self.is_skipped:
            return False
        return not (self.requires_pruning and "IgnoreExtraneous" in comma_list(annotations_of(self.obj), COMPARE_OPTIONS))

    @property
    def health(self) -> Health | None:
        return self.live.health if self.live else Health("Missing")


class Comparison(Struct, frozen=True):
    """`asks`: the dry runs that the states rest on or wait for."""

    items: tuple[Item, ...] = ()
    asks: tuple[DryRunAsk, ...] = ()

    @property
    def is_pending(self) -> bool:
        return any(item.is_pending for item in self.items)

    @property
    def health_is_pending(self) -> bool:
        """Whether a health script has not answered yet."""
        return any(item.live and item.live.scripted and item.live.scripted.health is None for item in self.items)

    @property
    def out_of_sync(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.counts and item.state == "OutOfSync")

    @property
    def state(self) -> SyncState:
        return "OutOfSync" if self.out_of_sync else "Synced"


def compare(
    desired: Sequence[Desired],
    live: Sequence[Live],
    claims: Mapping[Ref, tuple[Claim, ...]],
    context: Context,
    judged: Judge = judge,
    skipped: Collection[Ref] = (),
) -> Comparison:
    """`live`: what the application tracks, and what is there under a name that Git wants. `skipped`: see `Prepared`."""
    by_ref = {ref_of(one.obj): one for one in live}
    held = _with_own_claims(desired, claims)
    items: list[Item] = []
    asks: list[DryRunAsk] = []
    for want in desired:
        there = by_ref.pop(want.ref, None)
        hands = held.get(want.ref, ())
        if is_hook(want.obj):
            items.append(Item(want.ref, want, there, hands, "Synced", is_hook=True))
            continue
        judgement = judged(want, there.obj if there else None, hands, context)
        if judgement.ask:
            asks.append(judgement.ask)
        pending = judgement.verdict == "Pending"
        state: SyncState = "Synced" if judgement.verdict == "Synced" else "OutOfSync"
        other = _other_tracker(there, context.instance)
        items.append(Item(want.ref, want, there, hands, state, pending, judgement.drifts, shared_with=other))
    items += [Item(ref, None, one, is_hook=is_hook(one.obj), is_skipped=ref in skipped) for ref, one in by_ref.items()]
    return Comparison(tuple(items), tuple(asks))


def health_of_all(items: Sequence[Item]) -> HealthStatus:
    """The worst over the objects that have a health. Missing ones count only when there is none live at all, and child
    Applications not before they are more than Missing or Unknown."""
    counted = [item for item in items if not item.is_hook and annotations_of(item.obj).get(IGNORE_HEALTHCHECK) != "true"]
    if counted and all(item.live is None for item in counted):
        return "Missing"
    return worst(item.health.status for item in counted if item.live and item.health and not _is_idle_child(item))


def _is_idle_child(item: Item) -> bool:
    is_child = (item.ref.group, item.ref.kind) == APPLICATIONS.group_kind
    return is_child and item.health is not None and item.health.status in ("Missing", "Unknown")


def item_wave(item: Item) -> int:
    return wave_of(item.obj)


def _other_tracker(there: Live | None, instance: str) -> str:
    trackers = tuple(tracked_by(there.obj)) if there else ()
    return "" if not trackers or instance in trackers else trackers[0]


def _with_own_claims(desired: Sequence[Desired], claims: Mapping[Ref, tuple[Claim, ...]]) -> Mapping[Ref, tuple[Claim, ...]]:
    """The live claims and those of claimants that Git is about to create, so that their coming changes nothing."""
    held = {ref: list(some) for ref, some in claims.items()}
    coming: dict[Ref, list[Claim]] = {}
    for claim in (claim for want in desired for claim in claims_of(want.obj)):
        coming.setdefault(claim.target, []).append(claim)
    for want in desired if coming else ():
        for claim in (claim for place in sorted(places_of(want.obj)) for claim in coming.get(place, ())):
            known = held.setdefault(want.ref, [])
            if all((other.claimant, other.target) != (claim.claimant, claim.target) for other in known):
                known.append(claim)
    return {ref: tuple(some) for ref, some in held.items()}
