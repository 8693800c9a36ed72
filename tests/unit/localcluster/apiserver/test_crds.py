"""Custom resources: definitions, their life, their objects."""

from typing import Any

import pytest

from tests.unit.localcluster.apiserver.conftest import CORE, STRATEGIC, Api, events, names

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def spec_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["color"],
        "properties": {
            "color": {"type": "string", "enum": ["red", "green"]},
            "replicas": {"type": "integer", "minimum": 0, "default": 2},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }


def widgets_crd(**version: Any) -> dict[str, Any]:
    properties = {"spec": spec_schema(), "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    first: dict[str, Any] = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.replicas"}],
        **version,
    }
    names_of_kind = {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names_of_kind, "versions": [first]}
    return {"metadata": {"name": "widgets.example.com"}, "spec": spec}


def one_version(**changes: Any) -> dict[str, Any]:
    plain = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    return {key: value for key, value in {**plain, **changes}.items() if value is not None}


def widget(name: str, **spec: Any) -> dict[str, Any]:
    body = {"color": "red", **spec}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": body}


async def test_a_definition_is_served_at_once(api: Api) -> None:
    made = await api.post(CRDS, widgets_crd())
    assert made.code == 201
    assert made.body["spec"]["names"]["singular"] == "widget"
    assert made.body["spec"]["names"]["listKind"] == "WidgetList"
    assert made.body["spec"]["conversion"] == {"strategy": "None"}
    assert {c["type"]: c["status"] for c in made.body["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert made.body["status"]["storedVersions"] == ["v1"]
    created = await api.post(WIDGETS, widget("w"))
    assert (created.code, created.body["metadata"]["generation"]) == (201, 1)
    (item,) = (await api.get(WIDGETS)).body["items"]
    assert (item["kind"], item["apiVersion"]) == ("Widget", "example.com/v1")


async def test_discovery_and_openapi_know_it(api: Api) -> None:
    before = (await api.get("/apis")).headers["etag"]
    await api.post(CRDS, widgets_crd())
    groups = await api.get("/apis")
    assert groups.headers["etag"] != before
    assert "example.com" in [group["name"] for group in groups.body["groups"]]
    (main, *_) = (await api.get("/apis/example.com/v1")).body["resources"]
    assert (main["name"], main["shortNames"]) == ("widgets", ["wd"])
    index = (await api.get("/openapi/v3")).body["paths"]
    document = (await api.get(index["apis/example.com/v1"]["serverRelativeURL"].partition("?")[0])).body
    assert document["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]["required"] == ["color"]
    one = next(operations["patch"] for path, operations in document["paths"].items() if path.endswith("/widgets/{name}"))
    assert list(one["requestBody"]["content"]) == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ], "kubectl apply would send a strategic merge patch, which no server takes for a custom resource"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "other.example.com"}}, "metadata.name"),
        ({"spec": {"scope": "Everywhere"}}, "spec.scope"),
        ({"spec": {"preserveUnknownFields": True}}, "spec.preserveUnknownFields"),
        ({"spec": {"versions": [one_version(schema=None)]}}, "spec.versions[0].schema.openAPIV3Schema"),
        ({"spec": {"versions": [one_version(schema={"openAPIV3Schema": {"description": "x"}})]}},
         "spec.validation.openAPIV3Schema.type"),
        ({"spec": {"versions": [one_version(storage=False)]}}, "spec.versions"),
    ],
)  # fmt: skip
async def test_refused_definitions(api: Api, change: dict[str, Any], field: str) -> None:
    body = widgets_crd()
    for key, value in change.items():
        body[key] = {**body[key], **value}
    answer = await api.post(CRDS, body)
    assert answer.code == 422
    assert field in [path for path, _ in answer.causes]


