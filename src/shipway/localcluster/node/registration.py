"""A node as the API server sees it: the Node object, its status and its Lease, as pure functions.

A real control plane takes a node for alive while its Lease in kube-node-lease is renewed and its Ready condition is True.
"""

import platform
import sys

from msgspec import Struct

from shipway.base.clock import Instant, rfc3339, rfc3339_micro
from shipway.kube.objects.resource import Obj

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
MANAGER = "shipway-node"
RUNTIME_VERSION = "shipway-local://1"
"""Shown by `kubectl get nodes -o wide`: pods of this node are local processes or simulated."""

DECLARED_FEATURE = "ExtendWebSocketsToKubelet"
"""A node that says so is sent the WebSockets of exec, attach and port-forward as they come (Kubernetes 1.36, KEP-4006)."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Capacity(Struct, frozen=True):
    """What the scheduler may give away. Simulated pods cost nothing, so it is generous."""

    cpu: str = "64"
    memory: str = "256Gi"
    pods: int = 250


def node_object(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": _system(),
                "kubernetes.io/arch": _architecture(),
                "shipway.dev/node": "local",
            },
        },
        "spec": {},
    }


def node_status(name: str, capacity: Capacity, now: Instant, since: Instant) -> Obj:
    """`since`: when the node came up, which is when its conditions changed last."""
    resources = {"cpu": capacity.cpu, "memory": capacity.memory, "pods": str(capacity.pods), "ephemeral-storage": "512Gi"}
    return {
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "conditions": [
            _condition("Ready", "True", ("KubeletReady", "The local node is ready"), now, since),
            _condition("MemoryPressure", "False", ("KubeletHasSufficientMemory", ""), now, since),
            _condition("DiskPressure", "False", ("KubeletHasNoDiskPressure", ""), now, since),
            _condition("PIDPressure", "False", ("KubeletHasSufficientPID", ""), now, since),
        ],
        "nodeInfo": {
            "architecture": _architecture(),
            "bootID": "",
            "containerRuntimeVersion": RUNTIME_VERSION,
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.36.3-shipway",
            "machineID": "",
            "operatingSystem": _system(),
            "osImage": f"{platform.system()} (local processes and simulated pods)",
            "systemUUID": "",
        },
    }


def endpoint_status(port: int) -> Obj:
    """The part of a node's status that says where its own endpoint is, and that it takes WebSockets."""
    return {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}, "declaredFeatures": [DECLARED_FEATURE]}


def lease_object(name: str, now: Instant, node: Obj) -> Obj:
    """`node` as the server stored it: the Lease goes when it goes."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": rfc3339_micro(now)},
    }


def _condition(kind: str, status: str, why: tuple[str, str], now: Instant, since: Instant) -> Obj:
    return {
        "type": kind,
        "status": status,
        "reason": why[0],
        "message": why[1],
        "lastHeartbeatTime": rfc3339(now),
        "lastTransitionTime": rfc3339(since),
    }


def _system() -> str:
    return "darwin" if sys.platform == "darwin" else "linux"


def _architecture() -> str:
    return _ARCHITECTURES.get(platform.machine(), platform.machine())
