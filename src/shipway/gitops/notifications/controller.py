"""The controller of notifications: a key is an Application, woken by itself and by what says who is told of it."""

from collections.abc import Iterable

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.api.notifications import NOTIFYING, OF_APPLICATIONS
from shipway.base.clock import Instant
from shipway.gitops.application.scoped import BY_PROJECT, EVERY, every, project_of
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.handover import ARGO_CD_NOTIFICATIONS, watches_for_argo_cd
from shipway.gitops.notifications.observe import observe
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch
from shipway.notifications.decide import ObservedNews, decide
from shipway.notifications.settings import read_settings
from shipway.notifications.subscriptions import subscribes


class NotificationController:
    """Tells those who subscribed what becomes of an Application.

    Most Applications nobody wants to hear of, and none of their events makes a pass. Whether the ConfigMap or a project
    subscribes to them is remembered from the last event about those; each such event wakes all whom it concerns.
    """

    name = "gitops-notifications"

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._tells_of_all = False
        self._projects: set[str] = set()
        """Those that subscribe to their Applications."""
        here, words = settings.namespace, f"metadata.name={OF_APPLICATIONS.config_map}"
        self.watches = (
            Watch(APPLICATIONS, self._own_key, {BY_PROJECT: project_of, EVERY: every}),
            Watch(APP_PROJECTS, self._those_of_project, namespace=here),
            Watch(CONFIG_MAPS, self._those_of_all, namespace=here, field_selector=words),
            Watch(CONFIG_MAPS, namespace=here, field_selector=f"metadata.name={CONFIG_MAP}"),
            *watches_for_argo_cd(),
            *watches_for_argo_cd(_everybody, ARGO_CD_NOTIFICATIONS),
        )

    def observe(self, key: ObjectKey, world: World) -> ObservedNews | None:
        return observe(key, world, self._settings)

    def decide(self, observed: ObservedNews, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: ObservedNews, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return None

    def _own_key(self, app: Obj) -> Iterable[ObjectKey]:
        is_wanted = self._tells_of_all or subscribes(app) or NOTIFYING in annotations_of(app)
        return (key_of(app),) if is_wanted or not self._projects.isdisjoint(project_of(app)) else ()

    def _those_of_project(self, project: Obj) -> Iterable[Indexed]:
        if not subscribes(project):
            self._projects.discard(name_of(project))
            return ()
        self._projects.add(name_of(project))
        return (Indexed(APPLICATIONS, BY_PROJECT, name_of(project)),)

    def _those_of_all(self, config_map: Obj) -> Iterable[Indexed]:
        self._tells_of_all = bool(read_settings(config_map).for_all)
        return _everybody(config_map)


def _everybody(_: Obj) -> Iterable[Indexed]:
    return (Indexed(APPLICATIONS, EVERY, ""),)
