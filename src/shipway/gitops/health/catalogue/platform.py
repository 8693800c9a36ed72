"""What runs the platform itself: disruption budgets, cron jobs, backups, policies, Istio's operator."""

from shipway.gitops.health.rules import Rule, phase, ready, suspended_if
from shipway.gitops.health.verdicts import Health, degraded, healthy, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of

_SUSPENDED = suspended_if("spec", "suspend", message="CronJob is Suspended")
_FAILED_BACKUP = (
    "FailedValidation",
    "Failed",
    "PartiallyFailed",
    "WaitingForPluginOperationsPartiallyFailed",
    "FinalizingPartiallyFailed",
)
_BACKUP = phase(
    "phase", healthy=("Completed",), degraded=_FAILED_BACKUP, message=("failureReason",), waiting="Waiting to be processed"
)


def _disruption_budget(obj: Obj) -> Health:
    """Too few pods for a disruption is a state that some live in for ever, so it is no failure."""
    conditions = status_of(obj).get("conditions") or []
    for one in conditions:
        if one.get("status") == "False" and one.get("reason") != "InsufficientPods":
            return degraded(f"PodDisruptionBudget has {one.get('reason', '')}")
    return (
        healthy(f"PodDisruptionBudget has {conditions[-1].get('reason', '')}")
        if conditions
        else progressing("Waiting for status")
    )


def _cron_job(obj: Obj) -> Health | None:
    """Degraded only when the last run is known to have failed: none is under way, and the last success is older."""
    status = status_of(obj)
    if suspended := _SUSPENDED(obj):
        return suspended
    scheduled, succeeded = status.get("lastScheduleTime"), status.get("lastSuccessfulTime")
    if not scheduled:
        return healthy("CronJob has not been scheduled yet")
    if not succeeded or status.get("active"):
        return healthy("Whether the last run succeeded is not known yet")
    return degraded("The last run did not succeed") if succeeded < scheduled else healthy("The last run succeeded")


KINDS: dict[tuple[str, str], Rule] = {
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("batch", "CronJob"): _cron_job,
    ("velero.io", "Backup"): _BACKUP,
    ("velero.io", "Restore"): _BACKUP,
    ("velero.io", "BackupStorageLocation"): phase(
        "phase", healthy=("Available",), degraded=("Unavailable",), message=("message",), waiting="Waiting for the first check"
    ),
    ("velero.io", "Schedule"): phase(
        "phase", healthy=("Enabled",), degraded=("FailedValidation",), waiting="Waiting to be enabled"
    ),
    ("kyverno.io", "ClusterPolicy"): ready("Waiting for the policy"),
    ("kyverno.io", "Policy"): ready("Waiting for the policy"),
    ("install.istio.io", "IstioOperator"): phase(
        "status", healthy=("HEALTHY",), degraded=("ERROR", "ACTION_REQUIRED"), message=("message",), waiting="Waiting for Istio"
    ),
}
