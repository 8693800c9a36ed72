"""Which AnalysisRuns a blue-green update should have now: one before the switch, one after it.

A run is heard only while its side of the switch is the present one: a verdict on the preview says nothing once it serves.
"""

from functools import partial, reduce

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import RolloutAnalysis, RunStatus
from shipway.api.verification import At
from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.effects import NOTHING, Effects, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import RUN_TYPE_LABEL
from shipway.rollouts.rollout.pauses import Moves
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
    phase_of_run,
    reported,
    started,
    verdict,
)


class PromotionRuns(Struct, frozen=True):
    """What the runs say. `pre_is_content`: nothing speaks against the switch; `post_is_undecided`: do not tidy up yet."""

    pre: RunStatus | None = None
    post: RunStatus | None = None
    pre_is_content: bool = True
    post_is_content: bool = True
    post_is_undecided: bool = False
    rules: RuleRuns = RuleRuns()
    moves: Moves = Moves()
    effects: Effects = NOTHING


def plan_promotion_runs(facts: Facts) -> PromotionRuns:
    """What the analyses of a blue-green update come to in this pass."""
    before, blue_green = facts.status.blue_green, facts.blue_green
    pre_now = current_run(facts, before.pre_promotion_analysis_run_status)
    post_now = current_run(facts, before.post_promotion_analysis_run_status)
    wants_pre = blue_green is not None and _has_templates(blue_green.pre_promotion_analysis)
    wants_post = blue_green is not None and _has_templates(blue_green.post_promotion_analysis)
    if is_skipped(facts) or blue_green is None:
        content = phase_of_run(pre_now) == "Successful" or not wants_pre
        effects = cancel(facts, ANALYSIS_RUNS, facts.seen.runs)
        return PromotionRuns(reported(pre_now), reported(post_now), content, not wants_post, effects=effects)
    pre = _slot(facts, blue_green.pre_promotion_analysis, pre_now, "Pre", is_due=_pre_is_due(facts, pre_now))
    post = _slot(facts, blue_green.post_promotion_analysis, post_now, "Post", is_due=_post_is_due(facts, post_now))
    rules = plan_rules(facts, partial(_is_due, facts))
    told = (
        Told(post, before.post_promotion_analysis_run_status, "PostPromotion"),
        Told(pre, before.pre_promotion_analysis_run_status, "PrePromotion"),
    )
    post_content = phase_of_run(post.run) == "Successful"
    heard = [
        verdict(slot.run, f"Blue/green {when}-promotion")
        for slot, when, is_due in ((pre, "pre", _pre_is_due), (post, "post", _post_is_due))
        if slot.run is not None and is_due(facts, slot.run)
    ]
    waits = wants_post or not rules.after_is_content
    undecided = waits and _is_running(facts) and not (post_content and rules.after_is_content)
    ended = cancel(
        facts, ANALYSIS_RUNS, [run for run in (pre_now, post_now) if run is not None and not _is_kept(facts, run, pre, post)]
    )
    return PromotionRuns(
        pre=reported(pre.occupant),
        post=reported(post.occupant),
        pre_is_content=(phase_of_run(pre.run) == "Successful" or not wants_pre)
        and rules.before_is_content
        and rules.has_measured,
        post_is_content=(post_content or not wants_post) and rules.after_is_content,
        post_is_undecided=undecided and blue_green.scale_down_delay_seconds is None,
        rules=rules,
        moves=reduce(Moves.merged, heard, rules.moves),
        effects=together(rules.effects, carried_out(facts, told, rules.kept), ended),
    )


def _is_due(facts: Facts, at: At, current: Obj | None) -> bool:
    """Whether a verification rule may judge now; `current` is the run of it that counts."""
    match at:
        case "Canary":
            return _pre_is_due(facts, current) or _is_running(facts)
        case "BeforePromotion":
            return _pre_is_due(facts, current)
        case "AfterPromotion":
            return _post_is_due(facts, current)


def _has_templates(analysis: RolloutAnalysis | None) -> bool:
    return analysis is not None and bool(analysis.templates)


def _is_kept(facts: Facts, run: Obj, pre: Slot, post: Slot) -> bool:
    """A run goes on while its side of the switch is the present one."""
    return (run is pre.run and _pre_is_due(facts, run)) or (run is post.run and _post_is_due(facts, run))


def _slot(facts: Facts, analysis: RolloutAnalysis | None, current: Obj | None, when: str, *, is_due: bool) -> Slot:
    if analysis is None or not analysis.templates:
        return Slot()
    if not is_due or awaits_person(facts) or not needs_new(facts, current):
        return Slot(run=current)
    return started(facts, analysis, f"-{when.lower()}", {RUN_TYPE_LABEL: f"{when}Promotion"})


def _pre_is_due(facts: Facts, current: Obj | None) -> bool:
    """Not once the active service points at the new version; not before that version has its pods."""
    active, new, blue_green = facts.status.blue_green.active_selector, facts.new, facts.blue_green
    if new is None or blue_green is None or facts.status.stable_rs == new.hash or active in ("", new.hash):
        return False
    if current is not None:
        return True
    if blue_green.preview_replica_count is not None:
        return new.replicas == new.available == blue_green.preview_replica_count
    return new.replicas == new.available == facts.replicas


def _post_is_due(facts: Facts, current: Obj | None) -> bool:
    if not _is_running(facts) or facts.new is None:
        return False
    return current is not None or facts.new.replicas == facts.new.available == facts.replicas


def _is_running(facts: Facts) -> bool:
    """Whether the active service points at a new version that is not stable yet."""
    new = facts.new
    return new is not None and facts.status.stable_rs != new.hash and facts.status.blue_green.active_selector == new.hash
