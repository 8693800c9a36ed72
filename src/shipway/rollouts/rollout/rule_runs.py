"""The AnalysisRuns that verification rules ask for, and what they say of the update.

    beside the update    fails: abort                           the promotion waits until it has measured everything once
    before, after        fails: abort, cannot tell: a person    all traffic, the promotion waits until it has succeeded

A bad verdict is bound to what else ran in the namespace when the run began. Where that changed while it ran, the verdict is
void and another run takes its place, up to `MOST_ATTEMPTS`; then a person is asked. A good one stands: what passed while the
ground moved is no worse for it.
"""

from collections.abc import Callable
from functools import reduce

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import RolloutAnalysis, RunMetadata
from shipway.api.verification import At, Rule
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of, spec_of, status_of
from shipway.kube.runtime.decision import Create, Note, Patch
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting, tidying, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import (
    ASKED,
    AT_LABEL,
    ATTEMPT,
    ENVIRONMENT,
    PAUSE_INCONCLUSIVE,
    RULE_LABEL,
    RUN_TYPE_LABEL,
    STALE,
)
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.rule_names import RUN_TYPES, SUFFIXES, attempt_of, latest, number_of
from shipway.rollouts.rollout.runs import DONE, awaits_person, new_run, phase_of_run, verdict
from shipway.rollouts.verification.environment import Environment, difference, fingerprint

MOST_ATTEMPTS = 3

IsDue = Callable[[At, Obj | None], bool]
"""Whether a rule may judge at a place now; None: it has not begun to."""


class RuleRuns(Struct, frozen=True):
    """What the rules come to. `kept`: the names of the runs that count; the flags: what they have nothing against."""

    kept: frozenset[str] = frozenset()
    has_measured: bool = True
    before_is_content: bool = True
    after_is_content: bool = True
    moves: Moves = Moves()
    effects: Effects = NOTHING


class _Seat(Struct, frozen=True):
    """One rule at one place, with the run that counts there."""

    rule: Rule
    at: At
    base: str
    run: Obj | None


class _Found(Struct, frozen=True):
    """`kept`: the run that counts after this pass. `is_content`: it has nothing against going on."""

    kept: str = ""
    is_content: bool = False
    moves: Moves = Moves()
    effects: Effects = NOTHING


def plan_rules(facts: Facts, is_due: IsDue) -> RuleRuns:
    """What the verification rules of the present update come to in this pass."""
    if not facts.rules:
        return RuleRuns()
    seats = [_seat(facts, rule, at) for rule in facts.rules for at in rule.at]
    found = [(seat.at, _judged(facts, seat) if is_due(seat.at, seat.run) else _Found()) for seat in seats]

    def is_content(place: At) -> bool:
        return all(one.is_content for at, one in found if at == place)

    return RuleRuns(
        kept=frozenset(one.kept for _, one in found if one.kept),
        has_measured=is_content("Canary"),
        before_is_content=is_content("BeforePromotion"),
        after_is_content=is_content("AfterPromotion"),
        moves=reduce(Moves.merged, (one.moves for _, one in found), Moves()),
        effects=together(*(one.effects for _, one in found)),
    )


def _seat(facts: Facts, rule: Rule, at: At) -> _Seat:
    base = f"{facts.name}-{facts.pod_hash}-{facts.next_revision}{_suffix(rule, at)}"
    return _Seat(rule, at, base, latest(facts.seen.runs, base))


def _suffix(rule: Rule, at: At) -> str:
    return f"-{rule.name}-{SUFFIXES[at]}"


def _judged(facts: Facts, seat: _Seat) -> _Found:
    """What one run says, and what it takes for the next."""
    run, environment = seat.run, facts.seen.verification.environment
    if environment is None:
        return _Found(kept=name_of(run) if run is not None else "")
    if run is None:
        return _Found() if awaits_person(facts) else _begun(facts, seat, environment)
    is_retry, kept = facts.status.aborted_at is not None, name_of(run)
    if phase_of_run(run) not in DONE:
        if is_retry and spec_of(run).get("terminate"):
            return _begun(facts, seat, environment)
        content = seat.at == "Canary" and _has_measured(run)
        return _Found(kept, content, effects=_remembered(facts, run, STALE, _stale(run, environment)))
    if awaits_person(facts):
        asked = phase_of_run(run) != "Successful"
        return _Found(kept, effects=_remembered(facts, run, ASKED, "true") if asked else NOTHING)
    if is_retry or _is_answered(facts, run):
        return _begun(facts, seat, environment)
    if phase_of_run(run) == "Successful":
        return _Found(kept, is_content=True)
    if changed := _stale(run, environment):
        return _voided(facts, seat, run, environment, changed)
    return _Found(kept, moves=verdict(run, f"Verification rule '{seat.rule.name}'"))


