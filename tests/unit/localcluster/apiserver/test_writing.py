"""Create, read and replace: the codes, reasons and texts of a real server."""

from typing import Any

import pytest

from tests.unit.localcluster.apiserver.conftest import APPS, CORE, MERGE, Api, config_map, deployment, names, pod

WIDE = "a" * 254


async def test_a_created_object_has_what_the_server_gives(api: Api) -> None:
    made = await api.post(f"{CORE}/configmaps", config_map("a", uid="mine", creationTimestamp="2000-01-01T00:00:00Z"))
    metadata = made.body["metadata"]
    assert made.code == 201
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert metadata["namespace"] == "default"
    assert int(metadata["resourceVersion"]) > 1
    assert "generation" not in metadata
    assert (await api.get(f"{CORE}/configmaps/a")).body == made.body


@pytest.mark.parametrize(
    ("url", "body", "code", "reason", "message"),
    [
        (f"{CORE}/configmaps", config_map("taken"), 409, "AlreadyExists", 'configmaps "taken" already exists'),
        (f"{CORE}/configmaps", {"metadata": {}}, 422, "Invalid",
         'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'),
        (f"{CORE}/configmaps", config_map("a", namespace="other"), 400, "BadRequest",
         "the namespace of the provided object does not match the namespace sent on the request"),
        ("/api/v1/namespaces/nowhere/configmaps", config_map("a"), 404, "NotFound", 'namespaces "nowhere" not found'),
        (f"{CORE}/configmaps", config_map("a", resourceVersion="5"), 500, "",
         "resourceVersion should not be set on objects to be created"),
        (f"{CORE}/configmaps", pod("a"), 400, "BadRequest",
         'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion'),
        (f"{CORE}/configmaps", {"metadata": {"name": "a"}, "data": {"k": 1}}, 400, "BadRequest",
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field '
         "ConfigMap.data of type string"),
        (f"{CORE}/configmaps/a", config_map("a"), 405, "MethodNotAllowed",
         "the server does not allow this method on the requested resource"),
        (f"{CORE}/nothings", config_map("a"), 404, "NotFound", "the server could not find the requested resource"),
        (f"{CORE}/configmaps?dryRun=Some", config_map("a"), 422, "Invalid",
         'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    ],
)  # fmt: skip
async def test_refused_creations(api: Api, url: str, body: Any, code: int, reason: str, message: str) -> None:
    await api.post(f"{CORE}/configmaps", config_map("taken"))
    answer = await api.post(url, body)
    assert (answer.code, answer.reason, answer.message) == (code, reason, message)


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a..b", WIDE])
async def test_names_follow_rfc_1123(api: Api, name: str) -> None:
    answer = await api.post(f"{CORE}/configmaps", config_map(name))
    assert answer.code == 422
    assert answer.causes[0][0] == "metadata.name"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "b c"}}, "metadata.labels"),
        ({"annotations": {"a b": "c"}}, "metadata.annotations"),
        ({"finalizers": ["a b"]}, "metadata.finalizers"),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": ""}]}, "metadata.ownerReferences.uid"),
    ],
)
async def test_metadata_syntax(api: Api, metadata: dict[str, Any], field: str) -> None:
    answer = await api.post(f"{CORE}/configmaps", config_map("a", **metadata))
    assert (answer.code, answer.causes[0][0]) == (422, field)


async def test_a_generated_name_has_five_safe_letters(api: Api) -> None:
    body = config_map("")
    body["metadata"] = {"generateName": "web-"}
    made = await api.post(f"{CORE}/configmaps", body)
    assert made.code == 201
    suffix = made.body["metadata"]["name"].removeprefix("web-")
    assert len(suffix) == 5
    assert set(suffix) <= set("bcdfghjklmnpqrstvwxz2456789")


async def test_unknown_fields_warn_refuse_or_pass(api: Api) -> None:
    body = {**config_map("a"), "bogus": 1}
    warned = await api.post(f"{CORE}/configmaps?dryRun=All", body)
    assert (warned.code, warned.headers["warning"]) == (201, '299 - "unknown field \\"bogus\\""')
    strict = await api.post(f"{CORE}/configmaps?fieldValidation=Strict", body)
    assert strict.code == 400
    assert strict.message.endswith('strict decoding error: unknown field "bogus"')
    ignored = await api.post(f"{CORE}/configmaps?fieldValidation=Ignore", body)
    assert ignored.code == 201
    assert "warning" not in ignored.headers
    assert "bogus" not in ignored.body


