"""The Job controller: woken by jobs and their pods."""

from collections.abc import Iterable

from shipway.api.kinds import JOBS, PODS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import controller_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.job.decide import conclude, decide
from shipway.localcluster.controllers.job.observe import Observed, by_job, observe


def _job_of(pod: Obj) -> Iterable[ObjectKey]:
    owner = controller_of(pod)
    return (ObjectKey(namespace_of(pod), owner["name"]),) if owner and owner.get("kind") == "Job" else ()


class JobController:
    """Runs Jobs."""

    name = "job-controller"
    watches = (Watch(JOBS, own_key), Watch(PODS, _job_of, indexes={"job": by_job}))

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