async def test_an_update_needs_a_version(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("w"))
    answer = await api.put(f"{WIDGETS}/w", widget("w", replicas=5))
    assert answer.code == 422
    assert answer.causes == [("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]


async def test_strategic_patches_are_refused(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("w"))
    answer = await api.patch(f"{WIDGETS}/w", {"spec": {"replicas": 3}}, STRATEGIC)
    assert answer.code == 415
    assert "application/strategic-merge-patch+json" not in answer.message


async def test_status_scale_and_generation(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    made = await api.post(WIDGETS, {**widget("w", replicas=3), "status": {"replicas": 7}})
    assert "status" not in made.body
    url = f"{WIDGETS}/w"
    status = await api.patch(
        f"{url}/status", {"status": {"replicas": 3, "selector": "a=b"}, "metadata": {"labels": {"x": "y"}}}
    )
    assert status.body["metadata"]["generation"] == 1
    assert "labels" not in status.body["metadata"]
    scale = await api.get(f"{url}/scale")
    assert (scale.body["spec"], scale.body["status"]) == ({"replicas": 3}, {"replicas": 3, "selector": "a=b"})
    scaled = await api.patch(f"{url}/scale", {"spec": {"replicas": 5}})
    assert scaled.body["spec"] == {"replicas": 5}
    now = (await api.get(url)).body
    assert (now["spec"]["replicas"], now["metadata"]["generation"]) == (5, 2)
    assert (await api.patch(f"{url}/scale", {"spec": {"replicas": -1}})).code == 422


async def test_printer_columns(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("w", replicas=3))
    table = (await api.get(WIDGETS, accept=TABLE)).body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["w", 3]


async def test_all_served_versions_show_the_same_object(api: Api) -> None:
    body = widgets_crd()
    body["spec"]["versions"].append({**body["spec"]["versions"][0], "name": "v2", "storage": False})
    await api.post(CRDS, body)
    await api.post(WIDGETS, widget("w"))
    other = (await api.get(WIDGETS.replace("/v1/", "/v2/") + "/w")).body
    assert other["apiVersion"] == "example.com/v2"
    groups = {group["name"]: group for group in (await api.get("/apis")).body["groups"]}
    assert groups["example.com"]["preferredVersion"]["version"] == "v2"


async def test_a_definition_goes_with_its_last_object(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("plain"))
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.post(WIDGETS, held)
    going = await api.delete(f"{CRDS}/widgets.example.com")
    assert going.body["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert names(await api.get(WIDGETS)) == ["held"]
    refused = await api.post(WIDGETS, widget("new"))
    assert refused.code == 403
    assert "create not allowed while custom resource definition is terminating" in refused.message
    await api.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    assert (await api.get(f"{CRDS}/widgets.example.com")).code == 404
    assert (await api.get(WIDGETS)).body == b"404 page not found\n"


async def test_cluster_scoped_kinds_have_no_namespace(api: Api) -> None:
    body = widgets_crd()
    body["spec"]["scope"] = "Cluster"
    await api.post(CRDS, body)
    made = await api.post("/apis/example.com/v1/widgets", widget("w"))
    assert "namespace" not in made.body["metadata"]
    assert (await api.get(f"{CORE.replace('/api/v1', '/apis/example.com/v1')}/widgets")).code == 404


async def test_an_object_is_pruned_defaulted_and_checked(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    body = widget("w", bogus=1, free={"any": {"thing": 1}}, replicas=None)
    made = await api.post(WIDGETS, body)
    assert made.headers["warning"] == '299 - "unknown field \\"spec.bogus\\""'
    assert made.body["spec"] == {"color": "red", "free": {"any": {"thing": 1}}, "replicas": 2}
    strict = await api.post(f"{WIDGETS}?fieldValidation=Strict", body)
    assert (strict.code, strict.message) == (
        400,
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.bogus"',
    )
    wrong = await api.post(WIDGETS, widget("x", color="blue", replicas=-1))
    assert wrong.code == 422
    assert wrong.causes == [
        ("spec.color", 'Unsupported value: "blue": supported values: "red", "green"'),
        ("spec.replicas", "Invalid value: -1: spec.replicas in body should be greater than or equal to 0"),
        (".spec.replicas", "Invalid value: -1: should be a non-negative integer"),
    ]
    missing = await api.post(WIDGETS, {**widget("y"), "spec": {}})
    assert missing.causes == [("spec.color", "Required value")]


async def test_what_was_wrong_before_does_not_block_a_change(api: Api) -> None:
    loose = widgets_crd()
    loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"] = {"type": "string"}
    await api.post(CRDS, loose)
    await api.post(WIDGETS, widget("w", color="blue"))
    await api.patch(f"{CRDS}/widgets.example.com", {"spec": widgets_crd()["spec"]})
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"replicas": 9}})).code == 200
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"color": "pink"}})).code == 422


async def test_new_defaults_show_on_old_objects(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("w"))
    changed = widgets_crd()
    properties = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["size"] = {"type": "string", "default": "big"}
    await api.patch(f"{CRDS}/widgets.example.com", {"spec": changed["spec"]})
    assert (await api.get(f"{WIDGETS}/w")).body["spec"]["size"] == "big"
    assert (await api.get(WIDGETS)).body["items"][0]["spec"]["size"] == "big"


async def test_applying_a_custom_resource_owns_its_fields(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    first = await api.apply(f"{WIDGETS}/w", widget("w", replicas=3), "git")
    assert first.code == 201
    again = await api.apply(f"{WIDGETS}/w", widget("w", replicas=3), "git")
    assert (again.code, again.body) == (200, first.body)
    conflict = await api.apply(f"{WIDGETS}/w", widget("w", replicas=4), "other")
    assert (conflict.code, conflict.reason) == (409, "Conflict")
    assert conflict.causes == [(".spec.replicas", 'conflict with "git"')]
    forced = await api.apply(f"{WIDGETS}/w", widget("w", replicas=4), "other", force=True)
    assert forced.body["metadata"]["generation"] == 2
    unknown = await api.apply(f"{WIDGETS}/w", widget("w", bogus=1), "git")
    assert unknown.code == 500
    assert unknown.message.endswith(".spec.bogus: field not declared in schema")


async def test_watches_end_with_their_kind(api: Api) -> None:
    await api.post(CRDS, widgets_crd())
    await api.post(WIDGETS, widget("w"))
    response = await api.send("GET", f"{WIDGETS}?watch=true")
    await api.delete(f"{CRDS}/widgets.example.com")
    assert [event["type"] for event in await events(response, 99)] == []
    started = await api.post(CRDS, widgets_crd())
    assert started.code == 201
    watch = await api.send("GET", f"{WIDGETS}?watch=true")
    assert watch.stream is not None
    await api.post(WIDGETS, widget("v"))
    assert b"ADDED" in await anext(watch.stream)
    await api.delete(f"{CRDS}/widgets.example.com")
    assert [event["type"] for event in await events(watch, 99)] == ["DELETED"]
