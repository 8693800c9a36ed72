"""The canary's steps as a table: what a step does under each condition it can be in.

    enter ──> stay ──(pods there, weight verified)──> next
    pause: fresh ──> pause ──(held)──> stay ──(released by a person, or elapsed)──> next
    analysis, experiment: running ──> stay;  successful ──> next;  inconclusive ──> hold;  failed ──> abort
    plugin: as these, but never inconclusive; one that ended in error runs again

`condition_of` says which condition holds, `STEP_TABLE` what follows from it; a test proves that no pair is missing. A new
step kind is a row here, a condition where it needs one, and its effect on weight, pods or routes in the file that makes those.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from shipway.api.rollout import Pause, Step

Condition = Literal[
    "short", "settled", "fresh", "held", "released", "elapsed", "unstarted", "running", "successful", "inconclusive", "failed"
]
Move = Literal["stay", "next", "pause", "hold", "abort"]

_ONCE_PODS_ARE_THERE: Mapping[Condition, Move] = {"short": "stay", "settled": "next"}
_ONCE_DONE: Mapping[Condition, Move] = {"unstarted": "stay", "running": "stay", "successful": "next", "failed": "abort"}
_ONCE_JUDGED: Mapping[Condition, Move] = {**_ONCE_DONE, "inconclusive": "hold"}

STEP_TABLE: Mapping[str, Mapping[Condition, Move]] = {
    "setWeight": _ONCE_PODS_ARE_THERE,
    "setCanaryScale": _ONCE_PODS_ARE_THERE,
    "setHeaderRoute": _ONCE_PODS_ARE_THERE,
    "setMirrorRoute": _ONCE_PODS_ARE_THERE,
    "pause": {"fresh": "pause", "held": "stay", "released": "next", "elapsed": "next"},
    "analysis": _ONCE_JUDGED,
    "experiment": _ONCE_JUDGED,
    "plugin": _ONCE_DONE,
}

RUN_CONDITIONS: Mapping[str, Condition] = {
    "": "unstarted",
    "Pending": "running",
    "Running": "running",
    "Successful": "successful",
    "Inconclusive": "inconclusive",
    "Failed": "failed",
    "Error": "failed",
}
PLUGIN_CONDITIONS: Mapping[str, Condition] = {"": "unstarted", "Successful": "successful", "Failed": "failed"}
"""Of a phase that is none of these, Error too, the plugin is run again."""


class StepFacts(Struct, frozen=True):
    """What decides about the current step. `paused_for`: seconds since its pause began, None when none is recorded.

    `run_phase` is that of the step's AnalysisRun, Experiment or plugin.
    `was_paused` is status.controllerPause: set and yet no pause recorded means that a person has cleared it.
    """

    at_counts: bool = False
    weight_verified: bool = True
    was_paused: bool = False
    paused_for: float | None = None
    run_phase: str | None = None


def condition_of(step: Step, facts: StepFacts) -> Condition:
    """The condition of a step. One that names several kinds waits as its pause, analysis, experiment or plugin does, else for
    its pods.

    Validation saw to it that there is at most one kind among pause, analysis, setWeight, experiment and plugin.
    """
    if step.pause is not None:
        return _pause_condition(step.pause, facts)
    if step.analysis is not None or step.experiment is not None:
        return RUN_CONDITIONS.get(facts.run_phase or "", "running")
    if step.plugin is not None:
        return PLUGIN_CONDITIONS.get(facts.run_phase or "", "running")
    if step.set_weight is None and step.set_canary_scale is None:
        return "settled"
    if not facts.at_counts or (step.set_weight is not None and not facts.weight_verified):
        return "short"
    return "settled"


def _pause_condition(pause: Pause, facts: StepFacts) -> Condition:
    if facts.paused_for is None:
        return "released" if facts.was_paused else "fresh"
    return "elapsed" if pause.duration is not None and facts.paused_for >= pause.seconds else "held"


def move_of(step: Step, facts: StepFacts) -> Move:
    return STEP_TABLE[step.kinds[0]][condition_of(step, facts)]


def describe(step: Step) -> str:
    """The step as events and people name it (`setWeight: 5`, `pause: 1m`), in Argo Rollouts' words."""
    if step.set_weight is not None:
        return f"setWeight: {step.set_weight}"
    if step.pause is not None:
        return "pause" if step.pause.duration is None else f"pause: {step.pause.duration}"
    if step.analysis is not None:
        return "analysis"
    if step.experiment is not None:
        return "experiment"
    if step.plugin is not None:
        return f"plugin: {step.plugin.name}"
    if step.set_canary_scale is not None:
        scale = step.set_canary_scale
        if scale.weight is not None:
            return f"setCanaryScale{{weight: {scale.weight}}}"
        if scale.match_traffic_weight:
            return "setCanaryScale{matchTrafficWeight: true}"
        return f"setCanaryScale{{replicas: {scale.replicas}}}"
    if step.set_header_route is not None:
        return f"setHeaderRoute: {step.set_header_route.name}"
    if step.set_mirror_route is not None:
        return f"setMirrorRoute: {step.set_mirror_route.get('name', '')}"
    return step.kinds[0] if step.kinds else "invalid"
