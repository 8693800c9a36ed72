"""What is refused, and in which words."""

from typing import Any

import pytest

from shipway.api.rollout import RolloutSpec
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.spec import Invalid, parse
from tests.unit.rollouts.rollout.sandbox import rollout

GATEWAY = "argoproj-labs/gatewayAPI"


def broken(patch: Obj, *steps: Obj, routed: bool = False) -> str:
    found = parse(merge_patch(rollout(*steps, routed=routed), {"spec": patch}))
    assert isinstance(found, Invalid)
    return str(found)


def canary(**fields: object) -> Obj:
    return {"strategy": {"canary": fields}}


def trial(routing: Obj | None = None, duration: str = "", **template: object) -> Obj:
    routed = {"trafficRouting": routing, "canaryService": "c", "stableService": "s"} if routing else {}
    return canary(steps=[{"setWeight": 30}, {"experiment": {"duration": duration, "templates": [template]}}], **routed)


@pytest.mark.compat("rollouts:spec.selector", "rollouts:spec.workloadRef", "rollouts:invalid-spec")
@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"selector": None}, "spec.selector: Required value: Rollout has missing field '.spec.selector'"),
        (
            {"selector": {"matchLabels": {"app": "db"}}},
            'spec.template.metadata.labels: Invalid value: {"app": "web"}: `selector` does not match template `labels`',
        ),
        (
            {"strategy": None},
            "spec.strategy.strategy: Required value: Rollout has missing field "
            "'.spec.strategy.canary or .spec.strategy.blueGreen'",
        ),
        (
            {"strategy": {"blueGreen": {"activeService": "a"}}},
            'spec.strategy.strategy: Invalid value: "blueGreen: true canary: true": Multiple Strategies can not be listed',
        ),
        ({"progressDeadlineSeconds": 5, "minReadySeconds": 5}, "must be greater than minReadySeconds"),
        ({"replicas": "three"}, "spec.replicas: Expected `int | null`, got `str`"),
        (canary(steps=[{"setWeight": "5"}]), "spec.strategy.canary.steps[0].setWeight: Expected `int | null`, got `str`"),
        (
            canary(steps=[{"setWeight": 101}]),
            "spec.strategy.steps[0].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100",
        ),
        (canary(steps=[{"pause": {"duration": "soon"}}]), "Duration needs to be greater than 0"),
        (canary(steps=[{}]), "Step must have one of the following set"),
        (
            canary(steps=[{"setWeight": 1, "pause": {}}]),
            'Invalid value: "step.Experiment: false step.Pause: true step.SetWeight: true step.Analysis: false": Step must',
        ),
        (canary(steps=[{"experiment": {}}]), "an experiment step needs at least one template"),
        (
            trial(name="a", specRef="Canary"),
            'experiment.templates[0].specRef: Invalid value: "Canary": must be canary or stable',
        ),
        (trial(name="", specRef="stable"), 'experiment.templates: Invalid value: "": each needs a name of its own'),
        (
            trial(name="a", specRef="stable", weight=20),
            "experiment.templates[0].weight: Invalid value: 20: Experiment template weight cannot be set unless TrafficRouting",
        ),
        (
            trial({"nginx": {"stableIngress": "web"}}, name="a", specRef="stable", weight=20),
            "Invalid value: 20: Experiment template weight is only available for TrafficRouting with SMI",
        ),
        (
            trial({"smi": {}, "nginx": {"stableIngress": "web"}}, name="a", specRef="stable", weight=20),
            "weight: Forbidden: a weight of an experiment template beside a router other than SMI, ALB, Istio and Plugins is",
        ),
        (
            trial({"plugins": {"acme/router": {}}}, name="a", specRef="stable", weight=20),
            'Forbidden: the traffic router plugin "acme/router" is a program for Argo Rollouts, which is not loaded here; ',
        ),
        (
            trial({"plugins": {GATEWAY: {"httpRoute": "web"}, "acme/router": {}}}, name="a", specRef="stable", weight=20),
            'Forbidden: the traffic router plugin "acme/router" is a program for Argo Rollouts, which is not loaded here; ',
        ),
        (
            trial({"plugins": {GATEWAY: {"httpRoute": "web"}}}, name="a", specRef="stable", weight=80),
            "the canary's weight and those of the templates come to 110: at most 100 can be shared",
        ),
        (
            trial(
                {"plugins": {GATEWAY: {"httpRoute": "web"}}, "maxTrafficWeight": 1000},
                name="a",
                specRef="stable",
                weight=971,
            ),
            "the canary's weight and those of the templates come to 1001: at most 1000 can be shared",
        ),
        (
            trial({"smi": {}}, name="a", specRef="stable", weight=80),
            "the canary's weight and those of the templates come to 110: at most 100 can be shared",
        ),
        (trial(duration="soon", name="a", specRef="stable"), 'experiment.duration: Invalid value: "soon": write it like 30s'),
        (canary(steps=[{"plugin": {"config": {}}}]), "spec.strategy.steps[0].plugin.name: Required value: name the plugin"),
        (canary(steps=[{"plugin": {"name": 7}}]), "spec.strategy.canary.steps[0].plugin.name: Expected `str`, got `int`"),
        (canary(steps=[{"plugin": {"name": "a/b"}, "setWeight": 5}]), "Step must have one of the following set"),
        (canary(steps=[{"setMirrorRoute": {"name": "x"}}]), "SetMirrorRoute requires TrafficRouting, supports Istio only"),
        (
            canary(steps=[{"setCanaryScale": {"replicas": 1}}]),
            "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (canary(maxSurge=0, maxUnavailable="0%"), "MaxSurge and MaxUnavailable both can not be zero"),
        (canary(scaleDownDelaySeconds=5), "Canary scaleDownDelaySeconds can only be used with traffic routing"),
        (canary(dynamicStableScale=True), "Canary dynamicStableScale can only be used with traffic routing"),
        (
            canary(pingPong={"pingService": "a", "pongService": "b"}),
            "spec.strategy.trafficRouting.alb: Invalid value: null: Ping-pong feature works with the ALB and Istio traffic",
        ),
        ({"workloadRef": {"kind": "Deployment", "name": "web"}}, 'Invalid value: " Deployment": workload of this type'),
        (
            {"workloadRef": {"apiVersion": "v1", "kind": "PodTemplate"}, "template": None},
            "spec.workloadRef.name: Required value",
        ),
        (
            {"workloadRef": {"apiVersion": "v1", "kind": "PodTemplate", "name": "web"}},
            "spec.template: Internal error: template must be empty for workload reference rollout",
        ),
        (
            {
                "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "scaleDown": "soon"},
                "template": None,
            },
            "must be one of never, onsuccess, progressively",
        ),
    ],
)
def test_refusals(patch: Obj, message: str) -> None:
    assert message in broken(patch)


