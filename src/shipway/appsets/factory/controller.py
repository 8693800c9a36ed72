"""Which kinds wake a set: itself, the Applications that it made (a moment later), and what the installation says of all: the
Secrets of clusters, AppProjects, and the flags of the controller."""

from collections.abc import Iterable

from shipway.api.clusters import CLUSTER_SELECTOR
from shipway.api.cmd_params import CMD_PARAMS
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.appsets.factory import decide
from shipway.appsets.factory.observe import BY_SET, Observed, Observer, sets_of
from shipway.appsets.settings import AppSetSettings
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch

EVERY = "every"
"""An index that files all sets under one value."""
BY_UID = "uid"
COLLECTED_FOR = 0.5
"""Seconds in which changes of a set's Applications become one pass."""


class ApplicationSetController:
    """ApplicationSets in the control-plane namespace and in those that the settings add."""

    name = "appsets-applicationset"

    def __init__(self, settings: AppSetSettings) -> None:
        self._settings = settings
        self.observer = Observer(settings)
        self.watches = (
            Watch(APPLICATION_SETS, self._own_key, {EVERY: lambda _: ("",), BY_UID: _uid}),
            Watch(APPLICATIONS, _owning_set, {BY_SET: sets_of}, after=COLLECTED_FOR),
            Watch(SECRETS, _all_sets, label_selector=CLUSTER_SELECTOR, namespace=settings.namespace),
            Watch(APP_PROJECTS, _all_sets, namespace=settings.namespace),
            Watch(CONFIG_MAPS, _all_sets, namespace=settings.namespace, field_selector=f"metadata.name={CMD_PARAMS}"),
        )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return self.observer.observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide.decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return decide.conclude(fresh, decision, outcomes, now)

    def _own_key(self, appset: Obj) -> Iterable[ObjectKey]:
        namespace = namespace_of(appset)
        return (ObjectKey(namespace, name_of(appset)),) if self._settings.serves(namespace) else ()


def _all_sets(_: Obj) -> Iterable[Indexed]:
    """It may concern every set; those that look at none of it find their old picture still right."""
    return (Indexed(APPLICATION_SETS, EVERY, ""),)


def _owning_set(app: Obj) -> Iterable[Indexed]:
    return [Indexed(APPLICATION_SETS, BY_UID, uid) for uid in sets_of(app)]


def _uid(appset: Obj) -> Iterable[str]:
    return (appset["metadata"].get("uid") or "",)
