"""Which runs a canary should have now: the background run, that of an analysis step, the Experiment of its step, none else.

What a run says comes back as moves: Failed or Error abort, Inconclusive holds. The runs themselves are another controller's
work. What plugins of steps say is a part of it.
"""

from functools import partial

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import RunStatus
from shipway.api.verification import At
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of
from shipway.rollouts.rollout.effects import NOTHING, Effects, together
from shipway.rollouts.rollout.experiments import plan_trial
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import RUN_TYPE_LABEL, STEP_INDEX_LABEL
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.plugins import PluginWork, plan_plugins
from shipway.rollouts.rollout.rule_runs import RuleRuns, plan_rules
from shipway.rollouts.rollout.runs import (
    Slot,
    Told,
    awaits_person,
    cancel,
    carried_out,
    current_run,
    is_skipped,
    needs_new,
    reported,
    started,
    verdict,
)


class Runs(Struct, frozen=True):
    """The runs that count now, what they say, and what is to be done about all of them."""

    step: RunStatus | None = None
    background: RunStatus | None = None
    experiment: RunStatus | None = None
    plugins: PluginWork = PluginWork()
    rules: RuleRuns = RuleRuns()
    moves: Moves = Moves()
    effects: Effects = NOTHING


def plan_runs(facts: Facts) -> Runs:
    """What the analyses of a canary come to in this pass."""
    before, plugins = facts.status.canary, plan_plugins(facts)
    step_now = current_run(facts, before.current_step_analysis_run_status)
    background_now = current_run(facts, before.current_background_analysis_run_status)
    if is_skipped(facts):
        return Runs(
            reported(step_now),
            reported(background_now),
            plugins=plugins,
            moves=plugins.moves,
            effects=together(cancel(facts, ANALYSIS_RUNS, facts.seen.runs), plan_trial(facts).effects),
        )
    step, background = _step_run(facts, step_now), _background_run(facts, background_now)
    trial, rules = plan_trial(facts), plan_rules(facts, partial(_is_due, facts))
    told = (
        Told(step, before.current_step_analysis_run_status, "Step"),
        Told(background, before.current_background_analysis_run_status, "Background"),
    )
    return Runs(
        step=reported(step.occupant),
        background=reported(background.occupant),
        experiment=trial.experiment,
        plugins=plugins,
        rules=rules,
        moves=verdict(step.run, "Step-based")
        .merged(verdict(background.run, "Background"))
        .merged(trial.moves)
        .merged(plugins.moves)
        .merged(rules.moves),
        effects=together(rules.effects, carried_out(facts, told, rules.kept), trial.effects),
    )


def _is_due(facts: Facts, at: At, current: Obj | None) -> bool:
    """Whether a verification rule may judge now; `current` is the run of it that counts."""
    if facts.is_promoted or facts.new is None:
        return False
    is_whole = facts.new.available >= facts.replicas
    match at:
        case "Canary":
            return True
        case "BeforePromotion":
            return facts.index >= facts.gate and (facts.gate > 0 or is_whole or current is not None)
        case "AfterPromotion":
            weights = facts.status.canary.weights
            has_traffic = not facts.is_routed or (weights is not None and weights.canary.weight >= facts.most)
            return current is not None or (facts.step is None and is_whole and has_traffic)


def _step_run(facts: Facts, current: Obj | None) -> Slot:
    if facts.status.pause_conditions:
        return Slot(run=current)
    step = facts.step
    if step is None or step.analysis is None:
        return Slot()
    if current is not None and labels_of(current).get(STEP_INDEX_LABEL) != str(facts.index):
        current = None
    if not needs_new(facts, current):
        return Slot(run=current)
    labels = {RUN_TYPE_LABEL: "Step", STEP_INDEX_LABEL: str(facts.index)}
    return started(facts, step.analysis, f"-{facts.index}", labels)


def _background_run(facts: Facts, current: Obj | None) -> Slot:
    analysis = facts.canary.analysis
    if analysis is None or not analysis.templates:
        return Slot()
    before = analysis.starting_step is not None and facts.canary.steps and facts.index < analysis.starting_step
    if facts.is_promoted or facts.is_first_deploy or before:
        return Slot()
    if awaits_person(facts) or not needs_new(facts, current):
        return Slot(run=current)
    return started(facts, analysis, "", {RUN_TYPE_LABEL: "Background"})
