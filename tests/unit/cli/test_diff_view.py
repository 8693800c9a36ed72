"""What `shipway app diff` prints."""

import pytest
from msgspec import Struct

from shipway.cli.diff_view import diff_lines, document
from shipway.cli.output import Paint
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj

LIVE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "web",
        "uid": "1",
        "resourceVersion": "7",
        "managedFields": [],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "data": {"colour": "blue", "size": "1"},
    "status": {"seen": True},
}


class Change(Struct, frozen=True):
    ref: Ref
    live: Obj | None
    desired: Obj | None


def change(live: Obj | None, desired: Obj | None, kind: str = "ConfigMap") -> Change:
    return Change(Ref("", kind, "shop", "web"), live, desired)


def desired(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"size": "1", **data}}


def test_only_what_a_sync_would_change_differs() -> None:
    assert diff_lines(change(LIVE, desired(colour="green"))) == [
        "===== ConfigMap shop/web would be changed =====",
        "@@ -1,6 +1,6 @@",
        " apiVersion: v1",
        " data:",
        "-  colour: blue",
        "+  colour: green",
        '   size: "1"',
        " kind: ConfigMap",
        " metadata:",
    ]


def test_what_is_the_same_shows_nothing() -> None:
    assert diff_lines(change(LIVE, desired(colour="blue"))) == ["===== ConfigMap shop/web would be changed ====="]


def test_new_and_old_objects_say_what_becomes_of_them() -> None:
    assert diff_lines(change(None, desired()))[0] == "===== ConfigMap shop/web would be created ====="
    assert diff_lines(change(LIVE, None))[0] == "===== ConfigMap shop/web is not in Git: a sync with prune deletes it ====="
    assert all(line.startswith(("=", "@", "+")) for line in diff_lines(change(None, desired())))


def test_colours() -> None:
    lines = diff_lines(change(LIVE, desired(colour="green")), Paint(True))
    assert "\x1b[31m-  colour: blue\x1b[0m" in lines
    assert "\x1b[32m+  colour: green\x1b[0m" in lines


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_values_of_secrets_never_appear(field: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": copy_obj(LIVE["metadata"])}
    secret["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = '{"data":{"k":"aGlkZGVu"}}'
    live = {**secret, field: {"password": "aGlkZGVu", "user": "aGlkZGVuLXRvbw==", "old": "Z29uZQ=="}}
    wanted = {**secret, field: {"password": "Y2hhbmdlZA==", "user": "aGlkZGVuLXRvbw=="}}
    text = "\n".join(diff_lines(change(live, wanted, "Secret")))
    assert "-  old: '******** (live)'" in text
    assert "-  password: '******** (live)'" in text
    assert "+  password: '******** (desired)'" in text
    assert "   user: '********'" in text
    assert not any(value in text for value in ("aGlkZGVu", "Y2hhbmdlZA", "Z29uZQ", "last-applied"))


def test_the_same_for_programs() -> None:
    found = document([change(LIVE, desired(colour="green")), change(None, desired()), change(LIVE, None)])
    assert [item["action"] for item in found["items"]] == ["update", "create", "prune"]
    assert "+  colour: green" in found["items"][0]["diff"]
    assert found["kind"] == "ApplicationDiff"
