"""The CronJob controller: woken by its schedules, its CronJobs and their Jobs."""

from shipway.api.kinds import JOBS
from shipway.base.clock import Instant
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.cronjob.decide import Observed, conclude, decide
from shipway.localcluster.controllers.kinds import CRON_JOBS
from shipway.localcluster.controllers.pods import by_controller, by_namespace, controlled_by


class CronJobController:
    """Starts the jobs of CronJobs."""

    name = "cronjob-controller"
    watches = (
        Watch(CRON_JOBS, own_key, indexes={"namespace": by_namespace}),
        Watch(JOBS, controlled_by(CRON_JOBS), indexes={"controller": by_controller}),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        found = world.get(CRON_JOBS, key.namespace, key.name)
        return Observed(found, tuple(world.indexed(JOBS, "controller", uid_of(found)))) if found else None

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
