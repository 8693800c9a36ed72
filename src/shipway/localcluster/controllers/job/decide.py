"""Runs pods until enough of them succeeded.

gone                 let its pods go
finished             wait for `ttlSecondsAfterFinished`
suspended            delete what is active
failed               too many failures or too much time: delete what is active, then say so
complete             enough successes, nothing active, everything counted
otherwise            keep min(parallelism, what is left) pods active, with growing pauses after failures
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

from shipway.api.kinds import JOBS, PODS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    condition_of,
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
from shipway.kube.runtime.decision import Action, Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome, Patch
from shipway.localcluster.controllers.job.accounting import (
    INDEX,
    Account,
    account,
    format_indexes,
    has_failed,
    has_succeeded,
    index_of,
    is_indexed,
    uncounted,
)
from shipway.localcluster.controllers.job.observe import TRACKING, Observed, is_tracked
from shipway.localcluster.controllers.pods import (
    deletion_order,
    free_names,
    is_active,
    is_finished,
    is_ready,
    pod_of_template,
    prefix_of,
    slow_start,
)
from shipway.localcluster.controllers.replicaset.decide import pod_notes
from shipway.localcluster.controllers.status import Conditions, condition, note, status_change, with_condition

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 600.0
"""Seconds between a failure and the next try (DefaultJobPodFailureBackOff, MaxJobPodFailureBackOff)."""
BURST = 500


class Verdict(Struct, frozen=True):
    """How the job stands: `failure` is (reason, message) once it has failed."""

    is_complete: bool = False
    failure: tuple[str, str] | None = None
    deadline: Instant | None = None


def decide(observed: Observed, now: Instant) -> Decision:
    """The next pods, the next counts."""
    released = tuple(_untracked(pod) for pod in observed.strays)
    if observed.job is None:
        return _done(released)
    job = observed.job
    found = account(job, observed.pods)
    released += tuple(_untracked(pod) for pod in found.countable)
    if is_deleting(job) or is_over(job):
        left = tuple(_untracked(pod) for pod in observed.pods if is_tracked(pod))
        return _after_the_end(job, left, now)
    verdict = _verdict(job, observed.pods, found, now)
    actions, wake = _work(job, observed.pods, found, verdict, now)
    batches = ((Batch(released, on_failure="continue"),) if released else ()) + actions
    wakes = [at for at in (wake, verdict.deadline) if at is not None]
    return Decision(batches, change=_change(observed, now), wake=min(wakes, default=None))


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """The counts of the fresh picture, and events for pods made, pods deleted and the end."""
    if fresh.job is None or is_deleting(fresh.job) or is_over(fresh.job):
        return None
    change = _change(fresh, now)
    return Conclusion(change, decision.wake, (*pod_notes(fresh.job, outcomes), *_end_notes(fresh.job, change)))


def is_over(job: Obj) -> bool:
    return any((condition_of(job, kind) or {}).get("status") == "True" for kind in ("Complete", "Failed"))


def _verdict(job: Obj, pods: Sequence[Obj], found: Account, now: Instant) -> Verdict:
    spec, active = spec_of(job), [pod for pod in pods if is_active(pod)]
    started = status_of(job).get("startTime")
    seconds = spec.get("activeDeadlineSeconds")
    deadline = Instant(parse_rfc3339(started) + seconds) if started and seconds and not spec.get("suspend") else None
    limit = spec.get("backoffLimit", 6)
    restarts = sum(s.get("restartCount") or 0 for pod in active for s in status_of(pod).get("containerStatuses") or ())
    restarts = restarts if dig(spec, "template", "spec", "restartPolicy") == "OnFailure" else 0
    target = condition_of(job, "FailureTarget")
    if target is not None:
        return Verdict(failure=(target["reason"], target["message"]))
    if found.all_failed > limit or (restarts > 0 and restarts >= limit):
        return Verdict(failure=("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    if deadline is not None and now >= deadline:
        return Verdict(failure=("DeadlineExceeded", "Job was active longer than specified deadline"))
    wanted = spec.get("completions")
    enough = found.all_succeeded >= wanted if wanted is not None else found.all_succeeded > 0 and not active
    return Verdict(is_complete=enough, deadline=deadline)


def _work(
    job: Obj, pods: Sequence[Obj], found: Account, verdict: Verdict, now: Instant
) -> tuple[tuple[Batch, ...], Instant | None]:
    """Pods to make or delete, and when to look again."""
    active = [pod for pod in pods if is_active(pod)]
    spec = spec_of(job)
    if verdict.failure:
        return _deletions(active, counted=True), None
    if verdict.is_complete or spec.get("suspend"):
        return _deletions(active), None
    parallelism = spec.get("parallelism", 1)
    completions = spec.get("completions")
    if completions is None:
        wanted = len(active) if found.all_succeeded else parallelism
    else:
        wanted = min(parallelism, completions - found.all_succeeded)
    if len(active) > wanted:
        return _deletions(deletion_order(active)[: len(active) - wanted]), None
    missing = min(wanted - len(active), BURST)
    resume = _pause_end(pods)
    if missing > 0 and resume is not None and resume > now:
        return (), resume
    return slow_start(Create(PODS, pod) for pod in _new_pods(job, pods, active, found, missing)), None


def _new_pods(job: Obj, pods: Sequence[Obj], active: Sequence[Obj], found: Account, missing: int) -> Iterable[Obj]:
    template: Obj = spec_of(job).get("template") or {}
    taken = {name_of(pod) for pod in pods}
    if not is_indexed(job):
        names = islice(free_names(prefix_of(name_of(job)), uid_of(job), taken), max(0, missing))
        yield from (_tracked(pod_of_template(template, job, name)) for name in names)
        return
    busy = {index_of(pod) for pod in active} | found.completed
    free = (index for index in range(spec_of(job).get("completions") or 0) if index not in busy)
    for index in islice(free, max(0, missing)):
        prefix = prefix_of(f"{name_of(job)}-{index}")
        name = next(free_names(prefix, f"{uid_of(job)}/{index}", taken))
        yield _with_index(_tracked(pod_of_template(template, job, name)), job, index)


def _tracked(pod: Obj) -> Obj:
    meta = pod["metadata"]
    return {**pod, "metadata": {**meta, "finalizers": [*(meta.get("finalizers") or ()), TRACKING]}}


def _with_index(pod: Obj, job: Obj, index: int) -> Obj:
    """The pod with its completion index as annotation, label, host name and environment."""
    meta, spec = pod["metadata"], pod["spec"]
    source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
    containers = [{**c, "env": [*(c.get("env") or ()), variable]} for c in spec["containers"]]
    return {
        **pod,
        "metadata": {
            **meta,
            "annotations": {**(meta.get("annotations") or {}), INDEX: str(index)},
            "labels": {**(meta.get("labels") or {}), INDEX: str(index)},
        },
        "spec": {**spec, "containers": containers, "hostname": f"{name_of(job)}-{index}"},
    }


def _pause_end(pods: Sequence[Obj]) -> Instant | None:
    """When the next pod may be made after failures in a row: 10 s, 20 s, 40 s … after the last one."""
    last_success = max((_finished_at(pod) for pod in pods if has_succeeded(pod)), default=0.0)
    failures = [at for pod in pods if has_failed(pod) and is_finished(pod) and (at := _finished_at(pod)) > last_success]
    if not failures:
        return None
    return Instant(max(failures) + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(len(failures) - 1, 10)))


def _finished_at(pod: Obj) -> float:
    statuses: list[dict[str, Any]] = status_of(pod).get("containerStatuses") or []
    ends = [dig(s, "state", "terminated", "finishedAt") for s in statuses]
    known = [parse_rfc3339(end) for end in ends if end]
    if known:
        return max(known)
    since = (condition_of(pod, "Ready") or {}).get("lastTransitionTime") or metadata(pod).get("creationTimestamp")
    return parse_rfc3339(since) if since else 0.0


def _change(observed: Observed, now: Instant) -> Change | None:
    """Counts and conditions."""
    job = observed.job or {}
    found = account(job, observed.pods)
    verdict = _verdict(job, observed.pods, found, now)
    active = [pod for pod in observed.pods if is_active(pod)]
    terminating = sum(is_deleting(pod) and not is_finished(pod) for pod in observed.pods)
    is_suspended = bool(spec_of(job).get("suspend"))
    conditions = _conditions(job, verdict, is_settled=not active and not terminating and found.is_settled, now=now)
    started = status_of(job).get("startTime") or rfc3339(now)
    is_done = any(c["type"] == "Complete" for c in conditions)
    status: dict[str, Any] = {
        "startTime": None if is_suspended and not verdict.failure else started,
        "completionTime": rfc3339(now) if is_done else None,
        "active": len(active) or None,
        "ready": sum(is_ready(pod) for pod in active),
        "terminating": terminating,
        "succeeded": found.succeeded or None,
        "failed": found.failed or None,
        "uncountedTerminatedPods": uncounted(job, found),
        "completedIndexes": format_indexes(found.completed) or None,
        "conditions": conditions,
    }
    return status_change(JOBS, job, status)


def _conditions(job: Obj, verdict: Verdict, *, is_settled: bool, now: Instant) -> Conditions:
    wanted: list[dict[str, Any]] = []
    if verdict.failure:
        reason, message = verdict.failure
        wanted.append(condition("FailureTarget", True, reason, message))
        wanted += [condition("Failed", True, reason, message)] if is_settled else []
    elif verdict.is_complete and is_settled:
        said = "Reached expected number of succeeded pods"
        wanted.append(condition("SuccessCriteriaMet", True, "CompletionsReached", said))
        wanted.append(condition("Complete", True, "CompletionsReached", said))
    elif spec_of(job).get("suspend"):
        wanted.append(condition("Suspended", True, "JobSuspended", "Job suspended"))
    elif (condition_of(job, "Suspended") or {}).get("status") == "True":
        wanted.append(condition("Suspended", False, "JobResumed", "Job resumed"))
    conditions: Conditions = status_of(job).get("conditions") or []
    for one in wanted:
        conditions = with_condition(conditions, one, now, "lastProbeTime")
    return conditions


def _after_the_end(job: Obj, released: tuple[Action, ...], now: Instant) -> Decision:
    ttl = spec_of(job).get("ttlSecondsAfterFinished")
    if is_deleting(job) or ttl is None or not is_over(job):
        return _done(released)
    ended = next(c for kind in ("Complete", "Failed") if (c := condition_of(job, kind)))["lastTransitionTime"]
    at = Instant(parse_rfc3339(ended) + ttl)
    if now < at:
        return Decision((Batch(released, on_failure="continue"),) if released else (), wake=at)
    gone = Delete(JOBS, namespace_of(job), name_of(job), uid=uid_of(job), propagation="Foreground")
    return _done((*released, gone))


def _end_notes(job: Obj, change: Change | None) -> Iterable[Note]:
    status = (change.status or {}) if change else {}
    for one in status.get("conditions") or ():
        if condition_of(job, one["type"]) is None and one["type"] == "Complete":
            yield note(job, "Completed", "Job completed")
        elif condition_of(job, one["type"]) is None and one["type"] == "Failed":
            yield note(job, one["reason"], one["message"], warning=True)
        elif one["type"] == "Suspended" and (condition_of(job, "Suspended") or {}).get("status") != one["status"]:
            yield note(job, "Suspended" if one["status"] == "True" else "Resumed", one["message"])


def _done(actions: tuple[Action, ...]) -> Decision:
    return Decision((Batch(actions, on_failure="continue"),) if actions else ())


def _deletions(pods: Iterable[Obj], *, counted: bool = False) -> tuple[Batch, ...]:
    """Deletes pods. Those that nobody is to blame for lose their finalizer first, so they do not count as failures."""
    doomed = list(pods)
    gone = tuple(Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod)) for pod in doomed)
    released = () if counted else tuple(_untracked(pod) for pod in doomed if is_tracked(pod))
    batches = (released, gone) if released else (gone,)
    return tuple(Batch(actions) for actions in batches) if gone else ()


def _untracked(pod: Obj) -> Patch:
    left = [name for name in metadata(pod).get("finalizers") or () if name != TRACKING]
    body = {"metadata": {"finalizers": left or None}}
    return Patch(PODS, namespace_of(pod), name_of(pod), body, uid=uid_of(pod), resource_version=resource_version_of(pod))
