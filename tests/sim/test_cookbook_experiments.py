"""The recipe of docs/cookbook.md in which both versions start together and are compared, as it stands there."""

import pytest

from shipway.api.kinds import HTTP_ROUTES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.rollouts.analysis import comparison
from tests.sim.test_cookbook import BASELINE, FAST, NS, SLOW, Kitchen, cooked, listings


def compared(baseline: list[float], candidate: list[float]) -> Obj:
    block = listings(BASELINE)[-1]["spec"]["metrics"][0]["provider"]["plugin"]["shipway.dev/compare"]
    return comparison.judged(comparison.read_comparison(block), [baseline, candidate]).value


async def in_the_route(kitchen: Kitchen) -> dict[str, int]:
    """Weights by the last word of the Services, which is the template for variants."""
    route = await kitchen.cluster.user.get(HTTP_ROUTES, NS, "web")
    refs = route["spec"]["rules"][0]["backendRefs"]
    return {ref["name"].rpartition("-")[2]: ref["weight"] for ref in refs}


@pytest.mark.compat("rollouts:step.experiment")
@pytest.mark.parametrize(("candidate", "good"), [(FAST, True), (SLOW, False)], ids=["good", "slower"])
def test_a_fresh_baseline_decides_before_the_canary_gets_any_traffic(candidate: list[float], good: bool) -> None:
    async def story(kitchen: Kitchen) -> None:
        stable = await kitchen.release()
        await kitchen.until(lambda status: dig(status, "canary", "weights", "additional"))
        assert await in_the_route(kitchen) == {"stable": 80, "canary": 0, "baseline": 10, "candidate": 10}
        if good:
            await kitchen.until(lambda status: status.get("currentStepIndex") == 2)
            assert await in_the_route(kitchen) == {"stable": 70, "canary": 30}
            await kitchen.phase("Healthy")
            assert kitchen.weights_seen == [0, 30, 100, 0]
        else:
            await kitchen.is_thrown_out(stable)
            assert await in_the_route(kitchen) == {"stable": 100, "canary": 0}
            assert kitchen.weights_seen == [0]

    cooked(BASELINE, story, {"latency": [compared(FAST, candidate[:5]), compared(FAST, candidate)]})
