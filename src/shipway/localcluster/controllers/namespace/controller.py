"""The namespace controller: woken by namespaces, and by their content while one is being deleted."""

from collections.abc import Mapping

from shipway.api.kinds import NAMESPACES
from shipway.base.clock import Instant
from shipway.kube.client.client import Client
from shipway.kube.runtime.controller import ObjectKey, Resolver, World, own_key
from shipway.kube.runtime.decision import Ask, Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.namespace.decide import decide
from shipway.localcluster.controllers.namespace.observe import ContentAsk, Observed, observe


class NamespaceController:
    """Empties namespaces that are being deleted."""

    name = "namespace-controller"
    watches = (Watch(NAMESPACES, own_key),)

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None


def resolvers(client: Client) -> Mapping[type[Ask], Resolver]:
    """How the controller asks the server what is left."""

    async def what_is_left(ask: ContentAsk) -> tuple[str, ...]:
        left: list[str] = []
        for kind in ask.kinds:
            if (await client.list(kind, ask.namespace, metadata_only=True)).items:
                left.append(kind.plural)
        return tuple(left)

    return {ContentAsk: what_is_left}
