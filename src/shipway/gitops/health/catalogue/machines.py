"""Clusters as objects: Cluster API, volumes' snapshots, Rook."""

from shipway.gitops.health.rules import Rule, condition, first_of, phase, ready, suspended_if
from shipway.gitops.health.verdicts import Health, degraded, healthy, progressing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of

_PAUSED = suspended_if("spec", "paused", message="Paused")


def _machine_deployment(obj: Obj) -> Health:
    status = status_of(obj)
    word, replicas = status.get("phase", ""), status.get("replicas", 0)
    if word == "Failed":
        return degraded(word)
    if word == "Running" and replicas == status.get("updatedReplicas", 0) == status.get("readyReplicas", 0):
        return healthy(word)
    return progressing(f"{word or 'Pending'}: {status.get('readyReplicas', 0)} of {replicas} machines are ready")


def _control_plane(obj: Obj) -> Health:
    """etcd first: without its quorum nothing else matters."""
    newer = {one.get("type"): one for one in dig(obj, "status", "v1beta2", "conditions", default=[])}
    older = {one.get("type"): one for one in status_of(obj).get("conditions") or []}
    etcd = older.get("EtcdClusterHealthy")
    if etcd and etcd.get("status") != "True":
        return degraded(etcd.get("message") or "The etcd cluster is unhealthy")
    checks = [newer.get("MachinesReady"), newer.get("MachinesUpToDate"), older.get("ControlPlaneComponentsHealthy")]
    waiting = next((one for one in checks if one and one.get("status") != "True"), None)
    if waiting:
        return progressing(waiting.get("message") or waiting["type"])
    if (newer.get("RollingOut") or {}).get("status") == "True":
        return progressing("Rolling out")
    status = status_of(obj)
    if not status:
        return progressing("Waiting for the control plane")
    wanted, updated, ready = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas"))
    if updated < wanted or ready != wanted:
        return progressing(f"{updated} of {wanted} machines are updated, {ready} are ready")
    return healthy()


def _snapshot(obj: Obj) -> Health:
    if status_of(obj).get("readyToUse"):
        return healthy("Ready to use")
    error = dig(obj, "status", "error", "message")
    return degraded(error) if error else progressing("Waiting for the snapshot")


KINDS: dict[tuple[str, str], Rule] = {
    ("cluster.x-k8s.io", "Cluster"): first_of(
        _PAUSED,
        condition("Ready", "False", "Degraded"),
        phase("phase", healthy=("Provisioned",), degraded=("Failed",), waiting="Waiting for the cluster"),
        otherwise="Waiting for the cluster",
    ),
    ("cluster.x-k8s.io", "MachineDeployment"): first_of(_PAUSED, _machine_deployment, otherwise=""),
    ("cluster.x-k8s.io", "MachinePool"): first_of(
        _PAUSED,
        phase("phase", healthy=("Running",), degraded=("Failed",), waiting="Waiting for the machines"),
        otherwise="Waiting for the machines",
    ),
    ("cluster.x-k8s.io", "Machine"): phase(
        "phase", healthy=("Running",), degraded=("Failed",), message=("failureMessage",), waiting="Waiting for the machine"
    ),
    ("cluster.x-k8s.io", "MachineHealthCheck"): ready("Waiting for the first check", kind="RemediationAllowed"),
    ("controlplane.cluster.x-k8s.io", "KubeadmControlPlane"): first_of(_PAUSED, _control_plane, otherwise=""),
    ("addons.cluster.x-k8s.io", "ClusterResourceSet"): ready(
        "Waiting for the resources to be applied", kind="ResourcesApplied"
    ),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"): _snapshot,
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"): _snapshot,
    ("ceph.rook.io", "CephCluster"): phase(
        "phase",
        healthy=("Ready",),
        degraded=("Failure",),
        message=("message",),
        waiting="Waiting for the cluster",
    ),
    ("ceph.rook.io", "CephBlockPool"): phase(
        "phase", healthy=("Ready",), degraded=("Failure",), waiting="Waiting for the pool"
    ),
}
