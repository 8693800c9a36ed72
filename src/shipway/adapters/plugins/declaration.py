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

from shipway.adapters.plugins.folder import KINDS, declared_in, kind_of, map_at, words_at
from shipway.api.snapshot import Snapshot
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, has_magic, matches_segments

NETWORK = "shipway.dev/network"
"""Annotation of a declaration: "allowed" leaves the plugin the network."""
_KIND = "ConfigManagementPlugin"
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
    """The config-management plugins of a folder. Raises `InvalidInput` with file and field."""
    found: dict[str, Plugin] = {}
    for declared in declared_in(folder, _KIND):
        try:
            plugin = plugin_of(declared.document)
        except InvalidInput as error:
            raise InvalidInput(f"{declared.file}: {error.message}") from None
        if plugin.name in found:
            raise InvalidInput(
                f"{declared.file}: the plugin {plugin.name} is declared twice: rename one, or give it a spec.version"
            )
        found[plugin.name] = plugin
    return tuple(found.values())


def plugin_of(declared: Any) -> Plugin:
    """One declaration. Raises `InvalidInput` with the field."""
    if kind_of(declared) != _KIND:
        raise InvalidInput(f"not a {_KIND}: start it with apiVersion: {KINDS[_KIND]} and kind: {_KIND}")
    metadata, spec = map_at(declared.get("metadata"), "metadata"), map_at(declared.get("spec"), "spec")
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise InvalidInput("metadata.name is missing: it is what Applications call the plugin")
    for field in spec:
        if field not in _FIELDS:
            raise InvalidInput(f"spec.{field} is not known: mind the spelling; there are {', '.join(_FIELDS)}")
    if spec.get("provideGitCreds"):
        raise InvalidInput("spec.provideGitCreds is not supported: leave it out; submodules are already in the plugin's copy")
    discover = map_at(spec.get("discover"), "spec.discover")
    find = map_at(discover.get("find"), "spec.discover.find")
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
        may_use_network=map_at(metadata.get("annotations"), "metadata.annotations").get(NETWORK) == "allowed",
    )


def digest_of(plugins: Sequence[Plugin]) -> str:
    """What renders are filed under besides their content: another declaration is another render."""
    return blake2b(msgspec.json.encode(plugins), digest_size=10).hexdigest() if plugins else ""


def _below(snapshot: Snapshot, path: str) -> Iterator[str]:
    prefix = f"{path.strip('/')}/" if path.strip("/.") else ""
    for name in snapshot.files(path):
        yield name.removeprefix(prefix)


def _command(value: Any, where: str) -> tuple[str, ...]:
    """The words of `command` and `args`."""
    return words_at(map_at(value, where), where)


def _pattern(value: Any, where: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{where} is not a text: write the pattern in quotes")
    if value:
        try:
            compile_glob(value, "/")
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error.message}") from None
    return value or ""
