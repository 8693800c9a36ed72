"""Laws of ApplicationSets: whatever generators say, nothing is deleted by accident, and all comes to rest."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shipway.api.applicationset import ApplicationSetSpec, parse_set
from shipway.api.listings import Listing, ListingRequest
from shipway.appsets.asks import ListingAsk
from shipway.appsets.evaluation import Evaluation
from shipway.appsets.names import EVALUATED, TOMBSTONE
from shipway.appsets.plan import CONFIRM_AFTER, Existing, Plan, actions_of, evaluated_text, plan
from shipway.appsets.scene import FROM_PARAMS, Problem
from shipway.base.clock import Instant
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of
from shipway.kube.runtime.decision import Answer, Apply, Delete, Patch
from tests.effort import examples
from tests.unit.appsets.sets import evaluated, made

NAMES = ("a", "b", "c", "d")
START = Instant(1_790_000_000.0)
ASK = ListingAsk(ListingRequest("https://git.test/a.git", "main", "folders", ()))


SET = made({"list": {"elements": [{"name": name} for name in NAMES]}})
FORMS = evaluated(SET).applications


class Look(Struct, frozen=True):
    """What the generators say when a pass looks: names, whether something failed, whether the set was edited before."""

    names: frozenset[str]
    fails: bool
    is_edited: bool
    seconds: int
    """Since the look before."""


LOOKS = st.lists(
    st.builds(Look, st.frozensets(st.sampled_from(NAMES)), st.booleans(), st.booleans(), st.sampled_from((0, 1, 30, 61, 700))),
    max_size=12,
)


class Fleet:
    """A set and its Applications, worked on by plans alone."""

    def __init__(self) -> None:
        self.appset = SET
        self.spec: ApplicationSetSpec = parse_set(self.appset)
        self.apps: dict[str, Obj] = {}
        self.now = START

    def look(self, look: Look) -> Plan:
        """One pass: plans, carries out, remembers."""
        self.now = Instant(self.now + look.seconds)
        if look.is_edited:
            meta = self.appset["metadata"]
            self.appset = {**self.appset, "metadata": {**meta, "generation": meta["generation"] + 1}}
        found = plan(self.appset, self.spec, self.wanted(look), Existing(self.apps, {}), self.now)
        for actions in actions_of(found, self.appset, self.now):
            for action in actions:
                self._carry_out(action)
        text = evaluated_text(self.appset, self.wanted(look))
        self.appset = merge_patch(self.appset, {"metadata": {"annotations": {EVALUATED: text}}})
        return found

    def wanted(self, look: Look) -> Evaluation:
        """The world outside is the names themselves, so an edit alone never changes them."""
        return Evaluation(
            applications={name: FORMS[name] for name in sorted(look.names)},
            problems=(Problem(FROM_PARAMS, "down"),) if look.fails else (),
            asks={ASK: Answer(Listing("c", ()), at=self.now)},
            is_pending=False,
            duplicates=(),
            outside=f"saw {sorted(look.names)}",
            empty=(),
        )

    def _carry_out(self, action: object) -> None:
        match action:
            case Apply():
                name = name_of(action.obj)
                self.apps[name] = merge_patch(self.apps.get(name, {}), action.obj)
            case Patch():
                self.apps[action.name] = merge_patch(self.apps[action.name], action.body)
            case Delete():
                del self.apps[action.name]
            case _:
                raise AssertionError(action)


@settings(max_examples=examples(200))
@given(LOOKS)
def test_nothing_goes_without_a_tombstone_that_is_old_enough_nor_on_a_failure(looks: list[Look]) -> None:
    fleet, buried = Fleet(), dict[str, float]()
    for look in looks:
        found = fleet.look(look)
        for app in found.delete:
            assert not look.fails
            assert name_of(app) not in look.names
            assert fleet.now - buried[name_of(app)] >= CONFIRM_AFTER - 1, "whole seconds are written down"
        buried = {name: at for name, at in buried.items() if TOMBSTONE in annotations_of(fleet.apps.get(name, {}))}
        buried |= {name: fleet.now for name in found.bury}
        if not look.fails:
            assert look.names <= set(fleet.apps)


@settings(max_examples=examples(200))
@given(LOOKS, st.frozensets(st.sampled_from(NAMES)))
def test_whatever_came_before_it_comes_to_rest_at_what_is_wanted(looks: list[Look], names: frozenset[str]) -> None:
    fleet = Fleet()
    for look in looks:
        fleet.look(look)
    for seconds in (0, 700, 700):
        fleet.look(Look(names, False, False, seconds))
    assert set(fleet.apps) == names
    assert not any(TOMBSTONE in annotations_of(app) for app in fleet.apps.values())
    assert fleet.look(Look(names, False, False, 0)).is_empty
