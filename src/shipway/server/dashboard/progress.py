"""The steps of a canary in words, and which of them the Rollout has behind it. Pure."""

from collections.abc import Sequence

from shipway.api.rollout import RolloutStatus, Step
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.rollouts.rollout.steps import describe
from shipway.rollouts.view import run_view, typed
from shipway.server.dashboard.measured import Shape


class StepView(Shape, frozen=True):
    """One step; `state` is done, current or ahead. `weight` only of a setWeight."""

    text: str
    kind: str
    state: str
    weight: int | None
    note: str


def steps(rollout: Obj, runs: Sequence[Obj]) -> list[StepView]:
    """All of them in order; none for a blue-green Rollout. Once everything is on one version, all are done."""
    spec, status = typed(rollout)
    canary = spec.strategy.canary
    if canary is None:
        return []
    is_over = bool(status.stable_rs) and status.stable_rs == status.current_pod_hash
    at = len(canary.steps) if is_over else status.current_step_index or 0
    return [
        StepView(describe(step), (step.kinds or ("invalid",))[0], _state(index, at, status, is_over), step.set_weight,
                 _note(step, status, runs) if index == at else "")
        for index, step in enumerate(canary.steps)
    ]  # fmt: skip


def _state(index: int, at: int, status: RolloutStatus, is_over: bool) -> str:
    if index < at:
        return "done"
    if index > at or (status.abort and not is_over):
        return "ahead"
    return "current"


def _note(step: Step, status: RolloutStatus, runs: Sequence[Obj]) -> str:
    """What the current step waits for, in a few words."""
    if step.pause is not None:
        if not status.pause_conditions:
            return ""
        since = status.pause_conditions[0].start_time
        return f"since {since}" + ("" if step.pause.duration is None else f", for {step.pause.duration}")
    run = status.canary.current_step_analysis_run_status
    if step.analysis is None or run is None:
        return ""
    found = next((one for one in runs if name_of(one) == run.name), None)
    return f"{run.name}: {run_view(found).phase if found else run.status}"
