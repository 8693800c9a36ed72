"""Parameters: how values become texts without Go templates, how names are made safe, and how two entries become one."""

from collections.abc import Iterator
from typing import Any

from shipway.appsets.scene import Dialect, Params
from shipway.base.errors import InvalidInput
from shipway.base.names import safe_name
from shipway.kube.objects.go_text import go_text


def text_of(value: Any) -> str:
    """A scalar as Go prints it."""
    return value if isinstance(value, str) else go_text(value)


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values under dotted names, as texts: `a.b.0`."""
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        yield prefix, text_of(value)
        return
    for key, child in children:
        yield from flat(child, f"{prefix}.{key}" if prefix else str(key))


def labels_of_entry(entry: Params) -> dict[str, str]:
    """What a selector on a generator looks at."""
    return dict(flat(entry))


def spelled(entry: Params, dialect: Dialect) -> Params:
    """A nested entry in the set's dialect."""
    return entry if dialect.is_go else dict(flat(entry))


def merged(below: Params, above: Params) -> Params:
    """Both, deep; `above` wins."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def combined(first: Params, second: Params, dialect: Dialect, where: str) -> Params:
    """An entry of a matrix. Without Go templates raises InvalidInput where both say different things under one name."""
    if dialect.is_go:
        return merged(second, first)
    for key in first.keys() & second.keys():
        if first[key] != second[key]:
            raise InvalidInput(
                f"{where}: found duplicate key {key} with different value, a: {first[key]} ,b: {second[key]}: give one of them "
                "another name, pathParamPrefix for instance"
            )
    return first | second


def overlaid(template: dict[str, Any], override: dict[str, Any] | None) -> dict[str, Any]:
    """The template of a set with that of one generator over it; what the generator leaves empty stays."""
    if not override:
        return template
    result = dict(template)
    for key, value in override.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = overlaid(old, value)
        elif value not in (None, "", [], {}):
            result[key] = value
    return result


def path_parameters(path: str, prefix: str, dialect: Dialect, filename: str | None = None) -> Params:
    """What is known of a folder, or of a file by its folder and name, spelled as Argo CD does."""
    segments = path.split("/") if path else []
    base = segments[-1] if segments else "."
    known: Params = {"basename": base, "basenameNormalized": safe_name(base)}
    if filename is not None:
        known |= {"filename": filename, "filenameNormalized": safe_name(filename)}
    if dialect.is_go:
        inner = {"path": {"path": path or ".", "segments": segments, **known}}
        return {prefix: inner} if prefix else inner
    name = f"{prefix}.path" if prefix else "path"
    parts = {f"{name}[{index}]": segment for index, segment in enumerate(segments)}
    return {name: path or ".", **{f"{name}.{key}": value for key, value in known.items()}, **parts}
