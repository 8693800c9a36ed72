"""Which kinds wake an application: itself, its project, the settings, and (found at run time) every object it tracks."""

from collections.abc import Iterable

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, NAMESPACES
from shipway.base.clock import Instant
from shipway.gitops.application import decide
from shipway.gitops.application.destinations import BY_DESTINATION, destinations_of
from shipway.gitops.application.observe import Observed, Observer
from shipway.gitops.application.scoped import BY_PROJECT, EVERY, every, project_of, watches_of_secrets
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.dependencies import names_depended_on
from shipway.gitops.handover import watches_for_argo_cd
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch

BY_DEPENDENCY = "dependency"


class ApplicationController:
    """Applications in the control-plane namespace and in those that the settings add."""

    name = "gitops-application"

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._observer = Observer(settings)
        self.watches = (
            Watch(
                APPLICATIONS,
                self._own_key,
                {
                    BY_PROJECT: project_of,
                    BY_DESTINATION: destinations_of,
                    BY_DEPENDENCY: names_depended_on,
                    EVERY: every,
                },
            ),
            *watches_of_secrets(settings.namespace, wakes=True),
            Watch(APP_PROJECTS, self._users_of_project, namespace=settings.namespace),
            Watch(NAMESPACES, keep_managed_fields=True),
            Watch(
                CONFIG_MAPS, self._users_of_settings, namespace=settings.namespace, field_selector=f"metadata.name={CONFIG_MAP}"
            ),
            *watches_for_argo_cd(self._users_of_settings),
        )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return self._observer.observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide.decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return decide.conclude(fresh, decision, outcomes, now)

    def _own_key(self, app: Obj) -> Iterable[ObjectKey | Indexed]:
        """The application, and those that depend on it."""
        key = key_of(app)
        dependents = Indexed(APPLICATIONS, BY_DEPENDENCY, str(key))
        return (key, dependents) if self._settings.serves(key.namespace) else (dependents,)

    def _users_of_project(self, project: Obj) -> Iterable[Indexed]:
        if self._observer.lends(name_of(project)):
            return (Indexed(APPLICATIONS, EVERY, ""),)
        return (Indexed(APPLICATIONS, BY_PROJECT, name_of(project)),)

    def _users_of_settings(self, _: Obj) -> Iterable[Indexed]:
        """Settings concern every application, so a change of them wakes all; whether an Argo CD is alive does too."""
        return (Indexed(APPLICATIONS, EVERY, ""),)
