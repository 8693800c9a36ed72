"""AnalysisRuns as a Rollout handles them: how one is named and made, when another is needed, when they are ended or forgotten.

A run is named after what it judges (`<rollout>-<hash>-<revision>`, plus its place); when that name is a finished run's, `.1`,
`.2` … follow. The status names a run before it is made. So whatever is lost on the way, a finished run that the status names is
this attempt's, and one that it does not name an earlier one's: nothing is judged twice, no old verdict counts. Which runs a
strategy wants is said in `analysis.py` (canary) and `blue_green_runs.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import RolloutAnalysis, RunStatus, TemplateRef
from shipway.base.errors import InvalidInput
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, is_deleting, labels_of, metadata, name_of, spec_of, status_of
from shipway.kube.runtime.decision import Action, Create, Delete, Note, Patch
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.effects import Effects, acting, tidying, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import (
    HASH_LABEL,
    INSTANCE_ID_LABEL,
    PAUSE_BLUE_GREEN,
    PAUSE_INCONCLUSIVE,
    PAUSE_STEP,
    REVISION,
)
from shipway.rollouts.rollout.observe import analyses, nested_templates
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.spec import Invalid, invalid

DONE = ("Successful", "Failed", "Error", "Inconclusive")
BAD = ("Failed", "Error")


class Slot(Struct, frozen=True):
    """One place for a run: the run that stands in it, or the one about to be created."""

    run: Obj | None = None
    create: Obj | None = None

    @property
    def occupant(self) -> Obj | None:
        return self.run if self.run is not None else self.create


class Told(Struct, frozen=True):
    """One slot with what the status said of it before, and how events name its kind."""

    slot: Slot
    before: RunStatus | None
    kind: str


def current_run(facts: Facts, reported: RunStatus | None) -> Obj | None:
    """The run that a status field names."""
    if reported is None:
        return None
    return next((run for run in facts.seen.runs if name_of(run) == reported.name), None)


def is_skipped(facts: Facts) -> bool:
    """Whether nothing is to be judged: nothing new, or it is thrown out, forced through or a quick way back."""
    back = facts.is_quick_way_back or facts.is_rollback_in_window
    return facts.aborted or facts.status.promote_full or facts.is_first_deploy or back


def awaits_person(facts: Facts) -> bool:
    return any(pause.reason == PAUSE_INCONCLUSIVE for pause in facts.status.pause_conditions)


def carried_out(facts: Facts, told: tuple[Told, ...], kept: frozenset[str] = frozenset()) -> Effects:
    """Starts what is to be started, ends and forgets the rest but for those `kept`, and tells what has changed."""
    kept |= {name_of(one.slot.occupant) for one in told if one.slot.occupant is not None}
    others = [run for run in facts.seen.runs if name_of(run) not in kept]
    creates = [Create(ANALYSIS_RUNS, one) for one in map(_to_be_made, told) if one is not None]
    notes = tuple(note for one in told for note in _phase_note(facts, one))
    return together(
        acting(*creates), cancel(facts, ANALYSIS_RUNS, others), forget(facts, ANALYSIS_RUNS, others), Effects(notes=notes)
    )


def _to_be_made(told: Told) -> Obj | None:
    """The run that the status names already, or the next pass makes it."""
    wanted = told.slot.create
    is_named = wanted is not None and told.before is not None and told.before.name == name_of(wanted)
    return wanted if is_named else None


def needs_new(facts: Facts, current: Obj | None) -> bool:
    """None yet, one that was inconclusive and has been resumed, or one from before a retry."""
    if current is None:
        return True
    paused_for = {pause.reason for pause in facts.status.pause_conditions}
    if facts.status.controller_pause and not paused_for & {PAUSE_STEP, PAUSE_BLUE_GREEN}:
        return phase_of_run(current) == "Inconclusive"
    return facts.status.aborted_at is not None


def started(facts: Facts, analysis: RolloutAnalysis, suffix: str, labels: dict[str, str]) -> Slot:
    return under_free_name(new_run(facts, analysis, suffix, labels), facts.seen.runs, ".")


def under_free_name(wanted: Obj, known: Iterable[Obj], separator: str) -> Slot:
    """`wanted` under the first free name; an unfinished one of the same spec under it is that one."""
    by_name = {name_of(one): one for one in known}
    base, name, tries = name_of(wanted), name_of(wanted), 0
    while name in by_name:
        if phase_of_run(by_name[name]) not in DONE and _asks_the_same(by_name[name], wanted):
            return Slot(run=by_name[name])
        tries += 1
        name = f"{base}{separator}{tries}"
    return Slot(create={**wanted, "metadata": {**wanted["metadata"], "name": name}})


def _asks_the_same(live: Obj, wanted: Obj) -> bool:
    return not spec_of(live).get("terminate") and _holds(spec_of(live), wanted["spec"])


def _holds(live: Any, wanted: Any) -> bool:
    """Whether all of `wanted` is in `live`, which an API server may have completed with defaults."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        here = cast(Obj, live)
        return all(_holds(here.get(key), value) for key, value in cast(Obj, wanted).items())
    if isinstance(live, list) and isinstance(wanted, list):
        pairs = (cast(list[Any], live), cast(list[Any], wanted))
        return len(pairs[0]) == len(pairs[1]) and all(map(_holds, *pairs))
    return live == wanted


