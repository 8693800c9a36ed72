"""The metrics that a Rollout's analyses would measure, with their arguments filled in as the engine fills them in."""

from collections.abc import Iterable

from shipway.api.kinds import ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES
from shipway.api.rollout import TemplateRef
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.rollouts.analysis.metric import Metric, read_metrics
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.observe import analyses
from shipway.rollouts.rollout.spec import readable

STABLE, LATEST = "stable", "latest"
"""What stands for the hashes of pod templates."""


def metrics_of(rollout: Obj, others: Iterable[Obj]) -> tuple[Metric, ...]:
    """Each metric once, by name. Raises InvalidInput as the engine would."""
    spec = readable(rollout)
    templates = templates_of(others)
    found: dict[str, Metric] = {}
    for _, analysis in analyses(spec):
        about = AnalysisArgs(STABLE, LATEST, rollout)
        run: Obj = {"spec": resolve(analysis.templates, templates, analysis.args, about)}
        found |= {metric.name: metric for metric in read_metrics(run, plugins=None)}
    return tuple(found.values())


def templates_of(objs: Iterable[Obj]) -> dict[TemplateRef, Obj]:
    """Analysis templates by the name under which a Rollout refers to them."""
    kinds = {ANALYSIS_TEMPLATES.kind: False, CLUSTER_ANALYSIS_TEMPLATES.kind: True}
    return {TemplateRef(name_of(obj), kinds[obj["kind"]]): obj for obj in objs if obj.get("kind") in kinds}
