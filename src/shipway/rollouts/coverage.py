"""Which services go out unjudged: what measures a new version of each, and where in its release. Pure over the objects.

A service is a Rollout, or a Deployment that no Rollout takes over: of that nobody asks whether its new version is any good. An
analysis whose metrics are all dry runs measures and stops nothing, so it counts for nothing; nor does one that the engine would
refuse, because a template is missing, say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, ROLLOUTS
from shipway.api.rollout import RolloutAnalysis, TemplateRef
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of
from shipway.rollouts.analysis.metric import read_metrics
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve
from shipway.rollouts.rollout.observe import analyses
from shipway.rollouts.rollout.spec import Invalid, parse

EXEMPT = "shipway.dev/exempt-from-verification"
"""On a Rollout or Deployment: why it may go out unjudged."""

Place = Literal["canary", "preview", "post-deploy"]


class Cover(Struct, frozen=True):
    """One service: why it is exempt, why nothing judges it, and the names of the templates that judge it at each place."""

    namespace: str
    kind: str
    name: str
    exempt: str
    problem: str
    canary: tuple[str, ...] = ()
    preview: tuple[str, ...] = ()
    post_deploy: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["verified", "exempt", "unverified"]:
        if self.canary or self.preview or self.post_deploy:
            return "verified"
        return "exempt" if self.exempt else "unverified"

    @property
    def told(self) -> str:
        """Why the state is what it is, as far as the templates do not say it."""
        return "" if self.state == "verified" else self.exempt or self.problem


class Around(Struct, frozen=True):
    """What else is there: all Rollouts, whose Deployments are no services of their own, and all analysis templates."""

    rollouts: Sequence[Obj] = ()
    templates: Sequence[Obj] = ()

    def templates_for(self, namespace: str) -> dict[TemplateRef, Obj]:
        """Those that a Rollout of the namespace may name; templates without a namespace are the cluster's."""
        near = (one for one in self.templates if namespace_of(one) in ("", namespace))
        return {TemplateRef(name_of(one), not namespace_of(one)): one for one in near}


def coverage(rollouts: Iterable[Obj], deployments: Iterable[Obj], around: Around) -> tuple[Cover, ...]:
    """All services by namespace and name."""
    covers = [_of_rollout(rollout, around.templates_for(namespace_of(rollout))) for rollout in rollouts]
    refs = ((namespace_of(one), dig(one, "spec", "workloadRef", default={})) for one in around.rollouts)
    taken_over = {(namespace, ref.get("name")) for namespace, ref in refs if ref.get("kind") == DEPLOYMENTS.kind}
    for deployment in deployments:
        if (namespace_of(deployment), name_of(deployment)) not in taken_over:
            told = "no Rollout takes it over: nothing judges its new versions"
            covers.append(Cover(*_named(deployment, DEPLOYMENTS.kind), *_exemption(deployment, told)))
    return tuple(sorted(covers, key=lambda one: (one.namespace, one.name, one.kind)))


def _of_rollout(rollout: Obj, templates: Mapping[TemplateRef, Obj]) -> Cover:
    named = _named(rollout, ROLLOUTS.kind)
    spec = parse(rollout)
    if isinstance(spec, Invalid):
        return Cover(*named, *_exemption(rollout, f"its spec is invalid: {spec}"))
    found: dict[Place, list[str]] = {"canary": [], "preview": [], "post-deploy": []}
    problem = "its strategy has no analysis"
    for path, analysis in analyses(spec):
        problem = _problem(rollout, analysis, templates)
        if not problem:
            found[_place(path)] += (ref.template_name for ref in analysis.templates)
    canary, preview, after = (tuple(dict.fromkeys(names)) for names in found.values())
    return Cover(*named, *_exemption(rollout, problem), canary, preview, after)


def _problem(rollout: Obj, analysis: RolloutAnalysis, templates: Mapping[TemplateRef, Obj]) -> str:
    """Why an analysis cannot stop anything; "" when it can. What stands for the hashes of pods makes no difference."""
    try:
        run = resolve(analysis.templates, templates, analysis.args, AnalysisArgs("stable", "latest", rollout))
        metrics = read_metrics({"spec": {**run, "dryRun": [*run.get("dryRun", []), *analysis.dry_run]}}, plugins=None)
    except InvalidInput as error:
        return error.message
    return "its analyses are dry runs" if all(metric.is_dry_run for metric in metrics) else ""


def _named(obj: Obj, kind: str) -> tuple[str, str, str]:
    return namespace_of(obj), kind, name_of(obj)


def _place(path: str) -> Place:
    """Where an analysis stands, by its path in the spec: before a blue-green switch only the preview is seen."""
    if ".blueGreen." not in path:
        return "canary"
    return "preview" if ".prePromotionAnalysis." in path else "post-deploy"


def _exemption(obj: Obj, problem: str) -> tuple[str, str]:
    """(why it is exempt, why nothing judges it); an exemption without a reason is none."""
    if EXEMPT not in annotations_of(obj):
        return "", problem
    reason = str(annotations_of(obj)[EXEMPT] or "").strip()
    return reason, f"{EXEMPT} gives no reason: write why, or take it away; {problem}"
