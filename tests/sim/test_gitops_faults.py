"""The GitOps engine under faults: crashes between writes, lost answers, 409/429/500, dropped and delayed watches.

Each seed is one history. Whatever happened on the way, when the faults end the cluster is what Git says, the status says so,
no hook ran twice for one operation, and nothing more is written. A failing seed becomes a named test.
"""

import random
from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, JOBS, SERVICES
from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig, name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.gitops_objects import WIDGET_KIND, WIDGETS, config, hook, service
from tests.sim.gitops_world import World, application, world

SEEDS = range(50)
FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.02, watch_dropped=0.05, watch_held_back=0.1)


def contents(rng: random.Random) -> list[Obj]:
    """A random shop; always with something in it."""
    maps = [config(f"map-{n}", annotations={"edition": str(rng.randrange(3))}) for n in range(4) if rng.random() < 0.7]
    services = [service(f"web-{n}") for n in range(2) if rng.random() < 0.5]
    hooks = [hook("migrate", "PreSync")] if rng.random() < 0.5 else []
    return [config("base"), *maps, *services, *hooks]


class Node:
    """Ends every hook a second after it was created, and remembers which operation created it."""

    def __init__(self, there: World) -> None:
        self._there = there
        self.runs: list[tuple[str, str]] = []
        self._seen: set[str] = set()

    async def look(self) -> None:
        for job in (await self._there.user.list(JOBS, "shop")).items:
            if job["metadata"]["uid"] in self._seen:
                continue
            self._seen.add(job["metadata"]["uid"])
            self.runs.append((name_of(job), annotations_of(job)["shipway.dev/operation"]))
            done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
            await self._there.user.patch(JOBS, "shop", name_of(job), done, subresource="status")


async def live_names(there: World, resource: Resource) -> set[str]:
    found = (await there.user.list(resource, "shop")).items
    return {name_of(one) for one in found if "argocd.argoproj.io/tracking-id" in annotations_of(one)}


async def run_history(seed: int) -> None:
    rng = random.Random(seed)
    faulty: list[FaultyTransport] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        faulty.append(FaultyTransport(server, clock, rng, FAULTS))
        return faulty[0]

    async with world(contents(rng), wrap=wrap) as there:
        node = Node(there)
        policy: dict[str, Any] = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": -1}}
        await there.user.create(APPLICATIONS, application(syncPolicy=policy))
        for step in range(60):
            await there.clock.sleep(0.5)
            await node.look()
            if step in (12, 24, 36):
                await there.push(contents(rng))
            if rng.random() < 0.1:
                await there.user.patch(CONFIG_MAPS, "shop", "base", {"data": {"colour": "red"}}) if await exists(
                    there
                ) else None
        faulty[0].calm()
        for _ in range(2000):
            await there.clock.sleep(0.5)
            await node.look()
            if is_at_rest(await there.app(), there.repository.head):
                break
        await there.settle(400)
        await check(there, node)


async def exists(there: World) -> bool:
    return not await there.gone(CONFIG_MAPS, "shop", "base")


def is_at_rest(app: Obj, head: str) -> bool:
    status = dig(app, "status", default={})
    return (dig(status, "sync", "status"), dig(status, "sync", "revision")) == ("Synced", head) and "operation" not in app


async def check(there: World, node: Node) -> None:
    wanted = there.repository.commits[there.repository.head]
    assert isinstance(wanted, list)
    for resource in (CONFIG_MAPS, SERVICES):
        assert await live_names(there, resource) == {name_of(obj) for obj in wanted if obj["kind"] == resource.kind}
    assert (await there.user.get(CONFIG_MAPS, "shop", "base"))["data"] == {"colour": "blue"}
    app = await there.app()
    assert is_at_rest(app, there.repository.head)
    assert dig(app, "status", "health", "status") == "Healthy"
    assert len(node.runs) == len(set(node.runs)), "a hook ran twice for one try of one operation"
    there.engine.writes.clear()
    await there.settle(700)
    assert there.engine.writes == []


@pytest.mark.proves("000-22")
@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_history_the_cluster_is_what_git_says(seed: int) -> None:
    run_in_virtual_time(run_history(seed))


class Wisher:
    """A transport by which somebody wishes for a refresh while the engine applies a ConfigMap."""

    def __init__(self, server: Transport, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._user = Client(server, manager="kubectl-edit")
        self.has_wished = False

    async def send(self, request: Request) -> Response:
        response = await self._server.send(request)
        is_apply = request.method == "PATCH" and "/configmaps/" in request.path and ("dryRun", "All") not in request.query
        if is_apply and not self.has_wished:
            self.has_wished = True
            wish = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
            await self._user.patch(APPLICATIONS, "argocd", "shop", wish)
            await self._clock.sleep(0.1)
        return response

    async def close(self) -> None:
        """The server belongs to the test."""


@pytest.mark.compat("argocd:annotation.refresh")
def test_a_wish_for_a_refresh_that_comes_while_something_is_applied_is_fulfilled_at_once() -> None:
    wishers: list[Wisher] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        wishers.append(Wisher(server, clock))
        return wishers[0]

    async def main() -> None:
        async with world([config()], wrap=wrap) as there:
            await there.user.create(APPLICATIONS, application())
            await there.synced()
            await there.settle(5)
            app = await there.user.get(APPLICATIONS, "argocd", "shop")
            assert wishers[0].has_wished
            assert "argocd.argoproj.io/refresh" not in annotations_of(app)

    run_in_virtual_time(main())


class Late:
    """A transport to a server of which one part learns of kinds later than discovery: for two seconds it knows no widgets."""

    def __init__(self, server: Transport, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._since: float | None = None
        self.refused = 0

    async def send(self, request: Request) -> Response:
        now = self._clock.now()
        if request.method == "PATCH" and "/widgets/" in request.path and now - (self._since or now) < 2.0:
            self._since = self._since or now
            self.refused += 1
            return Response(404, {}, b"404 page not found\n")
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def test_a_kind_that_is_defined_and_not_served_everywhere_yet_is_tried_again_soon() -> None:
    late: list[Late] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        late.append(Late(server, clock))
        return late[0]

    async def main() -> None:
        widget: Obj = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}
        async with world([config(), WIDGETS, widget], wrap=wrap) as there:
            await there.user.create(APPLICATIONS, application())
            await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", seconds=10)
            assert 2 <= late[0].refused <= 10, "it backs off all the same"
            assert not await there.gone(WIDGET_KIND, "shop", "one")

    run_in_virtual_time(main())
