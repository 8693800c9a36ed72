"""Steps by the error budget on a real API server in memory, with the real shell and lanes; played is the metric server."""

import random
from typing import Any

import pytest

from shipway.api.kinds import ROLLOUTS
from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.rollouts import actions
from shipway.rollouts.budget.pinned import pinned_of
from shipway.rollouts.rollout.names import STRATEGY_BY_BUDGET
from shipway.rollouts.why import why
from tests.sim.faults import Crash, Faults, FaultyTransport
from tests.sim.rollouts_world import NS, World, rollout, simulate, world

FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.02, watch_dropped=0.05, watch_held_back=0.1)
POLICY = """
objectives: [{serviceLevelObjective: checkout, prometheus: {address: "http://prometheus.test"}}]
strategies:
  fast: {atLeast: 75%, steps: [{setWeight: 50}, {pause: {duration: 10s}}]}
  normal: {atLeast: 50%}
  careful: {atLeast: 10%, steps: [{setWeight: 1}, {pause: {duration: 20s}}, {setWeight: 5}, {pause: {}}]}
"""
OWN = ({"setWeight": 20}, {"pause": {}})


async def updating(there: World, budget: float | ShipwayError) -> None:
    """A release with this budget; nobody has asked for it before."""
    there.budget = budget
    obj = rollout(*OWN)
    await there.user.create(ROLLOUTS, {**obj, "metadata": {**obj["metadata"], "annotations": {STRATEGY_BY_BUDGET: POLICY}}})
    await there.phase("Healthy")
    assert there.budgets_asked == 0
    await there.set_image("shop/web:v2")


def pace(found: Obj) -> str:
    pinned = pinned_of(found)
    return pinned.pace if pinned is not None else ""


def is_at_the_last_pause(found: Obj) -> bool:
    return dig(found, "status", "currentStepIndex") == 3 and bool(dig(found, "status", "pauseConditions"))


async def promoted_again_and_again(there: World) -> None:
    """Somebody promotes, and again where it still waits: a process that dies may forget that it was promoted."""
    for _ in range(10):
        if is_at_the_last_pause(await there.rollout()):
            await there.patch_status(pauseConditions=None)
        await there.clock.sleep(5)


async def apply(there: World, patches: actions.Patches) -> None:
    if patches.root:
        await there.user.patch(ROLLOUTS, NS, "web", patches.root)
    await there.patch_status(**patches.status)


def test_a_fast_release_asks_once_and_is_through() -> None:
    async def story(there: World) -> None:
        await updating(there, 0.8)
        await there.until(lambda found: dig(found, "status", "currentStepIndex") == 1)
        assert await there.weights() == (50, 50)
        there.budget = 0.0
        done = await there.phase("Healthy")
        assert (pace(done), there.budgets_asked) == ("fast", 1)
        told = await there.told()
        assert "StrategyChosen: Strategy fast: 80.0% of the error budget of checkout is left" in told
        assert told.index("StrategyChosen: Strategy fast: 80.0% of the error budget of checkout is left") < next(
            place for place, line in enumerate(told) if "revision 2" in line
        )

    simulate(story)


def test_a_freeze_ends_by_itself_when_the_budget_is_back() -> None:
    async def story(there: World) -> None:
        await updating(there, 0.04)
        held = await there.phase("Paused", "CanaryPauseStep")
        assert "web is frozen: 4.0% of the error budget of checkout is left." in why(held, (), there.clock.now())
        await there.clock.sleep(600)
        assert await there.weights() == (0, 100)
        assert sorted((await there.sizes()).values()) == [0, 2]
        assert 10 <= there.budgets_asked <= 13
        there.budget = Unavailable("Prometheus does not answer")
        await there.clock.sleep(300)
        assert pace(await there.rollout()) == "freeze"
        there.budget = 0.2
        await there.until(lambda found: pace(found) == "careful")
        await there.until(lambda found: dig(found, "status", "currentStepIndex") == 3)
        assert await there.weights() == (5, 95)
        asked = there.budgets_asked
        await there.clock.sleep(600)
        assert there.budgets_asked == asked

    simulate(story)


