"""What the open pages look at: Applications, or the Rollouts of a namespace with all below them, held by watches while
somebody looks.

The first who looks at a namespace starts its watches, the last ends them. A change of a pod, a ReplicaSet or an analysis is
a change of the one Rollout it belongs to, and only that one is told to those who look: what a change costs does not grow
with the namespace.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from shipway.api.kinds import ANALYSIS_RUNS, APPLICATIONS, PODS, REPLICA_SETS, ROLLOUTS
from shipway.base.clock import Clock
from shipway.base.errors import Denied, NotFound, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import controller_of, name_of, uid_of
from shipway.kube.runtime.controller import key_of
from shipway.kube.runtime.informer import Informer
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.view import Family

CHILDREN = (REPLICA_SETS, PODS, ANALYSIS_RUNS)
OWNER = "owner"
"""The index of what an object controls, by its uid."""
FIRST_LIST = 10.0
"""Seconds until a cluster that has not answered is called silent."""
OTHER_LISTS = 2.0
"""Seconds more for what is below: a cluster may know no analyses."""
LOOK = 0.05


class Onlooker:
    """Somebody who looks at a namespace, or at one Rollout of it (`only`)."""

    def __init__(self, only: str = "") -> None:
        self._only = only
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()

    def tell(self, name: str) -> None:
        if not self._only or name == self._only:
            self._changed[name] = None
            self._wake.set()

    async def changed(self, within: float) -> list[str]:
        """Names of what changed since the last call, in that order; none when `within` seconds have passed."""
        try:
            async with asyncio.timeout(within):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        names, self._changed = list(self._changed), {}
        return names


class Watched:
    """One namespace (or all: "") and the objects of one kind in it, by the names that are told; kept fresh while `run` runs."""

    def __init__(self, main: Informer, namespace: str, clock: Clock) -> None:
        self.namespace = namespace
        self.users = 0
        self._main = main
        self._clock = clock
        self._onlookers: set[Onlooker] = set()

    async def run(self) -> None:
        """Watches until cancelled."""
        await self._main.run()

    async def ready(self) -> None:
        """Returns when there is something to show. Raises Denied where it may not be listed, Unavailable for silence."""
        until = self._clock.elapsed() + FIRST_LIST
        while not self._main.synced.is_set():
            if self._main.refusal:
                raise Denied(self._main.refusal)
            if self._clock.elapsed() > until:
                kinds = f"{self._main.resource.kind}s"
                raise Unavailable(f"the cluster does not answer, or does not know {kinds}: see whether kubectl reaches it")
            await self._clock.sleep(LOOK)

    @property
    def is_fresh(self) -> bool:
        """Whether the cluster tells us of changes."""
        return self._main.is_connected

    @asynccontextmanager
    async def onlooker(self, only: str = "") -> AsyncIterator[Onlooker]:
        """Is told of every change inside the block."""
        somebody = Onlooker(only)
        self._onlookers.add(somebody)
        try:
            yield somebody
        finally:
            self._onlookers.discard(somebody)

    def _tell(self, name: str) -> None:
        for onlooker in self._onlookers if name else ():
            onlooker.tell(name)


class Applications(Watched):
    """Those of one namespace, or of all; each is told as NAMESPACE/NAME."""

    def __init__(self, client: Client, namespace: str, clock: Clock) -> None:
        super().__init__(Informer(client, APPLICATIONS, clock=clock, namespace=namespace), namespace, clock)
        self._main.on_event(lambda old, new: self._tell(str(key_of(new or old or {}))))

    def names(self) -> list[str]:
        return sorted(str(key_of(obj)) for obj in self._main.list(self.namespace))

    def get(self, name: str) -> Obj | None:
        """None when there is none of this name."""
        namespace, _, bare = name.partition("/")
        return self._main.get(namespace, bare)


class Scene(Watched):
    """The Rollouts of one namespace with all below them."""

    def __init__(self, client: Client, namespace: str, clock: Clock) -> None:
        super().__init__(Informer(client, ROLLOUTS, clock=clock, namespace=namespace), namespace, clock)
        self._owners: dict[str, str] = {}
        """Which Rollout a ReplicaSet is of, by the uid of the set: a pod tells only of its set."""
        self._children = {
            kind: Informer(client, kind, clock=clock, namespace=namespace, label_selector=HASH_LABEL) for kind in CHILDREN
        }
        for informer in self._children.values():
            informer.add_index(OWNER, _owner)
        self._main.on_event(lambda old, new: self._tell(name_of(new or old or {})))
        self._children[REPLICA_SETS].on_event(self._owned)
        self._children[ANALYSIS_RUNS].on_event(self._owned)
        self._children[PODS].on_event(self._pod)

    async def run(self) -> None:
        """Watches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (self._main, *self._children.values()):
                group.create_task(informer.run())

    async def ready(self) -> None:
        await super().ready()
        until = self._clock.elapsed() + OTHER_LISTS
        while not all(map(_has_answered, self._children.values())) and self._clock.elapsed() < until:
            await self._clock.sleep(LOOK)

    def names(self) -> list[str]:
        """All Rollouts, by name."""
        return sorted(name_of(obj) for obj in self._main.list(self.namespace))

    def family(self, name: str) -> Family | None:
        """A Rollout and what is below it; None when there is none of this name."""
        rollout = self._main.get(self.namespace, name)
        if rollout is None:
            return None
        sets, runs = self._of(REPLICA_SETS, rollout), self._of(ANALYSIS_RUNS, rollout)
        return Family(rollout, sets, [pod for rs in sets for pod in self._of(PODS, rs)], runs)

    def _of(self, kind: Resource, owner: Obj) -> list[Obj]:
        return list(self._children[kind].indexed(OWNER, uid_of(owner)))

    def _owned(self, old: Obj | None, new: Obj | None) -> None:
        obj = new or old or {}
        owner = controller_of(obj) or {}
        if owner.get("kind") != ROLLOUTS.kind:
            return
        if new is not None:
            self._owners[uid_of(obj)] = owner.get("name") or ""
        else:
            self._owners.pop(uid_of(obj), None)
        self._tell(owner.get("name") or "")

    def _pod(self, old: Obj | None, new: Obj | None) -> None:
        self._tell(self._owners.get((controller_of(new or old or {}) or {}).get("uid") or "", ""))


