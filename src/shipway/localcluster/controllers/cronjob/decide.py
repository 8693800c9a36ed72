"""Starts a Job whenever a CronJob's schedule says so.

    finished jobs     beyond the history limits are deleted, oldest first
    a time is due     the latest one that has not been started; earlier ones that were missed are not made up for
        too late      (`startingDeadlineSeconds`): an event, and on to the next time
        Forbid        while one is active: it waits for its end
        Replace       the active one is deleted first
    nothing is due    sleep until the next time

The name of a job is the minute it is for, so it cannot be started twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from shipway.api.kinds import JOBS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.cron import Schedule, parse_cron
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    condition_of,
    copy_obj,
    dig,
    is_deleting,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome
from shipway.localcluster.controllers.kinds import CRON_JOBS
from shipway.localcluster.controllers.status import note, status_change

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class Observed(Struct, frozen=True):
    """A CronJob and the jobs it made."""

    cron_job: Obj
    jobs: tuple[Obj, ...] = ()


class Due(Struct, frozen=True):
    """The time to start now, if there is one, and the next time after now. `problem` says why nothing is started."""

    at: Instant | None = None
    following: Instant | None = None
    problem: tuple[str, str] | None = None


def decide(observed: Observed, now: Instant) -> Decision:
    """The job to start and the jobs to forget."""
    cron_job = observed.cron_job
    change = _change(observed, ())
    if is_deleting(cron_job):
        return Decision(change=change)
    forgotten = tuple(_delete(job) for job in _forgotten(observed))
    due = _due(observed, now)
    notes = (note(cron_job, *due.problem, warning=True),) if due.problem else ()
    if due.at is None:
        batches = (Batch(forgotten, on_failure="continue"),) if forgotten else ()
        return Decision(batches, change=change, wake=due.following, notes=notes)
    replaced = tuple(_delete(job) for job in _active(observed.jobs)) if _policy(cron_job) == "Replace" else ()
    start: tuple[Action, ...] = (Create(JOBS, job_of(cron_job, due.at)),)
    batches = tuple(Batch(actions) for actions in (forgotten, replaced, start) if actions)
    return Decision(batches, change=change, wake=due.following, notes=notes)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    """The jobs that were started become active; events for starts, deletions and ends."""
    started = tuple(o.result for o in outcomes if o.result and o.is_done and isinstance(o.action, Create))
    notes = (*decision.notes, *_notes(fresh, outcomes))
    return Conclusion(_change(fresh, started), decision.wake, notes)


def job_of(cron_job: Obj, at: Instant) -> Obj:
    """The job for one time: its name is the minute since the epoch."""
    template: Obj = spec_of(cron_job)["jobTemplate"]
    zone = _schedule(cron_job).zone if spec_of(cron_job).get("timeZone") else "UTC"
    meta = metadata(template)
    annotations: dict[str, str] = {**(meta.get("annotations") or {}), SCHEDULED: _local(at, zone)}
    made: dict[str, Any] = {
        "namespace": namespace_of(cron_job),
        "name": f"{name_of(cron_job)}-{int(at // 60)}",
        "annotations": annotations,
        "ownerReferences": [controller_ref(cron_job)],
    }
    if meta.get("labels"):
        made["labels"] = meta["labels"]
    return copy_obj({"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": spec_of(template)})


def _due(observed: Observed, now: Instant) -> Due:
    cron_job, spec = observed.cron_job, spec_of(observed.cron_job)
    if spec.get("suspend"):
        return Due()
    try:
        schedule = _schedule(cron_job)
    except ValueError as error:
        return Due(problem=("UnparseableSchedule", f"unparseable schedule: {spec.get('schedule')} : {error}"))
    following = schedule.next_after(now)
    last = status_of(cron_job).get("lastScheduleTime")
    earliest = parse_rfc3339(last or metadata(cron_job)["creationTimestamp"])
    deadline = spec.get("startingDeadlineSeconds")
    at = schedule.latest_until(Instant(earliest), now)
    if at is None or _is_started(observed, at):
        return Due(following=following)
    if deadline is not None and at + deadline < now:
        said = f"Missed scheduled time to start a job: {rfc3339(at)}"
        return Due(following=following, problem=("MissSchedule", said))
    if _policy(cron_job) == "Forbid" and _active(observed.jobs):
        return Due(following=following)
    return Due(at, following)


def _is_started(observed: Observed, at: Instant) -> bool:
    name = f"{name_of(observed.cron_job)}-{int(at // 60)}"
    return any(name_of(job) == name for job in observed.jobs)


def _schedule(cron_job: Obj) -> Schedule:
    return parse_cron(spec_of(cron_job).get("schedule") or "", spec_of(cron_job).get("timeZone") or "")


def _policy(cron_job: Obj) -> str:
    return spec_of(cron_job).get("concurrencyPolicy") or "Allow"


def _ended(job: Obj) -> str | None:
    """Complete or Failed once the job is over."""
    return next((kind for kind in ("Complete", "Failed") if (condition_of(job, kind) or {}).get("status") == "True"), None)


def _active(jobs: Sequence[Obj]) -> list[Obj]:
    return [job for job in jobs if _ended(job) is None and not is_deleting(job)]


def _forgotten(observed: Observed) -> Iterable[Obj]:
    spec = spec_of(observed.cron_job)
    limits = {"Complete": spec.get("successfulJobsHistoryLimit", 3), "Failed": spec.get("failedJobsHistoryLimit", 1)}
    for kind, limit in limits.items():
        over = [job for job in observed.jobs if _ended(job) == kind and not is_deleting(job)]
        over.sort(key=lambda job: (status_of(job).get("startTime") or "", name_of(job)))
        yield from over[: max(0, len(over) - int(limit))]


def _change(observed: Observed, started: Sequence[Obj]) -> Change | None:
    cron_job, status = observed.cron_job, status_of(observed.cron_job)
    known = {uid_of(job) for job in observed.jobs}
    active = [*_active(observed.jobs), *(job for job in started if uid_of(job) not in known)]
    scheduled = [annotations_of(job)[SCHEDULED] for job in (*observed.jobs, *started) if SCHEDULED in annotations_of(job)]
    times = [parse_rfc3339(text) for text in (*scheduled, status.get("lastScheduleTime")) if text]
    ends = [status_of(job).get("completionTime") for job in observed.jobs if _ended(job) == "Complete"]
    successes = [parse_rfc3339(text) for text in (*ends, status.get("lastSuccessfulTime")) if text]
    return status_change(
        CRON_JOBS,
        cron_job,
        {
            "active": [_reference(job) for job in sorted(active, key=name_of)],
            "lastScheduleTime": rfc3339(max(times)) if times else None,
            "lastSuccessfulTime": rfc3339(max(successes)) if successes else None,
        },
    )


def _reference(job: Obj) -> Obj:
    found = {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace_of(job), "name": name_of(job)}
    return {**found, "uid": uid_of(job), "resourceVersion": resource_version_of(job)}


def _notes(fresh: Observed, outcomes: tuple[Outcome, ...]) -> Iterable[Note]:
    cron_job = fresh.cron_job
    for outcome in outcomes:
        if isinstance(outcome.action, Create) and outcome.is_done:
            yield note(cron_job, "SuccessfulCreate", f"Created job {name_of(outcome.action.obj)}")
        elif isinstance(outcome.action, Create) and outcome.error:
            yield note(cron_job, "FailedCreate", f"Error creating job: {outcome.error.message}", warning=True)
        elif isinstance(outcome.action, Delete) and outcome.is_done:
            yield note(cron_job, "SuccessfulDelete", f"Deleted job {outcome.action.name}")
    listed = {ref.get("uid") for ref in dig(cron_job, "status", "active", default=[])}
    for job in fresh.jobs:
        if uid_of(job) in listed and (kind := _ended(job)):
            yield note(cron_job, "SawCompletedJob", f"Saw completed job: {name_of(job)}, condition: {kind}")


def _local(at: Instant, zone: str) -> str:
    """RFC 3339 in the schedule's zone."""
    return rfc3339(at) if zone == "UTC" else datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat()


def _delete(job: Obj) -> Delete:
    return Delete(JOBS, namespace_of(job), name_of(job), uid=uid_of(job))
