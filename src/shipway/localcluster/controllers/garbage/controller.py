"""The garbage collector: woken by every object of every kind, by its uid."""

from collections.abc import Mapping

from shipway.api.kinds import NAMESPACES
from shipway.base.clock import Instant
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.controller import Resolver, World
from shipway.kube.runtime.decision import Ask, Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.garbage.decide import INDEXES, decide, keys_of_namespace
from shipway.localcluster.controllers.garbage.observe import Key, Observed, OwnerAsk, observe


class GarbageCollector:
    """Deletes what lost its owners. Needs `resolvers` in the runtime."""

    name = "garbage-collector"
    watches = (Watch(NAMESPACES, keys_of_namespace, indexes=INDEXES, metadata_only=True),)

    def observe(self, key: Key, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None


def resolvers(client: Client) -> Mapping[type[Ask], Resolver]:
    """How the collector asks the server whether an owner is there."""

    async def is_there(ask: OwnerAsk) -> bool:
        try:
            found = await client.get(ask.resource, ask.namespace, ask.name)
        except NotFound:
            return False
        return uid_of(found) == ask.uid

    return {OwnerAsk: is_there}
