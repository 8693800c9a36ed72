"""The engine's own eyes, once and read-only: what does it see of one application, and what would it do?

`app diff`, `app plan` and `app manifests` ask. Nothing is compared here that the engine does not compare: the controller's
`observe` runs over live watches, with mirrors and renderers of its own, until it knows everything. Two things may be put in the
place of what is there, in this process only: `as_if`, an operation that nobody has asked for, and `local`, a working copy.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from shipway.api.application import control_namespace_of, default_project
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.assembly.clusters import Clusters
from shipway.assembly.installation import applied_key
from shipway.assembly.repositories import Repositories
from shipway.assembly.scripts import Scripts
from shipway.assembly.sources import Sources
from shipway.assembly.working_copies import with_working_copy
from shipway.base.clock import Instant, SystemClock, rfc3339
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.gitops.application.controller import ApplicationController
from shipway.gitops.application.observe import Observed
from shipway.gitops.asks import HealthAsk, JqPathsAsk
from shipway.gitops.project import DEFAULT
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.controller import ObjectKey, Resolver, World, key_of
from shipway.kube.runtime.decision import Answer, Ask, Conclusion, Decision, Outcome
from shipway.kube.runtime.runtime import Runtime

PATIENCE = 60.0
"""Seconds until a source must have been fetched and rendered."""
Further = Callable[[Observed], tuple[Ask, ...] | None]
"""Questions to be answered besides; None once all of them are."""


async def look(
    client: Client,
    application: Obj,
    cache: Path,
    *,
    as_if: Obj | None = None,
    further: Further | None = None,
    local: Path | None = None,
) -> Observed:
    """What the engine sees of the application, once it sees all; with `as_if` also of that operation. `local`: a folder of a
    working copy that stands for what was pushed.

    Raises what the engine would report: InvalidInput for a source that cannot be rendered, Unavailable for one that cannot be
    reached.
    """
    clock = SystemClock()
    namespace = control_namespace_of(application)
    key = key_of(application)
    settings = GitOpsSettings(namespace, (key.namespace,), key=await _key(client, namespace))
    onlooker = _Onlooker(settings, key, as_if, further or (lambda _: None), clock.now())
    repositories = Repositories(client, clock, namespace)
    async with (
        aclosing(Clusters(client, clock, namespace)) as clusters,
        Sources.open(cache, clock, repositories) as sources,
        Scripts.open(clock) as scripts,
    ):
        at_hand = await with_working_copy(sources, application, local, cache) if local else sources
        resolvers: dict[type[Ask], Resolver] = {
            **at_hand.resolvers,
            HealthAsk: scripts.health,
            JqPathsAsk: scripts.jq_paths,
            **clusters.resolvers,
        }
        runtime = Runtime(client, [onlooker], clock=clock, resolvers=resolvers, read_only=[onlooker.name])
        clusters.serve(runtime)
        return await _seen(onlooker, runtime.run(), repositories.run(), clusters.run())


async def _key(client: Client, namespace: str) -> bytes:
    """With any other key than the installation's every object is compared by a dry run: dearer, and as true. So whoever may not
    read it can look all the same."""
    try:
        return await applied_key(client, namespace)
    except Denied:
        return b"unknown"


class _Onlooker(ApplicationController):
    """Sees one application as the engine does, and decides nothing."""

    name = "onlooker"

    def __init__(self, settings: GitOpsSettings, key: ObjectKey, as_if: Obj | None, further: Further, now: Instant) -> None:
        super().__init__(settings)
        self._key = key
        self._now = now
        self._as_if = as_if
        self._further = further
        self.seen: asyncio.Future[Observed] = asyncio.get_running_loop().create_future()

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        if key != self._key:
            return None
        return super().observe(key, _Supposed(world, self._as_if, self._now))

    def decide(self, observed: Observed, now: Instant) -> Decision:
        asks = observed.asks
        if not self.seen.done():
            asks = (*asks, *self._look(observed))
        return Decision(asks=asks, watches=observed.watches)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None

    def _look(self, observed: Observed) -> tuple[Ask, ...]:
        targets = [one for one in (observed.target, observed.sync_target) if one is not None]
        error = observed.spec_error or observed.place.away or observed.project_error or observed.operation_error
        error = error or next((target.error for target in targets if target.error), "")
        if error:
            self.seen.set_exception(InvalidInput(error))
            return ()
        comparisons = (observed.comparison, observed.sync_comparison if self._as_if else observed.comparison)
        if any(one is None or one.is_pending for one in comparisons):
            return ()
        asks = self._further(observed)
        if asks is None:
            self.seen.set_result(observed)
        return asks or ()


class _Supposed:
    """A world in which the application carries an operation that has just begun, and the engine has made its project."""

    def __init__(self, world: World, operation: Obj | None, now: Instant) -> None:
        self._world = world
        self._operation = operation
        self._state = {"phase": "Running", "startedAt": rfc3339(now), "operation": operation}

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        found = self._world.get(resource, namespace, name)
        if (resource, name) == (APP_PROJECTS, DEFAULT):
            return found or default_project(namespace)
        if resource != APPLICATIONS or found is None or self._operation is None:
            return found
        return {**found, "operation": self._operation, "status": {**status_of(found), "operationState": self._state}}

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        return self._world.list(resource, namespace)

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        return self._world.indexed(resource, index, value)

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        return self._world.is_synced(resource, with_managed_fields=with_managed_fields)

    def refusal(self, resource: Resource) -> str:
        return self._world.refusal(resource)

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return self._world.resource_for(group, kind, cluster)

    def has_discovered(self, cluster: str, reach: Reach = EVERYWHERE) -> bool:
        return self._world.has_discovered(cluster, reach)

    def served(self, cluster: str = "") -> tuple[Resource, ...]:
        return self._world.served(cluster)

    def answer(self, ask: Ask) -> Answer | None:
        return self._world.answer(ask)


async def _seen(onlooker: _Onlooker, *needed: Coroutine[Any, Any, None]) -> Observed:
    """What it sees while what is needed for that runs."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(one) for one in needed]
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(onlooker.seen)
        except TimeoutError:
            raise Unavailable(f"the source was not fetched and rendered within {PATIENCE:.0f} s") from None
        finally:
            for task in running:
                task.cancel()
