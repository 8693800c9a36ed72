"""The one shell around every controller: observe -> decide -> execute -> conclude -> write the change -> ask -> sleep.

Engines hold no try/except, no status patch, no retry loop and no logging of progress, because all of it is here:

- a pass starts only when the cache has seen what the previous pass of the key wrote (`awaited`);
- actions run in batches; whatever one of them meets is an `Outcome`, a value that `conclude` can write down;
- the change carries the resourceVersion that was observed. On 409 the shell waits for the cache, observes again and
  concludes again with the same outcomes, so a client's write in between wins and no outcome is forgotten;
- errors become backoff by the one table in `base.errors`; anything else is a bug: one traceback, a counter, backoff.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Clock, Instant
from shipway.base.errors import Conflict, NotFound, ShipwayError, Unavailable, verdict
from shipway.kube.client.client import Client
from shipway.kube.objects.patches import alters, patched
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import metadata, name_of, namespace_of, resource_version_of
from shipway.kube.runtime.awaited import Awaited, Parking, awaited_of
from shipway.kube.runtime.caches import Caches, Kinds
from shipway.kube.runtime.controller import Controller, key_of
from shipway.kube.runtime.decision import Batch, Change, Conclusion, Decision, Indexed, Outcome, Watch
from shipway.kube.runtime.execute import cluster_of, describe, execute
from shipway.kube.runtime.lanes import Lanes
from shipway.kube.runtime.metrics import RuntimeMetrics
from shipway.kube.runtime.queue import WorkQueue
from shipway.kube.runtime.recorder import Recorder
from shipway.kube.runtime.world import FOR_GOOD, ControllerWatches, PassWorld

log = structlog.get_logger()

WORKERS = 16
"""Keys of one controller that are worked on at a time; most of a pass is waiting for the API server."""
AT_ONCE_ELSEWHERE = 16
"""Keys of one controller whose actions are under way on one other cluster at a time."""
WRITE_TRIES = 5
CACHE_PATIENCE = 10.0
"""Seconds a key waits for its own write to come back before it runs all the same."""
SLOW_POLL = 60.0
"""Seconds until something that only a user can mend is tried again."""


class Surroundings(Struct, frozen=True):
    """What all shells of a process share. `rng` (simulations only) makes the order of keys a seeded one."""

    client: Client
    caches: Caches
    lanes: Lanes
    clock: Clock
    metrics: RuntimeMetrics
    rng: random.Random | None = None


class Shell:
    """Runs one controller. `wake(key)` may be called by anybody; passes of one key never overlap."""

    def __init__(
        self, controller: Controller[Any, Any], around: Surroundings, *, workers: int = WORKERS, is_read_only: bool = False
    ) -> None:
        self._controller = controller
        self._client = around.client
        self._caches = around.caches
        self._lanes = around.lanes
        self._clock = around.clock
        self._metrics = around.metrics
        self._is_read_only = is_read_only
        self.owns: Callable[[str], bool] | None = None
        self.is_synced = False
        """Every kind the controller watches for good has been listed once; what keys watch besides does not count."""
        self._ours: dict[Any, None] = {}
        self._others: dict[Any, None] = {}
        """Keys of other replicas, until they may be ours: no event wakes them."""
        self._at_rest: set[Any] = set()
        """Keys whose last pass had the last word: what they wrote need not wake them."""
        self._room = asyncio.Semaphore(workers)
        self._rooms: dict[str, asyncio.Semaphore] = {}
        """Of the other clusters."""
        self._queue: WorkQueue[Any] = WorkQueue(around.clock, around.rng)
        self._recorder = Recorder(around.client, around.clock, controller.name, is_busy=lambda: not self.is_idle)
        self._metrics.expect(controller.name, self._queue.__len__)
        self._watches = ControllerWatches(around.caches, controller.name, self._on_event, self.wake)
        self._parking = Parking(self._watches.of, around.clock, CACHE_PATIENCE)

    @property
    def name(self) -> str:
        return self._controller.name

    @property
    def is_idle(self) -> bool:
        return self._queue.is_idle

    @property
    def next_wake(self) -> Instant | None:
        return self._queue.next_wake

    def wake(self, key: Any) -> None:
        self._queue.add(key)

    def glance(self, key: Any) -> Any:
        """What the controller observes of a key now, as a pass would. Decides, asks and keeps nothing."""
        return self._controller.observe(key, self._world(key))

    def works_on(self, key: Any) -> bool:
        """Whether passes of the key run here, so that what it needs is watched and asked."""
        return key in self._ours

    def is_working_for_others(self) -> bool:
        """Whether a pass is under way for a key that is another replica's."""
        return any(not self._is_ours(key) for key in self._queue.running)

    def share_again(self) -> None:
        """Keys may have moved: wakes those that are ours now, and those that are no longer, to be let go."""
        for key in [key for key in self._others if self._is_ours(key)]:
            del self._others[key]
            self._queue.add(key)
        for key in [key for key in self._ours if not self._is_ours(key)]:
            self._queue.add(key)

    def _is_ours(self, key: Any) -> bool:
        return self.owns is None or self.owns(f"{self.name} {key}")

    async def run(self) -> None:
        """Watches, waits for the first lists, then works until it is cancelled."""
        self._watches.need(FOR_GOOD, self._controller.watches)
        for informer in self._watches.informers:
            await informer.synced.wait()
        self.is_synced = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            while True:
                await self._room.acquire()
                group.create_task(self._work(await self._queue.get()))

    async def _work(self, key: Any) -> None:
        try:
            if not self._is_ours(key):
                self._forget(key)
                self._others[key] = None
                return
            self._ours[key] = None
            if self._parking.holds_up(key):
                self._queue.add_at(key, Instant(self._clock.now() + CACHE_PATIENCE))
                return
            await self._pass(key)
        except ShipwayError as error:
            self._failed(key, error)
        except Exception as bug:
            log.exception("pass_failed", controller=self.name, key=str(key))
            self._failed(key, bug)
        finally:
            self._look_at_early(key, ())
            self._queue.done(key)
            self._room.release()

    async def _pass(self, key: Any) -> None:
        started = self._clock.now()
        self._at_rest.discard(key)
        world = self._world(key)
        observed = self._controller.observe(key, world)
        if observed is None:
            self._forget(key)
            return
        decision = self._controller.decide(observed, started)
        self._metrics.decided(self.name, key, decision)
        if self._is_read_only or decision.report is not None:
            self._report(key, world, decision)
            self._metrics.passed(self.name, key, self._clock.now() - started)
            return
        if decision.batches:
            self._lanes.subscribe((self.name, key), decision.asks, world.look)  # what is asked is answered while we act
        outcomes = await self._act(decision.batches)
        self._metrics.did(self.name, key, outcomes)
        writes = [write for write in map(awaited_of, outcomes) if write]
        self._parking.expect(key, writes)
        looked = observed if not outcomes else self._controller.observe(key, world)
        conclusion, written = await self._conclude_and_write(key, world, looked, decision, outcomes)
        self._parking.expect(key, [*writes, *written])
        if conclusion.change is not None and not conclusion.change.wakes:
            self._at_rest.add(key)
        self._need(key, world, decision)
        self._look_at_early(key, written)
        if decision.refresh:
            self._lanes.renew(decision.refresh)
        self._schedule(key, conclusion, outcomes)
        for note in conclusion.notes:
            self._recorder.put(note)
            self._metrics.told(note)
        self._metrics.passed(self.name, key, self._clock.now() - started)

    async def _act(self, batches: tuple[Batch, ...]) -> tuple[Outcome, ...]:
        """Carries the batches out. Where they concern another cluster, whoever waits for it takes no worker's place: a cluster
        that hangs then delays only what is to be done there."""
        elsewhere = next((there for batch in batches for action in batch.actions if (there := cluster_of(action))), "")
        if not elsewhere:
            return await execute(self._caches, batches)
        self._room.release()
        try:
            async with self._rooms.setdefault(elsewhere, asyncio.Semaphore(AT_ONCE_ELSEWHERE)):
                return await execute(self._caches, batches)
        finally:
            await self._room.acquire()

    def _need(self, key: Any, world: PassWorld, decision: Decision) -> None:
        """Keeps what the key watches and asks from now on; a kind that was listed meanwhile wakes it again."""
        self._watches.need(key, decision.watches)
        self._lanes.subscribe((self.name, key), decision.asks, world.look)
        if world.has_synced_since:
            self._queue.add(key)

    def _report(self, key: Any, world: PassWorld, decision: Decision) -> None:
        """Says what would be done, asks what must be asked and changes nothing, writes nothing."""
        self._need(key, world, replace(decision, asks=tuple(ask for ask in decision.asks if not ask.acts)))
        self._queue.add_at(key, decision.wake)
        for action in (action for batch in decision.batches for action in batch.actions):
            log.info("would_do", controller=self.name, key=str(key), action=describe(action))
        if decision.change is not None and (fields := self._changed_fields(decision.change)):
            log.info("would_write", controller=self.name, key=str(key), fields=fields)

    def _world(self, key: Any) -> PassWorld:
        def miss(kinds: Kinds) -> None:
            kinds.remember_miss((self.name, key), lambda: self.wake(key))

        return PassWorld(self._watches, self._caches.kinds_of, self._lanes.look(), miss)

    async def _conclude_and_write(
        self, key: Any, world: PassWorld, fresh: Any, decision: Decision, outcomes: tuple[Outcome, ...]
    ) -> tuple[Conclusion, list[Awaited]]:
        """Concludes and writes the change; after a 409 again on a fresh observation, with the outcomes kept."""
        as_decided = Conclusion(change=decision.change, wake=decision.wake, notes=decision.notes)
        for _ in range(WRITE_TRIES):
            concluded = self._controller.conclude(fresh, decision, outcomes, self._clock.now()) if fresh is not None else None
            conclusion = concluded or as_decided
            if conclusion.change is None:
                return conclusion, []
            try:
                return conclusion, await self._write(key, conclusion.change)
            except NotFound:
                # The key's object has gone meanwhile. There is nothing to write, and its end wakes the key.
                return conclusion, []
            except Conflict:
                if concluded is None:
                    raise
                await self._await_news_of(conclusion.change)
                fresh = self._controller.observe(key, world)
        raise Conflict(f"{self.name} {key}: somebody writes it faster than we can", reason="WriteStorm")

    async def _write(self, key: Any, change: Change) -> list[Awaited]:
        """Sends the change if it is one. Root and status go together where the kind lets them.

        The object is replaced as a whole: to merge a patch costs the server a fourth more (decision 90)."""
        whole = self._as_observed(change)
        place = (change.resource, change.namespace, change.name)
        written: list[Awaited] = []
        with self._parking.writing(key, *place):
            for subresource, patch in _requests(_without_no_ops(change, whole)):
                whole = await self._client.replace(change.resource, _unowned(patched(whole, patch)), subresource=subresource)
                written = [Awaited(*place, resource_version_of(whole))]
        return written

    def _as_observed(self, change: Change) -> Obj:
        """What the change is a change of. Raises NotFound where it has gone, Conflict where it is another by now."""
        cached = self._cached(change)
        about = f"{change.resource.kind} {change.namespace}/{change.name}"
        if cached is None:
            raise NotFound(f"{about} has gone meanwhile")
        if resource_version_of(cached) != change.resource_version:
            raise Conflict(f"{about} has changed since it was observed")
        return cached

    def _changed_fields(self, change: Change) -> list[str]:
        """The top-level fields that a change would change."""
        cached = self._cached(change)
        if cached is not None:
            change = _without_no_ops(change, cached)
        return [*change.root, *(["status"] if change.status is not None else [])]

    def _cached(self, change: Change) -> Obj | None:
        for informer in self._watches.of(change.resource):
            if not informer.is_metadata_only and (found := informer.get(change.namespace, change.name)):
                return found
        return None

    async def _await_news_of(self, change: Change) -> None:
        """After a 409: learn the version the server has and wait until the cache has it too."""
        try:
            now_there = await self._client.get(change.resource, change.namespace, change.name)
        except NotFound:
            return
        version = resource_version_of(now_there)
        deadline = self._clock.now() + CACHE_PATIENCE
        informers = self._watches.of(change.resource)
        while self._clock.now() < deadline:
            if all(informer.has_seen(change.namespace, change.name, version) for informer in informers):
                return
            await self._clock.sleep(0.005)

    def _schedule(self, key: Any, conclusion: Conclusion, outcomes: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes if outcome.error]
        if errors:
            self._failed(key, errors[0])
            return
        self._queue.forget_failures(key)
        self._queue.add_at(key, conclusion.wake)

    def _failed(self, key: Any, error: BaseException) -> None:
        meaning = verdict(error)
        self._metrics.failed(self.name, key, meaning.reason)
        after = error.after if isinstance(error, Unavailable) and error.after else 0.0
        delay = self._queue.back_off(key, at_least=SLOW_POLL if meaning.retry == "on_change" else after)
        if meaning.retry != "at_once":
            log.warning(
                "pass_backs_off",
                controller=self.name,
                key=str(key),
                reason=meaning.reason,
                message=meaning.message,
                delay=delay,
            )

    def _forget(self, key: Any) -> None:
        self._ours.pop(key, None)
        self._at_rest.discard(key)
        self._metrics.decided(self.name, key, None)
        self._queue.forget_failures(key)
        self._queue.add_at(key, None)
        self._parking.give_up(key)
        self._watches.need(key, ())
        self._caches.forget_misses((self.name, key))
        self._lanes.subscribe((self.name, key), ())

    def _on_event(self, watches: Collection[Watch], old: Obj | None, new: Obj | None) -> None:
        about = new if new is not None else old
        if about is None:
            return
        delays: dict[Any, float] = {}
        for watch in watches:
            for key in [key for obj in (old, new) if obj is not None for key in self._keys_of(watch, obj)]:
                delays[key] = min(watch.after, delays.get(key, watch.after))
        resource = next(iter(watches)).resource
        silent = {key for key in delays if key in self._others or self._is_no_news(key, resource, about)}
        for key, delay in delays.items():
            if key not in silent:
                self._queue.add_within(key, delay)
        for key in self._parking.let_go(resource, namespace_of(about), name_of(about)):
            if key not in silent:
                self._queue.add(key)

    def _is_no_news(self, key: Any, resource: Resource, obj: Obj) -> bool:
        """Whether a key that has nothing to do, or not before its answers are there, is only told what it wrote itself, or may
        be."""
        if self._parking.is_early(key, resource, obj):
            return True
        return self._parking.is_echo(key, resource, obj) and self._sleeps_through(key)

    def _sleeps_through(self, key: Any) -> bool:
        """Whether what it wrote itself gives a key nothing to do."""
        return key in self._at_rest or self._lanes.keep_waiting((self.name, key))

    def _look_at_early(self, key: Any, written: Sequence[Awaited]) -> None:
        """What was told while the key wrote is judged now that it is known what it has written."""
        told, own = self._parking.told_early(key), {one.resource_version for one in written}
        if told and not (own.issuperset(told) and self._sleeps_through(key)):
            self._queue.add(key)

    def _keys_of(self, watch: Watch, obj: Obj) -> Iterable[Any]:
        """The keys that an event wakes: those it maps to, and the objects that refer to it (`Indexed`)."""
        for key in watch.keys(obj):
            if not isinstance(key, Indexed):
                yield key
                continue
            for informer in self._watches.of(key.resource):
                if informer.has_index(key.index):
                    yield from (key_of(one) for one in informer.indexed(key.index, key.value))


def _requests(change: Change) -> list[tuple[str, Obj]]:
    """(subresource, merge patch) in the order they are sent."""
    if not change.resource.status_subresource:
        body = {**change.root, **({"status": change.status} if change.status is not None else {})}
        return [("", body)] if body else []
    requests = [("", change.root)] if change.root else []
    return [*requests, ("status", {"status": change.status})] if change.status is not None else requests


def _unowned(obj: Obj) -> Obj:
    """Without its managedFields, which the server then keeps up by itself."""
    return {**obj, "metadata": {name: value for name, value in metadata(obj).items() if name != "managedFields"}}


def _without_no_ops(change: Change, cached: Obj) -> Change:
    """The change without the halves that would change nothing."""
    root = change.root if alters(cached, change.root) else {}
    status = change.status
    if status is not None and not alters(cached.get("status") or {}, status):
        status = None
    return replace(change, root=root, status=status)
