"""The `job` metric: a Job that completes is a successful measurement, one that fails a failed one; conditions do not matter.

A Job is named `<run uid>.<metric>.<number>`, so that a second pass finds the Job of the first instead of starting another,
and so that whatever bears the run's label but is no measurement under way can be told to be left over.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson
from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, JOBS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    condition_of,
    controller_of,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    uid_of,
)
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Create, Delete
from shipway.rollouts.analysis.assess import Phase
from shipway.rollouts.analysis.metric import Metric

UID_LABEL = "analysisrun.argoproj.io/uid"
RUN_NAME = "analysisrun.argoproj.io/name"
RUN_NAMESPACE = "analysisrun.argoproj.io/namespace"
METRIC_NAME = "analysisrun.argoproj.io/metric-name"
NAME_KEY = "job-name"
NAMESPACE_KEY = "job-namespace"


class RunJobs(Struct, frozen=True):
    """The Jobs of one run by name; `namespace`: where new ones are made; `refused`: why the API server took one not."""

    namespace: str = ""
    found: Mapping[str, Obj] = {}
    refused: Mapping[str, str] = {}


def keys_of_run(job: Obj) -> Iterable[ObjectKey]:
    """The run that a Job measures for."""
    notes = annotations_of(job)
    if RUN_NAME not in notes:
        return ()
    return (ObjectKey(notes.get(RUN_NAMESPACE) or namespace_of(job), notes[RUN_NAME]),)


def run_uid(job: Obj) -> Iterable[str]:
    uid = labels_of(job).get(UID_LABEL)
    return (uid,) if uid else ()


def job_name(run: Obj, metric: Metric, number: int) -> str:
    return f"{uid_of(run)}.{metric.name}.{number}"


def creation(run: Obj, metric: Metric, number: int, namespace: str) -> Create:
    """The Job of a measurement. In another namespace than the run's it can have no owner."""
    wanted: Obj = orjson.loads(metric.provider)["job"]
    extra: Obj = wanted.get("metadata") or {}
    meta: Obj = {
        "name": job_name(run, metric, number),
        "namespace": namespace or namespace_of(run),
        "labels": {**(extra.get("labels") or {}), UID_LABEL: uid_of(run)},
        "annotations": {
            **(extra.get("annotations") or {}),
            RUN_NAME: name_of(run),
            RUN_NAMESPACE: namespace_of(run),
            METRIC_NAME: metric.name,
        },
    }
    if meta["namespace"] == namespace_of(run):
        meta["ownerReferences"] = [_owner(run)]
    job = {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": meta, "spec": wanted.get("spec") or {}}
    return Create(JOBS, job)


def _owner(run: Obj) -> Obj:
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "name": name_of(run),
        "uid": uid_of(run),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def belongs_to(run: Obj, job: Obj) -> bool:
    owner = controller_of(job)
    return owner is None or owner.get("uid") == uid_of(run)


def job_phase(job: Obj) -> Phase:
    """Running until the Job controller says Complete or Failed."""
    if (condition_of(job, "Complete") or {}).get("status") == "True":
        return "Successful"
    return "Failed" if (condition_of(job, "Failed") or {}).get("status") == "True" else "Running"


def surplus(
    run: Obj, found: Iterable[Obj], metrics: Sequence[Metric], results: Sequence[Obj], wanted: frozenset[str]
) -> tuple[Delete, ...]:
    """Jobs to delete: those still at work that no measurement waits for, and finished ones beyond what is retained."""
    in_use = wanted | {name for result in results if (name := in_flight_job(result))}
    room = {metric.name: metric.keep for metric in metrics}
    gone: list[Obj] = []
    for job in sorted(found, key=lambda job: (metadata(job).get("creationTimestamp") or "", name_of(job)), reverse=True):
        if is_deleting(job) or name_of(job) in in_use or not belongs_to(run, job):
            continue
        metric = annotations_of(job).get(METRIC_NAME) or ""
        room[metric] = room.get(metric, 0) - 1
        if job_phase(job) == "Running" or (metrics and room[metric] < 0):
            gone.append(job)
    return tuple(Delete(JOBS, namespace_of(job), name_of(job), uid=uid_of(job), propagation="Foreground") for job in gone)


def in_flight_job(result: Obj) -> str:
    """The name of the Job that the last measurement waits for, "" when none."""
    last: Obj = (result.get("measurements") or [{}])[-1]
    return (last.get("metadata") or {}).get(NAME_KEY) or "" if last and not last.get("finishedAt") else ""
