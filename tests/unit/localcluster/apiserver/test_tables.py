"""What `kubectl get` shows: the computed cells."""
# ruff: noqa: E501 - tables, one case per line

from typing import Any

import pytest

from shipway.base.clock import parse_rfc3339
from shipway.localcluster.apiserver.builtin_kinds import builtin_kinds
from shipway.localcluster.apiserver.tables import table_columns, table_row

NOW = parse_rfc3339("2026-01-01T01:00:00Z")
KINDS = {kind.kind: kind for kind in builtin_kinds()}
META = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}


def cells(kind: str, **body: Any) -> dict[str, Any]:
    obj = {"kind": kind, "metadata": {**META, **body.pop("metadata", {})}, **body}
    names = [column["name"] for column in table_columns(KINDS[kind])]
    return dict(zip(names, table_row(KINDS[kind], obj, NOW).cells, strict=True))


def state(name: str = "c", *, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ONE = {"containers": [{"name": "c"}]}
WITH_INIT = {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "j"}]}
SIDECAR = {"containers": [{"name": "c"}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("spec", "status", "metadata", "shown"),
    [
        (ONE, {"phase": "Pending"}, {}, ("0/1", "Pending")),
        (ONE, {"phase": "Running", "containerStatuses": [state(ready=True, **RUNNING)]}, {}, ("1/1", "Running")),
        (ONE, {"phase": "Running", "containerStatuses": [state(waiting={"reason": "CrashLoopBackOff"})]}, {}, ("0/1", "CrashLoopBackOff")),
        (ONE, {"phase": "Pending", "containerStatuses": [state(waiting={"reason": "ImagePullBackOff"})]}, {}, ("0/1", "ImagePullBackOff")),
        (ONE, {"phase": "Succeeded", "containerStatuses": [state(terminated={"reason": "Completed", "exitCode": 0})]}, {}, ("0/1", "Completed")),
        (ONE, {"phase": "Failed", "containerStatuses": [state(terminated={"reason": "Error", "exitCode": 1})]}, {}, ("0/1", "Error")),
        (ONE, {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 3})]}, {}, ("0/1", "ExitCode:3")),
        (ONE, {"phase": "Failed", "containerStatuses": [state(terminated={"signal": 9, "exitCode": 137})]}, {}, ("0/1", "Signal:9")),
        (ONE, {"phase": "Failed", "reason": "Evicted"}, {}, ("0/1", "Evicted")),
        (ONE, {"phase": "Running", "containerStatuses": [state(ready=True, **RUNNING)]}, {"deletionTimestamp": "2026-01-01T00:59:00Z"}, ("1/1", "Terminating")),
        (ONE, {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}, {}, ("0/1", "SchedulingGated")),
        (WITH_INIT, {"phase": "Pending", "initContainerStatuses": [state("i", **RUNNING)]}, {}, ("0/1", "Init:0/2")),
        (WITH_INIT, {"phase": "Pending", "initContainerStatuses": [state("i", terminated={"exitCode": 0}), state("j", **RUNNING)]}, {}, ("0/1", "Init:1/2")),
        (WITH_INIT, {"phase": "Pending", "initContainerStatuses": [state("i", terminated={"exitCode": 2})]}, {}, ("0/1", "Init:ExitCode:2")),
        (WITH_INIT, {"phase": "Pending", "initContainerStatuses": [state("i", waiting={"reason": "ErrImagePull"})]}, {}, ("0/1", "Init:ErrImagePull")),
        (SIDECAR, {"phase": "Running", "initContainerStatuses": [{**state("s", ready=True, **RUNNING), "started": True}],
                   "containerStatuses": [state(ready=True, **RUNNING)]}, {}, ("2/2", "Running")),
    ],
)  # fmt: skip
def test_the_status_of_a_pod(spec: Any, status: Any, metadata: Any, shown: tuple[str, str]) -> None:
    found = cells("Pod", spec=spec, status=status, metadata=metadata)
    assert (found["Ready"], found["Status"]) == shown


def test_restarts_say_how_long_ago() -> None:
    last = {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}
    status = {"phase": "Running", "containerStatuses": [{**state(ready=True, restarts=3, **RUNNING), "lastState": last}]}
    assert cells("Pod", spec=ONE, status=status)["Restarts"] == "3 (5m ago)"


def test_a_finished_pod_is_marked() -> None:
    row = table_row(KINDS["Pod"], {"kind": "Pod", "metadata": META, "spec": ONE, "status": {"phase": "Succeeded"}}, NOW)
    assert [(c["type"], c["reason"]) for c in row.conditions] == [("Completed", "Succeeded")]


def test_pods_addresses_and_gates() -> None:
    spec = {**ONE, "nodeName": "n", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    status = {"phase": "Running", "podIPs": [{"ip": "10.244.0.1"}], "conditions": [{"type": "a", "status": "True"}]}
    found = cells("Pod", spec=spec, status=status)
    assert (found["IP"], found["Node"], found["Readiness Gates"], found["Age"]) == ("10.244.0.1", "n", "1/2", "60m")


@pytest.mark.parametrize(
    ("kind", "body", "column", "shown"),
    [
        ("Deployment", {"spec": {"replicas": 3}, "status": {"readyReplicas": 2}}, "Ready", "2/3"),
        ("Job", {"spec": {"completions": 3}, "status": {"succeeded": 1, "startTime": "2026-01-01T00:00:00Z"}}, "Duration", "60m"),
        ("Job", {"spec": {"completions": 1}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}, "Status", "Failed"),
        ("Job", {"spec": {"parallelism": 2}}, "Completions", "0/1 of 2"),
        ("Node", {"spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Status", "Ready,SchedulingDisabled"),
        ("Node", {"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}}, "Roles", "worker"),
        ("Service", {"spec": {"type": "LoadBalancer"}}, "External-IP", "<pending>"),
        ("Service", {"spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]}}, "Port(s)", "80:30080/TCP,53/UDP"),
        ("EndpointSlice", {"addressType": "IPv4", "endpoints": [{"addresses": [f"10.0.0.{n}"]} for n in range(5)], "ports": [{"port": 80}]},
         "Endpoints", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more..."),
        ("EndpointSlice", {"addressType": "IPv4"}, "Ports", "<unset>"),
        ("Ingress", {"spec": {"rules": [{"host": f"h{n}"} for n in range(4)]}}, "Hosts", "h0,h1,h2 + 1 more..."),
        ("HorizontalPodAutoscaler", {"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]}},
         "Targets", "cpu: <unknown>/80%"),
        ("PersistentVolumeClaim", {"spec": {"volumeName": "v"}, "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"]}}, "Access Modes", "RWO"),
        ("ResourceQuota", {"status": {"hard": {"pods": "3"}, "used": {"pods": "1"}}}, "Request", "pods: 1/3"),
        ("CronJob", {"spec": {"schedule": "* * * * *"}, "status": {"lastScheduleTime": "2026-01-01T00:59:00Z"}}, "Last Schedule", "60s"),
    ],
)  # fmt: skip
def test_cells(kind: str, body: dict[str, Any], column: str, shown: str) -> None:
    assert cells(kind, **body)[column] == shown


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_empty_object_of_every_kind_prints(kind: str) -> None:
    assert "x" in cells(kind).values()
