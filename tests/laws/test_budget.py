"""Laws of strategies by the error budget, over random histories in which the budget comes and goes too."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from shipway.base.errors import Unavailable
from shipway.rollouts.budget.pinned import Pinned, pinned_of
from tests.laws.test_rollouts import events, lawful, left_alone, walk
from tests.unit.rollouts.rollout.sandbox import Sandbox
from tests.unit.rollouts.rollout.test_budget import POLICY, annotated, live, measured

Event = Callable[[Sandbox], None]
SLOWER = POLICY.replace("setWeight: 50", "setWeight: 5").replace("75%", "95%")
budgets: st.SearchStrategy[Event] = st.one_of(st.floats(-1, 1), st.just(Unavailable("no route"))).map(
    lambda left: lambda world: [measured(world, left, policy) for policy in (POLICY, SLOWER)] and None
)
edits: st.SearchStrategy[Event] = st.sampled_from([POLICY, SLOWER]).map(
    lambda policy: lambda world: annotated(world, policy) and None
)
histories = st.lists(st.one_of(events, events, budgets, edits), max_size=25)


class Witness:
    """Looks at every write: what was chosen is chosen once, and what is frozen has no traffic and no pods."""

    def __init__(self, world: Sandbox) -> None:
        self.pinned, self.weight = pinned_of(world.rollout), world.weights()[0]
        self.was_held = False
        world.on_write = self.look

    def look(self, world: Sandbox) -> None:
        before, self.pinned = self.pinned, pinned_of(world.rollout)
        if (
            before is not None
            and self.pinned is not None
            and (before.hash, before.after) == (self.pinned.hash, self.pinned.after)
        ):
            assert before.pace == self.pinned.pace or (before.pace == "freeze" and self.was_held), "chosen twice"
        self.was_held = is_held(world, self.pinned)
        weight, self.weight = self.weight, world.weights()[0]
        if self.was_held:
            assert self.weight <= weight, "a frozen release was given traffic"


def is_held(world: Sandbox, pinned: Pinned | None) -> bool:
    """Whether the present version is frozen, and nobody has let it go on."""
    status = world.status
    if pinned is None or pinned.pace != "freeze" or status.get("promoteFull"):
        return False
    return pinned.hash == status["currentPodHash"] != status["stableRS"] and not status.get("currentStepIndex")


@lawful
@given(st.floats(-1, 1), histories)
def test_a_strategy_is_chosen_once_a_freeze_moves_nothing_and_every_history_ends(left: float, history: list[Event]) -> None:
    world = live()
    for policy in (POLICY, SLOWER):
        measured(world, left, policy)
    world.set_image("shop/web:v2")
    walk(world)
    witness = Witness(world)
    for event in history:
        event(world)
        witness.pinned, witness.weight = pinned_of(world.rollout), world.weights()[0]
        witness.was_held = is_held(world, witness.pinned)
    left_alone(world)
    assert world.status["phase"] in ("Healthy", "Degraded")
    assert world.weights() == (0, 100)
