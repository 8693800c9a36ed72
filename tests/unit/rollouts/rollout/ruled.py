"""The Rollout `web` in a played cluster that serves VerificationRules, beside the Deployment `catalog`."""

from __future__ import annotations

from typing import Any

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    HTTP_ROUTES,
    ROLLOUTS,
    SERVICES,
    VERIFICATION_RULES,
)
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, labels_of, name_of
from shipway.rollouts.rollout.names import AT_LABEL, EXEMPT, RULE_LABEL
from tests.unit.rollouts.rollout.sandbox import NS, Sandbox, deployed, rollout, route, service, template

STEPS = ({"setWeight": 20}, {"pause": {"duration": 30}}, {"setWeight": 100})


class Ruled(Sandbox):
    """A cluster that serves VerificationRules, and may refuse them."""

    serves_rules = True
    refused = ""

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        if kind == "VerificationRule":
            return VERIFICATION_RULES if self.serves_rules else None
        return super().resource_for(group, kind)

    def refusal(self, resource: Resource) -> str:
        return self.refused if resource == VERIFICATION_RULES else ""

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        return not self.refusal(resource)

    def runs(self, rule: str = "org", at: str = "") -> dict[str, str]:
        """The phase of every run of a rule, by its name after the hash and the revision."""
        mine = [one for one in self.list(ANALYSIS_RUNS) if labels_of(one).get(RULE_LABEL) == rule]
        mine = [one for one in mine if not at or labels_of(one)[AT_LABEL] == at]
        return {name_of(one).split("-", 3)[3]: dig(one, "status", "phase", default="") for one in mine}

    def run(self, suffix: str) -> Obj:
        return next(one for one in self.list(ANALYSIS_RUNS) if name_of(one).endswith(suffix))

    def say(self, suffix: str, phase: str, message: str = "", measured: int = 0) -> None:
        results = [{"name": "errors", "count": measured}]
        status = {"phase": phase, "message": message, "metricResults": results if measured else []}
        self.put(ANALYSIS_RUNS, {**self.run(suffix), "status": status})

    def annotate(self, **given: str | None) -> None:
        names = {"exempt": EXEMPT}
        self.put(
            ROLLOUTS,
            merge_patch(self.rollout, {"metadata": {"annotations": {names[key]: value for key, value in given.items()}}}),
        )


def rule(name: str = "org", *templates: str, **spec: Any) -> Obj:
    named = [{"templateName": one} for one in templates or ("errors",)]
    return {"metadata": {"name": name}, "spec": {"templates": named, **spec}}


def beside(image: str) -> Obj:
    pod = {"spec": {"containers": [{"name": "catalog", "image": image}]}}
    return {"metadata": {"name": "catalog", "namespace": NS}, "spec": {"template": pod}}


def ruled(*rules: Obj, steps: tuple[Obj, ...] = STEPS, **more: Any) -> Ruled:
    """`web` deployed behind its route, beside the Deployment `catalog`, with these rules."""
    world = Ruled(
        (SERVICES, service("web-canary")),
        (SERVICES, service("web-stable")),
        (HTTP_ROUTES, route()),
        (ANALYSIS_TEMPLATES, template("errors")),
        (DEPLOYMENTS, beside("shop/catalog:1")),
        (ROLLOUTS, rollout(*steps, routed=True, **more)),
        *((VERIFICATION_RULES, one) for one in rules or (rule(),)),
    )
    deployed(world)
    return world


def updating(world: Ruled, image: str = "shop/web:v2") -> Ruled:
    world.set_image(image)
    world.settle()
    return world
