"""The occasions that Argo Rollouts has triggers for, read from what the objects say: an abort by its time, an update by its
revision."""

from collections.abc import Iterable, Sequence

from shipway.base.clock import read_rfc3339
from shipway.base.ids import digest
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, condition_of, metadata, name_of, spec_of, status_of
from shipway.notifications.occasions import Occasion, Occasions
from shipway.rollouts.rollout.names import COMPLETED, PROGRESSING, REVISION

_RUN_PHASES = ("Running", "Failed", "Error", "Inconclusive", "Successful")


def occasions_of(rollout: Obj, runs: Iterable[Obj], sets: Iterable[Obj]) -> Occasions:
    """Those of now, by trigger. A trigger that is not named here is one of the user's."""
    status, revision = status_of(rollout), annotations_of(rollout).get(REVISION, "")
    found = {
        "on-rollout-updated": (Occasion(revision, is_news=bool(revision)),),
        "on-rollout-step-completed": _step(status, revision),
        "on-rollout-paused": _paused(rollout),
        "on-rollout-completed": _completed(rollout, revision),
        "on-rollout-aborted": _aborted(rollout),
        "on-scaling-replica-set": _sizes(sets),
    }
    runs = list(runs)
    return found | {f"on-analysis-run-{phase.lower()}": _in_phase(runs, phase) for phase in _RUN_PHASES}


def _step(status: Obj, revision: str) -> tuple[Occasion, ...]:
    """The last step that is done; before the first one, and without an update, what the first one will be news after."""
    index, is_over = status.get("currentStepIndex"), status.get("stableRS") == status.get("currentPodHash")
    if index is None or status.get("abort"):
        return ()
    return (Occasion(f"{revision}/{index}", is_news=index > 0 and not is_over),)


def _paused(rollout: Obj) -> tuple[Occasion, ...]:
    pauses: Sequence[Obj] = status_of(rollout).get("pauseConditions") or ()
    starts = [start for pause in pauses if (start := pause.get("startTime"))]
    if not starts and spec_of(rollout).get("paused") and (paused := condition_of(rollout, "Paused")):
        starts = [paused.get("lastTransitionTime") or ""] if paused.get("status") == "True" else []
    return tuple(_since(start, start) for start in starts[:1] if start)


def _completed(rollout: Obj, revision: str) -> tuple[Occasion, ...]:
    status, condition = status_of(rollout), condition_of(rollout, COMPLETED) or {}
    is_over = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    if condition.get("status") != "True" or not is_over:
        return ()
    return (_since(revision, condition.get("lastTransitionTime") or ""),)


def _aborted(rollout: Obj) -> tuple[Occasion, ...]:
    """Not before the cause stands in the status: whoever is told wants to read it."""
    status, progressing = status_of(rollout), condition_of(rollout, PROGRESSING) or {}
    at = status.get("abortedAt") or ""
    is_said = progressing.get("reason") == "RolloutAborted"
    return (_since(at, at),) if status.get("abort") and at and is_said else ()


def _sizes(sets: Iterable[Obj]) -> tuple[Occasion, ...]:
    sizes = sorted(f"{name_of(one)}={spec_of(one).get('replicas')}" for one in sets)
    return (Occasion(digest(*sizes)),) if sizes else ()


def _in_phase(runs: Sequence[Obj], phase: str) -> tuple[Occasion, ...]:
    """By run: the later of its beginning and its end."""
    there = [run for run in runs if status_of(run).get("phase") == phase]
    return tuple(
        _since(name_of(run), status_of(run).get("completedAt") or metadata(run).get("creationTimestamp") or "") for run in there
    )


def _since(name: str, at: str) -> Occasion:
    return Occasion(name, read_rfc3339(at))
