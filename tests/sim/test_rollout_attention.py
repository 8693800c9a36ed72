"""Nothing that a client says is overheard, and no step is lost: whatever moment it is, and however often the engine dies."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shipway.api.kinds import HTTP_ROUTES, ROLLOUTS
from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.rollouts_world import NS, World, rollout, simulate, world

AT_ONCE = 1.0
"""Seconds from a client's word to its effect; the simulated pods need half of one to start.

An abort that is said before the update has begun (the status still speaks of the version before) is void, as in Argo
Rollouts: a new template clears it.
"""
STEPS = ({"setWeight": 50}, {"pause": {"duration": 1}})


class Meddler:
    """A client that speaks exactly at the engine's `at`th write: before it reaches the server, or after it has."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.at, self.before, self.count = 0, False, 0
        self.speak: Callable[[], Awaitable[Any]] | None = None

    def arm(self, at: int, speak: Callable[[], Awaitable[Any]], *, before: bool) -> None:
        self.at, self.before, self.count, self.speak = at, before, 0, speak

    async def send(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") or "/events" in request.path:
            return await self._inner.send(request)
        self.count += 1
        speak, self.speak = (self.speak, None) if self.count == self.at else (None, self.speak)
        if speak is not None and self.before:
            await speak()
        response = await self._inner.send(request)
        if speak is not None and not self.before:
            await speak()
        return response

    async def close(self) -> None:
        await self._inner.close()


def at_every_write(story: Callable[[World, Meddler, int], Awaitable[bool]]) -> int:
    """Plays `story` for the first write of an update, the second ... until one ends before it; how many there were."""

    async def main() -> int:
        meddlers: list[Meddler] = []

        def wrap(server: Transport, _: Clock) -> Transport:
            meddlers.append(Meddler(server))
            return meddlers[-1]

        async with world(wrap) as there:
            delays = {"scaleDownDelaySeconds": 0, "abortScaleDownDelaySeconds": 1}
            await there.user.create(ROLLOUTS, rollout(*STEPS, **delays))
            await there.phase("Healthy")
            at = 1
            while await story(there, meddlers[-1], at):
                at += 1
            return at - 1

    return run_in_virtual_time(main())


async def settled(there: World) -> None:
    """Back on the first version, with nothing under way."""
    await there.patch_status(abort=False)
    await there.set_image("shop/web:v1")
    await there.phase("Healthy")
    await there.clock.sleep(2)


def is_back_or_through(found: Obj) -> bool:
    """Aborted; or promoted, where the word came together with the last write."""
    status = found["status"]
    return status["message"].startswith("RolloutAborted") or status["stableRS"] == status["currentPodHash"]


@pytest.mark.proves("rollouts:attended-at-once")
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_an_abort_beside_any_write_is_attended_at_once(before: bool) -> None:
    async def story(there: World, meddler: Meddler, at: int) -> bool:
        updating: list[bool] = []

        async def abort() -> None:
            status = (await there.rollout())["status"]
            updating.append(status["stableRS"] != status["currentPodHash"])
            await there.patch_status(abort=True)

        meddler.arm(at, abort, before=before)
        await there.set_image(f"shop/web:v{at + 1}")
        spoken = await until_spoken(there, meddler)
        if updating == [True]:
            await there.until(is_back_or_through, seconds=AT_ONCE)
            assert await there.weights() == (0, 100)
        await settled(there)
        return spoken

    assert at_every_write(story) > 12


@pytest.mark.proves("rollouts:attended-at-once")
def test_a_new_version_beside_any_write_is_attended_at_once() -> None:
    async def story(there: World, meddler: Meddler, at: int) -> bool:
        meddler.arm(at, lambda: there.set_image(f"shop/web:v{at}-mended"), before=True)
        await there.set_image(f"shop/web:v{at}-new")
        if await until_spoken(there, meddler):
            generation = (await there.rollout())["metadata"]["generation"]
            found = await there.until(lambda one: one["status"]["observedGeneration"] >= str(generation), seconds=AT_ONCE)
            image = dig(found, "spec", "template", "spec", "containers", 0, "image")
            assert image == f"shop/web:v{at}-mended"
            await there.phase("Healthy")
            assert await there.weights() == (0, 100)
            await settled(there)
            return True
        await settled(there)
        return False

    assert at_every_write(story) > 12


async def until_spoken(there: World, meddler: Meddler) -> bool:
    """Whether the update had so many writes that the client spoke."""
    for _ in range(300):
        if meddler.speak is None:
            return True
        await there.clock.sleep(0.1)
        found = await there.rollout()
        if found["status"].get("phase") == "Healthy" and found["status"]["observedGeneration"] == str(
            found["metadata"]["generation"]
        ):
            break
    spoken = meddler.speak is None
    meddler.speak = None
    return spoken


class Proxy:
    """A router that reports on its route at the very moment at which the engine writes it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.speak: Callable[[], Awaitable[Any]] | None = None

    async def send(self, request: Request) -> Response:
        speak = self.speak
        if speak is not None and request.method == "PATCH" and "/httproutes/" in request.path:
            self.speak = None
            await speak()
        return await self._inner.send(request)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.proves("rollouts:attended-at-once")
def test_a_route_that_its_proxy_writes_meanwhile_is_written_at_once_all_the_same() -> None:
    async def main() -> None:
        proxies: list[Proxy] = []

        def wrap(server: Transport, _: Clock) -> Transport:
            proxies.append(Proxy(server))
            return proxies[-1]

        async with world(wrap) as there:
            await there.user.create(ROLLOUTS, rollout({"setWeight": 50}, {"pause": {}}))
            await there.phase("Healthy")

            async def report() -> None:
                parent = {"parentRef": {"name": "shop"}, "controllerName": "traefik.io/gateway-controller", "conditions": []}
                await there.user.patch(HTTP_ROUTES, NS, "web", {"status": {"parents": [parent]}}, subresource="status")

            proxies[-1].speak = report
            await there.set_image("shop/web:v2")
            await there.phase("Paused", seconds=3)
            assert proxies[-1].speak is None
            assert await there.weights() == (50, 50)
            assert "TrafficRoutingError" not in await there.reasons()

    run_in_virtual_time(main())


class Mortal(World):
    """An engine that dies at any moment and is started again, with nothing remembered."""

    life: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            while True:
                self.life = asyncio.create_task(self.engine.run())
                await asyncio.wait([self.life])
                if not self.life.cancelled():
                    self.life.result()
                self.crashes += 1
                self.engine = self.make_engine()
        finally:
            if self.life is not None:
                self.life.cancel()


CANARIES = 50


@pytest.mark.proves("rollouts:no-step-lost")
def test_fifty_canaries_lose_and_repeat_no_step_while_the_engine_dies() -> None:
    walked: defaultdict[str, list[int]] = defaultdict(list)

    def look(old: Obj | None, new: Obj | None) -> None:
        if new is None or dig(new, "status", "stableRS") == dig(new, "status", "currentPodHash"):
            return
        index = dig(new, "status", "currentStepIndex")
        if index is not None and walked[name_of(new)][-1:] != [index]:
            walked[name_of(new)].append(index)

    async def story(there: World) -> None:
        assert isinstance(there, Mortal)
        there.cluster.follow(ROLLOUTS, look)
        rng, names = random.Random(11), [f"web-{number}" for number in range(CANARIES)]
        for name in names:
            await there.user.create(ROLLOUTS, plain(name, "shop/web:v1"))
        await all_healthy(there)
        for name in names:
            body = {"spec": plain(name, "shop/web:v2")["spec"]}
            await there.user.patch(ROLLOUTS, NS, name, {"spec": {"template": body["spec"]["template"]}})
        for _ in range(8):
            await there.clock.sleep(rng.uniform(0.2, 1.2))
            if there.life is not None:
                there.life.cancel()
        await all_healthy(there)
        assert there.crashes >= 6

    simulate(story, make=Mortal)
    assert set(walked) == {f"web-{number}" for number in range(CANARIES)}
    assert {tuple(indexes) for indexes in walked.values()} <= {(0, 1, 2, 3), (0, 1, 2, 3, 4)}


def plain(name: str, image: str) -> Obj:
    """A canary by pod counts."""
    steps = ({"setWeight": 25}, {"pause": {"duration": 2}}, {"setWeight": 50}, {"pause": {"duration": 2}})
    made = rollout(*steps)
    made["metadata"]["name"] = name
    for key in ("canaryService", "stableService", "trafficRouting"):
        del made["spec"]["strategy"]["canary"][key]
    labels = {"app": name}
    made["spec"]["selector"] = {"matchLabels": labels}
    made["spec"]["template"] = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return made


async def all_healthy(there: World) -> None:
    for _ in range(600):
        found = (await there.user.list(ROLLOUTS, NS)).items
        settled = [
            one
            for one in found
            if dig(one, "status", "phase") == "Healthy"
            and dig(one, "status", "observedGeneration") == str(one["metadata"]["generation"])
        ]
        if len(settled) == CANARIES:
            return
        await there.clock.sleep(0.2)
    raise AssertionError([dig(one, "status", "message") for one in found if dig(one, "status", "phase") != "Healthy"])
