"""The caches of one process: informers shared by its controllers, counted by who needs them, and what kinds are served.

A controller sees them through its `ControllerWatches` (world.py). Kinds found at run time (the GitOps engine meets them in Git)
are watched while some key needs them. A kind that is not served yet is remembered with whoever asked for it, and they are woken
when a CustomResourceDefinition makes it appear.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Hashable
from contextlib import suppress

import structlog
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Resource
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.feed import LONGEST_PAUSE
from shipway.kube.runtime.informer import Informer

log = structlog.get_logger()

PartKey = tuple[Resource, str, str, str, bool]
CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
REDISCOVER_AFTER = 0.2
"""Seconds to wait for more CRDs before asking the server again what it serves."""
REDISCOVER_EVERY = 60.0
"""Seconds between two such questions to a server whose CRDs are not ours to watch."""
_KINDS = "kinds"
"""Who watches the CustomResourceDefinitions of a cluster."""


def part_key(watch: Watch) -> PartKey:
    """Watches of the same part of a kind share one informer; it keeps the managedFields as soon as one of them wants them."""
    return (watch.resource, watch.namespace, watch.field_selector, watch.label_selector, watch.metadata_only)


class Kinds:
    """What one server serves, by group and kind at the preferred version, and how far we look there."""

    def __init__(self, client: Client, clock: Clock, cluster: str = "", reach: Reach | None = EVERYWHERE) -> None:
        self.is_known = False
        self.reach = reach
        """None: not known yet."""
        self._client = client
        self._cluster = cluster
        self._clock = clock
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._missed: dict[Hashable, Callable[[], None]] = {}
        self._stale = asyncio.Event()

    def find(self, group: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, kind))

    @property
    def served(self) -> tuple[Resource, ...]:
        return tuple(self._by_kind.values())

    def remember_miss(self, who: Hashable, wake: Callable[[], None]) -> None:
        """`wake` is called once when what is served has changed."""
        self._missed[who] = wake

    def forget_miss(self, who: Hashable) -> None:
        self._missed.pop(who, None)

    def is_stale(self) -> None:
        """Something (a CRD event) says that the server may serve other kinds now."""
        self._stale.set()

    async def refresh(self) -> None:
        resources = await self._client.discover()
        fresh: dict[tuple[str, str], Resource] = {}
        for resource in resources:
            fresh.setdefault(resource.group_kind, resource.on(self._cluster))
        if self.is_known and fresh == self._by_kind:
            return
        self._by_kind, self.is_known = fresh, True
        self._wake_missed()

    def reach_to(self, reach: Reach | None) -> None:
        """From now on we look so far; whoever missed something is woken."""
        self.reach = reach
        self._wake_missed()

    def _wake_missed(self) -> None:
        missed, self._missed = self._missed, {}
        for wake in missed.values():
            wake()

    async def run(self) -> None:
        """Asks once at the start and again whenever what is known is stale, until cancelled."""
        failures = 0
        while True:
            self._stale.clear()
            try:
                await self.refresh()
                failures = 0
            except ShipwayError as error:
                failures += 1
                log.warning("discovery_failed", cluster=self._cluster, reason=error.reason, message=error.message)
                self._stale.set()
                await self._clock.sleep(min(LONGEST_PAUSE, REDISCOVER_AFTER * 5 * 2 ** min(failures - 1, 5)))
            await self._until_stale()
            await self._clock.sleep(REDISCOVER_AFTER)

    async def _until_stale(self) -> None:
        """Until a CRD event says so; where none can come, until it is time."""
        is_told = self.reach is None or self.reach.covers(CRDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if is_told else REDISCOVER_EVERY):
                await self._stale.wait()


Open = Callable[[str], Client]
"""A client of the cluster at a server URL. It never fails: what is wrong, each request says."""

ReachOf = Callable[[str], Reach | None]
"""How far one looks on a cluster; None while that is not known."""


def _no_other(cluster: str) -> Client:
    raise Unavailable(f"cluster {cluster} is not known: this process speaks to one cluster only", reason="UnknownCluster")


class _Member(Struct):
    """One cluster of which something is watched."""

    client: Client
    kinds: Kinds
    task: asyncio.Task[None] | None = None


class Caches:
    """Informers by what they watch, alive while somebody needs them; and the clusters that they watch, likewise.

    Each cluster has a client, a discovery and informers of its own, so that one which does not answer keeps no other waiting.
    """

    def __init__(self, client: Client, clock: Clock, rng: random.Random | None = None) -> None:
        self._members = {"": _Member(client, Kinds(client, clock))}
        self.open_cluster: Open = _no_other
        self.reach_of: ReachOf = lambda _: EVERYWHERE
        self._clock = clock
        self._rng = rng
        self._informers: dict[PartKey, Informer] = {}
        self._needed_by: defaultdict[PartKey, set[Hashable]] = defaultdict(set)
        self._tasks: dict[PartKey, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tell_of_whole: dict[Hashable, Callable[[Resource], None]] = {}

    @property
    def informers(self) -> tuple[Informer, ...]:
        return tuple(self._informers.values())

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters besides ours of which something is watched."""
        return tuple(cluster for cluster in self._members if cluster)

    def kinds_of(self, cluster: str) -> Kinds | None:
        """What a cluster serves; None while nothing is watched of it."""
        member = self._members.get(cluster)
        return member.kinds if member else None

    def forget_misses(self, who: Hashable) -> None:
        """Whoever looked for kinds that are not served wants to hear of none any more."""
        for member in self._members.values():
            member.kinds.forget_miss(who)

    def client(self, cluster: str) -> Client:
        member = self._members.get(cluster)
        if member is None:
            raise Unavailable(f"cluster {cluster} has been left: nothing of it is watched any more", reason="UnknownCluster")
        return member.client

    async def run(self) -> None:
        """Owns the informers' tasks until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for cluster in self._members:
                    self._discover(cluster)
                for key in list(self._informers):
                    self._start(key)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def need(self, who: Hashable, watch: Watch) -> Informer:
        """The informer of `watch`, started if nobody needed it yet; `who` needs it until `release`."""
        key = part_key(watch)
        informer = self._informers.get(key)
        if informer is None:
            informer = self._informers[key] = Informer(
                self._member(watch.resource.cluster).client,
                watch.resource,
                namespace=watch.namespace,
                label_selector=watch.label_selector,
                field_selector=watch.field_selector,
                metadata_only=watch.metadata_only,
                keep_managed_fields=watch.keep_managed_fields,
                clock=self._clock,
                rng=self._rng,
            )
            informer.cover(self._covered(key))
            self._start(key)
            self._whole_changed(key)
        elif watch.keep_managed_fields:
            informer.keep_managed_fields()
        for name, index in watch.indexes.items():
            informer.add_index(name, index)
        self._needed_by[key].add(who)
        return informer

    def whole(self, resource: Resource) -> Informer | None:
        """The cache of all objects of a kind with all that they say, if somebody keeps one."""
        return self._informers.get((resource, "", "", "", False))

    def follow_whole(self, who: Hashable, tell: Callable[[Resource], None] | None) -> None:
        """Has `tell` told of the kinds of which `whole` gives another answer from now on; None ends it."""
        if tell is None:
            self._tell_of_whole.pop(who, None)
        else:
            self._tell_of_whole[who] = tell

    def release(self, who: Hashable, watch: Watch) -> None:
        """`who` needs its informer no more. When nobody does the informer ends."""
        key = part_key(watch)
        needed_by = self._needed_by[key]
        needed_by.discard(who)
        if needed_by:
            if needed_by == {_KINDS}:
                self._leave(key[0].cluster)
            return
        del self._needed_by[key]
        self._informers.pop(key, None)
        task = self._tasks.pop(key, None)
        if task:
            task.cancel()
        self._whole_changed(key)
        self._leave(key[0].cluster)

    def begin_again(self, cluster: str) -> None:
        """Another cluster answers where this one did: all that is watched of it is listed anew."""
        member = self._members.get(cluster)
        if member is None:
            return
        member.kinds.is_stale()
        for key, informer in self._informers.items():
            if key[0].cluster == cluster:
                informer.list_anew()

    def reach_again(self, cluster: str) -> None:
        """One looks farther there now, or less far: lists what is new and forgets what is left, without asking for the rest."""
        member = self._members.get(cluster)
        if member is None or member.kinds.reach == self.reach_of(cluster):
            return
        member.kinds.reach_to(self.reach_of(cluster))
        member.kinds.is_stale()
        for key, informer in list(self._informers.items()):
            if key[0].cluster == cluster:
                informer.cover(self._covered(key))

    async def try_list(self, resource: Resource) -> None:
        """Raises what listing a kind wherever we look would raise."""
        for namespace in self._places(resource):
            await self.client(resource.cluster).try_list(resource, namespace)

    def _covered(self, key: PartKey) -> tuple[str, ...] | None:
        """The namespaces that an informer covers."""
        return None if self.reach_of(key[0].cluster) is None else self._places(key[0], key[1])

    def _places(self, resource: Resource, namespace: str = "") -> tuple[str, ...]:
        reach = self.reach_of(resource.cluster)
        return reach.places(resource, namespace) if reach is not None else ()

    def _whole_changed(self, key: PartKey) -> None:
        resource, *selectors, metadata_only = key
        if any(selectors) or metadata_only:
            return
        for tell in list(self._tell_of_whole.values()):
            tell(resource)

    def _member(self, cluster: str) -> _Member:
        """The cluster, met for the first time if nobody needed it yet."""
        member = self._members.get(cluster)
        if member is None:
            client = self.open_cluster(cluster)
            member = self._members[cluster] = _Member(client, Kinds(client, self._clock, cluster, self.reach_of(cluster)))
            self._discover(cluster)
        return member

    def _discover(self, cluster: str) -> None:
        member = self._members[cluster]
        if self._group is None or member.task is not None:
            return
        member.task = self._group.create_task(member.kinds.run())
        crds = self.need(_KINDS, _definitions(cluster))
        crds.on_event(lambda old, new: member.kinds.is_stale())

    def _leave(self, cluster: str) -> None:
        """Ends what is left of a cluster of which only the kinds are watched, by ourselves."""
        if not cluster:
            return
        mine = [key for key in self._informers if key[0].cluster == cluster]
        if any(self._needed_by[key] != {_KINDS} for key in mine):
            return
        member = self._members.pop(cluster, None)
        if member is None:
            return
        if mine:
            self.release(_KINDS, _definitions(cluster))
        if member.task is not None:
            member.task.cancel()
        if self._group is not None:
            self._group.create_task(member.client.close())

    def _start(self, key: PartKey) -> None:
        if self._group is not None and key not in self._tasks:
            self._tasks[key] = self._group.create_task(self._informers[key].run())


def _definitions(cluster: str) -> Watch:
    return Watch(CRDS.on(cluster), metadata_only=True)
