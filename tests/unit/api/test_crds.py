"""The definitions in the package load and are structural."""

from shipway.api.crds import load_crds, load_router_crds
from shipway.kube.objects.schema import crd_schema


def test_every_definition_loads_with_a_schema() -> None:
    crds = load_crds()
    names = [crd["metadata"]["name"] for crd in crds]
    assert names == sorted(names)
    assert {"applications.argoproj.io", "appprojects.argoproj.io", "applicationsets.argoproj.io"} <= set(names)
    for crd in crds:
        for version in crd["spec"]["versions"]:
            assert crd_schema(version["schema"]["openAPIV3Schema"]).type == "object"


def test_an_application_has_no_status_subresource_and_argo_cds_columns() -> None:
    crd = next(crd for crd in load_crds() if crd["metadata"]["name"] == "applications.argoproj.io")
    version = crd["spec"]["versions"][0]
    assert "status" not in version["subresources"]
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["Sync Status", "Health Status", "Revision", "Project"]


def test_kinds_of_traffic_routers_are_kept_apart() -> None:
    routers = [crd["metadata"]["name"] for crd in load_router_crds()]
    assert routers == [
        "apisixroutes.apisix.apache.org",
        "destinationrules.networking.istio.io",
        "mappings.getambassador.io",
        "traefikservices.traefik.io",
        "trafficsplits.split.smi-spec.io",
        "virtualnodes.appmesh.k8s.aws",
        "virtualrouters.appmesh.k8s.aws",
        "virtualservices.appmesh.k8s.aws",
        "virtualservices.networking.istio.io",
    ]
    assert not set(routers) & {crd["metadata"]["name"] for crd in load_crds()}
    for crd in load_router_crds():
        for version in crd["spec"]["versions"]:
            assert crd_schema(version["schema"]["openAPIV3Schema"]).type == "object"
