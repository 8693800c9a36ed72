"""A world of several clusters: the GitOps world is the one that the Applications live in, others are API servers of their own.

How an API server is reached is what is replaced (in memory instead of HTTP); the Secrets, the clients and their isolation are
the product's. A cluster can be told to hang (no answer ever comes) or to be away.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from shipway.api.clusters import Cluster
from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.assembly.clusters import Clusters
from shipway.base.clock import Clock, LoopClock
from shipway.base.errors import Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.gitops_world import EPOCH, Recording, World, kubernetes, world


def url(name: str) -> str:
    return f"https://{name}.test"


class Member:
    """One more cluster: what stands between it and the engine, and who looks at it."""

    def __init__(self, name: str, server: ApiServer, clock: Clock) -> None:
        self.name = name
        self.server = server
        self.clock = clock
        self.user = Client(server, manager="kubectl-edit")
        self.door = Doorkeeper(server)
        self.engine = Recording(self.door)
        self.hangs = self.is_away = False
        self.faulty: FaultyTransport | None = None
        self.waiting = self.opened = self.streams = 0

    async def send(self, request: Request) -> Response:
        if self.is_away:
            raise Unavailable(f"{url(self.name)} does not answer: connection refused", reason="Unreachable")
        if self.hangs:
            self.waiting += 1
            try:
                async with asyncio.timeout(30.0):
                    await asyncio.get_running_loop().create_future()
            except TimeoutError:
                raise Unavailable(f"{url(self.name)} does not answer: TimeoutError", reason="Unreachable") from None
            finally:
                self.waiting -= 1
        return await self.engine.send(request)

    async def close(self) -> None:
        self.opened -= 1

    async def rebuild(self) -> None:
        """Another cluster at the same address: nothing of the old one is left, and its versions begin anew."""
        await self.server.close()
        self.server = await ApiServer.open(path=None, clock=self.clock, ids=RandomIds())
        self.user = Client(self.server, manager="kubectl-edit")
        self.engine = Recording(self.server)
        await self.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})

    def misbehave(self, seed: int) -> None:
        """From now on by this seed, until `calm`."""
        self.faulty = FaultyTransport(self.server, self.clock, random.Random(seed), Faults(crash=0.03))
        self.engine = Recording(self.faulty)

    def calm(self) -> None:
        if self.faulty is not None:
            self.faulty.calm()

    async def names(self, resource: Any, namespace: str = "shop") -> set[str]:
        """What the engine put there."""
        found = (await self.user.list(resource, namespace)).items
        return {one["metadata"]["name"] for one in found if "shipway.dev/applied" in one["metadata"].get("annotations", {})}


class Doorkeeper:
    """A transport whose server refuses to list one path, or everything but what lies in some namespaces.

    `lists` counts by path what was listed, `knocks` what was asked for and refused."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.refused = ""
        self.only: tuple[str, ...] | None = None
        self.knocks: Counter[str] = Counter()
        self.lists: Counter[str] = Counter()

    async def send(self, request: Request) -> Response:
        if (request.method == "GET" and request.path == self.refused) or not self._may(request.path):
            self.knocks[request.path] += 1
            kind = request.path.rpartition("/")[2]
            said = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"{kind} is forbidden: User cannot list"}
            return Response(403, {"content-type": "application/json"}, orjson.dumps(said))
        self.lists[request.path] += "limit" in dict(request.query)
        return await self._server.send(request)

    def _may(self, path: str) -> bool:
        """As a Role in each of the namespaces allows, and what everybody may."""
        if self.only is None or path in ("/version", "/api", "/apis"):
            return True
        parts = path.split("/namespaces/", 1)[1].split("/") if "/namespaces/" in path else [""]
        return len(parts) > 1 and parts[0] in self.only

    async def close(self) -> None:
        """The server belongs to the test."""


class Fleet:
    """The members by name, and the world of the Applications."""

    def __init__(self, home: World, members: dict[str, Member], doors: list[Doorkeeper]) -> None:
        self.home = home
        self._doors = [*doors, *(member.door for member in members.values())]
        self.members = members
        self.logins: list[str] = []

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    async def join(self, name: str, /, **fields: Any) -> None:
        """Writes the Secret of a member, as `argocd cluster add` does."""
        await self.home.user.create(SECRETS, cluster_secret(name, **fields))

    async def leave(self, name: str) -> None:
        await self.home.user.delete(SECRETS, "argocd", f"cluster-{name}")

    def refuse(self, path: str) -> None:
        """From now on no cluster lets the engine list a path; "": all may be listed again."""
        for door in self._doors:
            door.refused = path

    def open(self, cluster: Cluster) -> Transport:
        self.logins.append(cluster.config.token if cluster.config else "")
        member = self.members[cluster.server.removeprefix("https://").removesuffix(".test")]
        member.opened += 1
        return member


def cluster_secret(called: str, /, **fields: Any) -> Obj:
    config = {"bearerToken": "t0ken", "tlsClientConfig": {"insecure": True}}
    said = {"name": called, "server": url(called), "config": orjson.dumps(config).decode(), **fields}
    meta = {
        "name": f"cluster-{called}",
        "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "cluster", "env": "prod"},
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {k: v for k, v in said.items() if v}}


def simulate_fleet(
    story: Callable[[Fleet], Awaitable[None]], objects: list[Obj], names: tuple[str, ...] = ("east", "west")
) -> None:
    """Runs `story` with a cluster of each name, in virtual time. None of them has joined yet."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        members: dict[str, Member] = {}
        for name in names:
            members[name] = await _member(name, clock)
        fleets: list[Fleet] = []
        doors: list[Doorkeeper] = []

        def behind_a_door(server: Transport, _: Clock) -> Transport:
            doors.append(Doorkeeper(server))
            return doors[-1]

        def clusters(client: Client, clock: Clock) -> Clusters:
            return Clusters(client, clock, "argocd", open_transport=lambda cluster: fleets[0].open(cluster))

        async with world(objects, wrap=behind_a_door, clusters=clusters) as home, asyncio.TaskGroup() as group:
            fleets.append(Fleet(home, members, doors))
            running: list[asyncio.Task[None]] = []
            for member in members.values():
                controllers: Runtime = kubernetes(member.server, clock)
                running.append(group.create_task(controllers.run()))
            try:
                await story(fleets[0])
            finally:
                for task in running:
                    task.cancel()
        for member in members.values():
            await member.server.close()

    run_in_virtual_time(main())


async def _member(name: str, clock: Clock) -> Member:
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    member = Member(name, server, clock)
    await member.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return member
