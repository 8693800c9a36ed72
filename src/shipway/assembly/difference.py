"""What would a sync change? The engine's own eyes look once, read-only, and the API server says what an apply would make.

`shipway app diff` shows it. Nothing is compared here that the engine does not compare: the controller's `observe` runs over
live watches until it knows everything, and for each object that is out of sync one dry-run apply gives the object as it
would be. Values of Secrets are blotted out.
"""

import asyncio
from pathlib import Path

from msgspec import Struct

from shipway.assembly.installation import applied_key
from shipway.assembly.repositories import Repositories
from shipway.assembly.scripts import Scripts
from shipway.assembly.sources import Sources
from shipway.base.clock import Instant, SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.gitops.application.controller import ApplicationController
from shipway.gitops.application.observe import Observed
from shipway.gitops.asks import ClusterAsk, DryRunAsk, HeadAsk, HealthAsk, JqPathsAsk, RenderAsk
from shipway.gitops.comparison import Item
from shipway.gitops.ownership import comparable, to_apply
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj, name_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome
from shipway.kube.runtime.runtime import Runtime

PATIENCE = 60.0
"""Seconds until a source must have been fetched and rendered."""
HIDDEN, HIDDEN_CHANGED = "********", "******** (changed)"


class ObjectChange(Struct, frozen=True):
    """One object that a sync would change: None before for a new one, None afterwards for one that Git no longer has."""

    ref: Ref
    live: Obj | None
    desired: Obj | None


async def difference(client: Client, application: Obj, cache: Path) -> list[ObjectChange]:
    """What a sync of the application would change, in the application's order.

    Raises what the engine would report: InvalidInput for a source that cannot be rendered, Unavailable for one that cannot be
    reached.
    """
    clock = SystemClock()
    namespace = namespace_of(application)
    settings = GitOpsSettings(namespace=namespace, key=await applied_key(client, namespace))
    onlooker = _Onlooker(settings, ObjectKey(namespace, name_of(application)))
    repositories = Repositories(client, clock, namespace)
    async with Sources.open(cache, client, clock, repositories) as sources, Scripts.open(clock) as scripts:
        resolvers = {
            HeadAsk: sources.head,
            RenderAsk: sources.render,
            DryRunAsk: sources.dry_run,
            HealthAsk: scripts.health,
            JqPathsAsk: scripts.jq_paths,
            ClusterAsk: sources.cluster,
        }
        runtime = Runtime(client, [onlooker], clock=clock, resolvers=resolvers, read_only=[onlooker.name])
        observed = await _seen(runtime, onlooker, repositories)
    comparison = observed.comparison
    assert comparison is not None
    changes = [
        await _change(client, item, observed) for item in comparison.items if item.state == "OutOfSync" and not item.is_hook
    ]
    return [change for change in changes if change.live != change.desired]


class _Onlooker(ApplicationController):
    """Sees one application as the engine does, and decides nothing."""

    name = "onlooker"

    def __init__(self, settings: GitOpsSettings, key: ObjectKey) -> None:
        super().__init__(settings)
        self._key = key
        self.seen: asyncio.Future[Observed] = asyncio.get_running_loop().create_future()

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return super().observe(key, world) if key == self._key else None

    def decide(self, observed: Observed, now: Instant) -> Decision:
        if not self.seen.done():
            self._look(observed)
        return Decision(asks=observed.asks, watches=observed.watches)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None

    def _look(self, observed: Observed) -> None:
        error = observed.spec_error or observed.project_error or (observed.target.error if observed.target else "")
        if error:
            self.seen.set_exception(InvalidInput(error))
        elif observed.comparison is not None and not observed.comparison.is_pending:
            self.seen.set_result(observed)


async def _seen(runtime: Runtime, onlooker: _Onlooker, repositories: Repositories) -> Observed:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(runtime.run()), group.create_task(repositories.run())]
        try:
            return await asyncio.wait_for(asyncio.shield(onlooker.seen), PATIENCE)
        except TimeoutError:
            raise Unavailable(f"the source was not fetched and rendered within {PATIENCE:.0f} s") from None
        finally:
            for task in running:
                task.cancel()


async def _change(client: Client, item: Item, observed: Observed) -> ObjectChange:
    live = comparable(item.live_obj) if item.live_obj else None
    if item.desired is None or item.desired.resource is None:
        return _blotted(ObjectChange(item.ref, live, None))
    body = to_apply(item.desired, item.live_obj, item.claims, observed.context)
    try:
        made = await client.apply(item.desired.resource, body, manager=observed.settings.manager, dry_run=True)
    except NotFound:
        made = body  # its namespace or its kind comes with the same sync
    return _blotted(ObjectChange(item.ref, live, comparable(made)))


def _blotted(change: ObjectChange) -> ObjectChange:
    """Secrets show which keys change, never what they hold."""
    if change.ref.kind != "Secret" or change.ref.group:
        return change
    before = (change.live or {}).get("data") or {}
    live = {**change.live, "data": dict.fromkeys(before, HIDDEN)} if change.live else None
    desired = copy_obj(change.desired) if change.desired else None
    if desired is not None:
        values = desired.get("data") or {}
        desired["data"] = {key: HIDDEN if before.get(key) == value else HIDDEN_CHANGED for key, value in values.items()}
    return ObjectChange(change.ref, live, desired)
