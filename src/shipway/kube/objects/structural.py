"""What happens to a custom resource between the wire and the store: prune, drop nulls, fill defaults, and validate.

The order is a real server's: `prune` takes out what the schema does not declare (and `unknown_fields` names it, for
`fieldValidation`), `fill_defaults` drops nulls where null is no value and fills in defaults, `validate` (in `validation`)
lists what is wrong. `check_structural` (in `structural_rules`) judges the schema itself. They work on any `Schema`, so built-in
kinds can be pruned with them too. Results share nothing with what was given.
"""

from typing import Any

from msgspec import UNSET

from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import DEDUCED, Schema
from shipway.kube.objects.structural_rules import check_structural as check_structural
from shipway.kube.objects.structural_rules import structural_problems as structural_problems
from shipway.kube.objects.validation import FieldProblem as FieldProblem
from shipway.kube.objects.validation import validate as validate
from shipway.kube.objects.views import copy_obj


def prune(obj: Obj, schema: Schema) -> Obj:
    """`obj` without fields that `schema` neither declares nor preserves."""
    pruned = _pruned(copy_obj(obj), schema, False)
    return pruned if isinstance(pruned, dict) else {}


def _pruned(value: Json, schema: Schema | None, kept: bool) -> Json:
    """`schema` None: nothing is declared. `kept`: items of a list that preserves unknown fields preserve theirs."""
    if isinstance(value, list):
        kept = schema is not None and (kept or schema.preserve_unknown)
        items = schema.items if schema else None
        return [_pruned(item, items, kept) for item in value]
    if not isinstance(value, dict):
        return value
    if schema is None:
        return {}
    kept = kept or schema.preserve_unknown
    result: dict[str, Any] = {}
    for key, below in value.items():
        declared = schema.properties.get(key)
        if declared is not None:
            result[key] = _pruned(below, declared, False)
        elif schema.additional is not None:
            # `additionalProperties: true` declares the keys but nothing below them
            result[key] = _pruned(below, None if schema.additional is DEDUCED else schema.additional, False)
        elif kept:
            result[key] = below
    return result


def unknown_fields(obj: Obj, schema: Schema) -> list[str]:
    """The paths that `prune` would take out, as `fieldValidation` names them: `spec.foo`, `spec.containers[0].bar`."""
    found: list[str] = []
    _unknown(obj, schema, "", False, found)
    return found


def _unknown(value: Json, schema: Schema | None, path: str, kept: bool, found: list[str]) -> None:
    if isinstance(value, list):
        kept = schema is not None and (kept or schema.preserve_unknown)
        for index, item in enumerate(value):
            _unknown(item, schema.items if schema else None, f"{path}[{index}]", kept, found)
    if not isinstance(value, dict):
        return
    kept = schema is not None and (kept or schema.preserve_unknown)
    for key, below in value.items():
        where = f"{path}.{key}" if path else key
        declared = schema.properties.get(key) if schema else None
        if declared is None and schema is not None and schema.additional is not None:
            _unknown(below, None if schema.additional is DEDUCED else schema.additional, where, False, found)
        elif declared is not None:
            _unknown(below, declared, where, False, found)
        elif not kept:
            found.append(where)


def fill_defaults(obj: Obj, schema: Schema) -> Obj:
    """`obj` with every declared default that is missing, and without nulls where the schema has no null.

    A null with a default becomes the default. Defaults below a field need the field to be there.
    """
    result = copy_obj(obj)
    _drop_nulls(result, schema)
    _default(result, schema)
    return result


def _child(schema: Schema, key: str) -> Schema | None:
    return schema.properties.get(key) or schema.additional


def _has_default(schema: Schema) -> bool:
    return schema.default is not UNSET and schema.default is not None


def _drop_nulls(value: Json, schema: Schema | None) -> None:
    """In place."""
    if isinstance(value, dict):
        for key in list(value):
            child = _child(schema, key) if schema else None
            if value[key] is None and child is not None and not child.nullable and not _has_default(child):
                del value[key]
            else:
                _drop_nulls(value[key], child)
    elif isinstance(value, list):
        for item in value:
            _drop_nulls(item, schema.items if schema else None)


def _default(value: Json, schema: Schema | None) -> None:
    """In place."""
    if schema is None:
        return
    if isinstance(value, dict):
        for key, child in schema.properties.items():
            if _has_default(child) and (key not in value or (value[key] is None and not child.nullable)):
                value[key] = _fresh(child.default)
        for key, below in value.items():
            child = _child(schema, key)
            if below is None and child is not None and not child.nullable and _has_default(child):
                value[key] = _fresh(child.default)
            _default(value[key], child)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if item is None and schema.items is not None and not schema.items.nullable and _has_default(schema.items):
                value[index] = _fresh(schema.items.default)
            _default(value[index], schema.items)


def _fresh(default: Any) -> Any:
    return copy_obj({"": default})[""]


def without_nulls(value: Json) -> Json:
    """Without null fields at any depth, as a built-in kind comes out of its Go type; nulls in lists stay."""
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