@pytest.mark.compat("rollouts:router.ambassador", "rollouts:router.appMesh", "rollouts:router.plugin", "rollouts:invalid-spec")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"canaryService": "web-stable"}, "uses the same service for the stable and canary services"),
        ({"stableService": None}, "Canary service and Stable service must to be set to use Traffic Routing"),
        ({"trafficRouting": {"ambassador": {}}}, "ambassador: Invalid value: null: must provide at least one mapping"),
        ({"trafficRouting": {"istio": {}}}, "exactly one of virtualService and virtualServices is needed"),
        (
            {"trafficRouting": {"appMesh": {}}},
            "trafficRouting.appMesh: Invalid value: null: must provide virtual-service",
        ),
        (
            {"trafficRouting": {"nginx": {}}},
            "trafficRouting.nginx: Invalid value: exactly one of stableIngress and stableIngresses",
        ),
        ({"trafficRouting": {"smi": {"rootService": 5}}}, "trafficRouting.smi: Invalid value: Expected `str`, got `int`"),
        (
            {"trafficRouting": {"plugins": {"acme/router": {}}}},
            'Forbidden: the traffic router plugin "acme/router" is a program for Argo Rollouts, which is not loaded here; '
            "use one of istio, nginx, alb, smi, ambassador, appMesh, traefik, apisix or "
            'plugins."argoproj-labs/gatewayAPI", or leave this Rollout to Argo Rollouts',
        ),
        ({"trafficRouting": {"plugins": {GATEWAY: {"httpRoute": None}}}}, "No routes configured. At least one of 'httpRoutes'"),
        ({"trafficRouting": {"plugins": {GATEWAY: {"httpRoute": 7}}}}, "Expected `str`, got `int`"),
        ({"dynamicStableScale": True, "scaleDownDelaySeconds": 1}, "cannot be used with scaleDownDelaySeconds"),
        (
            {"steps": [{"setHeaderRoute": {"name": "x", "match": []}}]},
            "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'",
        ),
    ],
)
def test_refusals_of_routed_canaries(fields: Obj, message: str) -> None:
    assert message in broken({"strategy": {"canary": fields}}, routed=True)


