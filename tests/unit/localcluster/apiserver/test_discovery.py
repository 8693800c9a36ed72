"""Discovery and OpenAPI: what clients find out before they do anything."""

import pytest

from shipway.kube.objects.wire import Request
from tests.unit.localcluster.apiserver.conftest import Api

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def test_aggregated_discovery(api: Api) -> None:
    core = await api.get("/api", accept=AGGREGATED)
    assert core.headers["content-type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    (group,) = core.body["items"]
    resources = {entry["resource"]: entry for entry in group["versions"][0]["resources"]}
    assert resources["pods"]["shortNames"] == ["po"]
    assert {"subresource": "log", "responseKind": {"group": "", "version": "v1", "kind": "Pod"}, "verbs": ["get"]} in resources[
        "pods"
    ]["subresources"]
    others = await api.get("/apis", accept=AGGREGATED)
    assert {item["metadata"]["name"] for item in others.body["items"]} >= {"apps", "batch", "rbac.authorization.k8s.io"}


async def test_old_discovery(api: Api) -> None:
    assert (await api.get("/api")).body["versions"] == ["v1"]
    groups = (await api.get("/apis/", accept="*/*")).body["groups"]
    assert {group["preferredVersion"]["groupVersion"] for group in groups} >= {"apps/v1", "autoscaling/v2"}
    assert (await api.get("/apis/apps")).body["kind"] == "APIGroup"
    entries = {entry["name"]: entry for entry in (await api.get("/apis/apps/v1")).body["resources"]}
    assert entries["deployments/scale"]["kind"] == "Scale"
    assert entries["deployments/scale"]["group"] == "autoscaling"
    assert entries["deployments"]["categories"] == ["all"]


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps/v1", "/openapi/v3", "/openapi/v3/apis/apps/v1"])
async def test_who_has_the_newest_is_told_so(api: Api, path: str) -> None:
    first = await api.send("GET", path)
    assert first.headers["vary"] == "Accept"
    from shipway.kube.objects.wire import Request

    again = await api.server.send(Request("GET", path, (), {"if-none-match": first.headers["etag"]}))
    assert (again.status, again.body) == (304, b"")


async def test_openapi_documents_hold_what_kubectl_looks_for(api: Api) -> None:
    document = (await api.get("/openapi/v3/apis/apps/v1")).body
    schema = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "apps", "kind": "Deployment", "version": "v1"}]
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]


async def test_health_and_version(api: Api) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        assert (await api.get(path)).body == b"ok"
    assert (await api.get("/version/")).body["minor"] == "36"


@pytest.mark.parametrize(
    ("path", "is_plain"),
    [
        ("/apis/apiregistration.k8s.io/v1/apiservices", True),
        ("/apis/metrics.k8s.io/v1beta1/nodes", True),
        ("/api/v1/componentstatuses", False),
        ("/api/v1/namespaces/default/services/web/proxy/", False),
    ],
)
async def test_what_is_not_served_is_not_found(api: Api, path: str, is_plain: bool) -> None:
    """A group that a server does not have is no resource to it, so its answer is no Status."""
    answer = await api.server.send(Request("GET", path))
    assert answer.status == 404
    text = answer.body.decode()
    assert text == "404 page not found\n" if is_plain else '"reason":"NotFound"' in text
