"""Weights in a TraefikService, of either API group."""

import pytest

from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.traefik import Traefik, read_config
from tests.unit.rollouts.traffic.looking import after, look, made, split

ROUTER = Traefik("web")


def service(*names: str, group: str = "traefik.io") -> Obj:
    services = [{"name": name, "port": 80} for name in names]
    return made(f"{group}/v1alpha1", "TraefikService", "web", {"weighted": {"services": services, "sticky": {}}})


@pytest.mark.compat("rollouts:router.traefik")
@pytest.mark.parametrize("group", ["traefik.io", "traefik.containo.us"])
def test_weights_of_the_two_services(group: str) -> None:
    patched = after(ROUTER, split(20), service("stable", "other", "canary", group=group))["web"]
    assert patched["spec"] == {
        "weighted": {
            "services": [
                {"name": "stable", "port": 80, "weight": 80},
                {"name": "other", "port": 80},
                {"name": "canary", "port": 80, "weight": 20},
            ],
            "sticky": {},
        }
    }


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'TraefikService "web" not found in namespace "shop"'),
        ((made("traefik.io/v1alpha1", "TraefikService", "web", {}),), "spec.weighted.services was not found"),
        ((service("canary"),), "traefik stable service was not found"),
        ((service("stable"),), "traefik canary service was not found"),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str) -> None:
    problem = ROUTER.problem(look(ROUTER, *objs), split(0))
    assert problem is not None
    assert detail in problem.detail


def test_configurations() -> None:
    assert read_config({"weightedTraefikServiceName": "web"}) == ROUTER
    assert isinstance(read_config({}), str)
    assert ROUTER.problem(look(ROUTER, service("canary", "stable")), split(0)) is None
