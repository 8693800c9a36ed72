"""What counts as an orphan, and to whom."""

from typing import Any

import pytest

from shipway.api.application import parse_project, parse_spec
from shipway.gitops.orphans import is_claim_of, leaves_out_kind, may_be_orphan, of_project, orphans
from shipway.gitops.scope import Scope, read_scope
from shipway.kube.objects.resource import Ref

DESTINATION = {"server": "https://kubernetes.default.svc", "namespace": "shop"}
SPEC = parse_spec({"spec": {"project": "team", "source": {"repoURL": "r"}, "destination": DESTINATION}})
SERVICE_ACCOUNT = "kubernetes.io/service-account."
TOKEN = {SERVICE_ACCOUNT + "name": "robot", SERVICE_ACCOUNT + "uid": "u"}
ALL = {"destinations": [{"server": "*", "namespace": "*"}]}


@pytest.mark.parametrize(
    ("ref", "meta", "is_one"),
    [
        (Ref("", "ConfigMap", "shop", "left"), {}, True),
        (Ref("", "ConfigMap", "shop", "left"), {"ownerReferences": [{"uid": "u"}]}, False),
        (Ref("", "ConfigMap", "shop", "kube-root-ca.crt"), {}, False),
        (Ref("example.com", "ConfigMap", "shop", "kube-root-ca.crt"), {}, True),
        (Ref("", "ServiceAccount", "shop", "default"), {}, False),
        (Ref("", "Service", "default", "kubernetes"), {}, False),
        (Ref("", "Service", "shop", "kubernetes"), {}, True),
        (Ref("", "Namespace", "", "shop"), {}, False),
        (Ref("", "Secret", "shop", "robot-token-x"), {"annotations": TOKEN}, False),
        (Ref("", "Secret", "shop", "robot-token"), {"annotations": {SERVICE_ACCOUNT + "name": "robot"}}, True),
        (Ref("operators.coreos.com", "ClusterServiceVersion", "shop", "x"), {"annotations": {"olm.operatorGroup": "g"}}, False),
        (Ref("operators.coreos.com", "ClusterServiceVersion", "shop", "x"), {}, True),
    ],
)
def test_what_may_be_one(ref: Ref, meta: dict[str, Any], is_one: bool) -> None:
    assert may_be_orphan(ref, {"metadata": meta}) is is_one


@pytest.mark.proves("002-30")
@pytest.mark.parametrize(
    ("group", "kind", "is_left_out"),
    [
        ("coordination.k8s.io", "Lease", True),
        ("", "Event", True),
        ("events.k8s.io", "Event", True),
        ("discovery.k8s.io", "EndpointSlice", True),
        ("", "Endpoints", True),
        ("apps", "ControllerRevision", True),
        ("cilium.io", "CiliumIdentity", True),
        ("", "ConfigMap", False),
    ],
)
def test_kinds_that_never_count_need_not_be_watched(group: str, kind: str, is_left_out: bool) -> None:
    scope = read_scope({"resource.exclusions": "- apiGroups: [cilium.io]\n  kinds: [CiliumIdentity]\n"})
    assert leaves_out_kind(group, kind, scope) is is_left_out
    assert not leaves_out_kind("cilium.io", "CiliumIdentity", Scope())


@pytest.mark.compat("argocd:project.orphanedResources")
@pytest.mark.parametrize(
    ("project", "counts"),
    [
        ({}, True),
        ({"orphanedResources": {"ignore": [{"kind": "ConfigMap", "name": "le*"}]}}, False),
        ({"orphanedResources": {"ignore": [{"kind": "ConfigMap"}]}}, False),
        ({"orphanedResources": {"ignore": [{}]}}, False),
        ({"orphanedResources": {"ignore": [{"group": "*", "name": "left"}]}}, False),
        ({"orphanedResources": {"ignore": [{"group": "apps", "kind": "ConfigMap"}]}}, True),
        ({"orphanedResources": {"ignore": [{"name": "[l"}, {"name": "x"}]}}, True),
        ({"namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}]}, False),
        ({"destinations": [{"server": "*", "namespace": "other"}]}, False),
    ],
)
def test_the_project_says_what_it_speaks_of(project: dict[str, Any], counts: bool) -> None:
    spec = parse_project({"spec": {**ALL, **project}})
    assert of_project(SPEC, spec)(Ref("", "ConfigMap", "shop", "left")) is counts


@pytest.mark.compat("argocd:project.orphanedResources")
@pytest.mark.parametrize(
    ("kind", "name", "is_its_own"),
    [
        ("PersistentVolumeClaim", "data-web-0", True),
        ("PersistentVolumeClaim", "data-of-it-my-db-12", True),
        ("PersistentVolumeClaim", "data-web", False),
        ("PersistentVolumeClaim", "web-0", False),
        ("PersistentVolumeClaim", "data-web-a", False),
        ("PersistentVolumeClaim", "data-other-0", False),
        ("ConfigMap", "data-web-0", False),
    ],
)
def test_claims_of_a_stateful_set_name_no_owner_and_are_its_own(kind: str, name: str, is_its_own: bool) -> None:
    assert is_claim_of(Ref("", kind, "shop", name), {"web", "my-db"}) is is_its_own
    meta = {"namespace": "shop", "name": name}
    objects = [{"apiVersion": "v1", "kind": kind, "metadata": meta}]
    sets = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": "shop", "name": "web"}}]
    found = orphans([*objects, *sets], SPEC, parse_project({"spec": ALL}), Scope(), ())
    assert (name in {one.ref.name for one in found}) is (not is_its_own or "my-db" in name)