Seen = TypeVar("Seen", bound=Watched)


class Scenes(Generic[Seen]):
    """The namespaces that somebody looks at, each made by `make`; lives inside `async with`."""

    def __init__(self, make: Callable[[str], Seen]) -> None:
        self._make = make
        self._open: dict[str, tuple[Seen, asyncio.Task[None]]] = {}
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> "Scenes[Seen]":
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for _, task in self._open.values():
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def opened(self, namespace: str) -> AsyncIterator[Seen]:
        """The namespace, watched inside the block. Raises Denied, Unavailable."""
        if namespace not in self._open:
            made = self._make(namespace)
            self._open[namespace] = (made, self._group.create_task(made.run()))
        scene, task = self._open[namespace]
        scene.users += 1
        try:
            await scene.ready()
            yield scene
        finally:
            scene.users -= 1
            if not scene.users:
                del self._open[namespace]
                task.cancel()


async def namespaces(client: Client) -> list[str]:
    """Those with Rollouts, as far as we may look."""
    try:
        found = (await client.list(ROLLOUTS)).items
    except (Denied, NotFound):
        return []
    return sorted({obj["metadata"]["namespace"] for obj in found})


def _owner(obj: Obj) -> Iterable[str]:
    uid = (controller_of(obj) or {}).get("uid")
    return (uid,) if uid else ()


def _has_answered(informer: Informer) -> bool:
    return informer.synced.is_set() or bool(informer.refusal)
