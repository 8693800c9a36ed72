"""`ConfigManagementPlugin` files as users of Argo CD have them, read strictly: what we would pass over is refused by name.

An Application names a plugin as `metadata.name`, with `-` and `spec.version` behind it where there is one. `parameters` only
announce what may be set, so they change nothing here. `lockRepo` and `preserveFileMode` neither: each run has a copy of its
own, with the modes of Git.
"""

import posixpath
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.snapshot import Snapshot
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, has_magic, matches_segments
from shipway.kube.objects import yaml

MAX_BYTES = 1 << 20
"""Of one file of declarations."""
NETWORK = "shipway.dev/network"
"""Annotation of a declaration: "allowed" leaves the plugin the network."""
_VERSION, _KIND = "argoproj.io/v1alpha1", "ConfigManagementPlugin"
_FIELDS = ("version", "init", "generate", "discover", "parameters", "lockRepo", "preserveFileMode", "provideGitCreds")


class Plugin(Struct, frozen=True):
    """One declaration. `name` is what Applications call it; a command is its words, none for no command."""

    name: str
    generate: tuple[str, ...]
    init: tuple[str, ...] = ()
    file_name: str = ""
    glob: str = ""
    find: tuple[str, ...] = ()
    may_use_network: bool = False

    @property
    def discovers(self) -> bool:
        return bool(self.file_name or self.glob or self.find)

    def finds(self, snapshot: Snapshot, path: str) -> bool:
        """Whether its file name or glob finds something in the folder. Not asked of a `find` command."""
        if self.file_name:
            wanted = posixpath.normpath(self.file_name)
            if not has_magic(wanted):
                return snapshot.kind(posixpath.join(path, wanted)) == "file"
            return any(map(matches_segments(wanted), _below(snapshot, path)))
        return bool(self.glob) and any(map(compile_glob(posixpath.normpath(self.glob), "/"), _below(snapshot, path)))


def load_plugins(folder: Path) -> tuple[Plugin, ...]:
    """The plugins of the `.yaml` and `.yml` files of a folder. Raises `InvalidInput` with file and field."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no such folder: give the one that holds the ConfigManagementPlugin files")
    found: dict[str, Plugin] = {}
    for file in sorted(one for one in folder.iterdir() if one.suffix in (".yaml", ".yml")):
        for declared in _documents(file):
            try:
                plugin = plugin_of(declared)
            except InvalidInput as error:
                raise InvalidInput(f"{file}: {error.message}") from None
            if plugin.name in found:
                raise InvalidInput(f"{file}: the plugin {plugin.name} is declared twice: rename one, or give it a spec.version")
            found[plugin.name] = plugin
    return tuple(found.values())


def plugin_of(declared: Any) -> Plugin:
    """One declaration. Raises `InvalidInput` with the field."""
    if not isinstance(declared, dict) or (declared.get("apiVersion"), declared.get("kind")) != (_VERSION, _KIND):
        raise InvalidInput(f"not a {_KIND}: start it with apiVersion: {_VERSION} and kind: {_KIND}")
    metadata, spec = _map(declared.get("metadata"), "metadata"), _map(declared.get("spec"), "spec")
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise InvalidInput("metadata.name is missing: it is what Applications call the plugin")
    for field in spec:
        if field not in _FIELDS:
            raise InvalidInput(f"spec.{field} is not known: mind the spelling; there are {', '.join(_FIELDS)}")
    if spec.get("provideGitCreds"):
        raise InvalidInput("spec.provideGitCreds is not supported: leave it out; submodules are already in the plugin's copy")
    discover = _map(spec.get("discover"), "spec.discover")
    find = _map(discover.get("find"), "spec.discover.find")
    generate = _command(spec.get("generate"), "spec.generate")
    if not generate:
        raise InvalidInput("spec.generate.command is missing: say which command prints the manifests")
    version = str(spec.get("version") or "")
    return Plugin(
        name=f"{metadata['name']}-{version}" if version else metadata["name"],
        generate=generate,
        init=_command(spec.get("init"), "spec.init"),
        file_name=_pattern(discover.get("fileName"), "spec.discover.fileName"),
        glob=_pattern(find.get("glob"), "spec.discover.find.glob"),
        find=_command({key: find[key] for key in ("command", "args") if key in find}, "spec.discover.find"),
        may_use_network=_map(metadata.get("annotations"), "metadata.annotations").get(NETWORK) == "allowed",
    )


def digest_of(plugins: Sequence[Plugin]) -> str:
    """What renders are filed under besides their content: another declaration is another render."""
    return blake2b(msgspec.json.encode(plugins), digest_size=10).hexdigest() if plugins else ""


def _documents(file: Path) -> Iterator[Any]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}: make it a file that this process can read") from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"{file}: larger than {MAX_BYTES >> 20} MiB: that is no declaration of a plugin")
    try:
        yield from (document for document in yaml.load_all(content) if document is not None)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}") from None


def _below(snapshot: Snapshot, path: str) -> Iterator[str]:
    prefix = f"{path.strip('/')}/" if path.strip("/.") else ""
    for name in snapshot.files(path):
        yield name.removeprefix(prefix)


def _map(value: Any, where: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InvalidInput(f"{where} is not a map: correct it")
    return value or {}


def _command(value: Any, where: str) -> tuple[str, ...]:
    """The words of `command` and `args`."""
    block = _map(value, where)
    words: list[str] = []
    for key in ("command", "args"):
        listed = block.get(key) or []
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            raise InvalidInput(f"{where}.{key} is not a list of texts: write each word as one")
        words += listed
    if words and not block.get("command"):
        raise InvalidInput(f"{where}.command is missing: args alone start nothing")
    return tuple(words)


def _pattern(value: Any, where: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{where} is not a text: write the pattern in quotes")
    if value:
        try:
            compile_glob(value, "/")
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error.message}") from None
    return value or ""
