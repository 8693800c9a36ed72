"""The step table is total: every step kind, in every condition it can be in, has exactly one move."""

import itertools
from typing import get_args

import pytest

from shipway.api.rollout import (
    STEP_KINDS,
    ExperimentStep,
    Pause,
    PluginStep,
    RolloutAnalysis,
    SetCanaryScale,
    SetHeaderRoute,
    Step,
)
from shipway.rollouts.rollout.steps import (
    RUN_CONDITIONS,
    STEP_TABLE,
    Condition,
    Move,
    StepFacts,
    condition_of,
    describe,
    move_of,
)

STEPS = {
    "setWeight": (Step(set_weight=5),),
    "pause": (Step(pause=Pause()), Step(pause=Pause(duration=10)), Step(pause=Pause(duration="1m"))),
    "setCanaryScale": (Step(set_canary_scale=SetCanaryScale(replicas=1)),),
    "setHeaderRoute": (Step(set_header_route=SetHeaderRoute(name="x")),),
    "setMirrorRoute": (Step(set_mirror_route={"name": "x"}),),
    "analysis": (Step(analysis=RolloutAnalysis()),),
    "experiment": (Step(experiment=ExperimentStep()),),
    "plugin": (Step(plugin=PluginStep("a/b")),),
}
FACTS = [
    StepFacts(at_counts, verified, was_paused, paused_for, phase)
    for at_counts, verified, was_paused in itertools.product((True, False), repeat=3)
    for paused_for in (None, 0.0, 9.9, 10.0, 3600.0)
    for phase in (None, *RUN_CONDITIONS, "SomethingNew")
]


def test_every_kind_of_step_runs() -> None:
    assert set(STEPS) == set(STEP_TABLE) == set(STEP_KINDS)


@pytest.mark.parametrize("kind", STEP_TABLE)
def test_every_condition_has_a_move_and_every_move_is_reachable(kind: str) -> None:
    met: set[Condition] = set()
    for step in STEPS[kind]:
        for facts in FACTS:
            met.add(condition_of(step, facts))
            assert move_of(step, facts) in get_args(Move)
    assert met <= set(STEP_TABLE[kind])
    if kind not in ("setHeaderRoute", "setMirrorRoute"):
        assert met == set(STEP_TABLE[kind])


@pytest.mark.parametrize(
    ("step", "facts", "move"),
    [
        (Step(set_weight=5), StepFacts(at_counts=True), "next"),
        (Step(set_weight=5), StepFacts(at_counts=True, weight_verified=False), "stay"),
        (Step(set_weight=5), StepFacts(at_counts=False), "stay"),
        (Step(set_canary_scale=SetCanaryScale(replicas=1)), StepFacts(at_counts=True, weight_verified=False), "next"),
        (Step(pause=Pause()), StepFacts(), "pause"),
        (Step(pause=Pause()), StepFacts(paused_for=1e9, was_paused=True), "stay"),
        (Step(pause=Pause()), StepFacts(was_paused=True), "next"),
        (Step(pause=Pause(duration="10")), StepFacts(paused_for=9.0, was_paused=True), "stay"),
        (Step(pause=Pause(duration="10")), StepFacts(paused_for=10.0, was_paused=True), "next"),
        (Step(analysis=RolloutAnalysis()), StepFacts(run_phase="Running"), "stay"),
        (Step(experiment=ExperimentStep()), StepFacts(run_phase="Running", at_counts=True), "stay"),
        (Step(experiment=ExperimentStep()), StepFacts(run_phase="Successful"), "next"),
        (Step(analysis=RolloutAnalysis()), StepFacts(run_phase="Successful"), "next"),
        (Step(analysis=RolloutAnalysis()), StepFacts(run_phase="Error"), "abort"),
        (Step(analysis=RolloutAnalysis()), StepFacts(run_phase="Inconclusive"), "hold"),
        (Step(plugin=PluginStep("a/b")), StepFacts(run_phase="Running", at_counts=True), "stay"),
        (Step(plugin=PluginStep("a/b")), StepFacts(run_phase="Successful"), "next"),
        (Step(plugin=PluginStep("a/b")), StepFacts(run_phase="Error"), "stay"),
        (Step(plugin=PluginStep("a/b")), StepFacts(run_phase="Failed"), "abort"),
    ],
)
def test_moves(step: Step, facts: StepFacts, move: Move) -> None:
    assert move_of(step, facts) == move


SCALED = SetCanaryScale(replicas=1)
ROUTED = SetHeaderRoute(name="x")


@pytest.mark.parametrize(
    ("step", "facts", "move"),
    [
        (Step(pause=Pause(), set_canary_scale=SCALED, set_header_route=ROUTED), StepFacts(at_counts=True), "pause"),
        (Step(analysis=RolloutAnalysis(), set_canary_scale=SCALED), StepFacts(at_counts=True, run_phase="Running"), "stay"),
        (Step(plugin=PluginStep("a/b"), set_canary_scale=SCALED), StepFacts(at_counts=True), "stay"),
        (Step(set_canary_scale=SCALED, set_header_route=ROUTED), StepFacts(), "stay"),
        (Step(set_weight=5, set_header_route=ROUTED), StepFacts(at_counts=True, weight_verified=False), "stay"),
        (Step(set_weight=5, set_header_route=ROUTED), StepFacts(at_counts=True), "next"),
    ],
)
def test_a_step_of_several_kinds_waits_for_the_slowest(step: Step, facts: StepFacts, move: Move) -> None:
    assert move_of(step, facts) == move


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step(set_weight=5), "setWeight: 5"),
        (Step(pause=Pause()), "pause"),
        (Step(pause=Pause(duration="1m")), "pause: 1m"),
        (Step(pause=Pause(duration=3)), "pause: 3"),
        (Step(analysis=RolloutAnalysis()), "analysis"),
        (Step(experiment=ExperimentStep()), "experiment"),
        (Step(set_canary_scale=SetCanaryScale(weight=5)), "setCanaryScale{weight: 5}"),
        (Step(set_canary_scale=SetCanaryScale(match_traffic_weight=True)), "setCanaryScale{matchTrafficWeight: true}"),
        (Step(set_canary_scale=SetCanaryScale(replicas=2)), "setCanaryScale{replicas: 2}"),
        (Step(set_header_route=SetHeaderRoute(name="x")), "setHeaderRoute: x"),
        (Step(set_mirror_route={"name": "x"}), "setMirrorRoute: x"),
        (Step(plugin=PluginStep("a/b")), "plugin: a/b"),
    ],
)
def test_descriptions_are_argo_rollouts_words(step: Step, text: str) -> None:
    assert describe(step) == text
