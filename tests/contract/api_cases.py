"""Requests that a real API server answered: the table behind `test_api_oracle`.

A case is a list of steps against one namespace (`{ns}` in paths); the status code and the body of each answer, with what differs from
run to run masked, are recorded in `tests/golden/api_oracle.json`. The embedded server must answer the same. The real one runs without
controllers, so nobody else writes.
"""

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
    """One request. `only`: compare just these top-level fields of the answer (and the code)."""

    method: str
    path: str
    body: Body = None
    type: str = "application/json"
    accept: str = "application/json"
    only: tuple[str, ...] = ()


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


ERRORS = [
    Case("get-missing", [get(f"{MAPS}/none")]),
    Case("get-missing-grouped", [get(f"{DEPLOYMENTS}/none")]),
    Case("unknown-resource", [get(f"{CORE}/nothings")]),
    Case("unknown-group", [get("/apis/nothing.io/v1/things")]),
    Case("post-on-name", [post(f"{MAPS}/a", cm())]),
    Case("put-on-collection", [put(MAPS, cm())]),
    Case("wrong-kind", [post(MAPS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})]),
    Case("wrong-version", [post(DEPLOYMENTS, {"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}})]),
    Case("wrong-json-type", [post(MAPS, {"metadata": {"name": "a"}, "data": {"k": 1}})]),
    Case("wrong-json-type-deep", [post(DEPLOYMENTS, deployment(replicas="many"))]),
    Case("bad-quantity", [post(PODS, pod("p", container(resources={"requests": {"cpu": "lots"}})))]),
    Case("bad-content-type", [Step("POST", MAPS, cm(), "text/plain")]),
    Case("bad-accept", [get(MAPS, accept="text/csv")]),
    Case("unknown-subresource", [get(f"{MAPS}/a/status")]),
    Case("bad-field-selector", [get(f"{MAPS}?fieldSelector=spec.x=1")]),
    Case("bad-field-selector-pod", [get(f"{PODS}?fieldSelector=spec.x=1")]),
    Case("bad-label-selector", [get(f"{MAPS}?labelSelector=a,,b")]),
    Case("bad-label-selector-operator", [get(f"{MAPS}?labelSelector=a in b")]),
    Case("garbage-version", [get(f"{MAPS}?resourceVersion=abc")]),
    Case("match-without-version", [get(f"{MAPS}?resourceVersionMatch=Exact")]),
    Case("bad-match", [get(f"{MAPS}?resourceVersionMatch=Sometimes&resourceVersion=1")]),
    Case("exact-zero", [get(f"{MAPS}?resourceVersionMatch=Exact&resourceVersion=0")]),
    Case("match-on-watch", [get(f"{MAPS}?watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1")]),
    Case("initial-events-without-match", [get(f"{MAPS}?watch=true&sendInitialEvents=true")]),
    Case("initial-events-on-list", [get(f"{MAPS}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan")]),
    Case("continue-and-version", [get(f"{MAPS}?continue=abc&resourceVersion=5")]),
    Case("bad-continue", [get(f"{MAPS}?continue=garbage")]),
    Case("bad-dry-run", [post(f"{MAPS}?dryRun=Some", cm())]),
    Case("bad-field-validation", [post(f"{MAPS}?fieldValidation=Maybe", cm())]),
    Case("force-without-apply", [post(MAPS, cm()), patch(f"{MAPS}/a?force=true", {})]),
    Case("patch-with-plain-json", [post(MAPS, cm()), patch(f"{MAPS}/a", {}, "application/json")]),
    Case("no-body", [post(MAPS, None)]),
    Case("delete-missing", [delete(f"{MAPS}/none")]),
]

CREATE = [
    Case("create", [post(MAPS, cm())]),
    Case("create-twice", [post(MAPS, cm()), post(MAPS, cm())]),
    Case("no-name", [post(MAPS, {"metadata": {}})]),
    Case("generate-name", [post(MAPS, {"metadata": {"generateName": "web-"}}, only=("kind", "data"))]),
    Case("bad-name", [post(MAPS, cm("A_b"))]),
    Case("long-name", [post(MAPS, cm("a" * 254))]),
    Case("bad-service-name", [post(f"{CORE}/services", named("1a", spec={"ports": [{"port": 80}]}))]),
    Case("bad-namespace-name", [post("/api/v1/namespaces", named("a.b"))]),
    Case("other-namespace", [post(MAPS, cm(namespace="other"))]),
    Case("missing-namespace", [post("/api/v1/namespaces/nowhere/configmaps", cm())]),
    Case("with-version", [post(MAPS, cm(resourceVersion="5"))]),
    Case("with-uid-and-time", [post(MAPS, cm(uid="x", creationTimestamp="2000-01-01T00:00:00Z", generation=7, selfLink="x"))]),
    Case("bad-label", [post(MAPS, cm(labels={"a b": "c d"}))]),
    Case("bad-annotation", [post(MAPS, cm(annotations={"a b": "c"}))]),
    Case("bad-owner", [post(MAPS, cm(ownerReferences=[{"kind": "Pod", "name": ""}]))]),
    Case("two-controllers", [post(MAPS, cm(ownerReferences=[
        {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": True},
        {"apiVersion": "v1", "kind": "Pod", "name": "b", "uid": "2", "controller": True},
    ]))]),
    Case("bad-finalizer", [post(MAPS, cm(finalizers=["a b"]))]),
    Case("plain-finalizer", [post(MAPS, cm(finalizers=["hold"]))]),
    Case("unknown-fields-warn", [post(MAPS, {**cm(), "bogus": 1})]),
    Case("unknown-fields-strict", [post(f"{MAPS}?fieldValidation=Strict", {**cm(), "bogus": 1, "metadata": {"name": "a", "odd": 1}})]),
    Case("unknown-fields-deep", [post(f"{DEPLOYMENTS}?fieldValidation=Strict", deployment(template=template(container(odd=1))))]),
    Case("dry-run", [post(f"{MAPS}?dryRun=All", cm()), get(f"{MAPS}/a")]),
    Case("bad-config-key", [post(MAPS, cm(data={"a b": "c"}))]),
    Case("both-data", [post(MAPS, {**cm(), "binaryData": {"k": "eA=="}})]),
    Case("bad-base64", [post(f"{CORE}/secrets", named("s", data={"k": "!!"}))]),
    Case("null-fields", [post(MAPS, {"metadata": {"name": "a", "labels": None, "annotations": {}}, "data": None})]),
    Case("event", [post(f"{CORE}/events", named("e", involvedObject={"kind": "Pod", "name": "p", "namespace": "{ns}"}, reason="R",
                                               message="m", type="Normal", firstTimestamp="2026-01-01T00:00:00Z", count=1))]),
]  # fmt: skip

UPDATE = [
    Case("put", [post(MAPS, cm()), put(f"{MAPS}/a", cm(data={"k": "w"}))]),
    Case("put-stale", [post(MAPS, cm()), put(f"{MAPS}/a", cm(resourceVersion="1"))]),
    Case("put-wrong-uid", [post(MAPS, cm()), put(f"{MAPS}/a", cm(uid="other"), only=("code", "reason"))]),
    Case("put-wrong-name", [post(MAPS, cm()), put(f"{MAPS}/a", cm("b"))]),
    Case("put-no-name", [post(MAPS, cm()), put(f"{MAPS}/a", {"data": {}})]),
    Case("put-missing", [put(f"{MAPS}/a", cm())]),
    Case("put-lease", [put("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l", named("l", spec={"holderIdentity": "x"}))]),
    Case("immutable-selector", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"spec": {
        "selector": {"matchLabels": {"app": "y"}}, "template": {"metadata": {"labels": {"app": "y"}}}}})]),
    Case("immutable-cm", [post(MAPS, {**cm(), "immutable": True}), patch(f"{MAPS}/a", {"data": {"k": "w"}}),
                          patch(f"{MAPS}/a", {"immutable": False})]),
    Case("immutable-secret-type", [post(f"{CORE}/secrets", named("s")), patch(f"{CORE}/secrets/s", {"type": "other"})]),
    Case("immutable-pod-spec", [post(PODS, pod()), patch(f"{PODS}/p", {"spec": {"nodeSelector": {"a": "b"}}}, only=("code", "reason"))]),
    Case("pod-image", [post(PODS, pod()), patch(f"{PODS}/p", {"spec": {"containers": [container(image="nginx:2")]}}, STRATEGIC)]),
    Case("immutable-cluster-ip", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.200.1", "ports": [{"port": 1}]})),
                                  patch(f"{CORE}/services/s", {"spec": {"clusterIP": "10.96.200.2", "clusterIPs": ["10.96.200.2"]}})]),
    Case("immutable-role-ref", [post(f"{RBAC}/rolebindings", named("r", roleRef={"kind": "Role", "name": "x"})),
                                patch(f"{RBAC}/rolebindings/r", {"roleRef": {"name": "y"}})]),
    Case("generation", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"metadata": {"labels": {"a": "b"}}}),
                        patch(f"{DEPLOYMENTS}/d", {"spec": {"replicas": 2}})]),
    Case("status-door", [post(DEPLOYMENTS, {**deployment(), "status": {"replicas": 3}}),
                         patch(f"{DEPLOYMENTS}/d/status", {"spec": {"replicas": 9}, "status": {"replicas": 3},
                                                           "metadata": {"labels": {"x": "y"}, "annotations": {"n": "m"}}}),
                         patch(f"{DEPLOYMENTS}/d", {"status": {"replicas": 5}, "spec": {"replicas": 4}})]),
    Case("labels-removed", [post(MAPS, cm(labels={"a": "b"})), patch(f"{MAPS}/a", {"metadata": {"labels": {"a": None}}})]),
    Case("stateful-set-change", [
        post(f"{APPS}/statefulsets", named("s", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template(), "serviceName": "s"})),
        patch(f"{APPS}/statefulsets/s", {"spec": {"serviceName": "t"}}),
    ]),
]  # fmt: skip

