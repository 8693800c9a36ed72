"""The pod-template hash and the step hash, as Argo Rollouts 1.9 computes them.

Both are FNV-1a (32 bit) over what Go's encoding/json prints for the object (struct fields in their declared order, empty
ones left out where the tag says so, maps sorted, `<>&` escaped), written in Kubernetes' safe alphabet. `go_fields.json`
is the declared order: for every struct reachable from PodTemplateSpec and CanaryStep its fields as
[JSON name, type, when it is left out], taken by reflection from k8s.io/api 0.34 and argo-rollouts 1.9.1. Types are
`*T` pointer, `[T` list, `{T` map of string, or a name. Unknown fields are dropped, as Go drops them.

A hash that differs from what made an existing ReplicaSet costs nothing: `revision.py` then recognises it by its template.
"""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson

from shipway.base.ids import SAFE_ALPHABET
from shipway.kube.objects.quantities import canonical_quantity
from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.template_defaults import as_stored

_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_SCALARS: dict[str, str] = {"string": '""', "int": "0", "bool": "false"}


def pod_template_hash(template: Obj, collision_count: int | None) -> str:
    """Hash of a PodTemplateSpec; `collision_count` (status.collisionCount) tells two templates of one hash apart."""
    suffix = collision_count.to_bytes(4, "little") + bytes(4) if collision_count is not None else b""
    return _hash_of(orjson.dumps(template), "PodTemplateSpec", suffix)


def steps_hash(steps: list[Obj] | None) -> str:
    """Hash of `spec.strategy.canary.steps` as written in the manifest; an absent list hashes as `null`."""
    return _hash_of(orjson.dumps(steps), "[CanaryStep", b"")


@lru_cache(maxsize=4096)
def _hash_of(raw: bytes, kind: str, suffix: bytes) -> str:
    """Remembered, because every pass asks for the hash of a template that has not changed."""
    value = orjson.loads(raw)
    if kind == "PodTemplateSpec":
        value = as_stored(value)
    return safe_hash(go_json(value, kind).encode() + suffix)


def safe_hash(raw: bytes) -> str:
    """FNV-1a 32 of `raw` as a decimal, each digit in Kubernetes' safe alphabet."""
    state = _OFFSET
    for byte in raw:
        state = ((state ^ byte) * _PRIME) & 0xFFFFFFFF
    return "".join(SAFE_ALPHABET[ord(digit) % len(SAFE_ALPHABET)] for digit in str(state))


def go_json(value: Any, kind: str) -> str:
    """What json.Marshal prints for `value` read into Go type `kind`."""
    head, inner = kind[0], kind[1:]
    if head == "*":
        return "null" if value is None else go_json(value, inner)
    if head == "[":
        return "null" if value is None else "[" + ",".join(go_json(item, inner) for item in value) + "]"
    if head == "{":
        return "null" if value is None else _object((key, go_json(value[key], inner)) for key in sorted(value))
    if kind in _SCALARS:
        return _SCALARS[kind] if value is None else _text(value)
    if kind == "quantity":
        return _text(canonical_quantity(value)) if value is not None else '"0"'
    if kind in ("time", "any"):
        return _text(value)
    return _struct(value or {}, kind)


def _struct(value: Obj, kind: str) -> str:
    members: list[tuple[str, str]] = []
    for name, inner, omitted in _fields()[kind]:
        text = go_json(value.get(name), inner)
        if (omitted == "empty" and _is_empty(text, inner)) or (omitted == "zero" and value.get(name) is None):
            continue
        members.append((name, text))
    return _object(members)


def _is_empty(text: str, kind: str) -> bool:
    """Go's omitempty: nil, zero scalars, empty lists and maps. A struct is never empty, a set pointer neither."""
    if kind[0] == "*":
        return text == "null"
    if kind[0] in "[{":
        return text in ("null", "[]", "{}")
    return text in ("null", '""', "0", "false") and (kind in _SCALARS or kind == "any")


def _object(members: Any) -> str:
    return "{" + ",".join(f"{_text(key)}:{text}" for key, text in members) + "}"


def _text(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    for raw, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(raw, escaped)
    return text


@cache
def _fields() -> dict[str, list[tuple[str, str, str]]]:
    """The declared fields of every struct. Immutable data of the package, read once."""
    return orjson.loads(files("shipway.rollouts.rollout").joinpath("go_fields.json").read_bytes())
