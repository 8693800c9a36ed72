"""Fields of custom resources that hold a type of Kubernetes': `resource.customizations.knownTypeFields.<group>_<kind>`.

    - field: spec.template.spec        # through lists, too
      type: core/v1/PodSpec            # or another of core/v1, core/Quantity, meta/v1/Duration

A controller that reads its object into Go's types and writes it back spells `1000m` as `1` and `60m` as `1h0m0s`. The server
takes such a field for changed and gives it to that controller, so ownership says drift where nothing differs. Where ownership
has said so, and the kind is known here, the values decide: as those types would write them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.kinds import ROLLOUTS
from shipway.base.clock import parse_rfc3339, rfc3339
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import InvalidInput
from shipway.gitops.customizations import CONFIG_MAP, Customizations
from shipway.gitops.ignore import holds
from shipway.kube.objects import yaml
from shipway.kube.objects.quantities import canonical_quantity
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.schema import Schema, core_schema


class TypedField(Struct, frozen=True):
    """Where a field is (`spec.template.spec`), and what it holds."""

    field: str
    type: str


KnownTypes = Mapping[tuple[str, str], tuple[TypedField, ...]]
"""By group and kind."""
ROLLOUT_PODS: KnownTypes = {ROLLOUTS.group_kind: (TypedField("spec.template.spec", "core/v1/PodSpec"),)}
"""Known unless a team names the kind."""

_QUANTITY, _DURATION = Schema(type="string", quantity=True), Schema(type="string", format="duration")
_PLAIN = {
    "core/Quantity": _QUANTITY,
    "core/v1/ResourceList": Schema(type="object", additional=_QUANTITY),
    "meta/v1/Duration": _DURATION,
}


def read_known_types(customizations: Customizations) -> tuple[KnownTypes, tuple[str, ...]]:
    """The fields of each kind, and what could not be read."""
    known: dict[tuple[str, str], tuple[TypedField, ...]] = {}
    problems: list[str] = []
    for name, said in [*customizations.exact.items(), *customizations.patterns]:
        if said.known_type_fields:
            fields, wrong = _read("" if "*" in name else name, said.known_type_fields)
            problems += [f"{CONFIG_MAP}: resource.customizations.knownTypeFields of {name}: {one}" for one in wrong]
            group, _, kind = name.rpartition("/")
            known |= {(group, kind): fields} if fields else {}
    return {**ROLLOUT_PODS, **known}, tuple(problems)


def _read(name: str, text: str) -> tuple[tuple[TypedField, ...], list[str]]:
    if not name:
        return (), ["a pattern names no kind: say which one has such a field"]
    try:
        written = msgspec.convert(yaml.load(text) or [], list[TypedField])
    except (InvalidInput, msgspec.ValidationError) as error:
        return (), [str(error)]
    unknown = [one for one in written if _schema_of(one.type) is None]
    return tuple(one for one in written if one not in unknown), [f"type {one.type!r} is not supported" for one in unknown]


def _schema_of(name: str) -> Schema | None:
    package, _, bare = name.rpartition("/")
    return _PLAIN.get(name) or (core_schema(bare) if package == "core/v1" else None)


def is_spelled_otherwise(stated: Obj, live: Obj, known: KnownTypes) -> bool:
    """Whether all that `stated` says is live, in whatever spelling. Only for kinds whose fields are known; else False."""
    return bool(_fields_of(stated, known)) and holds(spelled(live, known), spelled(stated, known))


def _fields_of(obj: Obj, known: KnownTypes) -> tuple[TypedField, ...]:
    group, _ = split_api_version(obj.get("apiVersion") or "")
    return known.get((group, obj.get("kind") or ""), ())


def spelled(obj: Obj, known: KnownTypes) -> Obj:
    """The object with its known fields as their types write them."""
    for field in _fields_of(obj, known):
        if schema := _schema_of(field.type):
            obj = _at(obj, tuple(field.field.split(".")), schema)
    return obj


def _at(value: Any, path: tuple[str, ...], schema: Schema) -> Any:
    if isinstance(value, list):
        return [_at(item, path, schema) if isinstance(item, dict) else item for item in value]
    if not path:
        return _respelled(value, schema)
    if isinstance(value, dict) and path[0] in value:
        return {**value, path[0]: _at(value[path[0]], path[1:], schema)}
    return value


def _respelled(value: Any, schema: Schema) -> Any:
    """As Go's type of that schema writes it: unknown fields are lost, and what is empty."""
    if not isinstance(value, dict | list):
        return _scalar(value, schema)
    if schema.preserve_unknown:
        return value
    if isinstance(value, dict):
        children = ((name, child, schema.properties.get(name) or schema.additional) for name, child in value.items())
        found = {name: _respelled(child, below) for name, child, below in children if below is not None}
        return {name: child for name, child in found.items() if child is not None and child != []}
    return [_respelled(item, schema.items) for item in value] if schema.items else value


def _scalar(value: Any, schema: Schema) -> Any:
    """What cannot be read as its type stays as it is."""
    try:
        if schema.quantity and not isinstance(value, bool) and isinstance(value, str | int | float):
            return canonical_quantity(value)
        spell = _SPELLINGS.get(schema.format)
        return spell(value) if spell and isinstance(value, str) else value
    except ValueError:
        return value


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "duration": lambda text: format_duration(parse_duration(text)),
    "date-time": lambda text: rfc3339(parse_rfc3339(text)),
}