PATCHES = [
    Case("json-patch", [post(MAPS, cm()), patch(f"{MAPS}/a", [{"op": "add", "path": "/data/n", "value": "m"}], JSON_PATCH)]),
    Case("json-patch-test-fails", [post(MAPS, cm()), patch(f"{MAPS}/a", [{"op": "test", "path": "/data/k", "value": "x"}], JSON_PATCH)]),
    Case("json-patch-no-path", [post(MAPS, cm()), patch(f"{MAPS}/a", [{"op": "remove", "path": "/data/none"}], JSON_PATCH)]),
    Case("json-patch-no-array", [post(MAPS, cm()), patch(f"{MAPS}/a", {"op": "remove"}, JSON_PATCH, only=("code", "reason"))]),
    Case("merge-no-object", [post(MAPS, cm()), patch(f"{MAPS}/a", [1], MERGE, only=("code", "reason"))]),
    Case("merge-stale", [post(MAPS, cm()), patch(f"{MAPS}/a", {"metadata": {"resourceVersion": "1"}})]),
    Case("merge-rename", [post(MAPS, cm()), patch(f"{MAPS}/a", {"metadata": {"name": "b"}})]),
    Case("merge-missing", [patch(f"{MAPS}/a", {})]),
    Case("merge-unknown", [post(MAPS, cm()), patch(f"{MAPS}/a", {"odd": 1}), patch(f"{MAPS}/a?fieldValidation=Strict", {"odd": 1})]),
    Case("strategic-containers", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"spec": {"template": {"spec": {
        "containers": [{"name": "s", "image": "x:1"}]}}}}, STRATEGIC)]),
    Case("strategic-delete", [post(DEPLOYMENTS, deployment(template=template(container(), container(name="s")))),
                              patch(f"{DEPLOYMENTS}/d", {"spec": {"template": {"spec": {
                                  "containers": [{"name": "s", "$patch": "delete"}]}}}}, STRATEGIC)]),
    Case("strategic-no-key", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"spec": {"template": {"spec": {
        "containers": [{"image": "x:1"}]}}}}, STRATEGIC, only=("code", "reason"))]),
    Case("strategic-retain-keys", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"spec": {"strategy": {
        "$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC)]),
    Case("strategic-unknown", [post(DEPLOYMENTS, deployment()),
                               patch(f"{DEPLOYMENTS}/d?fieldValidation=Strict", {"spec": {"odd": 1}}, STRATEGIC)]),
    Case("no-change", [post(MAPS, cm()), patch(f"{MAPS}/a", {"data": {"k": "v"}}), get(MAPS)]),
    Case("dry-run-patch", [post(MAPS, cm()), patch(f"{MAPS}/a?dryRun=All", {"data": {"k": "w"}}), get(f"{MAPS}/a")]),
    Case("invalid-result", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d", {"spec": {"replicas": -1}})]),
]  # fmt: skip

APPLIES = [
    Case("apply-no-manager", [Step("PATCH", f"{MAPS}/a", typed("v1", "ConfigMap", "a"), APPLY)]),
    Case("apply-new", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", data={"k": "v"}))]),
    Case("apply-no-kind", [apply(f"{MAPS}/a", named("a"))]),
    Case("apply-no-version", [apply(f"{MAPS}/a", {"kind": "ConfigMap", "metadata": {"name": "a"}})]),
    Case("apply-other-kind", [apply(f"{MAPS}/a", typed("v1", "Secret", "a"))]),
    Case("apply-other-name", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "b"))]),
    Case("apply-managed-fields", [apply(f"{MAPS}/a", {**typed("v1", "ConfigMap", "a"), "metadata": {"name": "a", "managedFields": []}})]),
    Case("apply-unknown", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", odd=1))]),
    Case("apply-stale", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", data={"k": "v"})),
                         apply(f"{MAPS}/a", {**typed("v1", "ConfigMap", "a"), "metadata": {"name": "a", "resourceVersion": "1"}})]),
    Case("apply-conflict", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", data={"k": "v"})),
                            apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", data={"k": "w"}), "b"),
                            apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a", data={"k": "w"}), "b", force=True)]),
    Case("apply-deployment", [apply(f"{DEPLOYMENTS}/d", {"apiVersion": "apps/v1", "kind": "Deployment", **deployment()})]),
    Case("apply-service", [apply(f"{CORE}/services/s", typed("v1", "Service", "s", spec={"ports": [{"port": 80}], "selector": {"a": "b"}}))]),
    Case("apply-quantity", [apply(f"{PODS}/p", {"apiVersion": "v1", "kind": "Pod", **pod("p", container(resources={"limits": {"cpu": "0.5"}}))}),
                            apply(f"{PODS}/p", {"apiVersion": "v1", "kind": "Pod", **pod("p", container(resources={"limits": {"cpu": "0.5"}}))})]),
    Case("apply-with-version-new", [apply(f"{MAPS}/a", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "5"}})]),
    Case("apply-secret-string-data", [apply(f"{CORE}/secrets/s", typed("v1", "Secret", "s", stringData={"a": "b"}))]),
    Case("apply-status", [post(DEPLOYMENTS, deployment()),
                          apply(f"{DEPLOYMENTS}/d/status", typed("apps/v1", "Deployment", "d", status={"replicas": 2}))]),
    Case("apply-invalid", [apply(f"{DEPLOYMENTS}/d", typed("apps/v1", "Deployment", "d", spec={"replicas": 1}))]),
    Case("apply-dry-run", [apply(f"{MAPS}/a", typed("v1", "ConfigMap", "a")), get(f"{MAPS}/a")]),
]  # fmt: skip