@pytest.mark.parametrize(("full", "weight"), [(False, 1), (True, 0)])
def test_a_person_ends_a_freeze(full: bool, weight: int) -> None:
    async def story(there: World) -> None:
        await updating(there, -0.2)
        held = await there.phase("Paused", "CanaryPauseStep")
        await apply(there, actions.promote_full(held) if full else actions.promote(held))
        if full:
            await there.phase("Healthy")
        else:
            await there.until(lambda found: dig(found, "status", "currentStepIndex") == 2)
        assert (await there.weights())[0] == weight
        asked = there.budgets_asked
        there.budget = 1.0
        await there.clock.sleep(300)
        assert (pace(await there.rollout()), there.budgets_asked) == ("freeze", asked)

    simulate(story)


def test_without_an_answer_a_release_is_careful() -> None:
    async def story(there: World) -> None:
        await updating(there, Unavailable("Prometheus does not answer"))
        await there.until(lambda found: dig(found, "status", "currentStepIndex") == 3)
        assert await there.weights() == (5, 95)
        line = "Strategy careful: the error budget of checkout is not known (Prometheus does not answer)"
        assert f"StrategyChosen: {line}" in await there.told()

    simulate(story)


def test_a_new_process_goes_on_with_what_was_chosen() -> None:
    async def story(there: World) -> None:
        await updating(there, 0.2)
        await there.until(lambda found: dig(found, "status", "currentStepIndex") == 3)
        there.budget = 1.0
        fate.is_sealed = True
        await there.user.patch(ROLLOUTS, NS, "web", {"spec": {"replicas": 4}})
        await there.until(lambda found: dig(found, "status", "replicas") == 5)
        assert (pace(await there.rollout()), await there.weights()) == ("careful", (5, 95))
        assert (there.crashes, there.budgets_asked) == (1, 1)

    async def main() -> None:
        async with world(wrap=lambda server, clock: Doomed(server, fate)) as there:
            await story(there)

    fate = Fate()
    run_in_virtual_time(main())


class Fate:
    is_sealed = False


class Doomed:
    """The connection of a process that dies at its next write, once its fate is sealed."""

    def __init__(self, server: Transport, fate: Fate) -> None:
        self._server = server
        self._fate = fate

    async def send(self, request: Request) -> Response:
        if self._fate.is_sealed and request.method != "GET":
            self._fate.is_sealed = False
            raise Crash
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def faulty(seed: int) -> Any:
    rng = random.Random(seed)

    def wrap(server: Transport, clock: Clock) -> FaultyTransport:
        return FaultyTransport(server, clock, rng, FAULTS)

    return wrap


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_a_strategy_is_chosen_once_and_a_freeze_moves_nothing(seed: int) -> None:
    async def story(there: World) -> None:
        await updating(there, [0.8, 0.3, 0.04, Unavailable("no route")][seed % 4])
        chosen = pace(await there.until(lambda found: bool(pace(found))))
        assert chosen == ["fast", "careful", "freeze", "careful"][seed % 4]
        there.budget = 0.6 if chosen != "freeze" else 0.05
        await there.clock.sleep(200)
        assert pace(await there.rollout()) == chosen
        if chosen == "freeze":
            assert (await there.weights())[0] == 0
            there.budget = 0.8
            await there.until(lambda found: pace(found) == "fast", seconds=300)
        if chosen == "careful":
            await there.until(is_at_the_last_pause, seconds=300)
            await promoted_again_and_again(there)
        done = await there.phase("Healthy", seconds=400)
        assert dig(done, "status", "stableRS") == dig(done, "status", "currentPodHash")
        assert STRATEGY_BY_BUDGET in annotations_of(done)

    async def main() -> None:
        async with world(wrap=faulty(seed)) as there:
            await story(there)

    run_in_virtual_time(main())
