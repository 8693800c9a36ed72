"""A Rollout with its ReplicaSets, pods and analyses: fetched once, or kept fresh by watches.

Only the Rollout's own namespace is looked at, so that a person who may read no other can use it. A watch that the server
ends is begun again; one that breaks is tried again after a moment, and `trouble` says so meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from shipway.api.kinds import ANALYSIS_RUNS, PODS, REPLICA_SETS, ROLLOUTS
from shipway.base.errors import Conflict, NotFound, Unavailable, expected_in
from shipway.cli.session import Session, look_up, not_found
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.view import Family

CHILDREN = (REPLICA_SETS, PODS, ANALYSIS_RUNS)
LISTING = "shipway rollout list -A"
PAUSE = 2.0
"""Seconds until a watch that broke, or ended at once, is begun again."""


async def find_rollout(session: Session, name: str) -> Obj:
    """The Rollout. Raises NotFound saying where it was looked for."""
    return await look_up(session, ROLLOUTS, session.workload_namespace, name, LISTING)


async def fetch(session: Session, name: str) -> Family:
    """The Rollout and what it may own. Raises NotFound."""
    rollout = await find_rollout(session, name)
    replica_sets, pods, runs = [await _children(session, kind) for kind in CHILDREN]
    return Family(rollout, replica_sets, pods, runs)


class Followed:
    """A family that is kept fresh inside the block of `followed`."""

    def __init__(self, session: Session, name: str) -> None:
        self.name = name
        self.trouble = ""
        self._session = session
        self._objects: dict[Resource, dict[str, Obj]] = {}
        self._changed = asyncio.Event()

    @property
    def family(self) -> Family:
        """As last seen. Raises NotFound when there is no such Rollout, or no more."""
        rollout = self._objects[ROLLOUTS].get(self.name)
        if rollout is None:
            raise not_found(ROLLOUTS, self._session.workload_namespace, self.name, LISTING, "NotFound")
        children = [list(self._objects.get(kind, {}).values()) for kind in CHILDREN]
        return Family(rollout, *children)

    async def changed(self, within: float | None) -> None:
        """Returns when something has changed since the last call, after `within` seconds at the latest."""
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def keep(self, kind: Resource, listed: asyncio.Event) -> None:
        """Follows one kind for ever; an error before the first list is raised."""
        clock = self._session.clock
        while True:
            started = clock.now()
            try:
                await self._list_and_watch(kind, listed)
            except Conflict:
                pass  # too old to go on from: list again
            except NotFound:
                if kind is not ANALYSIS_RUNS:
                    raise
                listed.set()  # a cluster without the kind has none of them
                return
            except Unavailable as error:
                if not listed.is_set():
                    raise
                self.trouble = error.message
                self._changed.set()
            if clock.now() - started < PAUSE:
                await clock.sleep(PAUSE)

    async def _list_and_watch(self, kind: Resource, listed: asyncio.Event) -> None:
        client, namespace = self._session.client, self._session.workload_namespace
        labels, fields = ("", f"metadata.name={self.name}") if kind is ROLLOUTS else (HASH_LABEL, "")
        listing = await client.list(kind, namespace, label_selector=labels, field_selector=fields)
        objects = self._objects[kind] = {name_of(obj): obj for obj in listing.items}
        self.trouble = ""
        self._changed.set()
        listed.set()
        watch = client.watch(
            kind, namespace, resource_version=listing.resource_version, label_selector=labels, field_selector=fields
        )
        async with aclosing(watch) as events:
            async for event in events:
                if event.type == "BOOKMARK":
                    continue
                if event.type == "DELETED":
                    objects.pop(name_of(event.obj), None)
                else:
                    objects[name_of(event.obj)] = event.obj
                self._changed.set()


@asynccontextmanager
async def followed(session: Session, name: str) -> AsyncIterator[Followed]:
    """Everything about a Rollout, kept fresh inside the block. Raises NotFound when there is no such Rollout."""
    following = Followed(session, name)
    try:
        async with asyncio.TaskGroup() as group:
            listed = {kind: asyncio.Event() for kind in (ROLLOUTS, *CHILDREN)}
            tasks = [group.create_task(following.keep(kind, event)) for kind, event in listed.items()]
            for event in listed.values():
                await event.wait()
            yield following
            for task in tasks:
                task.cancel()
    except ExceptionGroup as errors:
        expected = expected_in(errors)
        if expected is None:
            raise
        raise expected from None


async def _children(session: Session, kind: Resource) -> list[Obj]:
    try:
        return (await session.client.list(kind, session.workload_namespace, label_selector=HASH_LABEL)).items
    except NotFound:
        return []
