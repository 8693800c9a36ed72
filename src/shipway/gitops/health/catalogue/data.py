"""What keeps and works on data: databases, brokers, search, object stores, batch engines."""

from shipway.gitops.health.rules import Rule, condition, conditions_of, first_of, observed, phase, ready
from shipway.gitops.health.verdicts import Health, HealthStatus, degraded, healthy, progressing, suspended
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, spec_of, status_of

_CNPG_PHASES: dict[str, HealthStatus] = {
    "Cluster in healthy state": "Healthy",
    "Setting up primary": "Progressing",
    "Creating a new replica": "Progressing",
    "Upgrading cluster": "Progressing",
    "Waiting for the instances to become active": "Progressing",
    "Promoting to primary cluster": "Progressing",
    "Switchover in progress": "Degraded",
    "Failing over": "Degraded",
    "Upgrading Postgres major version": "Degraded",
    "Cluster upgrade delayed": "Degraded",
    "Waiting for user action": "Degraded",
    "Primary instance is being restarted in-place": "Degraded",
    "Primary instance is being restarted without a switchover": "Degraded",
    "Cluster cannot execute instance online upgrade due to missing architecture binary": "Degraded",
    "Online upgrade in progress": "Degraded",
    "Applying configuration": "Degraded",
    "Unable to create required cluster objects": "Suspended",
    "Cluster cannot proceed to reconciliation due to an unknown plugin being required": "Suspended",
    "Cluster has incomplete or invalid image catalog": "Suspended",
    "Cluster is unrecoverable and needs manual intervention": "Suspended",
}
"""CloudNativePG's phases are sentences; an unknown one is Unknown, as in Argo CD."""


def _cnpg_cluster(obj: Obj) -> Health:
    status = status_of(obj)
    if annotations_of(obj).get("cnpg.io/reconciliation") == "disabled":
        return suspended("Reconciliation is disabled by the annotation cnpg.io/reconciliation")
    for hibernation in conditions_of(obj, "cnpg.io/hibernation"):
        message = hibernation.get("message", "")
        return suspended(message) if hibernation.get("status") == "True" else degraded(message)
    if not status.get("conditions"):
        return progressing(status.get("phaseReason") or "Waiting for the operator")
    return Health(_CNPG_PHASES.get(status.get("phase", ""), "Unknown"), status.get("phaseReason") or status.get("phase", ""))


def _percona(obj: Obj) -> Health:
    status = status_of(obj)
    state = status.get("state", "")
    nodes = f"{status.get('ready', 0)}/{status.get('size', 0)} nodes are ready"
    if state == "error":
        said = status.get("message") or []
        return degraded(", ".join(said) if isinstance(said, list) else str(said))
    if state == "paused":
        return suspended("The cluster is paused")
    if state == "stopping":
        return degraded(f"The cluster is stopping, {nodes}")
    return healthy(nodes) if state == "ready" else progressing(nodes if state else "Waiting for the cluster")


def _mariadb(obj: Obj) -> Health:
    """The first condition that is False decides; only the reason Failed is a failure."""
    conditions = status_of(obj).get("conditions") or []
    if not conditions:
        return progressing("Waiting for the operator")
    wrong = next((one for one in conditions if one.get("status") == "False"), None)
    if wrong is None:
        return healthy(conditions[-1].get("message", ""))
    message = wrong.get("message", "")
    return degraded(message) if wrong.get("reason") == "Failed" else progressing(message)


def _rabbitmq(obj: Obj) -> Health:
    def state(kind: str) -> Obj:
        return next(iter(conditions_of(obj, kind)), {})

    reconciled, available, replicas = state("ReconcileSuccess"), state("ClusterAvailable"), state("AllReplicasReady")
    if reconciled.get("status") == "False":
        return degraded(reconciled.get("message", ""))
    if replicas.get("reason") == "ScaledToZero" and spec_of(obj).get("replicas") == 0:
        return suspended("Scaled to 0 replicas")
    if available.get("status") == replicas.get("status") == "True":
        return healthy("The cluster is ready")
    waits_for = replicas if available.get("status") == "True" else available
    return progressing(waits_for.get("message") or "Waiting for the cluster to form")


def _strimzi(obj: Obj) -> Health:
    for one in status_of(obj).get("conditions") or []:
        if one.get("type") == "NotReady" and one.get("status") == "True" and one.get("reason") != "Creating":
            return degraded(one.get("message", ""))
        if one.get("type") == "Ready" and one.get("status") == "True":
            return healthy()
    return progressing("Waiting for the operator")


def _elastic(obj: Obj) -> Health:
    """Elastic's own colours: yellow already means that replicas are missing. Kibana and the others count `count`."""
    status = status_of(obj)
    word, colour = status.get("phase", ""), status.get("health", "")
    wanted = sum(one.get("count", 0) for one in spec_of(obj).get("nodeSets") or [])
    nodes = status.get("availableNodes")
    if word == "Invalid":
        return degraded("The manifest is invalid: the object's events say why")
    if nodes is None or word in ("ApplyingChanges", "MigratingData"):
        return progressing(word or "Waiting for the operator")
    if nodes < wanted:
        return progressing(f"{nodes} of {wanted} nodes are available")
    return healthy("green") if colour == "green" else degraded(colour) if colour in ("yellow", "red") else progressing(colour)


