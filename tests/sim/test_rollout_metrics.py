"""A Prometheus server's view of a running engine: figures appear, follow, and go with their Rollout."""

import pytest

from shipway.api.kinds import EVENTS, ROLLOUTS
from tests.sim.prometheus_lines import value
from tests.sim.rollouts_world import NS, World, rollout, simulate


@pytest.mark.proves("rollouts:metrics")
def test_figures_follow_a_rollout_and_go_with_it() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, rollout({"setWeight": 50}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        await world.clock.sleep(1)
        lines = world.scraped()
        assert value(lines, "rollout_info", name="web", phase="Paused") == 1
        assert value(lines, "rollout_info_replicas_updated", name="web") == 1
        assert value(lines, "rollout_info_replicas_available", name="web") == 3
        told = [event for event in (await world.user.list(EVENTS, NS)).items if event["reason"] == "SwitchService"]
        assert value(lines, "rollout_events_total", reason="SwitchService") == sum(event["count"] for event in told) == 3
        assert (value(lines, "rollout_reconcile_count", name="web") or 0) > 10
        await world.user.delete(ROLLOUTS, NS, "web")
        await world.clock.sleep(5)
        assert not [line for line in world.scraped() if line.startswith("rollout_") and 'name="web"' in line]

    simulate(story)
