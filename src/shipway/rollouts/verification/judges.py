"""What a Rollout's own strategy has that can stop a new version, and what a rule can stop. Pure.

An analysis whose metrics are all dry runs measures and stops nothing, so it counts for nothing; nor does one that the engine
would refuse, because a template is missing, say.
"""

from collections.abc import Mapping
from typing import Literal

from shipway.api.rollout import RolloutAnalysis, RolloutSpec, TemplateRef
from shipway.api.verification import At, Rule
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.rollouts.analysis.metric import Metric, read_metrics
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.observe import analyses

Place = Literal["canary", "preview", "post-deploy"]
OWN_PLACES: Mapping[At, tuple[Place, ...]] = {
    "Canary": ("canary", "preview"),
    "BeforePromotion": ("canary", "preview"),
    "AfterPromotion": ("post-deploy",),
}
"""Where an analysis of the Rollout's own stands in for a rule."""


def own_judges(
    rollout: Obj, spec: RolloutSpec, templates: Mapping[TemplateRef, Obj]
) -> tuple[dict[Place, tuple[TemplateRef, ...]], str]:
    """(the templates that judge it at each place, why none does)."""
    found: dict[Place, tuple[TemplateRef, ...]] = {"canary": (), "preview": (), "post-deploy": ()}
    problem = "its strategy has no analysis"
    for path, analysis in analyses(spec):
        problem = _problem(rollout, analysis, templates)
        if not problem:
            found[_place(path)] += analysis.templates
    return found, problem


def is_overridden(rule: Rule, own: Mapping[Place, tuple[TemplateRef, ...]]) -> bool:
    """Whether the Rollout runs all templates of the rule itself, at its places: then it does so with its own arguments."""
    wanted = {ref.template_name for ref in rule.templates}
    return all(
        wanted <= {ref.template_name for place in OWN_PLACES[at] for ref in own[place]} for at in rule.at if rule.templates
    ) and bool(wanted)


def rule_problem(rule: Rule, rollout: Obj, templates: Mapping[TemplateRef, Obj]) -> str:
    """Why a rule cannot judge a Rollout; "" when it can. A fieldRef that leads nowhere yet is no fault before a run begins."""
    try:
        metrics = _metrics(rollout, RolloutAnalysis(templates=rule.templates, args=rule.args), templates)
    except InvalidInput as error:
        return "" if error.reason == "InvalidFieldRef" else error.message
    endless = next((metric.name for metric in metrics if metric.count is None), None)
    if endless is not None and set(rule.at) - {"Canary"}:
        return f"metric '{endless}' never ends, and the promotion would wait for it: give it a count"
    return ""


def can_stop(rule: Rule, rollout: Obj, templates: Mapping[TemplateRef, Obj]) -> bool:
    """Whether a rule that can judge may also throw out: not where all its metrics are dry runs."""
    try:
        metrics = _metrics(rollout, RolloutAnalysis(templates=rule.templates, args=rule.args), templates)
    except InvalidInput as error:
        return error.reason == "InvalidFieldRef"
    return not all(metric.is_dry_run for metric in metrics)


def _problem(rollout: Obj, analysis: RolloutAnalysis, templates: Mapping[TemplateRef, Obj]) -> str:
    """Why an analysis cannot stop anything; "" when it can."""
    try:
        metrics = _metrics(rollout, analysis, templates)
    except InvalidInput as error:
        return error.message
    return "its analyses are dry runs" if all(metric.is_dry_run for metric in metrics) else ""


def _metrics(rollout: Obj, analysis: RolloutAnalysis, templates: Mapping[TemplateRef, Obj]) -> tuple[Metric, ...]:
    """What stands for the hashes of pods makes no difference."""
    run = resolve(analysis.templates, templates, analysis.args, AnalysisArgs("stable", "latest", rollout))
    return read_metrics({"spec": {**run, "dryRun": [*run.get("dryRun", []), *analysis.dry_run]}}, plugins=None)


def _place(path: str) -> Place:
    """Where an analysis stands, by its path in the spec: before a blue-green switch only the preview is seen."""
    if ".blueGreen." not in path:
        return "canary"
    return "preview" if ".prePromotionAnalysis." in path else "post-deploy"
