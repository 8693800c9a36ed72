"""The cluster that rehearsals play in."""

from shipway.api.kinds import SERVICES
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import spec_of
from shipway.kube.runtime.decision import Delete
from shipway.rehearsal.world import PlayedCluster

KNATIVE = Resource("serving.knative.dev", "v1", "Service", "services")


def named(**spec: str) -> Obj:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def test_kinds_of_one_name_in_two_groups_are_two_kinds() -> None:
    cluster = PlayedCluster(Instant(0.0))
    cluster.put(SERVICES, named(of="kubernetes"))
    cluster.put(KNATIVE, named(of="knative"))
    assert [spec_of(obj)["of"] for obj in cluster.list(SERVICES)] == ["kubernetes"]
    assert [spec_of(obj)["of"] for obj in cluster.list(KNATIVE, "shop")] == ["knative"]
    cluster.perform(Delete(KNATIVE, "shop", "web"))
    assert cluster.get(KNATIVE, "shop", "web") is None
    assert cluster.get(SERVICES, "shop", "web") is not None
