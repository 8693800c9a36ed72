"""Steps that plugins do, on a real API server in memory with the real shell and lanes: nothing runs twice that need not."""

import asyncio
import random

import pytest

from shipway.api.kinds import ROLLOUTS
from shipway.api.plugins import StepReply
from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.rollout.plugin_calls import StepAsk
from shipway.rollouts.settings import RolloutSettings
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.rollouts_world import PLUGINS, World, rollout, simulate, world

FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.02, watch_dropped=0.05, watch_held_back=0.1)

TICKET = {"plugin": {"name": "acme/ticket", "config": {"queue": "web"}}}
STEPS = ({"setWeight": 20}, TICKET, {"pause": {}})


async def updating(there: World, *steps: Obj) -> None:
    await there.user.create(ROLLOUTS, rollout(*(steps or STEPS)))
    await there.phase("Healthy")
    assert there.executed == []
    await there.set_image("shop/web:v2")


def ops(there: World) -> list[tuple[str, int]]:
    return [(asked["op"], asked["execution"]) for asked in there.executed]


@pytest.mark.proves("001-27")
@pytest.mark.compat("rollouts:step.plugin")
def test_a_canary_waits_for_its_plugin_and_goes_on() -> None:
    async def story(there: World) -> None:
        there.said["run"] = [StepReply("Running", "waits", 20.0, {"n": 1}), StepReply("Error", "no route")]
        await updating(there)
        await there.until(lambda found: found["status"]["canary"].get("stepPluginStatuses", [{}])[0].get("message") == "waits")
        assert await there.weights() == (20, 80)
        await there.phase("Paused", "CanaryPauseStep")
        assert ops(there) == [("run", 1), ("run", 2), ("run", 3)]
        assert [asked["status"] for asked in there.executed] == [None, {"n": 1}, {"n": 1}]
        assert len({asked["id"] for asked in there.executed}) == 3
        (told,) = (await there.rollout())["status"]["canary"]["stepPluginStatuses"]
        assert (told["phase"], told["executions"]) == ("Successful", 3)
        await there.clock.sleep(300)
        assert len(there.executed) == 3
        assert [line for line in await there.told() if "Step plugin" in line or "plugin:" in line] == [
            "StepPluginTransition: Step plugin acme/ticket of step 2 is Running",
            "StepPluginTransition: Step plugin acme/ticket of step 2 is Error: no route",
            "RolloutStepCompleted: Rollout step 2/3 completed (plugin: acme/ticket)",
        ]

    simulate(story)


@pytest.mark.compat("rollouts:step.plugin")
def test_a_plugin_that_says_no_takes_the_traffic_back() -> None:
    async def story(there: World) -> None:
        there.said["run"] = [StepReply("Failed", "refused by Bob")]
        await updating(there)
        await there.phase("Degraded", "Step plugin acme/ticket failed: refused by Bob")
        await there.clock.sleep(40)
        assert await there.weights() == (0, 100)
        assert ops(there) == [("run", 1)]

    simulate(story)


def test_an_abort_while_a_plugin_runs_kills_the_run_and_calls_abort() -> None:
    async def story(there: World) -> None:
        there.said["run"] = [StepReply("Running", "", 20.0, {"n": 1})]
        await updating(there)
        await there.until(lambda _: len(there.executed) == 2)
        await there.patch_status(abort=True)
        await there.until(lambda found: len(found["status"]["canary"].get("stepPluginStatuses", [])) == 2)
        assert ops(there) == [("run", 1), ("run", 2), ("abort", 1)]
        assert there.executed[-1]["status"] == {"n": 1}
        run, end = (await there.rollout())["status"]["canary"]["stepPluginStatuses"]
        assert (run["executions"], end["operation"], end["phase"]) == (1, "Abort", "Successful")
        await there.clock.sleep(100)
        assert len(there.executed) == 3

    simulate(story)


def test_a_process_that_only_looks_runs_no_plugin() -> None:
    async def story(there: World) -> None:
        looked: list[StepAsk] = []

        async def look(ask: StepAsk) -> StepReply:
            looked.append(ask)
            return StepReply("Failed")

        controllers = rollout_controllers(RolloutSettings(plugins=PLUGINS))
        names, rng = [one.name for one in controllers], random.Random(3)
        onlooker = Runtime(there.user, controllers, clock=there.clock, resolvers={StepAsk: look}, rng=rng, read_only=names)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(onlooker.run())
            there.said["run"] = [StepReply("Running", "", 10.0)]
            await updating(there)
            await there.phase("Paused", "CanaryPauseStep")
            task.cancel()
        assert (looked, ops(there)) == ([], [("run", 1), ("run", 2)])

    simulate(story)


async def history(seed: int) -> None:
    rng = random.Random(seed)

    def wrap(server: Transport, clock: Clock) -> Transport:
        return FaultyTransport(server, clock, rng, FAULTS)

    async with world(wrap=wrap) as there:
        there.said["run"] = [StepReply("Running", "", 10.0), StepReply("Error", "once")]
        await updating(there)
        await there.phase("Paused", "CanaryPauseStep", seconds=400)
        (told,) = (await there.rollout())["status"]["canary"]["stepPluginStatuses"]
        numbers = {asked["id"]: asked["execution"] for asked in there.executed}
        assert sorted(numbers.values()) == list(range(1, told["executions"] + 1))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_dies_in_between_an_execution_has_one_id(seed: int) -> None:
    """An execution may begin again after a crash; then it bears the id of the first."""
    run_in_virtual_time(history(seed))
