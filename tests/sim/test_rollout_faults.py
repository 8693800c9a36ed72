"""The rollouts engine under faults: crashes between writes, lost answers, 409/429/500, dropped and delayed watches.

Each seed is one history of pushes, aborts, promotions and bad metrics. At every moment the router only sends traffic where
pods answer, and never more than the step allows; when the faults end, the Rollout reaches its end and rests.
"""

import random

import pytest

from shipway.api.kinds import HTTP_ROUTES, PODS, ROLLOUTS, SERVICES
from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import condition_of, dig, is_deleting, labels_of
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.rollouts_world import NS, World, rollout, world

SEEDS = range(50)
FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.01, watch_dropped=0.05, watch_held_back=0.1)
STEPS = (
    {"setWeight": 5},
    {"pause": {"duration": "4s"}},
    {"setWeight": 30},
    {"pause": {"duration": "4s"}},
    {"setWeight": 60},
    {"pause": {"duration": "4s"}},
)
BACKGROUND = {"templates": [{"templateName": "errors"}], "startingStep": 1}


async def answering(there: World) -> dict[str, int]:
    """Ready pods by hash."""
    found: dict[str, int] = {}
    for pod in (await there.user.list(PODS, NS)).items:
        ready = condition_of(pod, "Ready")
        if ready is not None and ready.get("status") == "True" and not is_deleting(pod):
            pod_hash = labels_of(pod).get(HASH_LABEL, "")
            found[pod_hash] = found.get(pod_hash, 0) + 1
    return found


async def look(there: World) -> None:
    """The safety laws, seen from outside at this moment."""
    canary, stable = await there.weights()
    ready = await answering(there)
    for name, weight in (("web-canary", canary), ("web-stable", stable)):
        service = await there.user.get(SERVICES, NS, name)
        pod_hash = dig(service, "spec", "selector", HASH_LABEL, default="")
        assert weight == 0 or pod_hash == "" or ready.get(pod_hash, 0) > 0, f"{name} has weight {weight} and no pods: {ready}"
    assert canary in (0, 5, 30, 60, 100)


async def person(there: World, rng: random.Random, step: int) -> None:
    """Somebody pushes now and then, and sometimes takes a hand."""
    if step in (20, 60, 100, 140):
        there.errors = rng.choice([0.0, 0.0, 0.3])
        await there.set_image(f"shop/web:v{rng.randrange(2, 5)}")
    if rng.random() < 0.03:
        field: Obj = rng.choice([{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None}])
        await there.patch_status(**field)


async def run_history(seed: int, *others: tuple[Resource, Obj]) -> None:
    rng = random.Random(seed)
    faulty: list[FaultyTransport] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        faulty.append(FaultyTransport(server, clock, rng, FAULTS))
        return faulty[-1]

    async with world(wrap=wrap) as there:
        for resource, obj in others:
            await there.user.create(resource, obj)
        await there.user.create(ROLLOUTS, rollout(*STEPS, analysis=BACKGROUND))
        for step in range(200):
            await there.clock.sleep(0.5)
            try:
                await person(there, rng, step)
            except ShipwayError:
                continue
            await look(there)
        for transport in faulty:
            transport.calm()
        there.errors = 0.0
        await there.clock.sleep(30)
        await there.patch_status(abort=False)
        await there.phase("Healthy", seconds=900)
        await there.clock.sleep(90)
        await rest(there)


async def rest(there: World) -> None:
    found = await there.rollout()
    stable = found["status"]["stableRS"]
    assert await there.weights() == (0, 100)
    assert {pod_hash: size for pod_hash, size in (await there.sizes()).items() if size} == {stable: 2}
    before = await versions(there)
    await there.clock.sleep(700)
    assert await versions(there) == before


async def versions(there: World) -> list[str]:
    objs = [await there.rollout(), await there.user.get(HTTP_ROUTES, NS, "web")]
    return [obj["metadata"]["resourceVersion"] for obj in objs]


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_history_the_rollout_ends_and_traffic_was_always_answered(seed: int) -> None:
    run_in_virtual_time(run_history(seed))
