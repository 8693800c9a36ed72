"""A live object as a manifest: what a server or a controller added is not in it."""

import pytest

from shipway.gitops.manifest import manifest_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj

META: Obj = {
    "name": "web",
    "namespace": "shop",
    "uid": "u",
    "resourceVersion": "7",
    "generation": 3,
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "managedFields": [{"manager": "kubectl"}],
    "finalizers": ["kubernetes.io/pvc-protection"],
    "labels": {"app": "web"},
    "annotations": {
        "argocd.argoproj.io/tracking-id": "gone:/ConfigMap:shop/web",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "deployment.kubernetes.io/revision": "4",
        "meta.helm.sh/release-name": "old",
        "shipway.dev/applied": "h",
        "example.com/note": "mine",
    },
}
CLEAN: Obj = {"name": "web", "labels": {"app": "web"}, "annotations": {"example.com/note": "mine"}}


def live(kind: str, **fields: object) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": META, "status": {"x": 1}, **fields}


def test_only_what_somebody_wants_is_left_of_the_metadata() -> None:
    obj = live("ConfigMap", data={"colour": "blue"})
    before = copy_obj(obj)
    assert manifest_of(obj, "shop") == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": CLEAN, "data": {"colour": "blue"}}
    assert list(manifest_of(obj, "shop")) == ["apiVersion", "kind", "metadata", "data"]
    assert manifest_of(obj, "other")["metadata"]["namespace"] == "shop"
    assert obj == before


PORTS = [{"port": 80, "nodePort": 30080}]
UIDS = {"controller-uid": "u", "batch.kubernetes.io/job-name": "web"}


@pytest.mark.parametrize(
    ("kind", "spec", "wanted"),
    [
        ("Service", {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": PORTS}, {"ports": PORTS}),
        ("Service", {"clusterIP": "None", "ports": PORTS}, {"clusterIP": "None", "ports": PORTS}),
        ("PersistentVolumeClaim", {"volumeName": "pv-1", "accessModes": ["x"]}, {"accessModes": ["x"]}),
        ("Pod", {"nodeName": "n", "containers": []}, {"containers": []}),
        (
            "Job",
            {"selector": {"matchLabels": UIDS}, "template": {"metadata": {"labels": {**UIDS, "app": "web"}}}},
            {"template": {"metadata": {"labels": {"app": "web"}}}},
        ),
        ("Job", {"manualSelector": True, "selector": {}}, {"manualSelector": True, "selector": {}}),
        (
            "Deployment",
            {"selector": {}, "template": {"metadata": {"creationTimestamp": None, "labels": {}}}},
            {"selector": {}, "template": {"metadata": {"labels": {}}}},
        ),
    ],
)
def test_what_was_allotted_is_dropped(kind: str, spec: Obj, wanted: Obj) -> None:
    assert manifest_of(live(kind, spec=spec), "shop")["spec"] == wanted
