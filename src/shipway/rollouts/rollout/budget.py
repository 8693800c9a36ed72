"""When a strategy is chosen by what is left of the error budget, and what is written of it.

    a release begins   its budgets are asked for, the choice is pinned, and only then anything else happens
    it is frozen       the budgets are asked for again and again: once there is enough, the choice is made anew
    it goes on         nobody asks any more

A release begins with a new template, or when a version that was thrown out is tried again. What goes back (to the stable
version, or within the rollback window) walks no steps and asks nothing; a version older than the stable one is never frozen,
for it is what mends the budget. Both last ends of a freeze are a person's: promote, or abort.
"""

from collections.abc import Iterable

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Answer, Note
from shipway.rollouts.budget.asks import BudgetAsk, asks_of
from shipway.rollouts.budget.pinned import Pinned, pin, pinned_of, pinned_text
from shipway.rollouts.budget.policy import Choice, Known, Policy, choose, policy_of, told
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import PAUSE_STEP, STRATEGY


class PinStep(Struct, frozen=True):
    """A pass of its own: what is written on the Rollout (nothing while it waits for an answer), and told."""

    root: Obj = {}
    notes: tuple[Note, ...] = ()


WAIT = PinStep()


def budget_asks(facts: Facts) -> tuple[BudgetAsk, ...]:
    """What is to be measured now."""
    policy, pinned = policy_of(facts.rollout), pinned_of(facts.rollout)
    if policy is None or facts.blue_green is not None:
        return ()
    wanted = _is_frozen(facts, pinned) or (_begins(facts, pinned) and not _goes_back(facts))
    return asks_of(policy, facts.namespace) if wanted else ()


def plan_pin(facts: Facts) -> PinStep | None:
    """What has to be done about the strategy before anything else is; None: the pass may go on."""
    policy, pinned = policy_of(facts.rollout), pinned_of(facts.rollout)
    if (policy is None and pinned is None) or facts.blue_green is not None:
        return None
    if pinned is not None and _is_frozen(facts, pinned):
        return _still_frozen(facts, policy, pinned)
    if not _begins(facts, pinned):
        return None
    if policy is None or _goes_back(facts):
        return _unpinned() if pinned is not None else None
    measured = _measured(facts, policy)
    if measured is None:
        return WAIT
    choice = choose(policy, measured)
    if choice.pace == "freeze" and _is_older(facts):
        choice = Choice(policy.strategies[-1].pace, choice.known)
    return _pinned(facts, pin(policy, choice, facts.pod_hash, _tried_before(facts)))


def _begins(facts: Facts, pinned: Pinned | None) -> bool:
    """Whether a release is about to begin whose strategy is not chosen yet."""
    if facts.is_first_deploy:
        return False
    if facts.template_changed:
        return pinned is None or pinned.hash != facts.pod_hash
    before = _tried_before(facts)
    return bool(before) and not facts.is_promoted and (pinned is None or pinned.after != before)


def _tried_before(facts: Facts) -> str:
    """When the version that is tried again now was thrown out; "" when it is not."""
    status = facts.status
    return "" if status.abort or facts.template_changed else status.aborted_at or ""


def _goes_back(facts: Facts) -> bool:
    return facts.pod_hash == facts.status.stable_rs or facts.is_rollback_in_window


def _is_older(facts: Facts) -> bool:
    """Whether the new version is one from before the stable one."""
    return facts.new is not None and facts.stable is not None and facts.new.created < facts.stable.created


def _is_frozen(facts: Facts, pinned: Pinned | None) -> bool:
    """Whether the release is held by its budget; not any more once a person has let it go on or thrown it out."""
    status = facts.status
    if pinned is None or pinned.pace != "freeze" or facts.is_first_deploy or status.promote_full or status.abort:
        return False
    is_present = pinned.hash == facts.pod_hash == status.current_pod_hash
    return is_present and facts.index == 0 and any(one.reason == PAUSE_STEP for one in status.pause_conditions)


def _still_frozen(facts: Facts, policy: Policy | None, pinned: Pinned) -> PinStep | None:
    """Another choice once every budget is known and there is enough of it; meanwhile what is left is kept up to date."""
    if policy is None:
        return _unpinned()
    measured = _measured(facts, policy)
    if measured is None or any(one.left is None for one in measured):
        return None
    fresh = pin(policy, choose(policy, measured), facts.pod_hash, pinned.after)
    if fresh.pace != "freeze":
        return _pinned(facts, fresh)
    return PinStep({"metadata": {"annotations": {STRATEGY: pinned_text(fresh)}}}) if fresh != pinned else None


def _measured(facts: Facts, policy: Policy) -> tuple[Known, ...] | None:
    """None until everything is answered."""
    asks = asks_of(policy, facts.namespace)
    answers = [facts.seen.answers.get(ask) for ask in asks]
    return tuple(_known(asks, answers)) if None not in answers else None


def _known(asks: Iterable[BudgetAsk], answers: Iterable[Answer | None]) -> Iterable[Known]:
    for ask, answer in zip(asks, answers, strict=True):
        if answer is None or answer.error is not None:
            yield Known(ask.objective, unknown=answer.error.message if answer is not None and answer.error else "")
        else:
            yield Known(ask.objective, answer.value.left)


def _pinned(facts: Facts, pinned: Pinned) -> PinStep:
    why = told(pinned.known)
    if pinned.pace == "freeze":
        note = facts.note("ReleaseFrozen", f"The new version is held before its first step: {why}", warning=True)
    else:
        note = facts.note("StrategyChosen", f"Strategy {pinned.pace}: {why}", warning=pinned.left is None)
    return PinStep({"metadata": {"annotations": {STRATEGY: pinned_text(pinned)}}}, (note,))


def _unpinned() -> PinStep:
    return PinStep({"metadata": {"annotations": {STRATEGY: None}}})
