"""Where pods go, and why not, as tables."""

from typing import Any

import pytest

from shipway.kube.runtime.decision import Bind, Decision, Patch
from shipway.localcluster.controllers.scheduler.decide import decide, requests_of
from shipway.localcluster.controllers.scheduler.observe import Observed, is_waiting
from tests.unit.localcluster.controllers.objects import NOW, Obj, pod


def node(name: str, *, ready: bool = True, cpu: str = "4", pods: str = "10", labels: Any = None, **spec: Any) -> Obj:
    amounts = {"cpu": cpu, "memory": "8Gi", "pods": pods}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": amounts, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def waiting(name: str = "p", cpu: str = "", **spec: Any) -> Obj:
    made = pod(name, node="", phase="Pending", ready_for=None)
    made["spec"].update(spec)
    if cpu:
        made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return made


def placed(decision: Decision) -> dict[str, str]:
    return {a.name: a.node for batch in decision.batches for a in batch.actions if isinstance(a, Bind)}


def refused(decision: Decision) -> list[str]:
    patches = [a for batch in decision.batches for a in batch.actions if isinstance(a, Patch)]
    return [c["message"] for p in patches for c in p.body["status"]["conditions"] if c["type"] == "PodScheduled"]


def affinity(*expressions: Any) -> Any:
    terms = [{"matchExpressions": [e]} for e in expressions]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


IN_X = {"key": "zone", "operator": "In", "values": ["x"]}
ABOVE_3 = {"key": "n", "operator": "Gt", "values": ["3"]}
GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("one", "nodes", "goes_to", "message"),
    [
        (waiting(), [node("a")], "a", ""),
        (waiting(), [], None, "0/0 nodes are available."),
        (waiting(), [node("a", ready=False)], None, "0/1 nodes are available: 1 node(s) were not ready."),
        (waiting(), [node("a", unschedulable=True)], None, "0/1 nodes are available: 1 node(s) were unschedulable."),
        (waiting(), [node("a", pods="0")], None, "0/1 nodes are available: 1 Too many pods."),
        (waiting(cpu="5"), [node("a"), node("b")], None, "0/2 nodes are available: 2 Insufficient cpu."),
        (waiting(cpu="5"), [node("a"), node("b", cpu="6")], "b", ""),
        (waiting(nodeSelector={"disk": "ssd"}), [node("a"), node("b", labels={"disk": "ssd"})], "b", ""),
        (waiting(nodeSelector={"disk": "ssd"}), [node("a")], None,
         "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (waiting(), [node("a", taints=[GPU])], None, "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}."),
        (waiting(tolerations=[{"key": "gpu", "operator": "Exists"}]), [node("a", taints=[GPU])], "a", ""),
        (waiting(tolerations=[{"key": "gpu", "value": "yes"}]), [node("a", taints=[GPU])], "a", ""),
        (waiting(tolerations=[{"key": "gpu", "value": "no"}]), [node("a", taints=[GPU])], None, "untolerated taint"),
        (waiting(tolerations=[{"operator": "Exists"}]), [node("a", taints=[GPU])], "a", ""),
        (waiting(), [node("a", taints=[{**GPU, "effect": "PreferNoSchedule"}])], "a", ""),
        (waiting(affinity=affinity(IN_X)), [node("a"), node("b", labels={"zone": "x"})], "b", ""),
        (waiting(affinity=affinity(ABOVE_3)), [node("a", labels={"n": "3"}), node("b", labels={"n": "4"})], "b", ""),
        (waiting(affinity=affinity()), [node("a")], None, "affinity/selector"),
    ],
)  # fmt: skip
def test_where_a_pod_goes(one: Obj, nodes: list[Obj], goes_to: str | None, message: str) -> None:
    decision = decide(Observed((one,), tuple(nodes)), NOW)
    assert placed(decision) == ({"p": goes_to} if goes_to else {})
    assert [m for m in refused(decision) if message not in m] == [] and bool(refused(decision)) == (goes_to is None)


def test_pods_of_one_pass_are_counted_against_each_other() -> None:
    pods = tuple(waiting(f"p{n}", cpu="2") for n in range(5))
    decision = decide(Observed(pods, (node("a"), node("b"))), NOW)
    assert sorted(placed(decision).values()) == ["a", "a", "b", "b"]
    assert len(refused(decision)) == 1


def test_what_already_runs_counts() -> None:
    busy = pod("busy")
    busy["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "3"}}
    decision = decide(Observed((waiting(cpu="2"),), (node("a"), node("b")), {"a": (busy,)}), NOW)
    assert placed(decision) == {"p": "b"}


def test_higher_priority_goes_first() -> None:
    pods = (waiting("low"), waiting("high", priority=10))
    assert placed(decide(Observed(pods, (node("a", pods="1"),)), NOW)) == {"high": "a"}


def test_a_refusal_is_said_once() -> None:
    one = waiting()
    decision = decide(Observed((one,), ()), NOW)
    (patch,) = decision.batches[0].actions
    one["status"]["conditions"] = patch.body["status"]["conditions"]
    assert decide(Observed((one,), ()), NOW).batches == ()


@pytest.mark.parametrize(
    ("one", "is_ours"),
    [
        (waiting(), True),
        (waiting(schedulerName="other"), False),
        (waiting(schedulingGates=[{"name": "hold"}]), False),
        (waiting(nodeName="a"), False),
        (pod("done", node="", phase="Succeeded"), False),
        (pod("going", node="", deletionTimestamp="x"), False),
    ],
)
def test_which_pods_are_ours(one: Obj, is_ours: bool) -> None:
    assert is_waiting(one) is is_ours


def test_requests_are_the_larger_of_containers_and_any_init_container() -> None:
    one = waiting()
    one["spec"]["containers"] = [{"resources": {"requests": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "500m"}}}]
    one["spec"]["initContainers"] = [
        {"resources": {"requests": {"cpu": "2", "memory": "1Mi"}}},
        {"restartPolicy": "Always", "resources": {"requests": {"memory": "3Mi"}}},
    ]
    assert requests_of(one) == {"cpu": 2.0, "memory": 3 * 2**20, "pods": 1.0}
