"""Bad versions that never reached all users, as a figure and as a report with its evidence."""

import orjson
import pytest

from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS, ROLLOUTS
from shipway.base.clock import Instant
from shipway.rollouts.prevented import Incident, incidents
from tests.sim.prometheus_lines import value
from tests.sim.rollouts_world import NS, World, rollout, simulate

BACKGROUND = {"templates": [{"templateName": "errors"}], "startingStep": 1}
STEPS = ({"setWeight": 5}, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {}})


async def report(world: World, seconds: float = 3600.0) -> tuple[Incident, ...]:
    kinds = (ROLLOUTS, ANALYSIS_RUNS, EXPERIMENTS)
    rollouts, runs, experiments = [(await world.user.list(kind, NS)).items for kind in kinds]
    return incidents(rollouts, runs, experiments, Instant(world.clock.now() - seconds))


def counted(world: World) -> float | None:
    return value(world.scraped(), "shipway_prevented_incidents_total", name="web")


@pytest.mark.proves("001-29")
def test_a_version_that_is_thrown_out_is_counted_and_reported_with_what_was_measured() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout(*STEPS, analysis=BACKGROUND))
        await world.phase("Healthy")
        assert await report(world) == ()
        world.errors = 0.3
        await world.set_image("shop/web:v2")
        found = await world.phase("Degraded", "RolloutAborted")
        await world.clock.sleep(1)
        assert counted(world) == 1
        (one,) = await report(world)
        assert (one.rollout, one.revision, one.state) == ("web", "2", "stopped")
        assert one.pod_hash == found["status"]["currentPodHash"] != found["status"]["stableRS"]
        assert one.cause in found["status"]["message"]
        (metric,) = one.evidence
        assert metric.phase == "Failed"
        assert set(metric.values) == {"0.3"}
        assert "result" in metric.wants
        assert 0 <= world.clock.now() - one.at < 60
        assert one.after is not None and one.after > 0
        assert orjson.dumps(one.cause)
        await world.clock.sleep(3600)
        assert await report(world, 60) == (), "it was not in the last minute"
        assert len(await report(world, 7200)) == 1

    simulate(story)


@pytest.mark.proves("001-29")
def test_what_a_person_stops_or_insists_on_is_no_incident_prevented() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout(*STEPS, analysis=BACKGROUND))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        await world.patch_status(abort=True)
        await world.phase("Degraded")
        await world.clock.sleep(1)
        assert counted(world) == 0
        assert await report(world) == ()
        world.errors = 0.3
        await world.set_image("shop/web:v3")
        await world.phase("Degraded", "analysis phase error/failed")
        world.errors = 0.0
        await world.patch_status(abort=False)
        await world.patch_status(promoteFull=True)
        await world.phase("Healthy")
        assert [one.state for one in await report(world)] == ["let through"]

    simulate(story)