DELETES = [
    Case("delete", [post(MAPS, cm()), delete(f"{MAPS}/a"), get(f"{MAPS}/a")]),
    Case("delete-deployment", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d")]),
    Case("delete-service", [post(f"{CORE}/services", named("s", spec={"clusterIP": "None", "selector": {"a": "b"}})), delete(f"{CORE}/services/s")]),
    Case("delete-finalizer", [
        post(MAPS, cm(finalizers=["example.com/hold"])), delete(f"{MAPS}/a"), delete(f"{MAPS}/a"),
        patch(f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}}),
        patch(f"{MAPS}/a", {"metadata": {"deletionTimestamp": None}}),
        patch(f"{MAPS}/a", {"metadata": {"finalizers": None}}), get(f"{MAPS}/a"),
    ]),
    Case("delete-foreground", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"propagationPolicy": "Foreground"})]),
    Case("delete-orphan", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"propagationPolicy": "Orphan"})]),
    Case("delete-orphan-dependents", [post(DEPLOYMENTS, deployment()), delete(f"{DEPLOYMENTS}/d", {"orphanDependents": True})]),
    Case("delete-both-policies", [post(MAPS, cm()), delete(f"{MAPS}/a", {"propagationPolicy": "Orphan", "orphanDependents": True})]),
    Case("delete-bad-policy", [post(MAPS, cm()), delete(f"{MAPS}/a", {"propagationPolicy": "Sideways"})]),
    Case("delete-wrong-version", [post(MAPS, cm()), delete(f"{MAPS}/a", {"preconditions": {"resourceVersion": "1"}}, only=("code", "reason"))]),
    Case("delete-wrong-uid", [post(MAPS, cm()), delete(f"{MAPS}/a", {"preconditions": {"uid": "x"}}, only=("code", "reason"))]),
    Case("delete-dry-run", [post(MAPS, cm()), delete(f"{MAPS}/a", {"dryRun": ["All"]}), get(f"{MAPS}/a")]),
    Case("delete-dry-run-query", [post(MAPS, cm()), delete(f"{MAPS}/a?dryRun=All"), get(f"{MAPS}/a")]),
    Case("delete-pod-unscheduled", [post(PODS, pod()), delete(f"{PODS}/p"), get(f"{PODS}/p")]),
    Case("delete-pod-running", [post(PODS, pod(nodeName="n")), delete(f"{PODS}/p"), delete(f"{PODS}/p", {"gracePeriodSeconds": 60}),
                                delete(f"{PODS}/p", {"gracePeriodSeconds": 3}), delete(f"{PODS}/p", {"gracePeriodSeconds": 0})]),
    Case("delete-collection", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b")), delete(f"{MAPS}?labelSelector=x=1"), get(MAPS)]),
    Case("delete-default-namespace", [delete("/api/v1/namespaces/default")]),
]  # fmt: skip

