"""Two replicas of the GitOps engine share generated Applications: each does about half, and both together what one would do."""

import asyncio

import pytest
from msgspec import Struct

from shipway.api.crds import load_crds
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, CRDS, NAMESPACES
from shipway.assembly.clusters import Clusters
from shipway.base.clock import LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.sharing import Membership, Sharing
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from tests.sim.gitops_objects import config
from tests.sim.gitops_world import EPOCH, Repository, World, application
from tests.sim.prometheus_lines import value

APPS = 80
LEASES = "/leases/"


class Did(Struct, frozen=True):
    """What one replica did of the work: passes, and writes that are not about its own membership."""

    passes: float
    writes: int

    def since(self, before: "Did") -> "Did":
        return Did(self.passes - before.passes, self.writes - before.writes)


def of(replica: World) -> Did:
    passes = value(replica.scraped(), "shipway_passes_total", controller="gitops-application")
    return Did(passes or 0.0, sum(LEASES not in path for _, path in replica.engine.writes))


def works(replicas: int) -> list[tuple[Did, ...]]:
    """What each replica did of a first sync of all Applications, and of a commit that changes them all."""
    done: list[tuple[Did, ...]] = []

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        repository = Repository()
        repository.commit([config()])

        def clusters(client: Client, clock: LoopClock) -> Clusters:
            return Clusters(client, clock, "argocd")

        worlds = [World(server, repository, clock, lambda one: one, clusters) for _ in range(replicas)]
        user = worlds[0].user
        for crd in load_crds():
            await user.create(CRDS, crd)
        while APPLICATIONS not in await user.discover():
            await clock.sleep(0.1)
        for name in ("argocd", *map(space, range(APPS))):
            await user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(replica(one, number)) for number, one in enumerate(worlds)]
            await clock.sleep(10)
            before = list(map(of, worlds))
            for number in range(APPS):
                destination = {"server": "https://kubernetes.default.svc", "namespace": space(number)}
                await user.create(APPLICATIONS, application(f"app-{number:03d}", destination=destination))
            await all_have(user, clock, "blue")
            done.append(tuple(of(one).since(was) for one, was in zip(worlds, before, strict=True)))
            before = list(map(of, worlds))
            changed = config()
            changed["data"] = {"colour": "red"}
            repository.commit([changed])
            for one in worlds:
                one.webhook()
            await all_have(user, clock, "red")
            done.append(tuple(of(one).since(was) for one, was in zip(worlds, before, strict=True)))
            for task in running:
                task.cancel()
        await server.close()

    run_in_virtual_time(main())
    return done


async def replica(one: World, number: int) -> None:
    """A process of its own with `--share`."""
    sharing = Sharing(Client(one.engine), one.clock, Membership("argocd", "shipway", f"replica-{number}"))
    one.runtime.share_by(sharing.owns)
    async with asyncio.TaskGroup() as group:
        group.create_task(sharing.run(one.runtime))
        group.create_task(one.clusters.run())
        group.create_task(one.lookout.run())


async def all_have(user: Client, clock: LoopClock, colour: str) -> None:
    """Until every Application is Synced with the colour live, and nothing follows from it any more."""
    for _ in range(600):
        apps = (await user.list(APPLICATIONS)).items
        maps = [one for one in (await user.list(CONFIG_MAPS)).items if dig(one, "data", "colour") == colour]
        if len(apps) == len(maps) == APPS and all(map(is_done, apps)):
            await clock.sleep(10)
            return
        await clock.sleep(0.5)
    raise AssertionError("not all of them were synced")


def is_done(app: Obj) -> bool:
    return dig(app, "status", "sync", "status") == "Synced" and "operation" not in app


def space(number: int) -> str:
    return f"team-{number:03d}"


@pytest.mark.proves("002-29")
def test_two_replicas_do_about_half_each_and_together_what_one_does() -> None:
    alone, together = works(1), works(2)
    for (one,), parts in zip(alone, together, strict=True):
        passes, writes = sum(part.passes for part in parts), sum(part.writes for part in parts)
        assert writes == one.writes, "nothing is written twice, and nothing left out"
        assert abs(passes - one.passes) <= 0.05 * one.passes
        assert max(part.passes for part in parts) <= 0.6 * passes
        assert max(part.writes for part in parts) <= 0.6 * writes
