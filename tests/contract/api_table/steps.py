"""Cases and steps, and short names for the objects and paths that they use."""

from dataclasses import dataclass, field
from typing import Any

Body = Any
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

CORE = "/api/v1/namespaces/{ns}"
APPS = "/apis/apps/v1/namespaces/{ns}"
BATCH = "/apis/batch/v1/namespaces/{ns}"
NET = "/apis/networking.k8s.io/v1/namespaces/{ns}"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
MAPS = f"{CORE}/configmaps"
PODS = f"{CORE}/pods"
DEPLOYMENTS = f"{APPS}/deployments"
WIDGETS = "/apis/oracle.shipway.dev/v1/namespaces/{ns}/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Step:
    """One request; a body that is text is sent as it is. `only`: compare just these top-level fields of the answer (and the
    code); `at`: just what stands at that path of keys. `until`: ask again until that is the code, for what a real server does
    a moment later."""

    method: str
    path: str
    body: Body = None
    type: str = "application/json"
    accept: str = "application/json"
    only: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    until: int = 0


@dataclass(frozen=True)
class Case:
    name: str
    steps: list[Step] = field(default_factory=list)


def post(path: str, body: Body, **more: Any) -> Step:
    return Step("POST", path, body, **more)


def put(path: str, body: Body, **more: Any) -> Step:
    return Step("PUT", path, body, **more)


def patch(path: str, body: Body, type: str = MERGE, **more: Any) -> Step:
    return Step("PATCH", path, body, type, **more)


def get(path: str, **more: Any) -> Step:
    return Step("GET", path, **more)


def delete(path: str, body: Body = None, **more: Any) -> Step:
    return Step("DELETE", path, body, **more)


def apply(path: str, body: Body, manager: str = "a", *, force: bool = False) -> Step:
    return Step("PATCH", f"{path}?fieldManager={manager}&force={str(force).lower()}", body, APPLY)


def named(name: str, **more: Any) -> Body:
    return {"metadata": {"name": name}, **more}


def typed(api_version: str, kind: str, name: str, **more: Any) -> Body:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


def cm(name: str = "a", data: Any = None, **metadata: Any) -> Body:
    return {"metadata": {"name": name, **metadata}, "data": data if data is not None else {"k": "v"}}


def container(**more: Any) -> Body:
    return {"name": "c", "image": "nginx:1", **more}


def template(*containers: Body, **spec: Any) -> Body:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": list(containers) or [container()], **spec}}


def deployment(name: str = "d", **spec: Any) -> Body:
    return named(name, spec={"selector": {"matchLabels": {"app": "x"}}, "template": template(), **spec})


def pod(name: str = "p", *containers: Body, **spec: Any) -> Body:
    return named(name, spec={"containers": list(containers) or [container()], **spec})


def job(name: str = "j", **spec: Any) -> Body:
    return named(name, spec={"template": template(restartPolicy="Never"), **spec})


WIDGET_SPEC = {
    "type": "object",
    "required": ["color"],
    "properties": {
        "color": {"type": "string", "enum": ["red", "green"]},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 2},
        "short": {"type": "string", "maxLength": 3, "pattern": "^[a-z]*$"},
        "port": {"x-kubernetes-int-or-string": True},
        "at": {"type": "string", "format": "date-time"},
        "maybe": {"type": "string", "nullable": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            },
        },
        "pairs": {"type": "object", "additionalProperties": {"type": "integer"}},
        "nested": {"type": "object", "properties": {"deep": {"type": "string", "default": "d"}}},
    },
}
STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}


def crd(plural: str = "widgets", kind: str = "Widget", schema: Any = None, **version: Any) -> Body:
    one = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema or {"type": "object", "properties": {"spec": WIDGET_SPEC, "status": STATUS}}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
            {"name": "Size", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        **version,
    }
    names = {"plural": plural, "kind": kind}
    spec = {"group": "oracle.shipway.dev", "scope": "Namespaced", "names": names, "versions": [one]}
    return {"metadata": {"name": f"{plural}.oracle.shipway.dev"}, "spec": spec}


def widget(name: str = "w", **spec: Any) -> Body:
    return typed("oracle.shipway.dev/v1", "Widget", name, spec={"color": "red", **spec})
