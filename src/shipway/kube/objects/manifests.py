"""From the text of a manifest file, or of a tool's output, to objects, by Argo CD's rules.

A folder may hold YAML that is nobody's manifest (values, CI files): it is left alone. What nearly is one is refused, so that
a typo does not silently take an object away, which automated prune would then delete. `List` kinds are opened.
"""

import re
from typing import Any, cast

import orjson
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import Located

SKIP_MARKER = "+argocd:skip-file-rendering"
"""A file that contains this is not read (Argo CD 2.10)."""

_SIGNS = tuple(re.compile(rf"(?m)(^|[\s{{,\"]){name}\"?\s*:") for name in ("apiVersion", "kind", "metadata"))


class Origin(Struct, frozen=True):
    """An object and where its text starts: `apps/web/deployment.yaml:12`. `warnings`: what its text does not mean to say."""

    obj: Obj
    place: str
    warnings: tuple[str, ...] = ()


MAX_WARNINGS = 20


def warnings_of(found: list[Origin]) -> list[str]:
    """What the texts of objects do not mean to say, some of it where there is much."""
    told = [warning for origin in found for warning in origin.warnings]
    more = len(told) - MAX_WARNINGS
    return [*told[:MAX_WARNINGS], *([f"and {more} more like these"] if more > 0 else [])]


def objects_in_file(text: str, name: str) -> list[Origin]:
    """The objects of a file in a folder of manifests; none when it is something else altogether.

    Raises `InvalidInput` (InvalidManifest) with file and line when it is nearly a manifest.
    """
    if SKIP_MARKER in text:
        return []
    try:
        documents = _documents(text, name)
    except InvalidInput:
        if _looks_like_manifest(text):
            raise
        return []
    wanted = [d for d in documents if d.value is not None]
    if not any(_has_kind(d.value) for d in wanted) and not _looks_like_manifest(text):
        return []
    return [origin for d in wanted for origin in _in_document(d, name)]


def objects_in_output(text: str, name: str) -> list[Origin]:
    """The objects of a tool's output, where every document must be one. Raises `InvalidInput` (InvalidManifest)."""
    documents = _documents(text, name)
    return [origin for d in documents if d.value is not None for origin in _in_document(d, name)]


def _documents(text: str, name: str) -> list[Located]:
    if name.endswith(".json") or text.lstrip()[:1] == "{":
        try:
            return [Located(orjson.loads(text), 1)]
        except orjson.JSONDecodeError:
            pass  # several documents, or YAML in flow style; YAML says better what is wrong, too
    try:
        return yaml.load_all_located(text)
    except InvalidInput as error:
        raise _refusal(f"{name}: {error.message}") from None


def _in_document(document: Located, name: str) -> list[Origin]:
    found = _opened(document.value, f"{name}:{document.line}")
    told = tuple(
        f"{name}:{line}: key {_shown(key)} stands here again: the last one counts, remove the others"
        for key, line in document.repeated
    )
    return [Origin(found[0].obj, found[0].place, told), *found[1:]] if found and told else found


def _looks_like_manifest(text: str) -> bool:
    return all(sign.search(text) for sign in _SIGNS)


def _has_kind(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(cast("Obj", value).get("kind"), str)


def _opened(value: Any, place: str) -> list[Origin]:
    """One object, or what a list holds."""
    if not isinstance(value, dict):
        raise _refusal(f"{place}: not an object but {_shown(value)}: write apiVersion, kind and metadata")
    obj = cast("Obj", value)
    for field in ("kind", "apiVersion"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            raise _refusal(f"{place}: {field} is missing: every manifest has apiVersion, kind and metadata")
    items = obj.get("items")
    if isinstance(items, list):
        return [origin for item in cast("list[Any]", items) for origin in _opened(item, place)]
    if items is None and obj["kind"].endswith("List") and "items" in obj:
        return []
    _check_metadata(obj, place)
    return [Origin(obj, place)]


def _check_metadata(obj: Obj, place: str) -> None:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise _refusal(f"{place}: {obj['kind']} has no metadata: add metadata.name")
    named = cast("Obj", metadata)
    if not named.get("name") and not named.get("generateName") and not _is_named_later(named):
        raise _refusal(f"{place}: {obj['kind']} has no name: add metadata.name")
    for field in ("name", "generateName", "namespace"):
        if named.get(field) is not None and not isinstance(named[field], str):
            raise _refusal(f"{place}: {obj['kind']}: metadata.{field} is {_shown(named[field])}, not a text: quote it")
    for field in ("labels", "annotations"):
        _check_texts(obj, named.get(field), f"metadata.{field}", place)


def _is_named_later(metadata: Obj) -> bool:
    """Whether it is a hook, which whoever runs it may name."""
    annotations = metadata.get("annotations")
    return isinstance(annotations, dict) and any(str(key).endswith("/hook") for key in cast("Obj", annotations))


def _check_texts(obj: Obj, texts: Any, where: str, place: str) -> None:
    if texts is None:
        return
    if not isinstance(texts, dict):
        raise _refusal(f"{place}: {obj['kind']}: {where} is {_shown(texts)}, not a map")
    for key, value in cast("Obj", texts).items():
        if value is not None and not isinstance(value, str):
            raise _refusal(f"{place}: {obj['kind']}: {where}[{key}] is {_shown(value)}, not a text: quote it")


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()[:60]


def _refusal(message: str) -> InvalidInput:
    return InvalidInput(message, reason="InvalidManifest")