def _has_measured(run: Obj) -> bool:
    """Whether every metric has been measured once."""
    results = status_of(run).get("metricResults") or []
    return bool(results) and all(result.get("count") for result in results)


def _stale(run: Obj, environment: Environment) -> str:
    """What changed since the run began, or had changed in between."""
    worn = annotations_of(run)
    return worn.get(STALE) or difference(worn.get(ENVIRONMENT, ""), environment)


def _is_answered(facts: Facts, run: Obj) -> bool:
    """Whether a person has been asked because of this run, and has let the update go on."""
    if phase_of_run(run) == "Successful":
        return False
    resumed = facts.status.controller_pause and not facts.status.pause_conditions
    return ASKED in annotations_of(run) or (resumed and phase_of_run(run) == "Inconclusive")


def _remembered(facts: Facts, run: Obj, key: str, text: str) -> Effects:
    """An annotation on the run, once."""
    if not text or key in annotations_of(run):
        return NOTHING
    return tidying(Patch(ANALYSIS_RUNS, facts.namespace, name_of(run), {"metadata": {"annotations": {key: text}}}))


def _voided(facts: Facts, seat: _Seat, run: Obj, environment: Environment, changed: str) -> _Found:
    """A verdict on what is there no more: another run, or a person where that has been tried often enough."""
    attempt, remembered = attempt_of(run), _remembered(facts, run, STALE, changed)
    told = f"The verdict of verification rule '{seat.rule.name}' ({phase_of_run(run)}, analysis run '{name_of(run)}') is void, "
    told += f"for what it judged beside has changed: {changed}. "
    if attempt >= MOST_ATTEMPTS:
        told += f"That was the case {attempt} times in a row: promote to let it judge again, or abort"
        note = facts.note("StaleEnvironment", told, warning=True)
        moves = Moves(add=(PAUSE_INCONCLUSIVE,))
        return _Found(name_of(run), moves=moves, effects=together(remembered, Effects(notes=(note,))))
    note = facts.note("StaleEnvironment", f"{told}Another run takes its place (attempt {attempt + 1} of {MOST_ATTEMPTS})")
    fresh = _begun(facts, seat, environment, attempt=attempt + 1, why=note)
    return _Found(fresh.kept, moves=fresh.moves, effects=together(fresh.effects, remembered))


def _begun(facts: Facts, seat: _Seat, environment: Environment, *, attempt: int = 1, why: Note | None = None) -> _Found:
    """A run under the next name; where its templates are gone meanwhile, a person is asked."""
    number = (number_of(seat.run, seat.base) or 0) + 1 if seat.run is not None else 0
    suffix = _suffix(seat.rule, seat.at) + (f".{number}" if number else "")
    labels = {RUN_TYPE_LABEL: RUN_TYPES[seat.at], RULE_LABEL: seat.rule.name, AT_LABEL: seat.at}
    worn = {ENVIRONMENT: fingerprint(environment, facts.pod_hash), ATTEMPT: str(attempt)}
    analysis = RolloutAnalysis(
        templates=seat.rule.templates, args=seat.rule.args, analysis_run_metadata=RunMetadata(annotations=worn)
    )
    try:
        run = new_run(facts, analysis, suffix, labels)
    except InvalidInput as error:
        told = f"Verification rule '{seat.rule.name}' cannot judge: {error.message}"
        return _Found(
            moves=Moves(add=(PAUSE_INCONCLUSIVE,)),
            effects=Effects(notes=(facts.note("VerificationRuleError", told, warning=True),)),
        )
    create = Create(ANALYSIS_RUNS, run)
    began = facts.note(
        "VerificationRuleStarted", f"Verification rule '{seat.rule.name}' judges by analysis run '{name_of(run)}'"
    )
    notes = tuple((create, note) for note in (why, began) if note is not None)
    return _Found(name_of(run), effects=acting(create, notes=notes))
