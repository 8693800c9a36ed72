"""Writes to flat built-in kinds: maps, sets, metadata, clearing, refusals, and kubectl's move from client-side apply."""

from tests.contract.apply_writes import LAST_APPLIED, Case, app, apply, create, merge, owner, pod, replace, widget

CASES = [
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
