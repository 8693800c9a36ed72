"""The TrafficSplit that a Rollout owns."""

import pytest

from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.smi import Smi, read_config
from tests.unit.rollouts.traffic.looking import OWNER, after, look, made, shared, split


@pytest.mark.compat("rollouts:router.smi")
def test_it_is_made_moved_and_mended() -> None:
    objs = after(Smi(), split(5))
    assert objs["web"]["spec"] == {
        "service": "stable",
        "backends": [{"service": "canary", "weight": 5}, {"service": "stable", "weight": 95}],
    }
    assert objs["web"]["metadata"]["ownerReferences"] == [OWNER]
    (edit,) = Smi().edits(look(Smi(), objs["web"]), split(30))
    assert edit.ops == [
        {"op": "replace", "path": "/spec/backends/0/weight", "value": 30},
        {"op": "replace", "path": "/spec/backends/1/weight", "value": 70},
    ]
    broken = {**objs["web"], "spec": {**objs["web"]["spec"], "backends": []}}
    assert after(Smi(), split(5), broken) == objs


def test_variants_of_an_experiment_have_shares_until_it_ends() -> None:
    before = after(Smi(), split(5))["web"]
    during = after(Smi(), shared(5, 20), before)["web"]
    assert during["spec"]["backends"] == [
        {"service": "canary", "weight": 5},
        {"service": "trial-new", "weight": 20},
        {"service": "stable", "weight": 75},
    ]
    assert after(Smi(), split(5), during)["web"] == before


def test_names_are_given_or_taken_from_the_rollout() -> None:
    assert list(after(Smi("root", "mine"), split(0))) == ["mine"]
    assert after(Smi("root"), split(0))["web"]["spec"]["service"] == "root"


def test_the_oldest_version_has_weights_as_text() -> None:
    old = made("split.smi-spec.io/v1alpha1", "TrafficSplit", "web", {}, ownerReferences=[OWNER])
    made_new = after(Smi(), split(5), version="split.smi-spec.io/v1alpha1")
    for objs in (after(Smi(), split(5), old), made_new):
        assert [backend["weight"] for backend in objs["web"]["spec"]["backends"]] == ["5", "95"]


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((made("split.smi-spec.io/v1alpha3", "TrafficSplit", "web", {}),), "Rollout does not own TrafficSplit `web`"),
        ((made("split.smi-spec.io/v1alpha3", "TrafficSplit", "web", {}, ownerReferences=[OWNER]),), None),
        ((), None),
    ],
)
def test_somebody_elses_is_refused(objs: tuple[Obj, ...], detail: str | None) -> None:
    problem = Smi().problem(look(Smi(), *objs), split(0))
    assert (problem.detail if problem is not None else None) == detail


def test_configurations() -> None:
    assert read_config({"rootService": "root", "trafficSplitName": "x"}) == Smi("root", "x")
    assert isinstance(read_config({"rootService": 5}), str)
