"""What happens to a custom resource between the wire and the store: prune, drop nulls, fill defaults, and validate.

The order is a real server's: `prune` (in `pruning`) takes out what the schema does not declare and `unknown_fields` names it,
`fill_defaults` drops nulls where null is no value and fills in defaults, `validate` (in `validation`) lists what is wrong.
`check_structural` (in `structural_rules`) judges the schema itself. Results share nothing with what was given.
"""

from typing import Any

from msgspec import UNSET

from shipway.kube.objects.pruning import prune as prune
from shipway.kube.objects.pruning import unknown_fields as unknown_fields
from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import Schema
from shipway.kube.objects.structural_rules import check_structural as check_structural
from shipway.kube.objects.structural_rules import structural_problems as structural_problems
from shipway.kube.objects.validation import FieldProblem as FieldProblem
from shipway.kube.objects.validation import validate as validate
from shipway.kube.objects.views import copy_obj


def fill_defaults(obj: Obj, schema: Schema, *, keep_nulls: bool = False) -> Obj:
    """`obj` with every declared default that is missing, and without nulls where the schema has no null.

    A null with a default becomes the default. Defaults below a field need the field to be there. A real server drops nulls
    only from what a client sent; what server-side apply made null (a map that was emptied but kept) it refuses: `keep_nulls`.
    """
    result = copy_obj(obj)
    if not keep_nulls:
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
