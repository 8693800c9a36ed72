"""Fields that a schema does not know: taking them out, and naming them for `fieldValidation`.

`x-kubernetes-preserve-unknown-fields` keeps what is not declared at its own level; declared fields below it are pruned again.
Works on the schemas of built-in kinds as well.
"""

from typing import Any

from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import DEDUCED, Schema
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


def has_unknown(value: Json, schema: Schema) -> bool:
    """Whether anything in `value` would be pruned."""
    found: list[str] = []
    _unknown(value, schema, "", False, found)
    return bool(found)
