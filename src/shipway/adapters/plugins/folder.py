"""The folder in which plugins are declared: YAML files whose documents are of the kinds that are read here, and of no other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj

MAX_BYTES = 1 << 20
"""Of one file of declarations."""
KINDS = {
    "ConfigManagementPlugin": "argoproj.io/v1alpha1",
    "StepPlugin": "shipway.dev/v1alpha1",
    "MetricPlugin": "shipway.dev/v1alpha1",
}
"""Each with the apiVersion that its documents start with."""


class Declared(Struct, frozen=True):
    """One document and the file that it stands in."""

    file: Path
    document: Obj


def declared_in(folder: Path, *kinds: str) -> Iterator[Declared]:
    """The documents of these kinds in the `.yaml` and `.yml` files, by name. Raises `InvalidInput` with the file."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no such folder: give the one that holds the declarations of plugins")
    for file in sorted(one for one in folder.iterdir() if one.suffix in (".yaml", ".yml")):
        for document in _documents(file):
            if kind_of(document) is None:
                written = " or ".join(f"apiVersion: {version} and kind: {kind}" for kind, version in KINDS.items())
                *most, last = KINDS
                raise InvalidInput(f"{file}: not a {', '.join(most)} or {last}: start it with {written}")
            if kind_of(document) in kinds:
                yield Declared(file, document)


def kind_of(document: Any) -> str | None:
    """Its kind, if that is one of `KINDS` and the apiVersion is right."""
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) and kind in KINDS and document.get("apiVersion") == KINDS[kind] else None


def map_at(value: Any, where: str) -> Obj:
    """What stands at a field that holds a map; nothing is an empty one. Raises `InvalidInput`."""
    if value is not None and not isinstance(value, dict):
        raise InvalidInput(f"{where} is not a map: correct it")
    return value or {}


def words_at(block: Obj, where: str) -> tuple[str, ...]:
    """The words of `command` and `args`, none without a command. Raises `InvalidInput`."""
    words: list[str] = []
    for key in ("command", "args"):
        listed = block.get(key) or []
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            raise InvalidInput(f"{where}.{key} is not a list of texts: write each word as one")
        words += listed
    if words and not block.get("command"):
        raise InvalidInput(f"{where}.command is missing: args alone start nothing")
    return tuple(words)


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
