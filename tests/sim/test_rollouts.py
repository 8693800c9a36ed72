"""Canaries on a real API server in memory, with the real shell, analyses and ReplicaSet controller, in virtual time."""

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, HTTP_ROUTES, ROLLOUTS
from shipway.kube.objects.views import name_of, status_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.sim.rollouts_world import NS, World, rollout, simulate

BACKGROUND = {"templates": [{"templateName": "errors"}], "startingStep": 1}


def test_a_good_version_is_promoted() -> None:
    async def story(world: World) -> None:
        steps = (
            {"setWeight": 5},
            {"pause": {"duration": "5s"}},
            {"setWeight": 30},
            {"pause": {"duration": "5s"}},
            {"setWeight": 100},
        )
        await world.user.create(ROLLOUTS, rollout(*steps, analysis=BACKGROUND))
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        await world.set_image("shop/web:v2")
        await world.phase("Paused", "CanaryPauseStep")
        assert await world.weights() == (5, 95)
        await world.until(lambda found: found["status"]["currentStepIndex"] == 3)
        assert await world.weights() == (30, 70)
        done = await world.phase("Healthy")
        v2 = done["status"]["stableRS"]
        assert v2 != v1
        assert await world.weights() == (0, 100)
        await world.clock.sleep(40)
        assert await world.sizes() == {v1: 0, v2: 2}
        assert (await world.reasons())[-1] == "ScalingReplicaSet"

    simulate(story)


def test_a_bad_version_is_thrown_out_by_its_metrics() -> None:
    async def story(world: World) -> None:
        steps = ({"setWeight": 5}, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {}})
        await world.user.create(ROLLOUTS, rollout(*steps, analysis=BACKGROUND))
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        world.errors = 0.3
        await world.set_image("shop/web:v3")
        await world.phase("Paused", "CanaryPauseStep")
        found = await world.phase("Degraded", "RolloutAborted")
        assert await world.weights() == (0, 100)
        assert found["status"]["abort"] is True
        assert found["status"]["message"].startswith(
            "RolloutAborted: Rollout aborted update to revision 2: Background analysis phase error/failed: "
        )
        await world.clock.sleep(40)
        sizes = await world.sizes()
        assert sizes.pop(v1) == 2
        assert set(sizes.values()) == {0}
        world.errors = 0.0
        await world.set_image("shop/web:v1")
        await world.phase("Healthy")

    simulate(story)


def test_a_person_promotes_aborts_and_retries() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout({"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        await world.patch_status(pauseConditions=None)
        await world.until(lambda found: found["status"]["currentStepIndex"] == 3)
        await world.phase("Paused")
        assert await world.weights() == (60, 40)
        await world.patch_status(abort=True)
        await world.phase("Degraded")
        assert await world.weights() == (0, 100)
        await world.patch_status(abort=False)
        await world.phase("Paused")
        assert await world.weights() == (20, 80)
        await world.patch_status(promoteFull=True)
        await world.phase("Healthy")
        assert await world.weights() == (0, 100)

    simulate(story)


@pytest.mark.proves("rollouts:abort-within-a-second")
def test_all_traffic_is_back_at_once_when_a_measurement_has_failed() -> None:
    """In virtual time only what waits for a timer takes time: nothing does between the failure and the route."""

    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout({"setWeight": 50}, {"pause": {}}, analysis=BACKGROUND))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        world.errors = 0.3
        (run,) = (await world.user.list(ANALYSIS_RUNS, NS)).items
        one = One(ANALYSIS_RUNS, NS, name_of(run))
        await wait_until(world.user, one, lambda found: status_of(found or {}).get("phase") == "Failed")
        begun = world.clock.now()
        while await world.weights() != (0, 100):
            await world.clock.sleep(0.01)
        assert world.clock.now() - begun <= 1.0

    simulate(story)


def test_somebody_else_changing_the_route_is_corrected() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout({"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        ops = [{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 90}]
        await world.user.patch(HTTP_ROUTES, NS, "web", ops, type="json")
        await world.clock.sleep(2)
        assert await world.weights() == (20, 80)

    simulate(story)


def test_a_finished_rollout_is_left_alone() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout({"setWeight": 20}))
        await world.phase("Healthy")
        await world.clock.sleep(5)
        before = (await world.rollout())["metadata"]["resourceVersion"]
        await world.clock.sleep(3600)
        assert (await world.rollout())["metadata"]["resourceVersion"] == before

    simulate(story)