def test_header_routes_must_be_managed_and_match_one_way() -> None:
    two = {"exact": "a", "prefix": "b"}
    steps = [{"setHeaderRoute": {"name": "x", "match": [{"headerName": "h", "headerValue": two}]}}]
    managed = {"managedRoutes": [{"name": "y"}]}
    assert "exactly one of the following" in broken(canary(steps=steps, trafficRouting=managed), routed=True)
    steps = [{"setHeaderRoute": {"name": "x"}}]
    assert "does not exist in spec.strategy.canary" in broken(canary(steps=steps, trafficRouting=managed), routed=True)


@pytest.mark.compat("rollouts:canary.maxTrafficWeight")
def test_weights_may_go_up_to_max_traffic_weight() -> None:
    spec = canary(steps=[{"setWeight": 900}], trafficRouting={"maxTrafficWeight": 1000})
    assert isinstance(parse(merge_patch(rollout(routed=True), {"spec": spec})), RolloutSpec)


def routed_by(routing: Obj, **fields: Any) -> Obj:
    """A routed Rollout whose only router is this one."""
    return {"strategy": {"canary": {**fields, "trafficRouting": {"plugins": None, **routing}}}}


ISTIO = {"istio": {"virtualService": {"name": "web"}}}
SUBSETS = {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"}
HEADER_STEP = {"setHeaderRoute": {"name": "x"}}
MIRROR_STEP = {"setMirrorRoute": {"name": "x", "match": [{"path": {"exact": "/"}}]}}


@pytest.mark.parametrize(
    ("routing", "fields", "message"),
    [
        ({}, {}, "name a router: one of istio, nginx, alb, smi, ambassador, appMesh, traefik, apisix, or plugins"),
        (
            {**ISTIO, "maxTrafficWeight": 1000},
            {},
            "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
        ),
        (ISTIO, {"canaryService": None}, "Canary service and Stable service must to be set to use Traffic Routing"),
        ({"smi": {}}, {"steps": [HEADER_STEP]}, "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix"),
        ({"smi": {}}, {"steps": [MIRROR_STEP]}, "SetMirrorRoute requires TrafficRouting, supports Istio only"),
        (ISTIO, {"steps": [MIRROR_STEP]}, "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'"),
        (
            {**ISTIO, "managedRoutes": [{"name": "x"}]},
            {"steps": [{"setMirrorRoute": {"name": "x", "percentage": 101}}]},
            "percentage needs to be between 0 and 100",
        ),
        (
            {**ISTIO, "managedRoutes": [{"name": "x"}]},
            {"steps": [{"setMirrorRoute": {"name": "x", "match": [{"method": {}}]}}]},
            "match value must have one of the following: exact, regex, prefix",
        ),
        (ISTIO, {"steps": [{"setMirrorRoute": {"name": 5}}]}, "setMirrorRoute: Invalid value: Expected `str`, got `int`"),
    ],
)
def test_refusals_of_routers(routing: Obj, fields: Obj, message: str) -> None:
    assert message in broken(routed_by(routing, **fields), routed=True)


def test_subsets_do_without_services_and_mirrors_are_istios() -> None:
    istio = {"istio": {**ISTIO["istio"], "destinationRule": SUBSETS}, "managedRoutes": [{"name": "x"}]}
    spec = routed_by(istio, canaryService=None, stableService=None, steps=[MIRROR_STEP, HEADER_STEP])
    assert isinstance(parse(merge_patch(rollout(routed=True), {"spec": spec})), RolloutSpec)
