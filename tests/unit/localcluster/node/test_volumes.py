"""What lies in a pod's volumes, and how it is laid out below its directory."""

import base64
from pathlib import Path
from typing import Any

import pytest

from shipway.base.errors import InvalidInput
from shipway.localcluster.node.environment import Facts, Source
from shipway.localcluster.node.volumes import File, lay_out, layout_of, sources_of

CONFIG = {"data": {"app.yaml": "a: 1", "log": "debug"}, "binaryData": {"raw": base64.b64encode(b"\0\1").decode()}}
SECRET = {"data": {"token": base64.b64encode(b"hush").decode()}}
FACTS = Facts("10.244.1.2", "127.0.0.1", {("ConfigMap", "app"): CONFIG, ("Secret", "key"): SECRET})


def pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "labels": {"b": '2"', "a": "1"}}
    return {"metadata": metadata, "spec": {"volumes": [*volumes]}}


def mounting(*names: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "volumeMounts": [{"name": name, "mountPath": f"/etc/{name}", **more} for name in names]}


def files(volume: dict[str, Any]) -> dict[str, bytes]:
    (found,) = layout_of(pod({"name": "v", **volume}), mounting("v"), FACTS).volumes
    return {file.path: file.content for file in found.files or ()}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "app"}}, {"app.yaml": b"a: 1", "log": b"debug", "raw": b"\0\1"}),
        ({"configMap": {"name": "app", "items": [{"key": "log", "path": "x/level"}]}}, {"x/level": b"debug"}),
        ({"secret": {"secretName": "key"}}, {"token": b"hush"}),
        ({"secret": {"secretName": "gone", "optional": True}}, {}),
        ({"configMap": {"name": "app", "optional": True, "items": [{"key": "no", "path": "no"}]}}, {}),
        ({"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}, {"name": b"web"}),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": b'a="1"\nb="2\\""'},
        ),
        (
            {"projected": {"sources": [{"secret": {"name": "key"}}, {"configMap": {"name": "app", "items": []}}]}},
            {"token": b"hush", "app.yaml": b"a: 1", "log": b"debug", "raw": b"\0\1"},
        ),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}, {}),
        ({"emptyDir": {}}, {}),
    ],
)
def test_what_lies_in_a_volume(volume: dict[str, Any], expected: dict[str, bytes]) -> None:
    assert files(volume) == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "gone"}}, 'failed for volume "v" : configmap "gone" not found: create it'),
        ({"secret": {"secretName": "key", "items": [{"key": "no", "path": "no"}]}}, 'secret "key" has no key no: add it'),
        ({"configMap": {"name": "app", "items": [{"key": "log", "path": "../log"}]}}, "leads out of the volume"),
        ({"configMap": {"name": "app", "items": [{"key": "log", "path": "/log"}]}}, "leads out of the volume"),
        ({"downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": {}}]}}, "resourceFieldRef is not supported"),
    ],
)
def test_what_cannot_be_mounted_says_why(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        files(volume)


def test_only_what_a_container_mounts_is_read() -> None:
    both = pod(
        {"name": "a", "configMap": {"name": "app"}}, {"name": "b", "projected": {"sources": [{"secret": {"name": "s"}}]}}
    )
    assert sources_of(both, mounting("a")) == (Source("ConfigMap", "app"),)
    assert sources_of(both, mounting("a", "b")) == (Source("ConfigMap", "app"), Source("Secret", "s"))
    assert layout_of(both, mounting(), FACTS).volumes == ()


def test_what_has_no_place_here_is_named() -> None:
    found = layout_of(pod({"name": "disk", "hostPath": {"path": "/"}}), mounting("disk"), FACTS)
    assert (found.missing, found.mounts) == ((("disk", "hostPath"),), ())


def test_files_lie_below_the_pods_directory(tmp_path: Path) -> None:
    here = pod({"name": "v", "secret": {"secretName": "key", "defaultMode": 0o440}}, {"name": "scratch"})
    layout = layout_of(here, mounting("v", "scratch"), FACTS)
    assert layout.variables(tmp_path)["VOL_V"] == str(tmp_path / "etc/v")
    lay_out(layout, tmp_path)
    assert (tmp_path / "etc/v/token").read_bytes() == b"hush"
    assert (tmp_path / "etc/v/token").stat().st_mode & 0o777 == 0o440
    assert (tmp_path / ".volumes").stat().st_mode & 0o777 == 0o700
    (tmp_path / "etc/scratch/mine").write_text("kept")
    lay_out(layout_of(here, mounting("v", "scratch"), Facts("", "", {("Secret", "key"): {"data": {"new": ""}}})), tmp_path)
    assert [path.name for path in (tmp_path / "etc/v").iterdir()] == ["new"]
    assert (tmp_path / "etc/scratch/mine").read_text() == "kept"


@pytest.mark.parametrize("path", ["/../../etc", "../../etc", "etc/./", "/etc"])
def test_no_mount_path_leaves_the_pods_directory(path: str, tmp_path: Path) -> None:
    container = {"volumeMounts": [{"name": "v", "mountPath": path}]}
    lay_out(layout_of(pod({"name": "v", "emptyDir": {}}), container, FACTS), tmp_path / "pod")
    assert (tmp_path / "pod/etc").is_symlink()


def test_a_sub_path_is_a_part_of_its_volume(tmp_path: Path) -> None:
    lay_out(layout_of(pod({"name": "v", "configMap": {"name": "app"}}), mounting("v", subPath="log"), FACTS), tmp_path)
    assert (tmp_path / "etc/v").read_text() == "debug"
    with pytest.raises(InvalidInput, match="leads out of the volume"):
        layout_of(pod({"name": "v", "emptyDir": {}}), mounting("v", subPath="../../x"), FACTS)


@pytest.mark.parametrize("path", ["/etc/v", "/etc/v/deeper", "/"])
def test_two_volumes_at_one_place_are_refused(path: str, tmp_path: Path) -> None:
    here = pod({"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}})
    lay_out(layout_of(here, mounting("v"), FACTS), tmp_path)
    other = {"volumeMounts": [{"name": "w", "mountPath": path}]}
    with pytest.raises(InvalidInput, match="nothing can be mounted at"):
        lay_out(layout_of(here, other, FACTS), tmp_path)


def test_a_file_has_a_mode_of_its_own() -> None:
    items = [{"key": "log", "path": "log", "mode": 0o600}, {"key": "raw", "path": "raw"}]
    (found,) = layout_of(pod({"name": "v", "configMap": {"name": "app", "items": items}}), mounting("v"), FACTS).volumes
    assert found.files == (File("log", b"debug", 0o600), File("raw", b"\0\1", 0o644))
