"""The volumes of a pod that is a process: what lies in them (pure), and how that is laid out below the pod's directory.

Pods of a local node share the machine's file system, so a mount path is a place below the pod's own directory: what is mounted
at `/etc/app` lies at `etc/app` of the directory that the process starts in, and `VOL_<NAME>` tells its full path. emptyDir,
configMap, secret, downwardAPI and projected are files; of other kinds there is nothing, which an event says. Content is read
when a container starts, not again while it runs, and tokens of service accounts are not written.
"""

import base64
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import orjson
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, spec_of
from shipway.localcluster.node.environment import Facts, Source, field_value

KINDS = ("emptyDir", "configMap", "secret", "downwardAPI", "projected")
_FOLDER = ".volumes"
_MODE = 0o644


class File(Struct, frozen=True):
    """One file of a volume; `path` is relative to it."""

    path: str
    content: bytes
    mode: int = _MODE


class Volume(Struct, frozen=True):
    """One volume that a container mounts. `files` None: what is in it is left alone."""

    name: str
    files: tuple[File, ...] | None


class Mount(Struct, frozen=True):
    """`at` is relative to the pod's directory, `sub_path` to the volume."""

    volume: str
    at: str
    sub_path: str = ""


class Layout(Struct, frozen=True):
    """All that one container mounts. `missing`: (volume, kind) of which there is nothing here."""

    volumes: tuple[Volume, ...] = ()
    mounts: tuple[Mount, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def variables(self, root: Path) -> dict[str, str]:
        """What the process is told of its volumes."""
        places = {f"VOL_{mount.volume.upper().replace('-', '_')}": str(root / mount.at) for mount in self.mounts}
        return {"POD_ROOT": str(root), **places}


def sources_of(pod: Obj, container: Obj) -> tuple[Source, ...]:
    """The ConfigMaps and Secrets that the mounted volumes are made of."""
    found: list[Source] = []
    for volume in _mounted(pod, container):
        for part in _parts(volume):
            if (ref := part.get("configMap")) is not None:
                found.append(Source("ConfigMap", ref.get("name") or "", bool(ref.get("optional"))))
            elif (ref := part.get("secret")) is not None:
                found.append(Source("Secret", ref.get("secretName") or ref.get("name") or "", bool(ref.get("optional"))))
    return tuple(sorted(set(found)))


def layout_of(pod: Obj, container: Obj, facts: Facts) -> Layout:
    """Raises InvalidInput (ContainerCreating) for a source or key that is not there, or a path that leads outside."""
    volumes: list[Volume] = []
    missing: list[tuple[str, str]] = []
    for volume in _mounted(pod, container):
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind in KINDS:
            volumes.append(Volume(volume["name"], None if kind == "emptyDir" else tuple(_files(pod, volume, facts))))
        else:
            missing.append((volume["name"], kind))
    known = {volume.name for volume in volumes}
    mounts = [
        Mount(mount["name"], _inside(mount.get("mountPath") or ""), _relative(mount.get("subPath") or "", mount["name"]))
        for mount in container.get("volumeMounts") or ()
        if mount.get("name") in known
    ]
    return Layout(tuple(volumes), tuple(mounts), tuple(missing))


def _mounted(pod: Obj, container: Obj) -> list[Obj]:
    names = {mount.get("name") for mount in container.get("volumeMounts") or ()}
    return [volume for volume in spec_of(pod).get("volumes") or () if volume.get("name") in names]


def _parts(volume: Obj) -> list[Obj]:
    """A projected volume is made of several sources, each of which is as a volume of its kind."""
    return dig(volume, "projected", "sources", default=[]) if "projected" in volume else [volume]


def _files(pod: Obj, volume: Obj, facts: Facts) -> Iterator[File]:
    for part in _parts(volume):
        kind = next((kind for kind in ("configMap", "secret", "downwardAPI") if part.get(kind) is not None), "")
        source: Obj = part.get(kind) or {}
        mode = source.get("defaultMode") or dig(volume, "projected", "defaultMode") or _MODE
        if kind == "downwardAPI":
            yield from _downward(pod, source, mode, facts, volume["name"])
        elif kind:
            yield from _keys(kind, source, mode, facts, volume["name"])


def _keys(kind: str, source: Obj, mode: int, facts: Facts, volume: str) -> Iterator[File]:
    name = source.get("secretName") or source.get("name") or ""
    obj = facts.sources.get(("ConfigMap" if kind == "configMap" else "Secret", name))
    if obj is None:
        if source.get("optional"):
            return
        raise _broken(volume, f'{kind.lower()} "{name}" not found: create it, or mark the volume optional')
    content = _content(kind, obj)
    if not (items := source.get("items")):
        yield from (File(_relative(key, volume), value, mode) for key, value in sorted(content.items()))
    for item in items or ():
        key = item.get("key") or ""
        if key in content:
            yield File(_relative(item.get("path") or key, volume), content[key], item.get("mode") or mode)
        elif not source.get("optional"):
            raise _broken(volume, f'{kind.lower()} "{name}" has no key {key}: add it')


def _content(kind: str, obj: Obj) -> dict[str, bytes]:
    data: Mapping[str, str] = obj.get("data") or {}
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary: Mapping[str, str] = obj.get("binaryData") or {}
    return {key: value.encode() for key, value in data.items()} | {k: base64.b64decode(v) for k, v in binary.items()}


def _downward(pod: Obj, source: Obj, mode: int, facts: Facts, volume: str) -> Iterator[File]:
    for item in source.get("items") or ():
        path = _relative(item.get("path") or "", volume)
        field = dig(item, "fieldRef", "fieldPath")
        if field is None:
            raise _broken(volume, f"{path}: resourceFieldRef is not supported here: use fieldRef")
        whole = {"metadata.labels": labels_of, "metadata.annotations": annotations_of}.get(field)
        text = _listed(whole(pod)) if whole else field_value(pod, field, facts)
        yield File(path, text.encode(), item.get("mode") or mode)


def _listed(values: Mapping[str, str]) -> str:
    """As a kubelet writes labels into a file."""
    return "\n".join(f"{key}={orjson.dumps(value).decode()}" for key, value in sorted(values.items()))


def _inside(path: str) -> str:
    """An absolute path of the pod as one that is relative to its directory, which it cannot leave."""
    return posixpath.normpath(f"/{path}").lstrip("/")


def _relative(path: str, volume: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise _broken(volume, f'path "{path}" leads out of the volume: make it relative, without ..')
    return path


def _broken(volume: str, message: str) -> InvalidInput:
    return InvalidInput(f'MountVolume.SetUp failed for volume "{volume}" : {message}', reason="ContainerCreating")


# --- on disk ---------------------------------------------------------------------------------------------------------------


def lay_out(layout: Layout, root: Path) -> None:
    """Writes the volumes below `root`, the pod's directory, and links the mount paths to them. Raises InvalidInput."""
    folder = root / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for volume in layout.volumes:
        place = folder / volume.name
        place.mkdir(exist_ok=True)
        if volume.files is not None:
            _fill(place, {place / file.path: file for file in volume.files})
    for mount in layout.mounts:
        _link(root, mount)


def _fill(place: Path, files: Mapping[Path, File]) -> None:
    """Each file is whole at any moment: another container of the pod may be reading it."""
    for path, file in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"..{path.name}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(file.content)
        fresh.chmod(file.mode | 0o400)
        fresh.replace(path)
    for found in place.rglob("*"):
        if not found.is_dir() and found not in files:
            found.unlink()


def _link(root: Path, mount: Mount) -> None:
    target, at = root / _FOLDER / mount.volume / mount.sub_path, root / mount.at
    if not target.exists():
        target.mkdir(parents=True)
    if at.is_symlink() and at.readlink() == target:
        return
    if not mount.at or at.exists() or at.is_symlink() or any(parent.is_symlink() for parent in _between(root, at)):
        what = "another volume, or a file, is there already (the containers of a local pod share one directory)"
        raise _broken(mount.volume, f"nothing can be mounted at /{mount.at}: {what}")
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(target)


def _between(root: Path, path: Path) -> Iterable[Path]:
    return path.parents[: len(path.relative_to(root).parts) - 1]
