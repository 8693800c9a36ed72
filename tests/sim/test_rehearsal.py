"""A rehearsal comes to what the real shell comes to on the embedded API server: same steps, same weights, same end."""

from itertools import pairwise
from typing import Any

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, ROLLOUTS
from shipway.demo.story import is_observed
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import Ramp, Recording
from tests.sim.rollouts_world import NS, START_SECONDS, World, errors_template, rollout, simulate

STEPS = ({"setWeight": 20}, {"pause": {"duration": "20s"}}, {"setWeight": 60}, {"pause": {"duration": "20s"}})
ANALYSIS: Obj = {"analysis": {"templates": [{"templateName": "errors"}]}}
SHOWS_AT = 12.0
NEW = "shop/web:v2"
SLACK = 2.5
"""Seconds by which the played kubelet, whole seconds and the wait for the world to be asked may differ."""


def lived(errors: float) -> tuple[list[tuple[float, int]], float, str, int]:
    """(time, weight) of every change, when it ended and with which message, and the measurements, in the simulated cluster."""
    seen: list[tuple[float, int]] = []
    end: dict[str, Any] = {}

    async def story(there: World) -> None:
        await there.user.create(ROLLOUTS, rollout(*STEPS, **ANALYSIS))
        await there.phase("Healthy")
        await there.set_image(NEW)
        begun = there.clock.now()
        for _ in range(1200):
            there.errors = errors if there.clock.now() - begun >= SHOWS_AT else 0.0
            weight = (await there.weights())[0]
            if not seen or seen[-1][1] != weight:
                seen.append((there.clock.now() - begun, weight))
            found = await there.rollout()
            if is_observed(found) and dig(found, "status", "phase") in ("Healthy", "Degraded"):
                break
            await there.clock.sleep(0.1)
        runs = (await there.user.list(ANALYSIS_RUNS, NS)).items
        end["at"] = there.clock.now() - begun
        end["message"] = dig(found, "status", "message", default="")
        end["measured"] = sum(result["count"] for run in runs for result in dig(run, "status", "metricResults", default=[]))

    simulate(story)
    return seen, end["at"], end["message"], end["measured"]


@pytest.mark.parametrize("errors", [0.01, 0.3])
def test_a_rehearsal_is_what_happens(errors: float) -> None:
    weights, end, message, measured = lived(errors)
    play = Play(
        rollout(*STEPS, **ANALYSIS),
        (errors_template(),),
        Recording({"errors": Ramp(0.0, errors, SHOWS_AT, SHOWS_AT)}),
        START_SECONDS,
    )
    played = rehearse(play)
    changes = [(one.at, one.weight) for one in played.moments]
    steps = [(at, weight) for (_, before), (at, weight) in pairwise(changes) if weight not in (before, 0.0, 100.0)]
    ups = [(at, weight) for at, weight in weights if weight]
    assert [weight for _, weight in steps] == [weight for _, weight in ups] == ([20, 60] if errors < 0.05 else [20])
    assert all(abs(at - seen) <= SLACK for (at, _), (seen, _) in zip(steps, ups, strict=True))
    assert abs(played.ending.at - end) <= SLACK
    assert played.ending.message == message
    assert abs(len(played.measurements) - measured) <= 1
