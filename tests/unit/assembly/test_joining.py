"""What a cluster that joins grants: what an installation begins with, and nothing that could grant itself more."""

from pathlib import Path

from shipway.assembly.joining import MANAGES, RIGHTS, Joining, secret_name, wanted_there
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


def test_secrets_of_two_servers_have_two_names_that_an_object_can_have() -> None:
    names = [
        secret_name(url) for url in ("https://10.0.0.1:6443", "https://10.0.0.1:6444", "https://[::1]:6443", "https://a.b/c")
    ]
    assert len(set(names)) == 4
    assert all(name.startswith("cluster-") and ":" not in name and "[" not in name for name in names)
