"""The canary Ingress beside a stable one."""

from typing import Any

import pytest

from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.nginx import Nginx, canary_name, read_config
from tests.unit.rollouts.traffic.looking import OWNER, after, look, made, split

PREFIX = "nginx.ingress.kubernetes.io"


def path(service: str, where: str = "/") -> Obj:
    return {"path": where, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}


def ingress(name: str = "main", *hosts: tuple[str, list[Obj]], **more: Any) -> Obj:
    rules = [{"host": host, "http": {"paths": paths}} for host, paths in hosts or (("shop.test", [path("stable")]),)]
    meta = more.pop("meta", {})
    return made("networking.k8s.io/v1", "Ingress", name, {"rules": rules, **more}, **meta)


def router(**raw: Any) -> Nginx:
    found = read_config(raw or {"stableIngress": "main"})
    assert isinstance(found, Nginx)
    return found


def test_the_canary_ingress_is_made_with_the_rules_of_the_stable_service() -> None:
    tls = [{"hosts": ["shop.test"], "secretName": "cert"}]
    meta = {"annotations": {"kubernetes.io/ingress.class": "nginx", "mine": "x"}, "labels": {"a": "b"}}
    hosts = (("shop.test", [path("stable"), path("api", "/api")]), ("other.test", [path("other")]))
    stable = ingress("main", *hosts, ingressClassName="nginx", tls=tls, meta=meta)
    objs = after(router(), split(5), stable)
    assert objs["main"] == stable
    assert objs["web-main-canary"] == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "web-main-canary",
            "namespace": "shop",
            "annotations": {
                "kubernetes.io/ingress.class": "nginx",
                f"{PREFIX}/canary": "true",
                f"{PREFIX}/canary-weight": "5",
            },
            "ownerReferences": [OWNER],
        },
        "spec": {
            "ingressClassName": "nginx",
            "tls": tls,
            "rules": [{"host": "shop.test", "http": {"paths": [path("canary"), path("api", "/api")]}}],
        },
    }


def test_a_weight_is_one_operation_and_a_hand_edit_is_undone() -> None:
    one = router()
    objs = after(one, split(5), ingress())
    (edit,) = one.edits(look(one, *objs.values()), split(30))
    key = f"{PREFIX}/canary-weight".replace("/", "~1")
    assert edit.ops == [{"op": "replace", "path": f"/metadata/annotations/{key}", "value": "30"}]
    bare = {**objs["web-main-canary"], "metadata": {**objs["web-main-canary"]["metadata"], "annotations": {}}}
    assert after(one, split(5), ingress(), bare) == objs


def test_annotations_and_their_prefix() -> None:
    raw = {
        "stableIngress": "main",
        "annotationPrefix": "acme.test",
        "additionalIngressAnnotations": {"canary-by-header": "x-canary", "acme.test/canary-by-cookie": "c"},
        "canaryIngressAnnotations": {"team": "web"},
    }
    assert after(router(**raw), split(0), ingress())["web-main-canary"]["metadata"]["annotations"] == {
        "team": "web",
        "acme.test/canary-by-header": "x-canary",
        "acme.test/canary-by-cookie": "c",
        "acme.test/canary": "true",
        "acme.test/canary-weight": "0",
    }


def test_a_sum_other_than_100_is_told() -> None:
    annotations = after(router(), split(5, most=1000), ingress())["web-main-canary"]["metadata"]["annotations"]
    assert annotations[f"{PREFIX}/canary-weight"] == "5"
    assert annotations[f"{PREFIX}/canary-weight-total"] == "1000"


@pytest.mark.compat("rollouts:router.nginx")
def test_several_ingresses() -> None:
    objs = after(router(stableIngresses=["main", "edge"]), split(5), ingress(), ingress("edge"))
    assert set(objs) == {"main", "web-main-canary", "edge", "web-edge-canary"}


def test_long_names_are_cut() -> None:
    assert len(canary_name("r" * 200, "i" * 200)) == 253
    assert canary_name("r" * 200, "i" * 200).endswith("i-canary")


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'Ingress "main" not found in namespace "shop"'),
        ((ingress("main", ("a", [path("x")])),), "ingress `main` has no rules using service stable backend"),
        ((ingress(), ingress("web-main-canary")), "canary ingress `web-main-canary` controlled by different object"),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str) -> None:
    one = router()
    problem = one.problem(look(one, *objs), split(0))
    assert problem is not None
    assert (problem.field, problem.detail) == ("nginx.stableIngress", detail)


def test_a_good_ingress_has_none() -> None:
    one = router()
    assert one.problem(look(one, *after(one, split(5), ingress()).values()), split(0)) is None


@pytest.mark.parametrize("raw", [{}, {"stableIngress": "a", "stableIngresses": ["b"]}, {"stableIngress": 5}])
def test_configurations_that_cannot_be_read(raw: Obj) -> None:
    assert isinstance(read_config(raw), str)
