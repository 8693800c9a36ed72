"""Which bad versions were thrown out before all users had them, and what was measured of them: pure over the objects.

The evidence is the AnalysisRuns that failed. They are kept as long as their Rollout keeps them (`unsuccessfulRunHistoryLimit`,
and the ReplicaSet of the version), so a report goes back as far as that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.kinds import EXPERIMENTS, ROLLOUTS
from shipway.base.clock import Instant, parse_rfc3339, read_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    condition_of,
    controller_of,
    dig,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from shipway.rollouts.rollout.names import HASH_LABEL, PROGRESSING, REVISION
from shipway.rollouts.rollout.runs import BAD, phase_of_run

MOST_VALUES = 5
State = Literal["stopped", "let through"]


class Evidence(Struct, frozen=True):
    """One metric of one run: what it wanted, and the last of what it saw, oldest first."""

    run: str
    metric: str
    phase: str
    wants: str
    values: tuple[str, ...]
    message: str


class Incident(Struct, frozen=True):
    """A version of a Rollout that its analyses threw out. `at`: the first verdict; `after`: seconds from the run's beginning.

    `state`: "let through" where the same version is the stable one now, because somebody insisted.
    """

    namespace: str
    rollout: str
    revision: str
    pod_hash: str
    at: Instant
    after: float | None
    cause: str
    evidence: tuple[Evidence, ...]
    state: State = "stopped"


def cause_of_abort(rollout: Obj) -> str:
    """Why Shipway aborted an update itself, in the words of the condition; "" where it did not or a person did."""
    condition = condition_of(rollout, PROGRESSING) or {}
    if condition.get("reason") != "RolloutAborted" or not status_of(rollout).get("abort"):
        return ""
    return str(condition.get("message") or "").partition(": ")[2]


def incidents(rollouts: Iterable[Obj], runs: Iterable[Obj], experiments: Iterable[Obj], since: Instant) -> tuple[Incident, ...]:
    """Those from `since` on, the latest first."""
    known = {(namespace_of(one), name_of(one)): one for one in rollouts}
    trials = {(namespace_of(one), name_of(one)): one for one in experiments}
    failed: dict[tuple[str, str, str, str], list[Obj]] = {}
    for run in runs:
        made = _made_by_rollout(run, trials)
        place = (namespace_of(made), (controller_of(made) or {}).get("name", ""))
        if place in known and phase_of_run(run) in BAD:
            version = (annotations_of(made).get(REVISION, ""), labels_of(made).get(HASH_LABEL, ""))
            failed.setdefault((*place, *version), []).append(run)
    found = (_incident(key, some, known[key[:2]]) for key, some in failed.items())
    return tuple(sorted((one for one in found if one.at >= since), key=lambda one: (-one.at, one.namespace, one.rollout)))


def _made_by_rollout(run: Obj, trials: Mapping[tuple[str, str], Obj]) -> Obj:
    """The run, or the Experiment that it is part of: what a Rollout owns and marks with its version; {} for neither."""
    owner = controller_of(run) or {}
    made = trials.get((namespace_of(run), owner["name"]), {}) if owner.get("kind") == EXPERIMENTS.kind else run
    return made if (controller_of(made) or {}).get("kind") == ROLLOUTS.kind else {}


def _incident(key: tuple[str, str, str, str], runs: Sequence[Obj], rollout: Obj) -> Incident:
    namespace, name, revision, pod_hash = key
    ended = sorted(runs, key=_end)
    first = ended[0]
    began = read_rfc3339(dig(first, "status", "startedAt", default=""))
    at = _end(first)
    return Incident(
        namespace,
        name,
        revision,
        pod_hash,
        at,
        at - began if began is not None else None,
        str(status_of(first).get("message") or status_of(first)["phase"]),
        tuple(one for run in ended for one in _evidence(run)),
        "let through" if pod_hash and status_of(rollout).get("stableRS") == pod_hash else "stopped",
    )


def _end(run: Obj) -> Instant:
    """When the verdict was there: the end of the last measurement, or of the run."""
    results = status_of(run).get("metricResults") or []
    told = [dig(result, "measurements", -1, "finishedAt", default="") for result in results if result.get("measurements")]
    known = [at for at in map(read_rfc3339, (*told, status_of(run).get("completedAt") or "")) if at is not None]
    return max(known, default=parse_rfc3339(dig(run, "metadata", "creationTimestamp")))


def _evidence(run: Obj) -> Iterable[Evidence]:
    """The metrics that failed; of dry runs none counts."""
    wanted = {metric.get("name"): metric for metric in spec_of(run).get("metrics") or []}
    for result in status_of(run).get("metricResults") or []:
        if result.get("phase") not in BAD or result.get("dryRun"):
            continue
        seen = (result.get("measurements") or [])[-MOST_VALUES:]
        values = tuple(str(one.get("value") or one.get("message") or one.get("phase") or "") for one in seen)
        said = str(result.get("message") or "")
        yield Evidence(
            name_of(run), result.get("name", ""), result["phase"], _wants(wanted.get(result.get("name"), {})), values, said
        )


def _wants(metric: Obj) -> str:
    """The condition as it is written."""
    if condition := metric.get("successCondition"):
        return str(condition)
    return f"not {metric['failureCondition']}" if metric.get("failureCondition") else ""