async def test_a_dry_run_stores_nothing(api: Api) -> None:
    answer = await api.post(f"{CORE}/configmaps?dryRun=All", config_map("a"))
    assert answer.code == 201
    assert answer.body["metadata"]["uid"]
    assert "resourceVersion" not in answer.body["metadata"]
    assert (await api.get(f"{CORE}/configmaps/a")).code == 404


async def test_replacing(api: Api) -> None:
    first = (await api.post(f"{CORE}/configmaps", config_map("a"))).body
    second = await api.put(f"{CORE}/configmaps/a", config_map("a", {"k": "w"}))
    assert second.code == 200
    stale = await api.put(f"{CORE}/configmaps/a", first)
    assert (stale.code, stale.reason) == (409, "Conflict")
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the '
        "latest version and try again"
    )
    other = await api.put(f"{CORE}/configmaps/a", config_map("a", uid="another"))
    assert other.code == 409
    assert "Precondition failed: UID in precondition: another" in other.message
    assert (await api.put(f"{CORE}/configmaps/b", config_map("a"))).code == 400
    assert (await api.put(f"{CORE}/configmaps/b", config_map("b"))).code == 404


async def test_a_write_without_a_change_keeps_the_version(api: Api) -> None:
    first = (await api.post(f"{CORE}/configmaps", config_map("a"))).body
    assert (await api.put(f"{CORE}/configmaps/a", config_map("a"))).body == first
    assert (await api.patch(f"{CORE}/configmaps/a", {"data": {"k": "v"}})).body == first


async def test_a_lease_is_created_by_put(api: Api) -> None:
    url = "/apis/coordination.k8s.io/v1/namespaces/default/leases/me"
    assert (await api.put(url, {"metadata": {"name": "me"}, "spec": {"holderIdentity": "x"}})).code == 201


async def test_generation_counts_changes_of_the_spec(api: Api) -> None:
    made = await api.post(f"{APPS}/deployments", deployment("web"))
    assert made.body["metadata"]["generation"] == 1
    url = f"{APPS}/deployments/web"
    labelled = await api.patch(url, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.body["metadata"]["generation"] == 1
    scaled = await api.patch(url, {"spec": {"replicas": 3}})
    assert scaled.body["metadata"]["generation"] == 2
    status = await api.patch(f"{url}/status", {"status": {"replicas": 1}})
    assert status.body["metadata"]["generation"] == 2


async def test_status_and_spec_have_their_own_doors(api: Api) -> None:
    body = deployment("web")
    body["status"] = {"replicas": 9}
    made = await api.post(f"{APPS}/deployments", body)
    assert made.body["status"] == {}
    url = f"{APPS}/deployments/web"
    both = {"spec": {"replicas": 5}, "status": {"replicas": 4}}
    assert (await api.patch(f"{url}/status", both)).body["status"] == {"replicas": 4}
    assert (await api.get(url)).body["spec"]["replicas"] == 1
    assert (await api.patch(url, {"spec": {"replicas": 5}, "status": {"replicas": 8}})).body["status"] == {"replicas": 4}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"spec": {"selector": {"matchLabels": {"app": "other"}}}}, "spec.selector"),
        ({"spec": {"replicas": -1}}, "spec.replicas"),
        ({"spec": {"strategy": {"type": "Sometimes"}}}, "spec.strategy"),
        ({"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}, "spec.template.metadata.labels"),
        ({"spec": {"template": {"spec": {"containers": []}}}}, "spec.template.spec.containers"),
    ],
)
async def test_refused_changes_of_a_deployment(api: Api, change: dict[str, Any], field: str) -> None:
    await api.post(f"{APPS}/deployments", deployment("web"))
    answer = await api.patch(f"{APPS}/deployments/web", change)
    assert answer.code == 422
    assert field in [path for path, _ in answer.causes]


