"""The cache of `argocd-server`, answered by us in place of Redis: what Argo CD's controller would have left there is worked out
when somebody reads it, and its other keys are kept.

So a thousand Applications cost nothing until one of them is looked at. Equal questions that are under way are one, and an
answer stands for as long as it took: a client that gave up waiting (after 3 s) finds it at its next try. While somebody listens
to an Application its tree is looked at every few seconds, and he is told when it is another one.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.kinds import SECRETS
from shipway.assembly.clusters import Clusters
from shipway.assembly.onlooking import look
from shipway.assembly.resource_tree import Sight, resource_tree
from shipway.assembly.settings import RunSettings, listen_address
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable, expected_in
from shipway.gitops.application.controller import ApplicationController
from shipway.gitops.application.observe import Observed
from shipway.gitops.argocd_cache import CacheKey, cluster_value, managed_value, packed, read_key, target_of, tree_value
from shipway.gitops.asks import ConnectionAsk
from shipway.gitops.cluster_metrics import KnownCluster
from shipway.gitops.comparison import Item
from shipway.gitops.orphans import of_project
from shipway.gitops.ownership import dry_run_of
from shipway.gitops.project import DEFAULT, refusal_of
from shipway.gitops.tracking import instance_key
from shipway.gitops.tree import allowed
from shipway.kube.client.client import Client
from shipway.kube.client.pacing import is_near
from shipway.kube.objects.resource import Ref
from shipway.kube.objects.secrets import secret_values
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.runtime import Runtime
from shipway.server.redis.server import RedisServer
from shipway.server.redis.session import Room

log = structlog.get_logger()

FLAG = "--argocd-cache"
PASSWORD = "REDIS_PASSWORD"
PASSWORD_SECRET, PASSWORD_KEY = "argocd-redis", "auth"
PATIENCE = 20.0
"""Seconds until what an Application needs must have been asked and answered."""
ANSWERS_WITHIN = 3.0
"""Seconds that a cluster has to say what it is."""
GLANCE_EVERY = 0.05
LOOK_EVERY, PACE, SHARE = 2.0, 0.5, 10.0
"""Seconds between two looks at a tree that somebody listens to; at least `PACE` for each of them, so that many cost the API
server no more than a few, and so many times as long as the look itself."""
AT_ONCE = 8
"""Dry runs under way."""
MOST_LISTENED = 200
"""Applications that are looked at because somebody listens."""


class _Made(Struct):
    """An answer, from the moment on that somebody asked for it. `finished`: by `Clock.elapsed`; None while it is under way."""

    task: asyncio.Task[bytes | ShipwayError | None]
    started: float
    finished: float | None = None

    def stands(self, now: float) -> bool:
        return self.finished is None or now - self.finished <= self.finished - self.started


class ArgoCdCache:
    """Serves while `run` runs. `is_ready`: whether this process is the one at work."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        runtime: Runtime,
        clusters: Clusters,
        settings: RunSettings,
        is_ready: Callable[[], bool],
    ) -> None:
        self._client = client
        self._clock = clock
        self._runtime = runtime
        self._clusters = clusters
        self._namespace = settings.namespace
        self._address = listen_address(settings.argocd_cache, FLAG)
        self._cache: Path = settings.cache / "argocd-cache"
        self.is_ready = is_ready
        self._group: asyncio.TaskGroup | None = None
        self._server: RedisServer | None = None
        self._made: dict[str, _Made] = {}
        self._listened: dict[str, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._elsewhere = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled. Raises InvalidInput for an address that is taken, or that needs a password and has none."""
        host, port = self._address
        password = await self._password()
        if not password and not is_near(host):
            raise InvalidInput(
                f"{FLAG} {host}:{port} can be reached from outside and has no password: set {PASSWORD}, or the key "
                f"{PASSWORD_KEY} of Secret {self._namespace}/{PASSWORD_SECRET}, as for argocd-server",
                reason="NoPassword",
            )
        server = RedisServer(Room(self._clock, self, password))
        await server.start(host, port, FLAG)
        self._server = server
        log.info("argocd_cache", host=host, port=server.port, has_password=bool(password))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            await server.stop()

    @property
    def is_serving(self) -> bool:
        return self._group is not None

    def owns(self, key: str) -> bool:
        return read_key(key) is not None

    async def value(self, key: str) -> bytes | None:
        """None where there is no such Application. Raises ShipwayError: what its conditions would say, or why nothing can."""
        asked = read_key(key)
        if asked is None or self._group is None:
            raise Unavailable("the process is about to end")
        now = self._clock.elapsed()
        self._made = {name: one for name, one in self._made.items() if one.stands(now)}
        made = self._made.get(key)
        if made is None:
            task = self._group.create_task(self._answered(key, asked))
            made = self._made[key] = _Made(task, now)
        answer = await asyncio.shield(made.task)
        if isinstance(answer, ShipwayError):
            raise answer
        return answer

    def listened(self, channel: str, is_heard: bool) -> None:
        asked = read_key(channel)
        if asked is None or asked.what != "managed" or self._group is None:
            return
        if not is_heard:
            if task := self._listened.pop(channel, None):
                task.cancel()
        elif len(self._listened) < MOST_LISTENED:
            self._listened[channel] = self._group.create_task(self._follow(channel, CacheKey("tree", asked.name)))

    async def _follow(self, channel: str, tree: CacheKey) -> None:
        """Tells who listens whenever the tree is another one; at first too, since he may have read it a while ago."""
        before: object = None
        key = f"app|resources-tree|{tree.name}|look"
        while True:
            started = self._clock.elapsed()
            try:
                found = await self.value(key)
            except ShipwayError:
                found = before
            if found != before and self._server is not None:
                self._server.publish(channel)
            before = found
            took = self._clock.elapsed() - started
            await self._clock.sleep(max(LOOK_EVERY, PACE * len(self._listened), SHARE * took))

    async def _answered(self, key: str, asked: CacheKey) -> bytes | ShipwayError | None:
        """Fails never: it runs for whoever asks, and nobody may have stayed."""
        work: dict[str, Callable[[str], Awaitable[Any]]] = {"tree": self._tree, "managed": self._managed, "cluster": self._info}
        try:
            found = await work[asked.what](asked.name)
            return None if found is None else await asyncio.to_thread(packed, found, asked)
        except ShipwayError as error:
            return error
        except Exception as error:
            expected = expected_in(error)
            if expected is None:
                log.exception("argocd_cache_failed", key=key)
            return expected or Unavailable("an error of Shipway's: see its log", reason="InternalError")
        finally:
            self._made[key].finished = self._clock.elapsed()

    async def _tree(self, name: str) -> Any:
        observed = self._glance(instance_key(name, self._namespace))
        if observed is None:
            return None
        if problem := observed.place.problem or observed.project_error:
            raise InvalidInput(problem)
        place = observed.place.key
        sight = await resource_tree(
            self._client,
            observed.app,
            self._clock,
            self._clusters.client(place),
            orphans=_orphans(observed),
            served=self._runtime.served(place),
        )
        return tree_value(*_allowed(observed, sight))

    async def _managed(self, name: str) -> Any:
        observed = await self._known(instance_key(name, self._namespace))
        if observed is None or observed.comparison is None:
            return None
        items = [item for item in observed.comparison.items if not item.is_hook]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._predicted(item, observed)) for item in items]
        predicted = [task.result() for task in tasks]
        rows = [*zip(items, predicted, strict=True)]
        return await asyncio.to_thread(managed_value, rows, observed.context, observed.customizations.sensitive)

    async def _info(self, server: str) -> Any:
        """How a cluster is. One that nobody has spoken to yet, since no Application goes there, is spoken to now."""
        found = self._known_cluster(server)
        if found is not None and found.answers and not found.version:
            with suppress(ShipwayError, TimeoutError):  # which is known of it then
                async with asyncio.timeout(ANSWERS_WITHIN):
                    await self._clusters.connect(ConnectionAsk(server))
            found = self._known_cluster(server)
        return cluster_value(found, self._clock.now()) if found else None

    def _known_cluster(self, server: str) -> KnownCluster | None:
        return next((one for one in self._clusters.known() if one.server == server), None)

    async def _predicted(self, item: Item, observed: Observed) -> Any:
        """What a sync would make of an object, as the server says; what Git wants where it does not say."""
        if item.desired is None or item.state == "Synced":
            return None
        context = replace(observed.context, keeps_ignored=True)
        ask = dry_run_of(item.desired, item.live_obj, item.claims, context)
        if ask is None:
            return target_of(item, context)
        async with self._gate:
            try:
                return await self._clusters.dry_run(ask)
            except ShipwayError:
                return target_of(item, context)

    def _glance(self, key: ObjectKey) -> Observed | None:
        return self._runtime.glance(ApplicationController.name, key)

    async def _known(self, key: ObjectKey) -> Observed | None:
        """The Application once everything is known of it. Raises what its conditions would say."""
        deadline = self._clock.elapsed() + PATIENCE
        while (observed := self._glance(key)) is not None:
            comparison, target = observed.comparison, observed.target
            error = observed.spec_error or observed.place.away or observed.project_error or (target.error if target else "")
            if error:
                raise InvalidInput(error)
            if comparison is not None and not comparison.is_pending:
                return observed
            if not self._runtime.works_on(ApplicationController.name, key):
                return await self._looked(observed)
            if self._clock.elapsed() > deadline:
                raise Unavailable(f"what {key} needs was not fetched, rendered and compared within {PATIENCE:.0f} s")
            await self._clock.sleep(GLANCE_EVERY)
        return None

    async def _looked(self, observed: Observed) -> Observed:
        """Another replica works on it: whatever is needed is fetched and rendered for this one look."""
        async with self._elsewhere:
            return await look(self._client, observed.app, self._cache)

    async def _password(self) -> str:
        if given := os.environ.get(PASSWORD):
            return given
        try:
            return secret_values(await self._client.get(SECRETS, self._namespace, PASSWORD_SECRET)).get(PASSWORD_KEY, "")
        except (NotFound, Denied):
            return ""


def _orphans(observed: Observed) -> list[Ref]:
    """Those that the AppProject speaks of."""
    if observed.spec is None or observed.project is None:
        return []
    counts = of_project(observed.spec, observed.project)
    return [ref for ref in observed.orphaned.strays if counts(ref)]


def _allowed(observed: Observed, sight: Sight) -> tuple[Any, Any]:
    """What the AppProject allows of both trees: `argocd-server` lets whoever sees an object there also act on it."""
    spec, project = observed.spec, observed.project
    if spec is None or project is None:
        return allowed(sight.tree, lambda _: False), allowed(sight.orphaned, lambda _: False)

    def allows(ref: Ref) -> bool:
        return not refusal_of(project, spec.project or DEFAULT, ref, bool(ref.namespace), spec.destination)

    return allowed(sight.tree, allows), allowed(sight.orphaned, allows)
