"""A set of controllers that run together: one cache, one set of lanes, one shell each.

`Runtime.run` lives as long as the process serves; a crash of any part ends all of it (no task outlives its block), and
whoever supervises starts it again: everything in memory can be dropped at any moment.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Resource
from shipway.kube.runtime.caches import Caches, Open, ReachOf
from shipway.kube.runtime.contents import Contents, Listener, Part
from shipway.kube.runtime.controller import Controller, Resolver
from shipway.kube.runtime.decision import Ask, Watch
from shipway.kube.runtime.informer import Informer, OnChange
from shipway.kube.runtime.lanes import Lanes, Poll
from shipway.kube.runtime.metrics import RuntimeMetrics
from shipway.kube.runtime.shell import Shell, Surroundings


class Runtime:
    """Controllers that live in one cluster. `resolvers` answer their asks; those named in `read_only` report and do not
    write."""

    def __init__(
        self,
        client: Client,
        controllers: Iterable[Controller[Any, Any]],
        *,
        clock: Clock,
        resolvers: Mapping[type[Ask], Resolver] | None = None,
        rng: random.Random | None = None,
        read_only: Collection[str] = (),
    ) -> None:
        self.metrics = RuntimeMetrics()
        self._clock = clock
        self._caches = Caches(client, clock, rng)
        self._lanes = Lanes(resolvers or {}, clock, self._wake)
        around = Surroundings(client, self._caches, self._lanes, clock, self.metrics, rng)
        self._shells = {
            controller.name: Shell(controller, around, is_read_only=controller.name in read_only) for controller in controllers
        }

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._caches.run())
            group.create_task(self._lanes.run())
            for shell in self._shells.values():
                group.create_task(shell.run())

    def follow(self, resource: Resource, on_change: OnChange) -> Informer:
        """Tells `on_change` of every object of a kind, as long as this lives. Shares the cache of whoever watches all of it."""
        informer = self._caches.need(on_change, Watch(resource))
        informer.on_event(on_change)
        return informer

    def contents(self, part: Part, listener: Listener) -> Contents:
        """Follows everything that `part` says as long as its `run` runs, and tells `listener`."""
        return Contents(self._caches, self._clock, part, listener)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """What is watched right now."""
        return self._caches.informers

    def refresh(self, concerns: Callable[[Ask], bool]) -> int:
        """Asks the standing asks that `concerns` picks again at once (a webhook came). Returns how many."""
        return self._lanes.refresh(concerns)

    def ask_again(self, asks: Iterable[Ask]) -> int:
        """Asks these standing asks again at once. Returns how many somebody asks; costs no more than they do."""
        return self._lanes.ask_again(asks)

    def before_renewal(self, tell: Callable[[Ask], None]) -> None:
        """Has `tell` told of a standing ask that a key wants answered anew, before it is asked."""
        self._lanes.before_renewal = tell

    def when_forgotten(self, tell: Callable[[Ask], None]) -> None:
        """Has `tell` told of each ask that no key asks any more."""
        self._lanes.forgotten = tell

    def poll_by(self, poll: Poll) -> None:
        """From now on `poll` says when a standing ask is asked again."""
        self._lanes.poll = poll

    def know_by(self, at_hand: Callable[[Ask], object]) -> None:
        """From now on `at_hand` says what is known of an immutable ask without asking; None where nothing is."""
        self._lanes.at_hand = at_hand

    def reach_by(self, open_cluster: Open, reach_of: ReachOf) -> None:
        """From now on `open_cluster` gives the client of another cluster, by the server URL that a `Resource` names, and
        `reach_of` says how far we look there."""
        self._caches.open_cluster, self._caches.reach_of = open_cluster, reach_of

    def reach_again(self, cluster: str) -> None:
        """`reach_of` may say something else of the cluster now."""
        self._caches.reach_again(cluster)

    def begin_again(self, cluster: str) -> None:
        """Another cluster answers where this one did: nothing that was known of it holds."""
        self._caches.begin_again(cluster)

    def glance(self, controller: str, key: Any) -> Any:
        """What a controller observes of a key now, from what is known; None where there is nothing, or no such controller.
        Asks and keeps nothing: whoever needs more than is known looks again later."""
        shell = self._shells.get(controller)
        return shell.glance(key) if shell else None

    def works_on(self, controller: str, key: Any) -> bool:
        """Whether passes of the key run here: elsewhere nothing that it needs is watched."""
        return controller in self._shells and self._shells[controller].works_on(key)

    def served(self, cluster: str) -> tuple[Resource, ...]:
        """What a cluster serves, at preferred versions; nothing while nothing is watched of it."""
        kinds = self._caches.kinds_of(cluster)
        return kinds.served if kinds else ()

    def share_by(self, owns: Callable[[str], bool]) -> None:
        """From now on only keys are worked on that `owns` says are this replica's (`sharing`): "<controller> <key>"."""
        for shell in self._shells.values():
            shell.owns = owns

    def is_working_for_others(self) -> bool:
        """Whether a pass is under way for a key that is another replica's (`sharing`)."""
        return any(shell.is_working_for_others() for shell in self._shells.values())

    def share_again(self) -> None:
        """Other keys may be ours now."""
        for shell in self._shells.values():
            shell.share_again()

    @property
    def is_synced(self) -> bool:
        """Every controller has its first picture of the world."""
        return all(shell.is_synced for shell in self._shells.values())

    @property
    def is_idle(self) -> bool:
        """No key is ready or running and every ask is answered; keys that sleep until some instant do not count."""
        return self._lanes.is_idle and all(shell.is_idle for shell in self._shells.values())

    def _wake(self, subscriber: Hashable) -> None:
        name, key = subscriber  # type: ignore[misc]  # the shells subscribe as (controller name, key)
        self._shells[name].wake(key)
