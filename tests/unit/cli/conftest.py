"""A session over an embedded API server in memory, with our kinds installed and the shop's objects on request."""

import random
from collections.abc import AsyncGenerator
from functools import cache

import pytest_asyncio

from shipway.api.crds import load_crds
from shipway.api.kinds import (
    ANALYSIS_RUNS,
    APP_PROJECTS,
    APPLICATION_SETS,
    APPLICATIONS,
    CRDS,
    EXPERIMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
)
from shipway.base.clock import Clock, Instant, SystemClock
from shipway.base.ids import RandomIds
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import uid_of
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.view import Family
from tests.unit.cli.objects import NOW


class StillClock:
    """Stands at `NOW`; sleeping takes no time, and lets others go on."""

    def __init__(self, real: Clock) -> None:
        self._real = real

    def now(self) -> Instant:
        return NOW

    def elapsed(self) -> float:
        return self._real.elapsed()

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(0)


class Shop:
    """A cluster with namespaces argocd and shop, and ways to put objects there as their engines would."""

    def __init__(self, server: ApiServer, clock: Clock) -> None:
        self.server = server
        self.client = Client(server, user_agent="test", manager="test")
        self.session = Session(self.client, clock, "", "shop")

    def at(self, namespace: str) -> Session:
        """The session with -n."""
        return Session(self.client, self.session.clock, namespace, "shop")

    async def create(self, resource: Resource, obj: Obj) -> Obj:
        """With its status, whatever way the kind wants it written."""
        made = await self.client.create(resource, {key: value for key, value in obj.items() if key != "status"})
        if not obj.get("status"):
            return made
        place = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        subresource = "status" if resource.status_subresource else ""
        return await self.client.patch(resource, *place, {"status": obj["status"]}, subresource=subresource)

    async def create_family(self, family: Family) -> None:
        """Owners get new uids, so their children's references follow."""
        made = {"r1": uid_of(await self.create(ROLLOUTS, family.rollout))}
        for rs in family.replica_sets:
            made[uid_of(rs)] = uid_of(await self.create(REPLICA_SETS, _adopted(rs, made)))
        for pod in family.pods:
            await self.create(PODS, _adopted(pod, made))
        for run in family.runs:
            await self.create(ANALYSIS_RUNS, _adopted(run, made))

    async def app(self, name: str) -> Obj:
        return await self.client.get(APPLICATIONS, "argocd", name)

    async def rollout(self, name: str = "web") -> Obj:
        return await self.client.get(ROLLOUTS, "shop", name)


def _adopted(child: Obj, uids: dict[str, str]) -> Obj:
    references = [{**ref, "uid": uids.get(ref["uid"], ref["uid"])} for ref in child["metadata"]["ownerReferences"]]
    return {**child, "metadata": {**child["metadata"], "ownerReferences": references}}


@cache
def our_definitions() -> tuple[Obj, ...]:
    """Read once: the schema of a Rollout is large."""
    wanted = {kind.plural for kind in (APPLICATIONS, APPLICATION_SETS, APP_PROJECTS, ROLLOUTS, ANALYSIS_RUNS, EXPERIMENTS)}
    return tuple(crd for crd in load_crds() if crd["metadata"]["name"].partition(".")[0] in wanted)


@pytest_asyncio.fixture
async def shop() -> AsyncGenerator[Shop, None]:
    clock = StillClock(SystemClock())
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(7)))
    made = Shop(server, clock)
    for crd in our_definitions():
        await made.client.create(CRDS, crd)
    for name in ("argocd", "shop"):
        await made.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield made
    await server.close()
