"""Laws of a Rollout with two pairs of services: one that takes turns behind an ALB, a steady one behind a route."""

import json
from collections.abc import Callable

from hypothesis import given

from shipway.api.kinds import ANALYSIS_TEMPLATES as TEMPLATES
from shipway.api.kinds import HTTP_ROUTES, INGRESSES, ROLLOUTS, SERVICES
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import annotations_of
from tests.laws.test_rollouts import Switchman, histories, lawful, left_alone, plain_steps
from tests.unit.rollouts.rollout.sandbox import NS, Sandbox, deployed, rollout, route, service, template

ACTION = "alb.ingress.kubernetes.io/actions.root"
ALB = {"alb": {"ingress": "edge", "rootService": "root", "servicePort": 80}}
PAIR = {"pingPong": {"pingService": "ping", "pongService": "pong"}}


class TwoPairs(Sandbox):
    """Also serves Ingresses."""

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return INGRESSES if kind == "Ingress" else super().resource_for(group, kind, cluster)

    def at_the_edge(self) -> dict[str, int]:
        action = json.loads(annotations_of(self.objs[Ref("networking.k8s.io", "Ingress", NS, "edge")]).get(ACTION, "{}"))
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        return {group["ServiceName"]: group["Weight"] for group in groups}


def begun(canary_steps: list[dict]) -> TwoPairs:
    backend = {"service": {"name": "root", "port": {"name": "use-annotation"}}}
    rules = [{"http": {"paths": [{"path": "/*", "backend": backend}]}}]
    edge: Obj = {"metadata": {"name": "edge", "namespace": NS}, "spec": {"rules": rules}}
    wanted = merge_patch(
        rollout(*canary_steps, routed=True, canary=PAIR), {"spec": {"strategy": {"canary": {"trafficRouting": ALB}}}}
    )
    services = [(SERVICES, service(name)) for name in ("ping", "pong", "web-canary", "web-stable")]
    world = TwoPairs(*services, (HTTP_ROUTES, route()), (INGRESSES, edge), (TEMPLATES, template("errors")), (ROLLOUTS, wanted))
    deployed(world)
    return world


class Edge(Switchman):
    """The same look at the pair that takes turns."""

    world: TwoPairs

    def picture(self) -> dict[str, tuple[str, int]]:
        shares = self.world.at_the_edge()
        return {name: (self.world.points_at(name), shares.get(name, 0)) for name in ("ping", "pong")}


@lawful
@given(plain_steps, histories)
def test_each_pair_is_served_and_the_one_that_takes_turns_is_not_switched_under_traffic(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]]
) -> None:
    world = begun(canary_steps)
    edge = Edge(world)
    for event in history:
        event(world)
        edge.before = edge.picture()
    left_alone(world)
    stable, turn = world.status["stableRS"], world.status["canary"]["stablePingPong"]
    assert world.at_the_edge() == {name: 100 if name == turn else 0 for name in ("ping", "pong")}
    assert world.weights() == (0, 100)
    assert world.points_at(turn) == world.points_at("web-stable") == stable
