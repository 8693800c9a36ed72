"""Defaults of the kinds around workloads: Secret, Namespace, claims, limits, roles, classes."""

import base64

from shipway.kube.objects.resource import Obj

RBAC = "rbac.authorization.k8s.io"


def secret(obj: Obj) -> None:
    obj.setdefault("type", "Opaque")
    if plain := obj.pop("stringData", None):
        folded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **folded}


def namespace(obj: Obj) -> None:
    metadata = obj["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name", "")}
    obj.setdefault("status", {}).setdefault("phase", "Active")


def persistent_volume_claim(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def node(obj: Obj) -> None:
    status = obj.setdefault("status", {})
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def limit_range(obj: Obj) -> None:
    for item in (obj.get("spec") or {}).get("limits") or []:
        if item.get("type") == "Container" and item.get("max"):
            item.setdefault("default", dict(item["max"]))
        if item.get("type") == "Container" and item.get("default"):
            requests = item.setdefault("defaultRequest", {})
            for name, amount in item["default"].items():
                requests.setdefault(name, (item.get("min") or {}).get(name, amount))


def role_binding(obj: Obj) -> None:
    if (reference := obj.get("roleRef")) and not reference.get("apiGroup"):
        reference["apiGroup"] = RBAC
    for subject in obj.get("subjects") or []:
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = RBAC


def storage_class(obj: Obj) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def priority_class(obj: Obj) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
