"""What the server fills in for fields that a client left out, kind by kind.

No package carries these rules; they follow the published defaulting functions of each API group. Every function changes the
fresh object it is given, and does nothing the second time. They run after each write, before validation.
"""

from collections.abc import Callable, Mapping

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver import crds
from shipway.localcluster.apiserver.defaults import admin, batch, pods, services, stored, workloads
from shipway.localcluster.apiserver.registry import Kind

Defaulter = Callable[[Obj], None]

_ADMISSION = "admissionregistration.k8s.io"

DEFAULTS: Mapping[tuple[str, str], Defaulter] = {
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): pods.pod_template_object,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Service"): services.service,
    ("", "Secret"): admin.secret,
    ("", "Namespace"): admin.namespace,
    ("", "Node"): admin.node,
    ("", "PersistentVolumeClaim"): admin.persistent_volume_claim,
    ("", "LimitRange"): admin.limit_range,
    ("", "Endpoints"): services.endpoints,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("batch", "Job"): batch.job,
    ("batch", "CronJob"): batch.cron_job,
    ("autoscaling", "HorizontalPodAutoscaler"): workloads.horizontal_pod_autoscaler,
    ("discovery.k8s.io", "EndpointSlice"): services.endpoint_slice,
    ("networking.k8s.io", "NetworkPolicy"): services.network_policy,
    ("networking.k8s.io", "IngressClass"): services.ingress_class,
    ("rbac.authorization.k8s.io", "RoleBinding"): admin.role_binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): admin.role_binding,
    ("storage.k8s.io", "StorageClass"): admin.storage_class,
    ("scheduling.k8s.io", "PriorityClass"): admin.priority_class,
    ("", "PersistentVolume"): stored.persistent_volume,
    ("storage.k8s.io", "CSIDriver"): stored.csi_driver,
    (_ADMISSION, "MutatingWebhookConfiguration"): stored.mutating_webhooks,
    (_ADMISSION, "ValidatingWebhookConfiguration"): stored.validating_webhooks,
    (_ADMISSION, "ValidatingAdmissionPolicy"): stored.admission_policy,
    (_ADMISSION, "MutatingAdmissionPolicy"): stored.admission_policy,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): stored.admission_policy_binding,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): stored.admission_policy_binding,
    ("resource.k8s.io", "ResourceClaim"): stored.resource_claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): stored.resource_claim_template,
    crds.CRD: crds.complete,
}


def fill_builtin_defaults(kind: Kind, obj: Obj) -> None:
    """Fills the defaults of a built-in kind into `obj`."""
    if (defaulter := DEFAULTS.get(kind.group_kind)) is not None:
        defaulter(obj)