def _minio_tenant(obj: Obj) -> Health:
    state: str = status_of(obj).get("currentState", "")
    if state == "Initialized":
        return healthy(state)
    if not state or state.startswith(("Provisioning", "Waiting", "Updating", "Restarting")):
        return progressing(state or "Waiting for the operator")
    return degraded(state)


def _spark_application(obj: Obj) -> Health:
    state = dig(obj, "status", "applicationState", "state", default="")
    error = dig(obj, "status", "applicationState", "errorMessage", default="")
    if state in ("FAILED", "SUBMISSION_FAILED", "FAILING"):
        return degraded(error or state)
    if state == "COMPLETED":
        return healthy("The application completed")
    executors = list((status_of(obj).get("executorState") or {}).values())
    if state == "RUNNING" and executors.count("RUNNING") == dig(obj, "spec", "executor", "instances", default=1):
        return healthy("The application runs")
    return progressing(state or "Waiting to be submitted")


def _flink_deployment(obj: Obj) -> Health:
    reconciled = dig(obj, "status", "reconciliationStatus", default={})
    manager = status_of(obj).get("jobManagerDeploymentStatus", "")
    if reconciled.get("success") or reconciled.get("state") == "DEPLOYED":
        return healthy()
    if manager == "ERROR":
        return degraded(reconciled.get("error") or status_of(obj).get("error", ""))
    return progressing(manager or "Waiting for the operator")


_STRIMZI_KINDS = (
    "Kafka",
    "KafkaBridge",
    "KafkaConnect",
    "KafkaConnector",
    "KafkaMirrorMaker2",
    "KafkaNodePool",
    "KafkaRebalance",
    "KafkaTopic",
    "KafkaUser",
)
_ELASTIC_COMPANIONS = ("Kibana", "ApmServer", "Agent", "Beat", "EnterpriseSearch", "Logstash")
_ELASTIC_GROUPS = ("kibana", "apm", "agent", "beat", "enterprisesearch", "logstash")
_COMPANION = phase("health", healthy=("green",), degraded=("red", "yellow"), waiting="Waiting for the operator")

KINDS: dict[tuple[str, str], Rule] = {
    ("acid.zalan.do", "postgresql"): phase(
        "PostgresClusterStatus",
        healthy=("Running",),
        progressing=("Creating", "Updating"),
        others="Degraded",
        waiting="Waiting for the operator",
    ),
    ("postgresql.cnpg.io", "Cluster"): _cnpg_cluster,
    ("postgresql.cnpg.io", "Backup"): phase(
        "phase", healthy=("completed",), degraded=("failed",), message=("error",), waiting="Waiting for the backup"
    ),
    ("pxc.percona.com", "PerconaXtraDBCluster"): _percona,
    ("psmdb.percona.com", "PerconaServerMongoDB"): _percona,
    ("k8s.mariadb.com", "MariaDB"): _mariadb,
    ("mongodbcommunity.mongodb.com", "MongoDBCommunity"): phase(
        "phase", healthy=("Running",), degraded=("Failed",), message=("message",), waiting="Waiting for the operator"
    ),
    **{("kafka.strimzi.io", kind): _strimzi for kind in _STRIMZI_KINDS},
    ("rabbitmq.com", "RabbitmqCluster"): _rabbitmq,
    ("rabbitmq.com", "Queue"): ready("Waiting for the queue"),
    ("elasticsearch.k8s.elastic.co", "Elasticsearch"): _elastic,
    **{(f"{group}.k8s.elastic.co", kind): _COMPANION for group, kind in zip(_ELASTIC_GROUPS, _ELASTIC_COMPANIONS, strict=True)},
    ("minio.min.io", "Tenant"): _minio_tenant,
    ("sparkoperator.k8s.io", "SparkApplication"): _spark_application,
    ("flink.apache.org", "FlinkDeployment"): _flink_deployment,
    ("ray.io", "RayCluster"): first_of(
        condition("HeadPodReady", "False", "Progressing"),
        phase(
            "state",
            healthy=("ready",),
            degraded=("failed",),
            suspended=("suspended",),
            message=("reason",),
            waiting="Waiting for the head",
        ),
        otherwise="Waiting for the head",
    ),
    ("ray.io", "RayJob"): phase(
        "jobDeploymentStatus",
        healthy=("Complete",),
        degraded=("Failed",),
        suspended=("Suspended",),
        message=("message",),
        waiting="Waiting for the job",
    ),
    ("ray.io", "RayService"): first_of(
        observed,
        condition("Ready", "True", "Healthy"),
        condition("Ready", "False", "Progressing"),
        otherwise="Waiting for the service",
    ),
}