async def test_a_pods_spec_is_frozen_but_for_its_images(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p"))
    url = f"{CORE}/pods/p"
    answer = await api.patch(
        url, {"spec": {"containers": [{"name": "main", "image": "x:1"}]}}, "application/strategic-merge-patch+json"
    )
    assert answer.code == 200
    assert (await api.patch(url, {"spec": {"restartPolicy": "Never"}})).code == 422


async def test_an_immutable_config_map_stays(api: Api) -> None:
    await api.post(f"{CORE}/configmaps", {**config_map("a"), "immutable": True})
    answer = await api.patch(f"{CORE}/configmaps/a", {"data": {"k": "w"}})
    assert (answer.code, answer.causes[0][0]) == (422, "data")


async def test_a_terminating_namespace_takes_nothing_new(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "going"}})
    gone = await api.delete("/api/v1/namespaces/going")
    assert gone.body["status"]["phase"] == "Terminating"
    answer = await api.post("/api/v1/namespaces/going/configmaps", config_map("a"))
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    body = {**gone.body, "spec": {"finalizers": []}}
    assert (await api.put("/api/v1/namespaces/going/finalize", body)).code == 200
    assert (await api.get("/api/v1/namespaces/going")).code == 404


async def test_bodies_come_in_several_forms(api: Api) -> None:
    url = f"{CORE}/configmaps"
    yaml = b'metadata: {name: yaml}\ndata: {k: "1"}\n'
    assert (await api.post(url, yaml, type="application/yaml")).code == 201
    assert (await api.post(url, config_map("j"), type="application/json")).code == 201
    assert (await api.post(url, b"x", type="text/plain")).code == 415
    assert (await api.post(url, b"{", type="application/json")).code == 400
    assert (await api.post(url, b"x" * (3 * 1024 * 1024 + 1))).code == 413
    assert names(await api.get(url)) == ["j", "yaml"]


async def test_answers_come_in_json_or_not_at_all(api: Api) -> None:
    both = "application/vnd.kubernetes.protobuf,application/json"
    assert (await api.get(f"{CORE}/configmaps", accept=both)).code == 200
    assert (await api.get(f"{CORE}/configmaps", accept="*/*")).code == 200
    assert (await api.get(f"{CORE}/configmaps", accept="application/vnd.kubernetes.protobuf")).code == 406


@pytest.mark.parametrize("path", ["/apis/nothing.io/v1/things", "/nothing", "/openapi/v2"])
async def test_unknown_paths_are_plain_text(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert (answer.code, answer.body) == (404, b"404 page not found\n")


async def test_patches_need_a_known_media_type(api: Api) -> None:
    await api.post(f"{CORE}/configmaps", config_map("a"))
    url = f"{CORE}/configmaps/a"
    assert (await api.patch(url, {}, "application/json")).code == 415
    assert (await api.patch(url, [], MERGE)).code == 400
    assert (await api.patch(url, {"metadata": {"name": "b"}})).code == 400
    assert (await api.patch(f"{CORE}/configmaps/none", {})).code == 404
    stale = await api.patch(url, {"metadata": {"resourceVersion": "1"}})
    assert stale.code == 409


async def test_answers_in_yaml(api: Api) -> None:
    await api.post(f"{CORE}/configmaps", config_map("a"))
    answer = await api.get(f"{CORE}/configmaps/a", accept="application/yaml")
    assert answer.headers["content-type"] == "application/yaml"
    assert b"kind: ConfigMap" in answer.body


async def test_names_in_warnings_are_harmless(api: Api) -> None:
    answer = await api.post(f"{CORE}/configmaps", {**config_map("a"), 'a"\nSet-Cookie: é': 1})
    assert answer.headers["warning"] == '299 - "unknown field \\"a\\"?Set-Cookie: ?\\""'


@pytest.mark.parametrize("type", ["application/json", "application/yaml", "application/apply-patch+yaml"])
async def test_bodies_that_are_nested_too_deeply_are_refused(api: Api, type: str) -> None:
    body = b'{"metadata": {"name": "a"}, "data": ' + b"[" * 400 + b"]" * 400 + b"}"
    if type.endswith("patch+yaml"):
        answer = await api.call("PATCH", f"{CORE}/configmaps/a?fieldManager=x", body, type=type)
    else:
        answer = await api.post(f"{CORE}/configmaps", body, type=type)
    assert answer.code == 400


async def test_a_binding_may_be_posted_to_its_own_collection(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p"))
    body = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert (await api.post(f"{CORE}/bindings", body)).code == 201
    assert (await api.get(f"{CORE}/pods/p")).body["spec"]["nodeName"] == "n"