LISTS = [
    Case("list-empty", [get(MAPS)]),
    Case("list", [post(MAPS, cm("a")), post(MAPS, cm("b")), get(MAPS)]),
    Case("list-metadata", [post(MAPS, cm()), get(MAPS, accept=METADATA_LIST), get(f"{MAPS}/a", accept=METADATA)]),
    Case("list-limit", [post(MAPS, cm("a")), post(MAPS, cm("b")), post(MAPS, cm("c")), get(f"{MAPS}?limit=2")]),
    Case("list-limit-selector", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b", labels={"x": "1"})),
                                 get(f"{MAPS}?limit=1&labelSelector=x=1")]),
    Case("selector-not", [post(MAPS, cm("a", labels={"x": "1"})), post(MAPS, cm("b")), get(f"{MAPS}?labelSelector=x!=1")]),
    Case("selector-gt", [post(MAPS, cm("a", labels={"x": "3"})), post(MAPS, cm("b", labels={"x": "1"})), get(f"{MAPS}?labelSelector=x>2")]),
    Case("field-selector", [post(MAPS, cm("a")), post(MAPS, cm("b")), get(f"{MAPS}?fieldSelector=metadata.name!=a")]),
    Case("future-version", [get(f"{MAPS}?resourceVersion=999999999", only=("code", "reason"))]),
]  # fmt: skip

