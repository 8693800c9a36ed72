"""Which kinds wake a group: its Applications. What else its decisions rest on is only looked at."""

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.base.clock import Instant
from shipway.gitops.application.scoped import watches_of_secrets
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.handover import watches_for_argo_cd
from shipway.gitops.hydration import decide
from shipway.gitops.hydration.group import BY_BRANCH, GroupKey, groups_of, places_of
from shipway.gitops.hydration.observe import Observed, Observer
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch


class HydrationController:
    """Applications with `spec.sourceHydrator`, by what they render and where to."""

    name = "gitops-hydration"

    def __init__(self, settings: GitOpsSettings) -> None:
        self._observer = Observer(settings)
        here = settings.namespace
        self.watches = (
            Watch(APPLICATIONS, groups_of, {BY_BRANCH: places_of}),
            *watches_of_secrets(here, wakes=False),
            Watch(APP_PROJECTS, namespace=here),
            Watch(CONFIG_MAPS, namespace=here, field_selector=f"metadata.name={CONFIG_MAP}"),
            *watches_for_argo_cd(),
        )

    def observe(self, key: GroupKey, world: World) -> Observed | None:
        return self._observer.observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide.decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None