def new_run(facts: Facts, analysis: RolloutAnalysis, suffix: str, labels: dict[str, str]) -> Obj:
    """An AnalysisRun of the present update. Raises InvalidInput when the templates are not there or do not fit together."""
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
            "ownerReferences": [controller_ref(facts.rollout)],
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
    for path, analysis in analyses(facts.spec):
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


def phase_of_run(run: Obj | None) -> str:
    return status_of(run).get("phase") or "" if run is not None else ""


def reported(run: Obj | None) -> RunStatus | None:
    if run is None:
        return None
    return RunStatus(name=name_of(run), status=phase_of_run(run), message=status_of(run).get("message") or "")


def verdict(run: Obj | None, what: str) -> Moves:
    phase = phase_of_run(run)
    if phase == "Inconclusive":
        return Moves(add=(PAUSE_INCONCLUSIVE,))
    if phase in BAD:
        message = dig(run, "status", "message", default="")
        return Moves(abort=f"{what} analysis phase error/failed" + (f": {message}" if message else ""))
    return Moves()


def cancel(facts: Facts, kind: Resource, runs: Iterable[Obj]) -> Effects:
    """Terminates AnalysisRuns, or Experiments, that are not over yet."""
    stops: list[Action] = [
        Patch(kind, facts.namespace, name_of(run), {"spec": {"terminate": True}})
        for run in runs
        if phase_of_run(run) not in DONE and not spec_of(run).get("terminate") and not is_deleting(run)
    ]
    return tidying(*stops)


def forget(facts: Facts, kind: Resource, runs: Iterable[Obj]) -> Effects:
    """Deletes finished runs, or Experiments, beyond the history limits, and those whose ReplicaSet is gone."""
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
            if phase_of_run(run) not in DONE:
                continue
            good = phase_of_run(run) == "Successful"
            room[good] -= 1
            if room[good] >= 0:
                continue
        gone.append(Delete(kind, facts.namespace, name_of(run)))
    return tidying(*gone)


def _phase_note(facts: Facts, told: Told) -> tuple[Note, ...]:
    run, previous = told.slot.run, told.before
    phase = phase_of_run(run)
    if run is None or not phase:
        return ()
    if previous is not None and (previous.name != name_of(run) or previous.status == phase):
        return ()
    was = previous.status if previous is not None else "NoPreviousStatus"
    text = f"{told.kind} Analysis Run '{name_of(run)}' Status New: '{phase}' Previous: '{was}'"
    return (facts.note(f"AnalysisRun{phase}", text, warning=phase in BAD),)
