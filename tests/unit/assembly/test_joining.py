"""What a cluster that joins grants: what an installation begins with, and nothing that could grant itself more."""

from pathlib import Path

import pytest

from shipway.assembly.joining import MANAGES, RIGHTS, WITHOUT_NAMESPACE, Joining, secret_name, wanted_there
from shipway.kube.objects.reach import Reach
from shipway.kube.objects.yaml import load_all

MANAGED = Path(__file__).parents[3] / "deploy" / "managed.yaml"


def test_the_rights_are_those_that_an_installation_begins_with() -> None:
    objects = load_all(MANAGED.read_text())
    (common,) = [obj for obj in objects if obj["metadata"].get("labels") == {MANAGES: "true"}]
    ours = [{"apiGroups": [group], "resources": list(plural), "verbs": verbs} for group, plural, verbs in RIGHTS]
    definitions = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]}
    assert ours == [*common["rules"], {**definitions, "verbs": ["list", "watch"]}]
    assert not any("*" in str(obj.get("rules")) for _, obj in wanted_there(Joining()))
    assert any("*" in str(obj.get("rules")) for _, obj in wanted_there(Joining(is_admin=True)))


@pytest.mark.parametrize("is_admin", [False, True])
@pytest.mark.parametrize("cluster_resources", [False, True])
def test_rights_in_some_namespaces_are_roles_there(is_admin: bool, cluster_resources: bool) -> None:
    made = wanted_there(Joining("ops", is_admin, Reach(("a", "b"), cluster_resources)))
    places = [(obj["kind"], obj["metadata"].get("namespace", "")) for _, obj in made]
    roles = [(kind, space) for space in ("a", "b") for kind in ("Role", "RoleBinding")]
    cluster_roles = [("ClusterRole", ""), ("ClusterRoleBinding", "")] if cluster_resources else []
    assert places == [("ServiceAccount", "ops"), ("Secret", "ops"), *roles, *cluster_roles]
    subjects = [obj["subjects"] for _, obj in made if "subjects" in obj]
    assert all(one == [{"kind": "ServiceAccount", "name": "shipway-manager", "namespace": "ops"}] for one in subjects)
    spoken_of = {
        kind: {plural for _, obj in made if obj["kind"] == kind for rule in obj["rules"] for plural in rule["resources"]}
        for kind in ("Role", "ClusterRole")
    }
    everything = {plural for _, plurals, _ in RIGHTS for plural in plurals}
    assert spoken_of["Role"] == ({"*"} if is_admin else everything - set(WITHOUT_NAMESPACE))
    assert spoken_of["ClusterRole"] == (set(WITHOUT_NAMESPACE) if cluster_resources else set())


def test_secrets_of_two_servers_have_two_names_that_an_object_can_have() -> None:
    names = [
        secret_name(url) for url in ("https://10.0.0.1:6443", "https://10.0.0.1:6444", "https://[::1]:6443", "https://a.b/c")
    ]
    assert len(set(names)) == 4
    assert all(name.startswith("cluster-") and ":" not in name and "[" not in name for name in names)
