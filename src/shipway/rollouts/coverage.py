"""Which services go out unjudged: what measures a new version of each, and where in its release. Pure over the objects.

A service is a Rollout, or a Deployment that no Rollout takes over: of that nobody asks whether its new version is any good.
Analyses of its own strategy judge it, and verification rules that select it; `verification/judges.py` says which count.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, ROLLOUTS
from shipway.api.rollout import TemplateRef
from shipway.api.verification import At
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of
from shipway.rollouts.rollout.names import EXEMPT
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.verification.judges import Place, can_stop, is_overridden, own_judges, rule_problem
from shipway.rollouts.verification.selection import exemption, rules_for


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
    """What else is there: all Rollouts, whose Deployments are no services of their own, all analysis templates and rules."""

    rollouts: Sequence[Obj] = ()
    templates: Sequence[Obj] = ()
    rules: Sequence[Obj] = ()

    def templates_for(self, namespace: str) -> dict[TemplateRef, Obj]:
        """Those that a Rollout of the namespace may name; templates without a namespace are the cluster's."""
        near = (one for one in self.templates if namespace_of(one) in ("", namespace))
        return {TemplateRef(name_of(one), not namespace_of(one)): one for one in near}


def coverage(rollouts: Iterable[Obj], deployments: Iterable[Obj], around: Around) -> tuple[Cover, ...]:
    """All services by namespace and name."""
    covers = [_of_rollout(one, around.templates_for(namespace_of(one)), around.rules) for one in rollouts]
    refs = ((namespace_of(one), dig(one, "spec", "workloadRef", default={})) for one in around.rollouts)
    taken_over = {(namespace, ref.get("name")) for namespace, ref in refs if ref.get("kind") == DEPLOYMENTS.kind}
    for deployment in deployments:
        if (namespace_of(deployment), name_of(deployment)) not in taken_over:
            told = "no Rollout takes it over: nothing judges its new versions"
            covers.append(Cover(*_named(deployment, DEPLOYMENTS.kind), *_exemption(deployment, told)))
    return tuple(sorted(covers, key=lambda one: (one.namespace, one.name, one.kind)))


def _of_rollout(rollout: Obj, templates: Mapping[TemplateRef, Obj], rules: Sequence[Obj]) -> Cover:
    named = _named(rollout, ROLLOUTS.kind)
    spec = parse(rollout)
    if isinstance(spec, Invalid):
        return Cover(*named, *_exemption(rollout, f"its spec is invalid: {spec}"))
    own, problem = own_judges(rollout, spec, templates)
    found: dict[Place, list[str]] = {place: [ref.template_name for ref in refs] for place, refs in own.items()}
    for rule in rules_for(rules, rollout):
        if is_overridden(rule, own) or not rule.templates or rule_problem(rule, rollout, templates):
            continue
        if can_stop(rule, rollout, templates):
            for at in rule.at:
                place = _place_of(at, is_blue_green=spec.strategy.blue_green is not None)
                found[place] += (f"{ref.template_name} (rule {rule.name})" for ref in rule.templates)
    canary, preview, after = (tuple(dict.fromkeys(names)) for names in found.values())
    return Cover(*named, *_exemption(rollout, problem), canary, preview, after)


def _place_of(at: At, *, is_blue_green: bool) -> Place:
    """Where a rule judges, in the words of the strategy."""
    if at == "AfterPromotion":
        return "post-deploy"
    return "preview" if is_blue_green else "canary"


def _named(obj: Obj, kind: str) -> tuple[str, str, str]:
    return namespace_of(obj), kind, name_of(obj)


def _exemption(obj: Obj, problem: str) -> tuple[str, str]:
    """(why it is exempt, why nothing judges it); an exemption without a reason is none."""
    if EXEMPT not in annotations_of(obj):
        return "", problem
    return exemption(obj), f"{EXEMPT} gives no reason: write why, or take it away; {problem}"
