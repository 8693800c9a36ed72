"""Health of the kinds that deliver: Rollout, AnalysisRun, Experiment, Application, and routes and CRDs they need.

Argo CD judges these by Lua scripts that it ships (resource_customizations/argoproj.io); this says the same in Python.
A Rollout's controller writes `status.phase` and `status.message`; they count only once it has seen the newest generation.
"""

from shipway.api.application import is_automated_in
from shipway.gitops.handover import is_invited, is_skipped
from shipway.gitops.health.verdicts import SEVERITY, Health, degraded, healthy, progressing, suspended
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig, generation_of, spec_of, status_of


def rollout(obj: Obj) -> Health:
    """Degraded with the rollout's own message when it was aborted; Suspended while it pauses."""
    status = status_of(obj)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "InvalidSpec" and condition.get("status") != "False":
            return degraded(condition.get("message", ""))
    if not _is_observed(obj):
        return progressing("Waiting for rollout spec update to be observed")
    phase, message = status.get("phase", ""), status.get("message", "")
    if phase == "Degraded":
        return degraded(message)
    if phase == "Paused":
        if status.get("controllerPause") or spec_of(obj).get("paused") or status.get("pauseConditions"):
            return suspended(message or "Rollout is paused")
        return progressing(message)
    if phase == "Healthy":
        return healthy(message)
    return progressing(message or "Waiting for the rollout to start")


def analysis_run(obj: Obj) -> Health:
    phase, message = status_of(obj).get("phase", ""), status_of(obj).get("message", "")
    if phase in ("Failed", "Error"):
        return degraded(message or f"Analysis run {phase.lower()}")
    if phase == "Inconclusive":
        return suspended(message)
    return healthy(message) if phase == "Successful" else progressing(message)


def application(obj: Obj) -> Health | None:
    """A child Application as it says itself. One that syncs by itself and has not begun holds the next wave up; one that waits
    for a person has no health before its first sync."""
    health = dig(obj, "status", "health", default={})
    status = health.get("status")
    if status in SEVERITY and status not in ("Missing", "Unknown"):
        return Health(status, health.get("message", ""))
    if not is_automated_in(spec_of(obj)) or (is_skipped(obj) and not is_invited(obj)):
        return None
    return Health(status, health.get("message", "")) if status in SEVERITY else progressing("Waiting for its first comparison")


def custom_resource_definition(obj: Obj) -> Health:
    for kind, status in (("NamesAccepted", "False"), ("NonStructuralSchema", "True")):
        condition = condition_of(obj, kind)
        if condition and condition.get("status") == status:
            return degraded(condition.get("message", ""))
    established = condition_of(obj, "Established")
    return healthy("CRD is healthy") if established and established.get("status") == "True" else progressing()


def http_route(obj: Obj) -> Health:
    """Degraded when a parent refuses the route as it is now; a route no controller has looked at is not judged bad."""
    for parent in status_of(obj).get("parents") or []:
        for condition in parent.get("conditions") or []:
            if condition.get("observedGeneration", generation_of(obj)) < generation_of(obj):
                return progressing("Waiting for the route to be observed")
            if condition.get("type") in ("Accepted", "ResolvedRefs") and condition.get("status") == "False":
                return degraded(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    return healthy()


def _is_observed(obj: Obj) -> bool:
    """`status.observedGeneration` of a Rollout is a string, of an old controller a hash."""
    observed = str(status_of(obj).get("observedGeneration", ""))
    if not observed:
        return False
    return int(observed) >= generation_of(obj) if observed.isdigit() else True
