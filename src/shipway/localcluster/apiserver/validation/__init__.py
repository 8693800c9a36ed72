"""What may not be stored, and what may not change.

The built-in rules are the ones that tools and controllers rely on: names, required fields, selectors that match their
template, ports, immutable fields. What the real server refuses beyond them is accepted here.
"""

from collections.abc import Callable, Mapping

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver import custom
from shipway.localcluster.apiserver.naming import metadata_problems
from shipway.localcluster.apiserver.problems import FieldProblem, forbidden_field
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.validation import crds, objects, pods, workloads

Rule = Callable[[Obj], list[FieldProblem]]
ChangeRule = Callable[[Obj, Obj], list[FieldProblem]]

RULES: Mapping[tuple[str, str], Rule] = {
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): pods.pod_template,
    ("", "Service"): objects.service,
    ("", "ConfigMap"): objects.config_map,
    ("", "Secret"): objects.secret,
    ("", "Event"): objects.event,
    ("", "ReplicationController"): workloads.replication_controller,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replicated,
    ("apps", "StatefulSet"): workloads.replicated,
    ("apps", "DaemonSet"): workloads.selecting,
    ("batch", "Job"): workloads.job,
    ("batch", "CronJob"): workloads.cron_job,
    ("networking.k8s.io", "Ingress"): objects.ingress,
    ("networking.k8s.io", "NetworkPolicy"): objects.network_policy,
    ("rbac.authorization.k8s.io", "RoleBinding"): objects.role_binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): objects.role_binding,
    ("autoscaling", "HorizontalPodAutoscaler"): objects.horizontal_pod_autoscaler,
    ("discovery.k8s.io", "EndpointSlice"): objects.endpoint_slice,
    ("", "PersistentVolumeClaim"): objects.persistent_volume_claim,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crds.custom_resource_definition,
}

STATUS_RULES: Mapping[tuple[str, str], Rule] = {("", "Service"): objects.service_status}

CHANGE_RULES: Mapping[tuple[str, str], ChangeRule] = {
    ("", "Pod"): pods.pod_change,
    ("", "Service"): objects.service_change,
    ("", "ConfigMap"): objects.config_map_change,
    ("", "Secret"): objects.secret_change,
    ("apps", "Deployment"): workloads.selector_change,
    ("apps", "ReplicaSet"): workloads.selector_change,
    ("apps", "StatefulSet"): workloads.stateful_set_change,
    ("apps", "DaemonSet"): workloads.selector_change,
    ("batch", "Job"): workloads.job_change,
    ("rbac.authorization.k8s.io", "RoleBinding"): objects.role_binding_change,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): objects.role_binding_change,
    ("discovery.k8s.io", "EndpointSlice"): objects.endpoint_slice_change,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crds.custom_resource_definition_change,
}


def creation_problems(kind: Kind, obj: Obj) -> list[FieldProblem]:
    """What is wrong with a new object."""
    return metadata_problems(kind, obj["metadata"]) + _content(kind, obj)


def update_problems(kind: Kind, live: Obj, obj: Obj, subresource: str = "") -> list[FieldProblem]:
    """What is wrong with `obj` as the next state of `live`."""
    found = metadata_problems(kind, obj["metadata"]) + _finalizers(live, obj)
    if subresource == "status":
        rule = STATUS_RULES.get(kind.group_kind)
        return found + (custom.problems(kind, obj, live) if kind.crd else rule(obj) if rule else [])
    found += custom.problems(kind, obj, live) if kind.crd else _content(kind, obj)
    if (rule := CHANGE_RULES.get(kind.group_kind)) is not None:
        found += rule(live, obj)
    return found


def _content(kind: Kind, obj: Obj) -> list[FieldProblem]:
    if kind.crd:
        return custom.problems(kind, obj)
    rule = RULES.get(kind.group_kind)
    return rule(obj) if rule else []


def _finalizers(live: Obj, obj: Obj) -> list[FieldProblem]:
    """While an object is being deleted, finalizers may only go."""
    if not live["metadata"].get("deletionTimestamp"):
        return []
    added = sorted(set(obj["metadata"].get("finalizers") or []) - set(live["metadata"].get("finalizers") or []))
    if not added:
        return []
    text = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{_quoted(added)}}}"
    return [forbidden_field("metadata.finalizers", text)] * 2  # a real server checks it in two places


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
