"""The words in which `apply_cases` tells its cases: kinds, writes, and bodies that many of them share."""

from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Write:
    """`verb`: apply | create | replace | merge | json | strategic."""

    verb: str
    manager: str
    body: Any
    force: bool = False
    subresource: str = ""


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    writes: list[Write] = field(default_factory=list)


def apply(manager: str, body: Body, *, force: bool = False, subresource: str = "") -> Write:
    return Write("apply", manager, body, force, subresource)


def merge(manager: str, body: Body, *, subresource: str = "") -> Write:
    return Write("merge", manager, body, False, subresource)


def create(manager: str, body: Body) -> Write:
    return Write("create", manager, body)


def replace(manager: str, body: Body, *, subresource: str = "") -> Write:
    return Write("replace", manager, body, False, subresource)


API_VERSIONS = {
    "ConfigMap": ("v1", "configmaps"),
    "PodTemplate": ("v1", "podtemplates"),
    "Deployment": ("apps/v1", "deployments"),
    "Service": ("v1", "services"),
    "Secret": ("v1", "secrets"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "CronJob": ("batch/v1", "cronjobs"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "Widget": ("owners.shipway.dev/v1", "widgets"),
    "Gadget": ("owners.shipway.dev/v1", "gadgets"),
}

_TEXT = {"type": "string"}
WIDGET_SCHEMA: Body = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3},
                "replicas": {"type": "integer"},
                "color": _TEXT,
                "port": {"x-kubernetes-int-or-string": True},
                "tags": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
                "plain": {"type": "array", "items": _TEXT},
                "labels": {"type": "object", "additionalProperties": _TEXT},
                "matrix": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "additionalProperties": _TEXT},
                },
                "one": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": _TEXT},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "halfFree": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": {"type": "object", "properties": {"a": _TEXT}}},
                },
                "nothing": {"type": "string", "nullable": True},
                "doors": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "side"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": _TEXT, "side": {"type": "string", "default": "left"}, "color": _TEXT},
                    },
                },
            },
        },
        "status": {"type": "object", "properties": {"phase": _TEXT, "replicas": {"type": "integer"}}},
    },
}


def widget_crd() -> Body:
    """Widgets have status and scale subresources."""
    subresources = {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
    return _crd("Widget", subresources)


def gadget_crd() -> Body:
    """Gadgets have no subresources, like an Application."""
    return _crd("Gadget", None)


def _crd(kind: str, subresources: Body | None) -> Body:
    plural = kind.lower() + "s"
    version: Body = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": WIDGET_SCHEMA}}
    if subresources:
        version["subresources"] = subresources
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.owners.shipway.dev"},
        "spec": {
            "group": "owners.shipway.dev",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


def pod(*containers: Body, **spec: Any) -> Body:
    return {"template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": list(containers), **spec}}}


def app(**fields: Any) -> Body:
    return {"name": "app", "image": "app:1", **fields}


def owner(uid: str) -> Body:
    """Of a kind that nobody serves, so that the garbage collector leaves it alone."""
    return {"apiVersion": "nobody.shipway.dev/v1", "kind": "Nobody", "name": "n", "uid": uid}


def deployment(**spec: Any) -> Body:
    base: Body = {"paused": True, "selector": {"matchLabels": {"app": "x"}}, **pod(app())}
    return {"spec": {**base, **spec}}


def widget(**spec: Any) -> Body:
    return {"spec": spec}


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
