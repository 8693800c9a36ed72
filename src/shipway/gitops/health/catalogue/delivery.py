"""What delivers: Flux, Flagger, Argo Workflows and Events, Tekton, ApplicationSets."""

from shipway.gitops.health.rules import Rule, condition, conditions_of, first_of, phase, suspended_if
from shipway.gitops.health.verdicts import Health, degraded, healthy, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of


def _flux(*, keeps_artifact: bool) -> Rule:
    """Flux: Progressing while `Ready` is Unknown and `Reconciling` True; a source also needs its artifact in storage."""
    suspended = suspended_if("spec", "suspend", message="Reconciliation is suspended")

    def judge(obj: Obj) -> Health:
        if paused := suspended(obj):
            return paused
        if not status_of(obj).get("conditions"):
            return progressing("Waiting for the first reconciliation")
        state = {kind: next(iter(conditions_of(obj, kind)), {}) for kind in ("Ready", "Reconciling", "ArtifactInStorage")}
        reason = state["Ready"].get("reason") or "Not ready"
        if state["Ready"].get("status") == "Unknown" and state["Reconciling"].get("status") == "True":
            return progressing(reason)
        stored = not keeps_artifact or state["ArtifactInStorage"].get("status") == "True"
        return healthy(reason) if state["Ready"].get("status") == "True" and stored else degraded(reason)

    return judge


_RUN = first_of(
    condition("Succeeded", "True", "Healthy"),
    condition("Succeeded", "False", "Suspended", reasons=("PipelineRunCancelled", "TaskRunCancelled", "Cancelled")),
    condition("Succeeded", "False", "Degraded"),
    condition("Succeeded", "Unknown", "Progressing"),
    otherwise="Waiting for the run to start",
)
_WORKFLOW = phase(
    "phase",
    healthy=("Succeeded",),
    degraded=("Failed", "Error"),
    message=("message",),
    waiting="Waiting for the workflow to start",
)
_APPLIER, _SOURCE = _flux(keeps_artifact=False), _flux(keeps_artifact=True)
_SOURCE_GROUP, _IMAGE_GROUP = "source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io"


def _all_true(waiting: str) -> Rule:
    """Argo Events: Healthy once every condition is True, Degraded as soon as one is False."""

    def judge(obj: Obj) -> Health:
        conditions = status_of(obj).get("conditions") or []
        failed = [one for one in conditions if one.get("status") == "False"]
        if failed:
            return degraded(failed[0].get("message") or failed[0].get("reason") or "")
        done = conditions and all(one.get("status") == "True" for one in conditions)
        return healthy() if done else progressing(waiting)

    return judge


KINDS: dict[tuple[str, str], Rule] = {
    ("argoproj.io", "ApplicationSet"): first_of(
        condition("ErrorOccurred", "True", "Degraded"),
        condition("ResourcesUpToDate", "False", "Degraded"),
        condition("RolloutProgressing", "True", "Progressing"),
        condition("ResourcesUpToDate", "True", "Healthy"),
        otherwise="Waiting for the status to be reported",
    ),
    ("argoproj.io", "Workflow"): _WORKFLOW,
    ("argoproj.io", "CronWorkflow"): first_of(
        suspended_if("spec", "suspend", message="CronWorkflow is suspended"),
        condition("SubmissionError", "True", "Degraded"),
        condition("SpecError", "True", "Degraded"),
        lambda _: healthy(),
        otherwise="",
    ),
    ("argoproj.io", "EventSource"): _all_true("Waiting for the event source"),
    ("argoproj.io", "EventBus"): _all_true("Waiting for the event bus"),
    ("argoproj.io", "Sensor"): _all_true("Waiting for the sensor"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _APPLIER,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _APPLIER,
    **{(_SOURCE_GROUP, kind): _SOURCE for kind in ("GitRepository", "OCIRepository", "Bucket", "HelmChart", "HelmRepository")},
    **{(_IMAGE_GROUP, kind): _APPLIER for kind in ("ImageRepository", "ImagePolicy", "ImageUpdateAutomation")},
    ("notification.toolkit.fluxcd.io", "Receiver"): _APPLIER,
    ("flagger.app", "Canary"): phase(
        "phase",
        healthy=("Succeeded", "Initialized"),
        degraded=("Failed",),
        suspended=("Waiting", "WaitingPromotion"),
        waiting="Waiting for the canary to be initialized",
    ),
    ("tekton.dev", "PipelineRun"): _RUN,
    ("tekton.dev", "TaskRun"): _RUN,
    ("operators.coreos.com", "InstallPlan"): phase(
        "phase",
        healthy=("Complete",),
        degraded=("Failed",),
        suspended=("RequiresApproval",),
        waiting="Waiting for the install plan",
    ),
    ("operators.coreos.com", "CatalogSource"): phase(
        "connectionState",
        "lastObservedState",
        healthy=("READY",),
        degraded=("TRANSIENT_FAILURE", "SHUTDOWN"),
        waiting="Waiting for the catalog's connection",
    ),
    ("operators.coreos.com", "ClusterServiceVersion"): phase(
        "phase", healthy=("Succeeded",), degraded=("Failed",), message=("message",), waiting="Waiting for the operator"
    ),
    ("operators.coreos.com", "Subscription"): first_of(
        condition("CatalogSourcesUnhealthy", "True", "Degraded"),
        condition("InstallPlanFailed", "True", "Degraded"),
        condition("ResolutionFailed", "True", "Degraded"),
        condition("InstallPlanMissing", "True", "Degraded", unless=("ReferencedInstallPlanNotFound",)),
        condition("InstallPlanPending", "True", "Progressing"),
        lambda obj: healthy() if status_of(obj).get("conditions") else None,
        otherwise="Waiting for an install plan",
    ),
    ("numaflow.numaproj.io", "Pipeline"): phase(
        "phase",
        healthy=("Running",),
        degraded=("Failed",),
        suspended=("Paused",),
        message=("message",),
        waiting="Waiting for the pipeline",
    ),
}
