"""Who answers which objects belong to no Application: a look at the clusters that somebody asks about, as long as he does.

A cluster is looked at once for everybody. What comes and goes is told after a moment in which more may come, and then the
namespace rests: objects that are made and deleted all day cost an answer twice a minute and not a pass each. Only those are
woken who get another answer.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct, field

from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Clock
from shipway.gitops.asks import OrphansAsk
from shipway.gitops.orphans import leaves_out_kind
from shipway.gitops.scope import Scope
from shipway.gitops.strays import Strays
from shipway.gitops.tracking import instance_name
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.runtime.contents import Contents, Part
from shipway.kube.runtime.controller import Resolver, key_of
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.runtime import Runtime

SOON, REST = 1.0, 30.0
"""Seconds from a change until it is told, and between two times that a namespace is told of."""
Where = tuple[str, Scope]
"""A cluster, and which of its kinds count."""


class _Asked(Struct):
    """A namespace that somebody asks about. `told`: when it was told of last, by `Clock.elapsed`."""

    due: asyncio.TimerHandle | None = None
    told: float = float("-inf")


class _Look(Struct):
    """What is kept of a cluster while somebody asks about a namespace of it."""

    strays: Strays
    contents: Contents
    applications: Informer
    task: asyncio.Task[None]
    asked: dict[str, _Asked] = field(default_factory=dict)


class Lookout:
    """Answers `OrphansAsk`. `control_namespace` is where Applications are that go by their bare names."""

    def __init__(self, clock: Clock, control_namespace: str) -> None:
        self._clock = clock
        self._control_namespace = control_namespace
        self._looks: dict[Where, _Look] = {}
        self._applications: set[str] = set()
        self._runtime: Runtime | None = None
        self._informer: Informer | None = None
        self._group: asyncio.TaskGroup | None = None
        self._running = asyncio.Event()

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        return {OrphansAsk: self.orphans}

    def serve(self, runtime: Runtime) -> None:
        """From now on looks with the eyes of `runtime`, and tells it what is new."""
        self._runtime = runtime
        runtime.when_forgotten(self._forgotten)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._running.set()
            await asyncio.get_running_loop().create_future()

    async def orphans(self, ask: OrphansAsk) -> frozenset[Ref]:
        """What lies there and belongs to no Application, once the cluster has been looked at."""
        await self._running.wait()
        look = self._look_at((ask.cluster, ask.scope))
        look.asked.setdefault(ask.namespace, _Asked())
        await look.applications.synced.wait()
        await look.contents.listed.wait()
        return look.strays.of(ask.namespace)

    def _look_at(self, where: Where) -> _Look:
        look = self._looks.get(where)
        if look is None:
            if self._runtime is None or self._group is None:
                raise AssertionError("who is asked serves a runtime and runs")
            cluster, scope = where

            def leaves_out(kind: Resource) -> bool:
                return leaves_out_kind(kind.group, kind.kind, scope, cluster)

            if self._informer is None:
                self._informer = self._runtime.follow(APPLICATIONS, self._application_changed)
            strays = Strays(self._applications.__contains__, lambda namespace: self._changed(where, namespace))
            contents = self._runtime.contents(Part(cluster, leaves_out), strays)
            task = self._group.create_task(contents.run())
            look = self._looks[where] = _Look(strays, contents, self._informer, task)
        return look

    def _forgotten(self, ask: Ask) -> None:
        """Nobody asks about the namespace any more; with the last one of a cluster the look ends."""
        if not isinstance(ask, OrphansAsk):
            return
        look = self._looks.get((ask.cluster, ask.scope))
        asked = look.asked.pop(ask.namespace, None) if look else None
        if asked and asked.due:
            asked.due.cancel()
        if look and not look.asked:
            look.task.cancel()
            del self._looks[(ask.cluster, ask.scope)]

    def _application_changed(self, old: Obj | None, new: Obj | None) -> None:
        if old is not None and new is not None:
            return
        for obj, add_or_drop in ((old, self._applications.discard), (new, self._applications.add)):
            if obj is not None:
                self._came_or_went(instance_name(key_of(obj), self._control_namespace), add_or_drop)

    def _came_or_went(self, instance: str, add_or_drop: Callable[[str], object]) -> None:
        add_or_drop(instance)
        for look in self._looks.values():
            look.strays.application_changed(instance)

    def _changed(self, where: Where, namespace: str) -> None:
        look = self._looks.get(where)
        asked = look.asked.get(namespace) if look and look.contents.listed.is_set() else None
        if asked is None or asked.due is not None:
            return
        wait = max(SOON, asked.told + REST - self._clock.elapsed())
        asked.due = asyncio.get_running_loop().call_later(wait, self._tell, where, namespace)

    def _tell(self, where: Where, namespace: str) -> None:
        asked = self._looks[where].asked[namespace]
        asked.due, asked.told = None, self._clock.elapsed()
        if self._runtime is not None:
            self._runtime.ask_again([OrphansAsk(where[0], namespace, where[1])])
