"""Workloads: Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController, Job, CronJob, HPA, PDB."""

from typing import Any

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.autoscaling import V1, as_v2
from shipway.localcluster.apiserver.tables.columns import (
    NONE,
    UNKNOWN,
    Printer,
    Row,
    age,
    age_of,
    columns,
    container_images,
    container_names,
    label_text,
    selector_text,
)


def _template_cells(obj: Obj) -> list[Any]:
    template = spec_of(obj).get("template") or {}
    return [container_names(template), container_images(template)]


def _deployment(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    cells = [
        obj["metadata"]["name"],
        ready,
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age_of(obj, now),
    ]
    return Row([*cells, *_template_cells(obj), selector_text(spec.get("selector"))])


def _replica_set(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    selector = spec.get("selector")
    shown = selector_text(selector) if obj.get("kind") == "ReplicaSet" else label_text(selector)
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return Row([obj["metadata"]["name"], *counts, age_of(obj, now), *_template_cells(obj), shown])


def _stateful_set(obj: Obj, now: Instant) -> Row:
    ready = f"{status_of(obj).get('readyReplicas', 0)}/{spec_of(obj).get('replicas', 0)}"
    return Row([obj["metadata"]["name"], ready, age_of(obj, now), *_template_cells(obj)])


def _daemon_set(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
    nodes = label_text(((spec.get("template") or {}).get("spec") or {}).get("nodeSelector"))
    cells = [obj["metadata"]["name"], *(status.get(field, 0) for field in fields), nodes, age_of(obj, now)]
    return Row([*cells, *_template_cells(obj), selector_text(spec.get("selector"))])


def _job(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    succeeded, completions, parallelism = status.get("succeeded", 0), spec.get("completions"), spec.get("parallelism", 1)
    if completions is not None:
        progress = f"{succeeded}/{completions}"
    else:
        progress = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    cells = [obj["metadata"]["name"], job_status(obj), progress, _duration(status, now), age_of(obj, now)]
    return Row([*cells, *_template_cells(obj), selector_text(spec.get("selector"))])


def job_status(obj: Obj) -> str:
    """One word for where a Job stands."""
    true = {c["type"] for c in status_of(obj).get("conditions") or [] if c.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if "Suspended" in true:
        return "Suspended"
    if "FailureTarget" in true:
        return "FailureTarget"
    return "SuccessCriteriaMet" if "SuccessCriteriaMet" in true else "Running"


def _duration(status: Obj, now: Instant) -> str:
    if not status.get("startTime"):
        return ""
    end = parse_rfc3339(status["completionTime"]) if status.get("completionTime") else now
    return format_age(max(0.0, end - parse_rfc3339(status["startTime"])))


def _cron_job(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    last = age(status["lastScheduleTime"], now) if status.get("lastScheduleTime") else NONE
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    pod_template = template.get("template") or {}
    cells = [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or []),
        last,
        age_of(obj, now),
        container_names(pod_template),
        container_images(pod_template),
        selector_text(template.get("selector")),
    ]
    return Row(cells)


def _autoscaler(obj: Obj, now: Instant) -> Row:
    obj = as_v2(obj) if obj.get("apiVersion") == V1 else obj
    spec, status = spec_of(obj), status_of(obj)
    target = spec.get("scaleTargetRef") or {}
    cells = [
        obj["metadata"]["name"],
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _targets(spec, status),
        str(spec.get("minReplicas", UNKNOWN)),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age_of(obj, now),
    ]
    return Row(cells)


def _targets(spec: Obj, status: Obj) -> str:
    """`cpu: 10%/80%` per metric; what is not measured yet is unknown."""
    measured = status.get("currentMetrics") or []
    shown: list[str] = []
    for index, metric in enumerate(spec.get("metrics") or []):
        source = metric.get(_metric_field(metric), {})
        name = source.get("name") or (source.get("metric") or {}).get("name") or ""
        goal = source.get("target") or {}
        current = (measured[index].get(_metric_field(metric), {}) if index < len(measured) else {}).get("current") or {}
        if goal.get("averageUtilization") is not None:
            now_text = f"{current['averageUtilization']}%" if current.get("averageUtilization") is not None else UNKNOWN
            shown.append(f"{name}: {now_text}/{goal['averageUtilization']}%")
        else:
            wanted = goal.get("averageValue") or goal.get("value") or ""
            shown.append(f"{current.get('averageValue') or current.get('value') or UNKNOWN}/{wanted}")
    return ", ".join(shown) or NONE


def _metric_field(metric: Obj) -> str:
    kind = metric.get("type", "")
    return kind[:1].lower() + kind[1:]


def _budget(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    cells = [
        obj["metadata"]["name"],
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        status.get("disruptionsAllowed", 0),
        age_of(obj, now),
    ]
    return Row(cells)


def _pod_template(obj: Obj, now: Instant) -> Row:
    template = obj.get("template") or {}
    labels = label_text((template.get("metadata") or {}).get("labels"))
    return Row([obj["metadata"]["name"], container_names(template), container_images(template), labels])


_TEMPLATE = ("Containers*", "Images*")
_REPLICAS = columns("#Desired", "#Current", "#Ready", "Age", *_TEMPLATE, "Selector*")

PRINTERS = {
    ("apps", "Deployment"): Printer(columns("Ready", "Up-to-date", "Available", "Age", *_TEMPLATE, "Selector*"), _deployment),
    ("apps", "ReplicaSet"): Printer(_REPLICAS, _replica_set),
    ("", "ReplicationController"): Printer(_REPLICAS, _replica_set),
    ("apps", "StatefulSet"): Printer(columns("Ready", "Age", *_TEMPLATE), _stateful_set),
    ("apps", "DaemonSet"): Printer(
        columns("#Desired", "#Current", "#Ready", "#Up-to-date", "#Available", "Node Selector", "Age", *_TEMPLATE, "Selector*"),
        _daemon_set,
    ),
    ("", "PodTemplate"): Printer(columns("Containers", "Images", "Pod Labels"), _pod_template),
    ("batch", "Job"): Printer(columns("Status", "Completions", "Duration", "Age", *_TEMPLATE, "Selector*"), _job),
    ("batch", "CronJob"): Printer(
        columns("Schedule", "Timezone", "?Suspend", "#Active", "Last Schedule", "Age", *_TEMPLATE, "Selector*"), _cron_job
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        columns("Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"), _autoscaler
    ),
    ("policy", "PodDisruptionBudget"): Printer(
        columns("Min Available", "Max Unavailable", "#Allowed Disruptions", "Age"), _budget
    ),
}