DEFAULTS = [
    Case("default-pod", [post(PODS, pod())]),
    Case("default-pod-full", [post(PODS, pod("p", container(
        ports=[{"containerPort": 80}], resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}},
        livenessProbe={"httpGet": {"port": 80}}, readinessProbe={"tcpSocket": {"port": 80}},
        env=[{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        lifecycle={"preStop": {"httpGet": {"port": 80}}},
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
    ), volumes=[{"name": "v"}, {"name": "c", "configMap": {"name": "x"}}, {"name": "s", "secret": {"secretName": "x"}},
                {"name": "h", "hostPath": {"path": "/x"}}, {"name": "d", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        initContainers=[{"name": "i", "image": "busybox"}]))]),
    Case("default-pod-latest", [post(PODS, pod("p", container(image="nginx"), container(name="b", image="r:5000/nginx:latest"),
                                               container(name="d", image="r:5000/nginx")))]),
    Case("default-deployment", [post(DEPLOYMENTS, deployment())]),
    Case("default-deployment-recreate", [post(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))]),
    Case("default-replica-set", [post(f"{APPS}/replicasets", named("r", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template()}))]),
    Case("default-stateful-set", [post(f"{APPS}/statefulsets", named("s", spec={
        "selector": {"matchLabels": {"app": "x"}}, "template": template(), "serviceName": "s",
        "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}))]),
    Case("default-daemon-set", [post(f"{APPS}/daemonsets", named("d", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template()}))]),
    Case("default-controller-revision", [post(f"{APPS}/controllerrevisions", named("c", data={"a": 1}, revision=1))]),
    Case("default-rc", [post(f"{CORE}/replicationcontrollers", named("r", spec={"template": template()}))]),
    Case("default-job", [post(f"{BATCH}/jobs", job())]),
    Case("default-job-indexed", [post(f"{BATCH}/jobs", job(completionMode="Indexed", completions=3))]),
    Case("default-cron-job", [post(f"{BATCH}/cronjobs", named("c", spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}))]),
    Case("default-service", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.100.1", "selector": {"a": "b"}, "ports": [{"port": 80}]}))]),
    Case("default-service-headless", [post(f"{CORE}/services", named("s", spec={"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80, "name": "http"}]}))]),
    Case("default-service-node-port", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.100.2", "type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80, "nodePort": 30123}]}))]),
    Case("default-service-lb", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.100.3", "type": "LoadBalancer", "selector": {"a": "b"}, "ports": [{"port": 80, "nodePort": 30124}]}))]),
    Case("default-service-external", [post(f"{CORE}/services", named("s", spec={"type": "ExternalName", "externalName": "x.y"}))]),
    Case("default-service-sticky", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.100.4", "sessionAffinity": "ClientIP", "selector": {"a": "b"}, "ports": [{"port": 80}]}))]),
    Case("default-endpoints", [post(f"{CORE}/endpoints", named("e", subsets=[{"addresses": [{"ip": "10.244.0.1"}], "ports": [{"port": 80}]}]))]),
    Case("default-endpoint-slice", [post("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", named("e", addressType="IPv4", endpoints=[{"addresses": ["10.244.0.1"]}], ports=[{"port": 80}]))]),
    Case("default-secret", [post(f"{CORE}/secrets", named("s", stringData={"a": "b"}, data={"c": "ZA=="}))]),
    Case("default-namespace", [post("/api/v1/namespaces", named("ns-default"))]),
    Case("default-node", [post("/api/v1/nodes", named("node-default"))]),
    Case("default-service-account", [post(f"{CORE}/serviceaccounts", named("s"))]),
    Case("default-pvc", [post(f"{CORE}/persistentvolumeclaims", named("c", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}))]),
    Case("default-limit-range", [post(f"{CORE}/limitranges", named("l", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]}))]),
    Case("default-quota", [post(f"{CORE}/resourcequotas", named("q", spec={"hard": {"pods": "3"}}))]),
    Case("default-ingress", [post(f"{NET}/ingresses", named("i", spec={"rules": [{"host": "h", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}))]),
    Case("default-ingress-class", [post("/apis/networking.k8s.io/v1/ingressclasses", named("ic-default", spec={"controller": "a.b/c"}))]),
    Case("default-network-policy", [post(f"{NET}/networkpolicies", named("n", spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}))]),
    Case("default-pdb", [post("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", named("p", spec={"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}))]),
    Case("default-role", [post(f"{RBAC}/roles", named("r", rules=[{"verbs": ["get"], "resources": ["pods"], "apiGroups": [""]}])), post(f"{RBAC}/roles", named("q"))]),
    Case("default-role-binding", [post(f"{RBAC}/rolebindings", named("r", roleRef={"kind": "Role", "name": "x"}, subjects=[
        {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]))]),
    Case("default-cluster-role", [post("/apis/rbac.authorization.k8s.io/v1/clusterroles", named("cr-default", rules=[]))]),
    Case("default-hpa", [post("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", named("h", spec={"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}))]),
    Case("default-lease", [post("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", named("l", spec={"renewTime": "2026-01-01T00:00:00Z"}))]),
    Case("default-storage-class", [post("/apis/storage.k8s.io/v1/storageclasses", named("sc-default", provisioner="a.b/c"))]),
    Case("default-priority-class", [post("/apis/scheduling.k8s.io/v1/priorityclasses", named("pc-default", value=10))]),
    Case("default-pod-template", [post(f"{CORE}/podtemplates", named("t", template=template()))]),
    Case("default-event-new", [post("/apis/events.k8s.io/v1/namespaces/{ns}/events", named(
        "e", regarding={"kind": "Pod", "name": "p", "namespace": "{ns}"}, reason="R", note="n", type="Normal", action="A",
        eventTime="2026-01-01T00:00:00.000000Z", reportingController="a.b/c", reportingInstance="i")), get(f"{CORE}/events/e")]),
]  # fmt: skip

VALIDATION = [
    Case("invalid-deployment-empty", [post(DEPLOYMENTS, named("d"))]),
    Case("invalid-deployment-labels", [post(DEPLOYMENTS, deployment(template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}))]),
    Case("invalid-deployment-negative", [post(DEPLOYMENTS, deployment(replicas=-1))]),
    Case("invalid-strategy", [post(DEPLOYMENTS, deployment(strategy={"type": "Sometimes"}))]),
    Case("invalid-recreate-rolling", [post(DEPLOYMENTS, deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}))]),
    Case("invalid-zero-zero", [post(DEPLOYMENTS, deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}))]),
    Case("invalid-percent", [post(DEPLOYMENTS, deployment(strategy={"rollingUpdate": {"maxSurge": "abc"}}))]),
    Case("invalid-restart-policy", [post(DEPLOYMENTS, deployment(template=template(restartPolicy="Never")))]),
    Case("invalid-pod-empty", [post(PODS, named("p"))]),
    Case("invalid-container", [post(PODS, pod("p", {"name": "A_b"}, {"image": "x"}))]),
    Case("invalid-duplicate-container", [post(PODS, pod("p", container(), container()))]),
    Case("invalid-port", [post(PODS, pod("p", container(ports=[{"containerPort": 0}, {"containerPort": 70000}, {"containerPort": 1, "protocol": "X"}])))]),
    Case("invalid-probe", [post(PODS, pod("p", container(readinessProbe={})))]),
    Case("invalid-mount", [post(PODS, pod("p", container(volumeMounts=[{"name": "v", "mountPath": ""}])))]),
    Case("invalid-env", [post(PODS, pod("p", container(env=[{"name": ""}, {"name": "a", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])))]),
    Case("invalid-pull-policy", [post(PODS, pod("p", container(imagePullPolicy="Perhaps")))]),
    Case("invalid-job-restart", [post(f"{BATCH}/jobs", named("j", spec={"template": template()}))]),
    Case("invalid-job-negative", [post(f"{BATCH}/jobs", job(parallelism=-1, backoffLimit=-1))]),
    Case("invalid-cron", [post(f"{BATCH}/cronjobs", named("c", spec={"schedule": "* *", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}))]),
    Case("invalid-service-no-ports", [post(f"{CORE}/services", named("s", spec={"selector": {"a": "b"}}))]),
    Case("invalid-service-ports", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.101.1", "ports": [{"port": 80}, {"port": 80, "name": "A b"}, {"port": 0, "name": "x"}]}))]),
    Case("invalid-service-type", [post(f"{CORE}/services", named("s", spec={"type": "Odd", "ports": [{"port": 80}]}))]),
    Case("invalid-service-ip", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.1.1.1", "ports": [{"port": 80}]}))]),
    Case("taken-service-ip", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.102.1", "ports": [{"port": 80}]})),
                              post(f"{CORE}/services", named("t", spec={"clusterIP": "10.96.102.1", "ports": [{"port": 80}]}))]),
    Case("invalid-ingress", [post(f"{NET}/ingresses", named("i", spec={}))]),
    Case("invalid-ingress-path", [post(f"{NET}/ingresses", named("i", spec={"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}))]),
    Case("invalid-hpa", [post("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", named("h", spec={"minReplicas": 3, "maxReplicas": 1}))]),
    Case("invalid-role-binding", [post(f"{RBAC}/rolebindings", named("r"))]),
    Case("invalid-slice", [post("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", named("e", addressType="IPv4", endpoints=[{"addresses": ["127.0.0.1"]}], ports=[]))]),
    Case("invalid-pvc", [post(f"{CORE}/persistentvolumeclaims", named("c", spec={}))]),
    Case("invalid-tls-secret", [post(f"{CORE}/secrets", named("s", type="kubernetes.io/tls"))]),
    Case("invalid-event", [post(f"{CORE}/events", named("e", involvedObject={"kind": "Pod", "namespace": "other"}))]),
    Case("invalid-namespace-selector", [post(f"{NET}/networkpolicies", named("n", spec={"podSelector": {"matchLabels": {"a b": "c"}}}), only=("code", "reason"))]),
]  # fmt: skip

SUBRESOURCES = [
    Case("scale", [post(DEPLOYMENTS, deployment(replicas=2)), get(f"{DEPLOYMENTS}/d/scale"), patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 5}}),
                   get(f"{DEPLOYMENTS}/d"), patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 0}}), patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": -1}})]),
    Case("scale-put", [post(DEPLOYMENTS, deployment()), put(f"{DEPLOYMENTS}/d/scale", named("d", spec={"replicas": 3})),
                       put(f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "d", "resourceVersion": "1"}, "spec": {"replicas": 4}})]),
    Case("scale-missing", [get(f"{DEPLOYMENTS}/none/scale")]),
    Case("binding", [post(PODS, pod()), post(f"{PODS}/p/binding", named("p", target={"kind": "Node", "name": "n"})), get(f"{PODS}/p"),
                     post(f"{PODS}/p/binding", named("p", target={"kind": "Node", "name": "m"}))]),
    Case("binding-empty", [post(PODS, pod()), post(f"{PODS}/p/binding", named("p", target={"name": ""}), only=("code", "reason"))]),
    Case("eviction", [post(PODS, pod()), post(f"{PODS}/p/eviction", named("p")), get(f"{PODS}/p")]),
    Case("eviction-budget", [
        post(PODS, {**pod(nodeName="n"), "metadata": {"name": "p", "labels": {"a": "b"}}}), patch(f"{PODS}/p/status", {"status": {"phase": "Running"}}),
        post("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", named("b", spec={"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}})),
        post(f"{PODS}/p/eviction", named("p")),
        patch("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/b/status", {"status": {"observedGeneration": 1, "desiredHealthy": 1, "currentHealthy": 1}}),
        post(f"{PODS}/p/eviction", named("p")),
    ]),
    Case("self-review", [post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}, only=("kind", "spec"))]),
    Case("review-is-not-listed", [get("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")]),
    Case("token", [post(f"{CORE}/serviceaccounts", named("s")), post(f"{CORE}/serviceaccounts/s/token", {"spec": {"expirationSeconds": 600}}, only=("kind", "apiVersion"))]),
    Case("status-of-node", [post("/api/v1/nodes", named("node-status")), patch("/api/v1/nodes/node-status/status", {"status": {"capacity": {"cpu": "2"}}}, STRATEGIC)]),
    Case("conditions-merge", [post(PODS, pod()), patch(f"{PODS}/p/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, STRATEGIC),
                              patch(f"{PODS}/p/status", {"status": {"conditions": [{"type": "Other", "status": "True"}], "phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}]}}, STRATEGIC)]),
]  # fmt: skip

CUSTOM = [
    Case("cr-create", [post(WIDGETS, widget())]),
    Case("cr-defaults", [post(WIDGETS, widget(nested={}, maybe=None, replicas=None))]),
    Case("cr-prune", [post(WIDGETS, widget(odd=1, free={"x": {"y": 1}})), post(f"{WIDGETS}?fieldValidation=Strict", widget("v", odd=1))]),
    Case("cr-invalid", [post(WIDGETS, widget(color="blue", replicas=-1, short="ABCD", port=1.5, at="yesterday", set=["a", "a"],
                                             map=[{"name": "a"}, {"name": "a"}], pairs={"a": "b"}))]),
    Case("cr-missing-required", [post(WIDGETS, typed("oracle.shipway.dev/v1", "Widget", "w", spec={}))]),
    Case("cr-wrong-type", [post(WIDGETS, typed("oracle.shipway.dev/v1", "Widget", "w", spec="text"))]),
    Case("cr-no-spec", [post(WIDGETS, typed("oracle.shipway.dev/v1", "Widget", "w"))]),
    Case("cr-status-dropped", [post(WIDGETS, {**widget(), "status": {"replicas": 3}})]),
    Case("cr-status", [post(WIDGETS, widget()), patch(f"{WIDGETS}/w/status", {"status": {"replicas": 3, "odd": 1}, "spec": {"color": "green"}, "metadata": {"labels": {"a": "b"}}}),
                       patch(f"{WIDGETS}/w", {"status": {"replicas": 9}, "metadata": {"labels": {"c": "d"}}})]),
    Case("cr-scale", [post(WIDGETS, widget()), get(f"{WIDGETS}/w/scale"), patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 4}}), get(f"{WIDGETS}/w"),
                      patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": -1}}), patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 40}})]),
    Case("cr-put-no-version", [post(WIDGETS, widget()), put(f"{WIDGETS}/w", widget(color="green"))]),
    Case("cr-strategic", [post(WIDGETS, widget()), patch(f"{WIDGETS}/w", {}, STRATEGIC)]),
    Case("cr-generation", [post(WIDGETS, widget()), patch(f"{WIDGETS}/w", {"spec": {"color": "green"}}), patch(f"{WIDGETS}/w", {"metadata": {"annotations": {"a": "b"}}})]),
    Case("cr-apply", [apply(f"{WIDGETS}/w", widget()), apply(f"{WIDGETS}/w", widget(color="green"), "b"), apply(f"{WIDGETS}/w", widget(odd=1))]),
    Case("cr-apply-prunes", [apply(f"{WIDGETS}/w", widget(short="abc")), apply(f"{WIDGETS}/w", widget())]),
    Case("cr-list", [post(WIDGETS, widget()), get(WIDGETS)]),
    Case("cr-table", [post(WIDGETS, widget()), get(WIDGETS, accept=TABLE)]),
    Case("cr-no-kind", [post(WIDGETS, named("w", spec={"color": "red"}))]),
    Case("cr-wrong-kind", [post(WIDGETS, typed("oracle.shipway.dev/v1", "Gadget", "w"))]),
    Case("cr-wrong-version", [post(WIDGETS, typed("oracle.shipway.dev/v2", "Widget", "w"))]),
    Case("cr-field-selector", [get(f"{WIDGETS}?fieldSelector=spec.color=red")]),
    Case("cr-delete", [post(WIDGETS, widget()), delete(f"{WIDGETS}/w")]),
    Case("cr-finalizer", [post(WIDGETS, {**widget(), "metadata": {"name": "w", "finalizers": ["a.b/c"]}}), delete(f"{WIDGETS}/w"),
                          patch(f"{WIDGETS}/w", {"metadata": {"finalizers": []}})]),
    Case("crd-wrong-name", [post(CRDS, {**crd("gizmos", "Gizmo"), "metadata": {"name": "other.oracle.shipway.dev"}})]),
    Case("crd-no-schema", [post(CRDS, crd("gizmos", "Gizmo", schema={"description": "x"}))]),
    Case("crd-not-structural", [post(CRDS, crd("gizmos", "Gizmo", schema={"type": "object", "properties": {"spec": {"properties": {"a": {"type": "string"}}}}}))]),
    Case("crd-no-storage", [post(CRDS, crd("gizmos", "Gizmo", storage=False), only=("code", "reason"))]),
    Case("crd-bad-default", [post(CRDS, crd("gizmos", "Gizmo", schema={"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}))]),
    Case("crd-preserve", [post(CRDS, {**crd("gizmos", "Gizmo"), "spec": {**crd("gizmos", "Gizmo")["spec"], "preserveUnknownFields": True}}, only=("code", "reason"))]),
]  # fmt: skip

TABLES = [
    Case(f"table-{kind}", [post(path, body), get(path, accept=TABLE)])
    for kind, path, body in [
        ("cm", MAPS, cm()),
        ("secret", f"{CORE}/secrets", named("s", data={"a": "Yg=="})),
        ("pod", PODS, pod(nodeName="n")),
        ("deployment", DEPLOYMENTS, deployment()),
        ("rs", f"{APPS}/replicasets", named("r", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template()})),
        ("sts", f"{APPS}/statefulsets", named("s", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template()})),
        ("ds", f"{APPS}/daemonsets", named("s", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template()})),
        ("job", f"{BATCH}/jobs", job()),
        ("cronjob", f"{BATCH}/cronjobs", named("c", spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}})),
        ("svc", f"{CORE}/services", named("s", spec={"clusterIP": "10.96.110.1", "selector": {"a": "b"}, "ports": [{"port": 80}]})),
        ("sa", f"{CORE}/serviceaccounts", named("s")),
        ("ingress", f"{NET}/ingresses", named("i", spec={"ingressClassName": "n", "tls": [{}], "rules": [{"host": "h", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]})),
        ("pdb", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", named("p", spec={"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}})),
        ("hpa", "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", named("h", spec={"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}})),
        ("lease", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", named("l", spec={"holderIdentity": "me"})),
        ("role", f"{RBAC}/roles", named("r")),
        ("rolebinding", f"{RBAC}/rolebindings", named("r", roleRef={"kind": "Role", "name": "x"}, subjects=[{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}])),
        ("event", f"{CORE}/events", named("e", involvedObject={"kind": "Pod", "name": "p", "namespace": "{ns}"}, reason="R", message="m", type="Normal", source={"component": "c"})),
        ("endpointslice", "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", named("e", addressType="IPv4", endpoints=[{"addresses": ["10.244.0.1"]}], ports=[{"port": 80}])),
        ("endpoints", f"{CORE}/endpoints", named("e", subsets=[{"addresses": [{"ip": "10.244.0.1"}], "ports": [{"port": 80}]}])),
        ("pvc", f"{CORE}/persistentvolumeclaims", named("c", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})),
        ("netpol", f"{NET}/networkpolicies", named("n", spec={"podSelector": {}})),
        ("quota", f"{CORE}/resourcequotas", named("q", spec={"hard": {"pods": "3"}})),
        ("limits", f"{CORE}/limitranges", named("l", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]})),
        ("rc", f"{CORE}/replicationcontrollers", named("r", spec={"template": template()})),
        ("revision", f"{APPS}/controllerrevisions", named("c", data={"a": 1}, revision=1)),
        ("podtemplate", f"{CORE}/podtemplates", named("t", template=template())),
    ]
]  # fmt: skip

CASES = ERRORS + CREATE + UPDATE + PATCHES + APPLIES + DELETES + LISTS + DEFAULTS + VALIDATION + SUBRESOURCES + CUSTOM + TABLES
