"""What somebody got wrong: bodies, patches, queries, sizes. One case per line, so lines are long."""
# ruff: noqa: E501

from tests.contract.api_table.steps import (
    APPLY,
    CORE,
    CRDS,
    DEPLOYMENTS,
    JSON_PATCH,
    MAPS,
    MERGE,
    PODS,
    STRATEGIC,
    WIDGETS,
    Case,
    Step,
    cm,
    delete,
    deployment,
    get,
    patch,
    pod,
    post,
    put,
    widget,
)

YAML = "application/yaml"
SHAPE = ("code", "reason")
"""Where the words are those of a decoder, code and reason are compared."""


def _body(name: str, text: str, type: str = "application/json", path: str = MAPS, only: tuple[str, ...] = SHAPE) -> Case:
    """A body as it stands."""
    return Case(f"bad-body-{name}", [Step("POST", path, text, type, only=only), get(f"{MAPS}/a", only=("code",))])


BODIES = [
    _body("truncated", '{"metadata": {"name": "a"'), _body("garbage", "%$&"), _body("trailing", '{"metadata": {"name": "a"}} more'), _body("array", "[]"),
    _body("number", "7"), _body("text", '"a"'), _body("null", "null"), _body("deep", '{"metadata": {"name": "a"}, "data": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    _body("nan", '{"metadata": {"name": "a"}, "data": {"k": NaN}}'), _body("bom", "\ufeff{}"), _body("single-quotes", "{'metadata': {'name': 'a'}}"),
    _body("metadata-array", '{"metadata": []}'), _body("metadata-text", '{"metadata": "a"}'), _body("name-number", '{"metadata": {"name": 7}}'), _body("labels-array", '{"metadata": {"name": "a", "labels": ["b"]}}'),
    _body("labels-number", '{"metadata": {"name": "a", "labels": {"b": 1}}}'), _body("owner-text", '{"metadata": {"name": "a", "ownerReferences": "b"}}'), _body("time", '{"metadata": {"name": "a", "creationTimestamp": "yesterday"}}'),
    _body("kind-number", '{"kind": 7, "metadata": {"name": "a"}}'), _body("version-array", '{"apiVersion": [], "metadata": {"name": "a"}}'), _body("big-number", '{"metadata": {"name": "a", "generation": 99999999999999999999}}'),
    _body("yaml", "metadata: {name: a}\ndata: {k: v}\n", YAML, only=("code", "kind")), _body("yaml-broken", "metadata: {name: a\ndata: [", YAML), _body("yaml-tabs", "metadata:\n\tname: a\n", YAML),
    _body("yaml-several", "metadata: {name: a}\n---\nmetadata: {name: b}\n", YAML, only=("code", "kind")), _body("yaml-number", "metadata: {name: a}\ndata: {k: 1}\n", YAML), _body("yaml-text", "just words", YAML),
    _body("protobuf-garbage", "k8s\x00garbage", "application/vnd.kubernetes.protobuf"), _body("protobuf-json", '{"metadata": {"name": "a"}}', "application/vnd.kubernetes.protobuf"),
    _body("charset", '{"metadata": {"name": "a"}}', "application/json; charset=utf-8", only=("code", "kind")), _body("type-broken", '{"metadata": {"name": "a"}}', "application/json;;;"), _body("type-form", "a=b", "application/x-www-form-urlencoded"),
    _body("too-large", '{"metadata": {"name": "a"}, "data": {"k": "' + "x" * 3_200_000 + '"}}', only=()), _body("map-too-large", '{"metadata": {"name": "a"}, "data": {"k": "' + "x" * 1_100_000 + '"}}', only=()),
    _body("annotations-too-large", '{"metadata": {"name": "a", "annotations": {"k": "' + "x" * 270_000 + '"}}}', only=()),
    Case("bad-body-secret-too-large", [post(f"{CORE}/secrets", {"metadata": {"name": "s"}, "data": {"k": "QUFB" * 360_000}})]),
    Case("bad-body-custom", [Step("POST", WIDGETS, '{"kind": "Widget"', only=SHAPE), Step("POST", WIDGETS, "[1]", only=SHAPE), Step("POST", WIDGETS, "null", only=SHAPE)]),
    Case("bad-body-custom-metadata", [post(WIDGETS, {**widget(), "metadata": "w"}, only=SHAPE), post(WIDGETS, {**widget(), "metadata": {"name": "w", "labels": {"a": 1}}}, only=SHAPE)]),
    Case("bad-body-crd", [post(CRDS, {"metadata": {"name": "x"}, "spec": "x"}, only=SHAPE), post(CRDS, {"metadata": {"name": "x"}}, only=SHAPE)]),
    Case("bad-body-put", [post(MAPS, cm()), Step("PUT", f"{MAPS}/a", "{", only=SHAPE), Step("PUT", f"{MAPS}/a", "[]", only=SHAPE), put(f"{MAPS}/a", {"metadata": {"name": "a", "resourceVersion": "abc"}}, only=SHAPE), get(f"{MAPS}/a")]),
    Case("bad-body-delete", [post(MAPS, cm()), Step("DELETE", f"{MAPS}/a", "{", only=SHAPE), Step("DELETE", f"{MAPS}/a", {"kind": "Pod", "apiVersion": "v1"}, only=SHAPE), Step("DELETE", f"{MAPS}/a", {"gracePeriodSeconds": "soon"}, only=SHAPE), get(f"{MAPS}/a", only=("code",))]),
]  # fmt: skip

UNTOUCHED = get(f"{DEPLOYMENTS}/d")


def _patch(name: str, body: object, type: str, only: tuple[str, ...] = SHAPE) -> Case:
    return Case(
        f"bad-patch-{name}",
        [post(DEPLOYMENTS, deployment(), only=("code",)), Step("PATCH", f"{DEPLOYMENTS}/d", body, type, only=only), UNTOUCHED],
    )


PATCHES = [
    _patch("json-garbage", "[{", JSON_PATCH), _patch("json-object", {}, JSON_PATCH), _patch("json-no-op", [{"path": "/spec"}], JSON_PATCH), _patch("json-unknown-op", [{"op": "grow", "path": "/spec"}], JSON_PATCH),
    _patch("json-no-path", [{"op": "remove"}], JSON_PATCH), _patch("json-relative", [{"op": "add", "path": "spec", "value": 1}], JSON_PATCH), _patch("json-index", [{"op": "remove", "path": "/spec/template/spec/containers/7"}], JSON_PATCH),
    _patch("json-removes-spec", [{"op": "remove", "path": "/spec"}], JSON_PATCH), _patch("json-wrong-type", [{"op": "replace", "path": "/spec/replicas", "value": "many"}], JSON_PATCH), _patch("json-kind", [{"op": "replace", "path": "/kind", "value": "Pod"}], JSON_PATCH),
    _patch("merge-garbage", "{", MERGE), _patch("merge-text", '"a"', MERGE), _patch("merge-null", "null", MERGE), _patch("merge-kind", {"kind": "Pod"}, MERGE), _patch("merge-wrong-type", {"spec": {"replicas": []}}, MERGE), _patch("merge-spec-text", {"spec": "x"}, MERGE), _patch("merge-metadata-null", {"metadata": None}, MERGE),
    _patch("strategic-garbage", "{", STRATEGIC), _patch("strategic-list", "[]", STRATEGIC), _patch("strategic-directive", {"spec": {"template": {"spec": {"containers": [{"name": "c", "$patch": "explode"}]}}}}, STRATEGIC), _patch("strategic-wrong-list", {"spec": {"template": {"spec": {"containers": {"name": "c"}}}}}, STRATEGIC),
    _patch("strategic-wrong-type", {"spec": {"replicas": "many"}}, STRATEGIC),
    Case("bad-patch-apply-garbage", [Step("PATCH", f"{MAPS}/a?fieldManager=m", "a: [", APPLY, only=SHAPE), Step("PATCH", f"{MAPS}/a?fieldManager=m", "words", APPLY, only=SHAPE), Step("PATCH", f"{MAPS}/a?fieldManager=m", "[]", APPLY, only=SHAPE), Step("PATCH", f"{MAPS}/a?fieldManager=m", "", APPLY, only=SHAPE)]),
    Case("bad-patch-apply-wrong-type", [Step("PATCH", f"{MAPS}/a?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": ["x"]}, APPLY, only=SHAPE), Step("PATCH", f"{DEPLOYMENTS}/d?fieldManager=m", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": "many"}}, APPLY, only=SHAPE)]),
    Case("bad-patch-manager", [Step("PATCH", f"{MAPS}/a?fieldManager={'m' * 129}", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, APPLY), post(f"{MAPS}?fieldManager={'m' * 129}", cm())]),
    Case("bad-patch-type", [post(MAPS, cm()), Step("PATCH", f"{MAPS}/a", {}, "application/x-patch"), Step("PATCH", f"{MAPS}/a", {}, "text/plain", only=SHAPE)]),
]  # fmt: skip

QUERIES = [
    Case("bad-query-limit", [get(f"{MAPS}?limit=many", only=SHAPE), get(f"{MAPS}?limit=-1", only=("code", "kind"))]),
    Case("bad-query-timeout", [get(f"{MAPS}?timeoutSeconds=soon", only=SHAPE)]),
    Case("bad-query-grace", [post(PODS, pod(), only=("code",)), delete(f"{PODS}/p?gracePeriodSeconds=soon", only=SHAPE), delete(f"{PODS}/p", {"gracePeriodSeconds": -1}, only=("code",))]),
    Case("bad-query-dry-run", [post(f"{MAPS}?dryRun=All,Some", cm(), only=SHAPE), delete(f"{MAPS}/a?dryRun=Some", only=SHAPE), patch(f"{MAPS}/a?dryRun=", {}, only=SHAPE)]),
    Case("bad-query-unknown", [get(f"{MAPS}?colour=red", only=("code", "kind"))]),
    Case("bad-path-escape", [get(f"{CORE}/configmaps/a%2Fb", only=SHAPE), get(f"{CORE}/configmaps/..%2F..%2Fsecrets", only=SHAPE)]),
    Case("bad-path-empty", [get("/apis/", only=("code", "kind")), get("/api/v1/", only=("code", "kind")), get("/api/v2", only=("code",))]),
    Case("bad-method", [Step("OPTIONS", MAPS, only=SHAPE), Step("BREW", MAPS, only=SHAPE)]),
]  # fmt: skip

BAD_INPUT = BODIES + PATCHES + QUERIES
