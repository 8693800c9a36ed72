"""Which AnalysisRuns a Rollout should have now: the background run, the run of an analysis step, and none else.

A run is named after what it judges (`<rollout>-<hash>-<revision>`, plus the step's index), so a second pass over the same
facts finds the run instead of starting another; when that name is a finished run's, `.1`, `.2` … follow. What a run says
comes back as moves: Failed or Error abort, Inconclusive holds. The runs themselves are another controller's work.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import RolloutAnalysis, RunStatus, TemplateRef
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, labels_of, metadata, name_of, spec_of, status_of
from shipway.kube.runtime.decision import Action, Create, Delete, Note, Patch
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import (
    HASH_LABEL,
    INSTANCE_ID_LABEL,
    PAUSE_BLUE_GREEN,
    PAUSE_INCONCLUSIVE,
    PAUSE_STEP,
    REVISION,
    RUN_TYPE_LABEL,
    STEP_INDEX_LABEL,
)
from shipway.rollouts.rollout.observe import analyses, nested_templates
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.revision import owner_reference
from shipway.rollouts.rollout.spec import Invalid, invalid

DONE = ("Successful", "Failed", "Error", "Inconclusive")
BAD = ("Failed", "Error")


class Runs(Struct, frozen=True):
    """The runs that count now, what they say, and what is to be done about all of them."""

    step: RunStatus | None = None
    background: RunStatus | None = None
    moves: Moves = Moves()
    effects: Effects = NOTHING


class _Wanted(Struct, frozen=True):
    """One slot: the run in it (existing or about to be created)."""

    run: Obj | None = None
    create: Obj | None = None


def plan_runs(facts: Facts) -> Runs:
    """What the analyses of a Rollout come to in this pass."""
    step_now, background_now = _current(facts)
    if _is_skipped(facts):
        return Runs(
            step=_reported(step_now),
            background=_reported(background_now),
            effects=_cancel(facts, facts.seen.runs),
        )
    step = _step_run(facts, step_now)
    background = _background_run(facts, background_now)
    kept = {name_of(run) for slot in (step, background) if (run := slot.run or slot.create) is not None}
    others = [run for run in facts.seen.runs if name_of(run) not in kept]
    creates = [Create(ANALYSIS_RUNS, slot.create) for slot in (step, background) if slot.create is not None]
    return Runs(
        step=_reported(step.run or step.create),
        background=_reported(background.run or background.create),
        moves=_verdict(step.run, "Step-based").merged(_verdict(background.run, "Background")),
        effects=together(acting(*creates), _cancel(facts, others), _forget(facts, others), _news(facts, step, background)),
    )


def _is_skipped(facts: Facts) -> bool:
    returning = facts.new is not None and facts.new.deadline is not None
    return facts.aborted or facts.status.promote_full or returning or facts.is_first_deploy or facts.is_rollback_in_window


def _current(facts: Facts) -> tuple[Obj | None, Obj | None]:
    """The (step, background) runs that the status names."""
    by_name = {name_of(run): run for run in facts.seen.runs}
    canary = facts.status.canary
    return (
        by_name.get(canary.current_step_analysis_run_status.name) if canary.current_step_analysis_run_status else None,
        by_name.get(canary.current_background_analysis_run_status.name)
        if canary.current_background_analysis_run_status
        else None,
    )


def _step_run(facts: Facts, current: Obj | None) -> _Wanted:
    if facts.status.pause_conditions:
        return _Wanted(run=current)
    step = facts.step
    if step is None or step.analysis is None:
        return _Wanted()
    if current is not None and labels_of(current).get(STEP_INDEX_LABEL) != str(facts.index):
        current = None
    if not _needs_new(facts, current):
        return _Wanted(run=current)
    labels = {RUN_TYPE_LABEL: "Step", STEP_INDEX_LABEL: str(facts.index)}
    return _started(facts, step.analysis, f"-{facts.index}", labels)


def _background_run(facts: Facts, current: Obj | None) -> _Wanted:
    analysis = facts.canary.analysis
    if analysis is None or not analysis.templates:
        return _Wanted()
    before = analysis.starting_step is not None and facts.canary.steps and facts.index < analysis.starting_step
    if facts.is_promoted or facts.is_first_deploy or before:
        return _Wanted()
    if any(pause.reason == PAUSE_INCONCLUSIVE for pause in facts.status.pause_conditions):
        return _Wanted(run=current)
    if not _needs_new(facts, current):
        return _Wanted(run=current)
    return _started(facts, analysis, "", {RUN_TYPE_LABEL: "Background"})


def _needs_new(facts: Facts, current: Obj | None) -> bool:
    """None yet, one that was inconclusive and has been resumed, or one from before a retry."""
    if current is None:
        return True
    paused_for = {pause.reason for pause in facts.status.pause_conditions}
    if facts.status.controller_pause and not paused_for & {PAUSE_STEP, PAUSE_BLUE_GREEN}:
        return _phase(current) == "Inconclusive"
    return facts.status.aborted_at is not None


def _started(facts: Facts, analysis: RolloutAnalysis, suffix: str, labels: dict[str, str]) -> _Wanted:
    """A run under the first free name; an unfinished run of the same spec under it is that run."""
    wanted = _new_run(facts, analysis, suffix, labels)
    by_name = {name_of(run): run for run in facts.seen.runs}
    base, name, tries = name_of(wanted), name_of(wanted), 0
    while name in by_name:
        if _phase(by_name[name]) not in DONE and _asks_the_same(by_name[name], wanted):
            return _Wanted(run=by_name[name])
        tries += 1
        name = f"{base}.{tries}"
    return _Wanted(create={**wanted, "metadata": {**wanted["metadata"], "name": name}})


def _asks_the_same(live: Obj, wanted: Obj) -> bool:
    return not spec_of(live).get("terminate") and all(spec_of(live).get(key) == value for key, value in wanted["spec"].items())


def _new_run(facts: Facts, analysis: RolloutAnalysis, suffix: str, labels: dict[str, str]) -> Obj:
    instance = {INSTANCE_ID_LABEL: facts.seen.instance_id} if facts.seen.instance_id else {}
    selector = (facts.spec.selector or {}).get("matchLabels") or {}
    extra = analysis.analysis_run_metadata
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {
            "name": f"{facts.name}-{facts.pod_hash}-{facts.next_revision}{suffix}",
            "namespace": facts.namespace,
            "labels": {HASH_LABEL: facts.pod_hash, **labels, **instance, **extra.labels, **selector},
            "annotations": {REVISION: str(facts.next_revision), **extra.annotations},
            "ownerReferences": [owner_reference(facts.rollout)],
        },
        "spec": _spec_of_run(facts, analysis),
    }


def _spec_of_run(facts: Facts, analysis: RolloutAnalysis) -> Obj:
    """Raises InvalidInput when the templates are not there or do not fit together."""
    known = {ref: template for ref, template in facts.seen.templates.items() if template is not None}
    stable = facts.stable.hash if facts.stable else ""
    spec = resolve(analysis.templates, known, analysis.args, AnalysisArgs(stable, facts.pod_hash, facts.rollout))
    for field, rules in (("dryRun", analysis.dry_run), ("measurementRetention", analysis.measurement_retention)):
        if rules:
            spec[field] = [*spec.get(field, []), *rules]
    return spec


def template_problem(facts: Facts) -> Invalid | None:
    """A template that is not there or cannot be put together with the others, as an InvalidSpec says it.

    A fieldRef that leads nowhere yet (a status field, say) is no fault of the spec until a run is started.
    """
    for path, analysis in analyses(facts.canary):
        missing = _first_missing(facts.seen.templates, analysis.templates, set())
        if missing is not None:
            kind = "ClusterAnalysisTemplate" if missing.cluster_scope else "AnalysisTemplate"
            return invalid(path, missing.template_name, f"{kind} '{missing.template_name}' not found")
        try:
            _spec_of_run(facts, analysis)
        except InvalidInput as error:
            if error.reason != "InvalidFieldRef":
                names = " ".join(ref.template_name for ref in analysis.templates)
                return invalid(path, f"templateNames: [{names}]", error.message)
    return None


def _first_missing(
    known: Mapping[TemplateRef, Obj | None], refs: Iterable[TemplateRef], met: set[TemplateRef]
) -> TemplateRef | None:
    for ref in refs:
        if ref in met:
            continue
        met.add(ref)
        template = known.get(ref)
        if template is None:
            return ref
        if deeper := _first_missing(known, nested_templates(template), met):
            return deeper
    return None


def _phase(run: Obj | None) -> str:
    return status_of(run).get("phase") or "" if run is not None else ""


def _reported(run: Obj | None) -> RunStatus | None:
    if run is None:
        return None
    return RunStatus(name=name_of(run), status=_phase(run), message=status_of(run).get("message") or "")


def _verdict(run: Obj | None, what: str) -> Moves:
    phase = _phase(run)
    if phase == "Inconclusive":
        return Moves(add=(PAUSE_INCONCLUSIVE,))
    if phase in BAD:
        message = dig(run, "status", "message", default="")
        return Moves(abort=f"{what} analysis phase error/failed" + (f": {message}" if message else ""))
    return Moves()


def _cancel(facts: Facts, runs: Iterable[Obj]) -> Effects:
    stops: list[Action] = [
        Patch(ANALYSIS_RUNS, facts.namespace, name_of(run), {"spec": {"terminate": True}})
        for run in runs
        if _phase(run) not in DONE and not spec_of(run).get("terminate") and not is_deleting(run)
    ]
    return acting(*stops)


def _forget(facts: Facts, runs: Iterable[Obj]) -> Effects:
    """Deletes finished runs beyond the history limits, and those whose ReplicaSet is gone."""
    alive = {rs.hash for rs in facts.roles.all if not rs.deleting}
    room = {
        True: facts.spec.analysis.successful_run_history_limit,
        False: facts.spec.analysis.unsuccessful_run_history_limit,
    }
    gone: list[Action] = []
    for run in sorted(runs, key=lambda run: (metadata(run).get("creationTimestamp") or "", name_of(run)), reverse=True):
        if is_deleting(run):
            continue
        if labels_of(run).get(HASH_LABEL) in alive:
            if _phase(run) not in DONE:
                continue
            good = _phase(run) == "Successful"
            room[good] -= 1
            if room[good] >= 0:
                continue
        gone.append(Delete(ANALYSIS_RUNS, facts.namespace, name_of(run)))
    return acting(*gone)


def _news(facts: Facts, step: _Wanted, background: _Wanted) -> Effects:
    """Events for runs whose phase is not the one the status reports."""
    before = facts.status.canary
    told = (
        (before.current_step_analysis_run_status, step.run, "Step"),
        (before.current_background_analysis_run_status, background.run, "Background"),
    )
    notes = tuple(note for previous, run, kind in told for note in _phase_note(facts, previous, run, kind))
    return Effects(notes=notes)


def _phase_note(facts: Facts, previous: RunStatus | None, run: Obj | None, kind: str) -> tuple[Note, ...]:
    phase = _phase(run)
    if run is None or not phase:
        return ()
    if previous is not None and (previous.name != name_of(run) or previous.status == phase):
        return ()
    was = previous.status if previous is not None else "NoPreviousStatus"
    text = f"{kind} Analysis Run '{name_of(run)}' Status New: '{phase}' Previous: '{was}'"
    return (facts.note(f"AnalysisRun{phase}", text, warning=phase in BAD),)
