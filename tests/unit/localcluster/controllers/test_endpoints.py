"""From a Service and its pods to EndpointSlices and Endpoints, as tables and laws."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Create, Delete, Replace
from shipway.localcluster.controllers.endpoints.decide import LARGEST_SLICE, decide, endpoint_of, ports_on
from shipway.localcluster.controllers.endpoints.observe import Observed
from tests.unit.localcluster.controllers.objects import LABELS, NOW, meta, pod


def service(*ports: dict[str, Any], **spec: Any) -> Obj:
    listed = list(ports) or [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]
    body = {"selector": LABELS, "ports": listed, "clusterIP": "10.96.0.9", **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta("web", labels={}), "spec": body}


class Toy:
    """Carries out decisions."""

    def __init__(self, made: Obj) -> None:
        self.service = made
        self.slices: dict[str, Obj] = {}
        self.endpoints: Obj | None = None
        self.writes = 0

    def settle(self, pods: list[Obj]) -> None:
        decision = decide(Observed(self.service, tuple(pods), tuple(self.slices.values()), self.endpoints), NOW)
        for action in (action for batch in decision.batches for action in batch.actions):
            self.writes += 1
            if isinstance(action, Delete):
                del self.slices[action.name]
                continue
            assert isinstance(action, Create | Replace)
            if action.obj["kind"] == "Endpoints":
                self.endpoints = action.obj
            else:
                self.slices[action.obj["metadata"]["name"]] = action.obj

    def names(self) -> list[str]:
        return sorted(e["targetRef"]["name"] for piece in self.slices.values() for e in piece["endpoints"])


@pytest.mark.parametrize(
    ("ports", "found"),
    [
        ([{"port": 80}], [("", "TCP", 80, "")]),
        ([{"port": 80, "targetPort": 8080}], [("", "TCP", 8080, "")]),
        ([{"port": 80, "targetPort": "http"}], [("", "TCP", 8080, "")]),
        ([{"port": 80, "targetPort": "absent"}], []),
        ([{"port": 53, "protocol": "UDP", "targetPort": "http"}], []),
        ([{"name": "a", "port": 80, "appProtocol": "h2c"}], [("a", "TCP", 80, "h2c")]),
        ([{"name": "a", "port": 80}, {"name": "b", "port": 81}], [("a", "TCP", 80, ""), ("b", "TCP", 81, "")]),
    ],
)  # fmt: skip
def test_ports_are_what_the_pod_makes_of_them(ports: list[dict[str, Any]], found: list[Any]) -> None:
    assert ports_on(service(*ports), pod("p")) == tuple(found)


@pytest.mark.parametrize(
    ("one", "publish", "conditions"),
    [
        (pod("p"), False, (True, True, False)),
        (pod("p", ready_for=None), False, (False, False, False)),
        (pod("p", ready_for=None), True, (True, False, False)),
        (pod("p", deletionTimestamp="x"), False, (False, True, True)),
        (pod("p", deletionTimestamp="x"), True, (True, True, True)),
    ],
)
def test_conditions(one: Obj, publish: bool, conditions: tuple[bool, bool, bool]) -> None:
    found = endpoint_of(service(publishNotReadyAddresses=publish), one)["conditions"]
    assert (found["ready"], found["serving"], found["terminating"]) == conditions


def test_a_service_gets_one_slice_and_endpoints_owned_and_labelled() -> None:
    toy = Toy(service())
    finished, homeless = pod("done", phase="Succeeded"), pod("homeless")
    del homeless["status"]["podIP"]
    toy.settle([pod("b"), pod("a", ready_for=None), finished, homeless])
    (piece,) = toy.slices.values()
    assert toy.names() == ["a", "b"]
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert piece["metadata"]["ownerReferences"][0]["uid"] == "web-uid"
    assert piece["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert toy.endpoints is not None
    (subset,) = toy.endpoints["subsets"]
    assert [a["targetRef"]["name"] for a in subset["addresses"]] == ["b"]
    assert [a["targetRef"]["name"] for a in subset["notReadyAddresses"]] == ["a"]


def test_a_service_without_pods_has_one_empty_slice() -> None:
    toy = Toy(service())
    toy.settle([])
    assert [piece["endpoints"] for piece in toy.slices.values()] == [[]]


@pytest.mark.parametrize("made", [service(selector={}), service(type="ExternalName"), service(selector=None)])
def test_services_that_others_care_for_are_left_alone(made: Obj) -> None:
    assert decide(Observed(made, (pod("a"),)), NOW).batches == ()


def test_a_headless_service_is_labelled() -> None:
    toy = Toy(service(clusterIP="None"))
    toy.settle([pod("a")])
    (piece,) = toy.slices.values()
    assert "service.kubernetes.io/headless" in piece["metadata"]["labels"]


def test_pods_that_mean_different_ports_are_in_different_slices() -> None:
    other = pod("other")
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 9090
    toy = Toy(service({"port": 80, "targetPort": "http"}))
    toy.settle([pod("a"), other])
    found = {piece["ports"][0]["port"]: [e["targetRef"]["name"] for e in piece["endpoints"]] for piece in toy.slices.values()}
    assert found == {8080: ["a"], 9090: ["other"]}


def test_one_pod_more_rewrites_one_slice() -> None:
    toy = Toy(service())
    pods = [pod(f"p{n:03}") for n in range(250)]
    toy.settle(pods)
    assert len(toy.slices) == 3 and all(len(piece["endpoints"]) <= LARGEST_SLICE for piece in toy.slices.values())
    toy.writes = 0
    toy.settle([*pods, pod("a-new-one")])
    assert toy.writes == 2  # one slice, and Endpoints
    assert len(toy.names()) == 251


@given(st.lists(st.sets(st.integers(0, 20)), min_size=1, max_size=6))
def test_whatever_comes_and_goes_the_slices_say_who_is_there(history: list[set[int]]) -> None:
    toy = Toy(service())
    for numbers in history:
        pods = [pod(f"p{n}") for n in numbers]
        toy.settle(pods)
        assert toy.names() == sorted(f"p{n}" for n in numbers)
        toy.writes = 0
        toy.settle(pods)
        assert toy.writes == 0, "a second run does nothing"
