"""The analyses of an Experiment: one AnalysisRun each, started when all templates are available, ended with the Experiment."""

import re

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.experiment import AnalysisStatus
from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.rollout import ExperimentAnalysis, TemplateRef
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import InvalidInput
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import is_deleting, name_of, namespace_of, spec_of, status_of
from shipway.kube.runtime.decision import Action, Create, Patch
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.experiment.observe import ObservedExperiment
from shipway.rollouts.experiment.spec import duration_of
from shipway.rollouts.experiment.variants import hash_of, set_name
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL

ENDED = ("Successful", "Failed", "Error", "Inconclusive")
_PLACEHOLDER = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")


class Analysed(Struct, frozen=True):
    """One analysis in this pass."""

    status: AnalysisStatus
    actions: tuple[Action, ...] = ()


def plan_analysis(seen: ObservedExperiment, analysis: ExperimentAnalysis, *, is_ending: bool) -> Analysed:
    """What to do about one analysis."""
    blank = AnalysisStatus(name=analysis.name)
    stored = next((one for one in seen.status.analysis_runs if one.name == analysis.name), blank)
    name = stored.analysis_run or f"{name_of(seen.experiment)}-{analysis.name}"
    run = seen.runs.get(name)
    if run is not None:
        return _followed(stored, run, is_ending=is_ending)
    if stored.phase in ENDED:
        return Analysed(stored)
    if stored.analysis_run:
        return Analysed(replace(stored, phase="Error", message=f'analysisruns.argoproj.io "{name}" not found'))
    if is_ending:
        return Analysed(stored)
    if name in seen.refused:
        return _impossible(stored, analysis, seen.refused[name])
    try:
        wanted = _new_run(seen, analysis, name)
    except InvalidInput as error:
        return _impossible(stored, analysis, error.message)
    if not seen.status.available_at:
        return Analysed(stored)
    return Analysed(replace(stored, phase="Pending", analysis_run=name), (Create(ANALYSIS_RUNS, wanted),))


def _followed(stored: AnalysisStatus, run: Obj, *, is_ending: bool) -> Analysed:
    phase, message = status_of(run).get("phase") or "Pending", status_of(run).get("message") or ""
    status = replace(stored, analysis_run=name_of(run), phase=phase, message=message)
    if is_ending and phase not in ENDED and not spec_of(run).get("terminate") and not is_deleting(run):
        return Analysed(status, (Patch(ANALYSIS_RUNS, namespace_of(run), name_of(run), {"spec": {"terminate": True}}),))
    return Analysed(status)


def _impossible(stored: AnalysisStatus, analysis: ExperimentAnalysis, why: str) -> Analysed:
    text = f"Failed to create AnalysisRun for analysis '{analysis.name}': {why}"
    return Analysed(replace(stored, phase="Error", message=text))


def _new_run(seen: ObservedExperiment, analysis: ExperimentAnalysis, name: str) -> Obj:
    """Raises InvalidInput when its templates or arguments cannot be resolved."""
    instance = {INSTANCE_ID_LABEL: seen.instance_id} if seen.instance_id else {}
    extra = seen.spec.analysis_run_metadata
    known = {ref: template for ref, template in seen.templates.items() if template is not None}
    args = [_resolved(seen, arg) for arg in analysis.args]
    ref = TemplateRef(analysis.template_name, analysis.cluster_scope)
    spec = resolve([ref], known, args, AnalysisArgs("", "", seen.experiment))
    for field, rules in (("dryRun", seen.spec.dry_run), ("measurementRetention", seen.spec.measurement_retention)):
        if rules:
            spec[field] = [*spec.get(field, []), *rules]
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace_of(seen.experiment),
            "labels": {**instance, **extra.labels},
            "annotations": dict(extra.annotations),
            "ownerReferences": [controller_ref(seen.experiment)],
        },
        "spec": spec,
    }


def _resolved(seen: ObservedExperiment, arg: Obj) -> Obj:
    value = arg.get("value")
    if not isinstance(value, str):
        return arg
    known = _known_values(seen)

    def put_in(match: re.Match[str]) -> str:
        if match[1] not in known:
            names = ", ".join(sorted(known))
            raise InvalidInput(f"argument '{arg.get('name')}' names {match[0]}: there are {names}", reason="UnknownArgument")
        return known[match[1]]

    return {**arg, "value": _PLACEHOLDER.sub(put_in, value)}


def _known_values(seen: ObservedExperiment) -> dict[str, str]:
    """What arguments may refer to. Before all templates are available the times are not known and stand as empty texts."""
    start, duration = seen.status.available_at, duration_of(seen.spec)
    known = {"experiment.availableAt": start, "experiment.finishedAt": ""}
    if start and duration is not None:
        known["experiment.finishedAt"] = rfc3339(Instant(parse_rfc3339(start) + duration))
    for template in seen.spec.templates:
        known[f"templates.{template.name}.podTemplateHash"] = hash_of(seen, template)
        known[f"templates.{template.name}.replicaset.name"] = set_name(seen, template)
    return known
