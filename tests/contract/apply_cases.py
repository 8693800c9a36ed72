"""Writes whose ownership a real API server judged: the table behind `test_apply_oracle`.

A case is a list of writes to one object; after each, the answer of a real server (status, object, managedFields) is recorded in
`tests/golden/apply_oracle.json` and our functions must come to the same. Bodies leave out apiVersion, kind and name.
Kinds without controllers are preferred (PodTemplate for everything about pods), because nobody else writes to them.
"""

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
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "Widget": ("oracle.shipway.dev/v1", "widgets"),
    "Gadget": ("oracle.shipway.dev/v1", "gadgets"),
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
        "metadata": {"name": f"{plural}.oracle.shipway.dev"},
        "spec": {
            "group": "oracle.shipway.dev",
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

CASES = [
    # --- flat maps of a built-in kind ---------------------------------------------------------------------------------
    Case("create-by-apply", "ConfigMap", [apply("m1", {"data": {"a": "1", "b": "2"}})]),
    Case("apply-twice", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m1", {"data": {"a": "1"}})]),
    Case("change-own", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m1", {"data": {"a": "2"}})]),
    Case("give-up-own", "ConfigMap", [apply("m1", {"data": {"a": "1", "b": "2"}}), apply("m1", {"data": {"b": "2"}})]),
    Case("give-up-last-entry", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m1", {"data": {}})]),
    Case("give-up-map", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m1", {})]),
    Case("conflict", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m2", {"data": {"a": "2"}})]),
    Case(
        "conflicts-with-two",
        "ConfigMap",
        [
            apply("m1", {"data": {"a": "1", "b": "1"}}),
            apply("m2", {"data": {"c": "1"}}),
            merge("upd", {"data": {"d": "1"}}),
            apply("m3", {"data": {"a": "2", "b": "2", "c": "2", "d": "2", "e": "2"}}),
        ],
    ),
    Case(
        "force-moves-ownership",
        "ConfigMap",
        [apply("m1", {"data": {"a": "1", "b": "1"}}), apply("m2", {"data": {"a": "2"}}, force=True)],
    ),
    Case("force-takes-all", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), apply("m2", {"data": {"a": "2"}}, force=True)]),
    Case(
        "shared-value",
        "ConfigMap",
        [
            apply("m1", {"data": {"a": "1"}}),
            apply("m2", {"data": {"a": "1"}}),
            apply("m1", {"data": {"b": "1"}}),
            apply("m2", {"data": {"b": "1"}}),
        ],
    ),
    Case(
        "shared-value-conflict-on-change",
        "ConfigMap",
        [apply("m1", {"data": {"a": "1"}}), apply("m2", {"data": {"a": "1"}}), apply("m2", {"data": {"a": "2"}})],
    ),
    Case(
        "update-takes-from-applier",
        "ConfigMap",
        [apply("m1", {"data": {"a": "1", "b": "1"}}), merge("upd", {"data": {"a": "2"}})],
    ),
    Case(
        "heal-after-update",
        "ConfigMap",
        [
            apply("m1", {"data": {"a": "1", "b": "1"}}),
            merge("upd", {"data": {"a": "2"}}),
            apply("m1", {"data": {"a": "1", "b": "1"}}),
            apply("m1", {"data": {"a": "1", "b": "1"}}, force=True),
        ],
    ),
    Case(
        "update-under-the-same-name",
        "ConfigMap",
        [
            apply("m1", {"data": {"a": "1"}}),
            merge("m1", {"data": {"a": "2"}}),
            apply("m1", {"data": {"a": "3"}}),
            apply("m1", {"data": {"a": "3"}}, force=True),
        ],
    ),
    Case("update-adds", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), merge("upd", {"data": {"b": "2"}})]),
    Case(
        "update-removes-entry", "ConfigMap", [apply("m1", {"data": {"a": "1", "b": "1"}}), merge("upd", {"data": {"a": None}})]
    ),
    Case("update-removes-map", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), merge("upd", {"data": None})]),
    Case("update-without-change", "ConfigMap", [apply("m1", {"data": {"a": "1"}}), merge("upd", {"data": {"a": "1"}})]),
    Case("replace", "ConfigMap", [apply("m1", {"data": {"a": "1", "b": "1"}}), replace("upd", {"data": {"a": "1", "c": "1"}})]),
    Case(
        "replace-labels",
        "ConfigMap",
        [create("c", {"metadata": {"labels": {"a": "1"}}}), replace("upd", {"metadata": {"labels": {"b": "1"}}})],
    ),
    Case("create-then-apply", "ConfigMap", [create("c", {"data": {"a": "1"}}), apply("m1", {"data": {"a": "2"}})]),
    Case("create-then-apply-same", "ConfigMap", [create("c", {"data": {"a": "1"}}), apply("m1", {"data": {"a": "1"}})]),
    Case(
        "two-updaters",
        "ConfigMap",
        [create("c", {"data": {"a": "1"}}), merge("u1", {"data": {"a": "2"}}), merge("u2", {"data": {"a": "3"}})],
    ),
    Case(
        "metadata",
        "ConfigMap",
        [
            apply("m1", {"metadata": {"labels": {"a": "1"}, "annotations": {"x.y/z": "1"}, "finalizers": ["shipway.dev/a"]}}),
            apply("m2", {"metadata": {"labels": {"b": "1"}, "finalizers": ["shipway.dev/b"]}}),
            apply("m1", {"metadata": {"labels": {"a": "1"}, "finalizers": []}}),
            merge("clean", {"metadata": {"finalizers": None}}),
        ],
    ),
    Case(
        "owner-references",
        "ConfigMap",
        [
            apply("m1", {"metadata": {"ownerReferences": [owner("u1")]}}),
            merge("upd", {"metadata": {"ownerReferences": [owner("u2")]}}),
        ],
    ),
    Case("escapes", "ConfigMap", [apply("m1", {"metadata": {"finalizers": ["x.y/a"]}, "data": {"a.b_c-d": "<&>"}})]),
    Case(
        "managed-fields-cleared",
        "ConfigMap",
        [
            apply("m1", {"data": {"a": "1"}}),
            merge("clear", {"metadata": {"managedFields": []}}),
            merge("upd", {"data": {"b": "1"}}),
            apply("m2", {"data": {"a": "2"}}),
            apply("m2", {"data": {"a": "2"}}, force=True),
        ],
    ),
    Case(
        "managed-fields-cleared-by-one-empty",
        "ConfigMap",
        [apply("m1", {"data": {"a": "1"}}), merge("clear", {"metadata": {"managedFields": [{}]}})],
    ),
    Case("managed-fields-in-apply", "ConfigMap", [apply("m1", {"metadata": {"managedFields": []}, "data": {"a": "1"}})]),
    Case(
        "twelve-updaters",
        "ConfigMap",
        [create("u00", {"data": {"a": "0"}}), *[merge(f"u{i:02}", {"data": {f"k{i:02}": "1"}}) for i in range(1, 13)]],
    ),
    Case("empty-data", "ConfigMap", [apply("m1", {"data": {}}), apply("m2", {"data": {"a": "1"}}), apply("m1", {})]),
    Case(
        "null-value", "ConfigMap", [apply("m1", {"data": {"a": "1"}, "binaryData": None}), apply("m1", {"data": {"a": None}})]
    ),
    Case(
        "secret-string-data",
        "Secret",
        [
            apply("m1", {"stringData": {"a": "1"}}),
            apply("m1", {"stringData": {"a": "2"}}),
            apply("m1", {"data": {"a": "Mw=="}}),
        ],
    ),
    Case("unknown-field", "ConfigMap", [apply("m1", {"datta": {"a": "1"}})]),
    Case("wrong-type", "ConfigMap", [apply("m1", {"data": {"a": 5}})]),
    Case("wrong-type-map", "ConfigMap", [apply("m1", {"data": "x"})]),
    Case("wrong-type-bool", "ConfigMap", [apply("m1", {"immutable": "yes"})]),
    Case(
        "service-account",
        "ServiceAccount",
        [
            apply("m1", {"secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "b"}]}),
            apply("m2", {"secrets": [{"name": "c"}]}),
        ],
    ),
    Case(
        "role-rules-are-atomic",
        "Role",
        [
            apply("m1", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            apply("m2", {"rules": []}),
            apply("m2", {"rules": []}, force=True),
        ],
    ),
    Case(
        "lease",
        "Lease",
        [
            apply("m1", {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 10}}),
            merge("m2", {"spec": {"holderIdentity": "b"}}),
        ],
    ),
    # --- keyed lists, defaults, structs: pods ---------------------------------------------------------------------------
    Case(
        "pod-create", "PodTemplate", [create("c", pod(app(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "1"}])))]
    ),
    Case(
        "pod-apply",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "1"}]),
                    volumes=[{"name": "v", "emptyDir": {}}],
                ),
            )
        ],
    ),
    Case(
        "pod-apply-twice",
        "PodTemplate",
        [apply("m1", pod(app(ports=[{"containerPort": 80}]))), apply("m1", pod(app(ports=[{"containerPort": 80}])))],
    ),
    Case(
        "container-added-by-other",
        "PodTemplate",
        [apply("m1", pod(app())), apply("m2", pod({"name": "side", "image": "s:1"})), apply("m1", pod(app(image="app:2")))],
    ),
    Case(
        "containers-order",
        "PodTemplate",
        [
            apply("m1", pod({"name": "a", "image": "a"}, {"name": "c", "image": "c"})),
            apply("m2", pod({"name": "b", "image": "b"}, {"name": "a"})),
            apply("m1", pod({"name": "c", "image": "c"}, {"name": "a", "image": "a"})),
        ],
    ),
    Case("container-dropped", "PodTemplate", [apply("m1", pod(app(), {"name": "b", "image": "b"})), apply("m1", pod(app()))]),
    Case(
        "container-dropped-but-patched",
        "PodTemplate",
        [
            apply("m1", pod(app(), {"name": "b", "image": "b"})),
            merge("upd", {"template": {"spec": {"containers": [app(), {"name": "b", "image": "b:2"}]}}}),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "container-dropped-but-shared",
        "PodTemplate",
        [
            apply("m1", pod(app(), {"name": "b", "image": "b"})),
            apply("m2", pod({"name": "b", "image": "b"})),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "image-changed-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app())),
            Write("strategic", "set", pod(app(image="app:2"))),
            apply("m1", pod(app())),
            apply("m1", pod(app()), force=True),
        ],
    ),
    Case(
        "env-removed-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]))),
            Write("strategic", "edit", pod({"name": "app", "env": [{"name": "A", "$patch": "delete"}]})),
        ],
    ),
    Case(
        "env-added-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}]))),
            Write("strategic", "edit", pod({"name": "app", "env": [{"name": "B", "value": "2"}]})),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "env-duplicate", "PodTemplate", [apply("m1", pod(app(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])))]
    ),
    Case(
        "env-duplicate-by-update",
        "PodTemplate",
        [
            create("c", pod(app(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]))),
            apply("m1", pod(app(env=[{"name": "B", "value": "1"}]))),
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}])), force=True),
        ],
    ),
    Case("env-without-name", "PodTemplate", [apply("m1", pod(app(env=[{"value": "1"}])))]),
    Case(
        "ports-two-protocols",
        "PodTemplate",
        [
            apply("m1", pod(app(ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]))),
            apply("m1", pod(app(ports=[{"containerPort": 80, "protocol": "UDP", "name": "u"}]))),
        ],
    ),
    Case(
        "ports-protocol-stated-later",
        "PodTemplate",
        [
            apply("m1", pod(app(ports=[{"containerPort": 80}]))),
            apply("m2", pod(app(ports=[{"containerPort": 80, "protocol": "TCP"}]))),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "quantities",
        "PodTemplate",
        [
            apply("m1", pod(app(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}}))),
            apply("m1", pod(app(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}}))),
            apply("m2", pod({"name": "app", "resources": {"limits": {"cpu": "500m"}}})),
        ],
    ),
    Case("quantity-numbers", "PodTemplate", [apply("m1", pod(app(resources={"limits": {"cpu": 2}})))]),
    Case(
        "args-are-atomic",
        "PodTemplate",
        [
            apply("m1", pod(app(args=["a", "b"]))),
            merge("upd", {"template": {"spec": {"containers": [app(args=["a"])]}}}),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "default-shared",
        "PodTemplate",
        [apply("m1", pod(app())), apply("m2", pod(app(imagePullPolicy="IfNotPresent"))), apply("m2", pod({"name": "app"}))],
    ),
    Case(
        "node-selector-is-atomic",
        "PodTemplate",
        [apply("m1", pod(app(), nodeSelector={"a": "1"})), apply("m2", {"template": {"spec": {"nodeSelector": {"b": "1"}}}})],
    ),
    Case(
        "structs-given-up",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(app(securityContext={"runAsUser": 1, "capabilities": {"add": ["X"]}}, resources={"limits": {"cpu": "1"}})),
            ),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "empty-structs",
        "PodTemplate",
        [
            apply(
                "m1", pod(app(resources={}, securityContext={}), securityContext={}, volumes=[{"name": "v", "emptyDir": {}}])
            ),
            apply("m2", pod({"name": "app", "resources": {"limits": {"cpu": "1"}}})),
        ],
    ),
    Case(
        "volumes-by-type",
        "PodTemplate",
        [
            apply("m1", pod(app(), volumes=[{"name": "v", "emptyDir": {}}])),
            apply("m1", pod(app(), volumes=[{"name": "v", "configMap": {"name": "c"}}])),
        ],
    ),
    Case(
        "volume-mounts",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(volumeMounts=[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]),
                    volumes=[{"name": "v", "emptyDir": {}}],
                ),
            ),
            apply("m2", pod({"name": "app", "volumeMounts": [{"name": "v", "mountPath": "/c"}]})),
        ],
    ),
    Case(
        "tolerations-and-spread",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(),
                    tolerations=[{"key": "a", "operator": "Exists"}],
                    topologySpreadConstraints=[{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
                ),
            )
        ],
    ),
    Case(
        "probe-handler-changes",
        "PodTemplate",
        [
            apply("m1", pod(app(readinessProbe={"httpGet": {"path": "/", "port": 80}}))),
            apply("m1", pod(app(readinessProbe={"tcpSocket": {"port": "http"}}))),
        ],
    ),
    Case("unknown-nested", "PodTemplate", [apply("m1", pod(app(imagee="x")))]),
    Case("wrong-type-number", "PodTemplate", [apply("m1", pod(app(), terminationGracePeriodSeconds="5"))]),
    Case("wrong-type-list", "PodTemplate", [apply("m1", {"template": {"spec": {"containers": {"name": "a"}}}})]),
    # --- deployments: defaults given up, scale and status ---------------------------------------------------------------
    Case("replicas-given-up", "Deployment", [apply("m1", deployment(replicas=3)), apply("m1", deployment())]),
    Case(
        "replicas-handed-over",
        "Deployment",
        [
            apply("m1", deployment(replicas=3)),
            merge("hpa", {"spec": {"replicas": 5}}, subresource="scale"),
            apply("m1", deployment()),
            apply("m1", deployment(replicas=5)),
        ],
    ),
    Case(
        "replicas-shared-then-given-up",
        "Deployment",
        [apply("m1", deployment(replicas=3)), apply("m2", {"spec": {"replicas": 3}}), apply("m1", deployment())],
    ),
    Case(
        "deployment-created",
        "Deployment",
        [
            create("c", deployment(replicas=2, strategy={"rollingUpdate": {"maxSurge": 1}})),
            merge("u", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
        ],
    ),
    Case(
        "strategy",
        "Deployment",
        [
            apply("m1", deployment(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}})),
            apply("m1", deployment(strategy={"type": "RollingUpdate"})),
            apply("m2", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "50%"}}}}),
        ],
    ),
    Case(
        "selector-is-atomic",
        "Deployment",
        [apply("m1", deployment()), apply("m2", {"spec": {"selector": {"matchLabels": {"app": "x"}}}})],
    ),
    Case("status-ignored-by-main", "Deployment", [apply("m1", {**deployment(), "status": {"replicas": 9}})]),
    Case(
        "ingress",
        "Ingress",
        [
            apply(
                "m1",
                {
                    "spec": {
                        "rules": [
                            {
                                "host": "a",
                                "http": {
                                    "paths": [
                                        {
                                            "path": "/",
                                            "pathType": "Prefix",
                                            "backend": {"service": {"name": "s", "port": {"number": 80}}},
                                        }
                                    ]
                                },
                            }
                        ],
                        "tls": [{"hosts": ["a"]}],
                    }
                },
            ),
            apply("m2", {"metadata": {"annotations": {"x": "1"}}}),
        ],
    ),
    # --- custom resources -----------------------------------------------------------------------------------------------
    Case(
        "widget-apply",
        "Widget",
        [apply("m1", widget(color="red")), apply("m1", widget(color="red", size=5)), apply("m1", widget(color="red"))],
    ),
    Case(
        "widget-create",
        "Widget",
        [
            create("c", widget(color="red", labels={"a": "1"}, tags=["x"], doors=[{"name": "d"}])),
            merge("u", widget(color=None)),
        ],
    ),
    Case("widget-null", "Widget", [apply("m1", widget(color="red", nothing=None)), apply("m1", widget(color=None))]),
    Case(
        "widget-set",
        "Widget",
        [
            apply("m1", widget(tags=["a", "b"])),
            apply("m2", widget(tags=["b", "c"])),
            apply("m1", widget(tags=["a"])),
            merge("u", widget(tags=["c", "d"])),
        ],
    ),
    Case("widget-set-duplicate", "Widget", [apply("m1", widget(tags=["a", "a"]))]),
    Case(
        "widget-plain-list",
        "Widget",
        [apply("m1", widget(plain=["a"])), apply("m2", widget(plain=["a", "b"])), apply("m2", widget(plain=["a"]))],
    ),
    Case(
        "widget-maps",
        "Widget",
        [
            apply("m1", widget(labels={"a": "1"}, matrix={"x": {"a": "1"}})),
            apply("m2", widget(labels={"b": "1"}, matrix={"x": {"b": "1"}, "y": {}})),
            apply("m1", widget(labels={"c": "1"}, matrix={})),
            apply("m2", widget()),
        ],
    ),
    Case(
        "widget-atomic-map",
        "Widget",
        [apply("m1", widget(one={"a": "1"})), apply("m2", widget(one={"b": "1"})), merge("u", widget(one={"b": "1"}))],
    ),
    Case(
        "widget-free",
        "Widget",
        [
            apply("m1", widget(free={"a": {"b": 1, "l": [1, 2]}, "s": "x"})),
            apply("m2", widget(free={"a": {"c": 2}})),
            apply("m2", widget(free={"a": {"l": [1]}})),
            apply("m1", widget(free={"a": {"b": {"deep": True}}})),
            apply("m1", widget(free={})),
        ],
    ),
    Case(
        "widget-half-free",
        "Widget",
        [
            apply("m1", widget(halfFree={"known": {"a": "1"}, "other": {"x": 1}})),
            apply("m2", widget(halfFree={"other": {"y": 1}})),
        ],
    ),
    Case("widget-half-free-unknown-below", "Widget", [apply("m1", widget(halfFree={"known": {"b": "1"}}))]),
    Case(
        "widget-int-or-string",
        "Widget",
        [apply("m1", widget(port=80)), apply("m2", widget(port="80")), apply("m2", widget(port=80))],
    ),
    Case(
        "widget-doors",
        "Widget",
        [
            apply("m1", widget(doors=[{"name": "a"}, {"name": "a", "side": "right"}])),
            apply("m2", widget(doors=[{"name": "a", "side": "left", "color": "red"}])),
            apply("m1", widget(doors=[{"name": "a", "side": "right"}])),
        ],
    ),
    Case("widget-doors-without-key", "Widget", [apply("m1", widget(doors=[{"side": "right"}]))]),
    Case("widget-unknown", "Widget", [apply("m1", widget(colour="red"))]),
    Case("widget-status-by-main", "Widget", [apply("m1", {**widget(color="red"), "status": {"phase": "x"}})]),
    Case(
        "widget-status",
        "Widget",
        [
            apply("m1", widget(color="red")),
            apply("ctl", {**widget(color="blue"), "status": {"phase": "Up"}}, subresource="status"),
            merge("ctl2", {"status": {"phase": "Down"}}, subresource="status"),
            apply("ctl", {"status": {"phase": "Up"}}, subresource="status"),
            apply("m1", widget(color="red")),
        ],
    ),
    Case(
        "widget-scale",
        "Widget",
        [
            apply("m1", widget(replicas=1, color="red")),
            merge("hpa", {"spec": {"replicas": 4}}, subresource="scale"),
            apply("m1", widget(color="red")),
        ],
    ),
    Case(
        "gadget-status-is-a-field",
        "Gadget",
        [
            apply("m1", {**widget(color="red"), "status": {"phase": "x"}}),
            merge("ctl", {"status": {"phase": "y"}}),
            apply("m1", {**widget(color="red"), "status": {"phase": "x"}}),
        ],
    ),
    Case("gadget-spec-given-up", "Gadget", [apply("m1", widget(color="red")), apply("m1", {})]),
    # --- kubectl's move from client-side apply ---------------------------------------------------------------------------
    Case(
        "emptied-struct",
        "PodTemplate",
        [
            apply("m1", pod(app(), volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}])),
            apply("m1", pod(app(), volumes=[{"name": "v", "emptyDir": {}}])),
            apply("m1", pod(app(), volumes=[{"name": "v", "emptyDir": {}}])),
        ],
    ),
    Case(
        "emptied-security-context",
        "PodTemplate",
        [
            apply("m1", pod(app(securityContext={"runAsUser": 1}))),
            apply("m1", pod(app(securityContext={}))),
            apply("m1", pod(app(securityContext={}))),
        ],
    ),
    Case(
        "widget-emptied-map",
        "Widget",
        [
            apply("m1", widget(labels={"a": "1"}, color="red")),
            apply("m1", widget(labels={}, color="red")),
            apply("m1", widget(labels={}, color="red")),
        ],
    ),
    Case(
        "widget-emptied-free-map",
        "Widget",
        [
            apply("m1", widget(free={"a": {"b": 1}}, color="red")),
            merge("hand", widget(free={"a": {"b": 2}})),
            apply("m1", widget(free={"a": {}}, color="red"), force=True),
            apply("m1", widget(free={"a": {}}, color="red")),
        ],
    ),
    Case(
        "from-client-side",
        "ConfigMap",
        [
            create(
                "kubectl-client-side-apply",
                {
                    "metadata": {
                        "annotations": {
                            LAST_APPLIED: '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":'
                            '{"annotations":{},"name":"from-client-side","namespace":"apply-oracle"}}\n'
                        }
                    },
                    "data": {"a": "1"},
                },
            ),
            apply("kubectl", {"data": {"a": "2"}}),
            merge("upd", {"data": {"a": "3"}}),
            apply("kubectl", {"data": {"a": "4"}}),
        ],
    ),
]
