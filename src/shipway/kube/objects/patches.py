"""Merge patch (RFC 7386) and JSON patch (RFC 6902), as the API server applies them.

Both are schema-free; strategic merge and server-side apply, which need to know the types, live in `strategic` and `apply`.
Results are independent of their inputs: nothing given is changed and nothing is shared, so a caller may go on editing.

A refusal is an `InvalidInput` whose `reason` is the Status reason of a real server: `BadRequest` (400) when the patch itself
is malformed, `Invalid` (422) when it does not fit the object.
"""

from typing import Any, cast

import jsonpatch
import jsonpointer

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.views import copy_obj

MAX_OPERATIONS = 10_000
"""The API server's limit on the number of operations of one JSON patch."""

_REFUSED = "the server rejected our request due to an error in our request"


def merge_patch(target: Obj, patch: Json) -> Obj:
    """`target` with the RFC 7386 `patch` applied: null removes, objects merge, anything else replaces.

    Raises InvalidInput(BadRequest) when the patch is not an object, for the result would not be one either.
    """
    if not isinstance(patch, dict):
        raise InvalidInput(f"a merge patch must be a JSON object, got {_shape(patch)}", reason="BadRequest")
    return copy_obj(patched(target, patch))


def patched(target: Json, patch: dict[str, Any]) -> dict[str, Any]:
    """As `merge_patch`, for one who only reads the result: just the dicts along the patch are new."""
    result: dict[str, Any] = dict(target) if isinstance(target, dict) else {}
    value: Json
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = patched(result.get(key), value)
        else:
            result[key] = value
    return result


def alters(target: Obj, patch: Obj) -> bool:
    """Whether `merge_patch(target, patch)` would differ from `target`; looks only at what the patch names, copies nothing."""
    for key, value in patch.items():
        if value is None:
            if key in target:
                return True
        elif isinstance(value, dict):
            before = target.get(key)
            if not isinstance(before, dict) or alters(cast(Obj, before), cast(Obj, value)):
                return True
        elif key not in target or target[key] != value:
            return True
    return False


def merge_diff(old: Obj, new: Obj) -> Obj:
    """The smallest merge patch (RFC 7386) that turns `old` into `new`; lists go as a whole."""
    patch: Obj = {}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            below = merge_diff(cast(Obj, before), cast(Obj, value))
            if below:
                patch[key] = below
        elif value != before:
            patch[key] = value
    for key in old.keys() - new.keys():
        patch[key] = None
    return patch


def json_patch(target: Obj, ops: Json) -> Obj:
    """`target` with the RFC 6902 operations applied in order, all or none.

    Raises InvalidInput: `BadRequest` for something that is not a list of operations, `RequestEntityTooLarge` above
    `MAX_OPERATIONS`, `Invalid` with Kubernetes' text when a test fails or a path is missing.
    """
    if not isinstance(ops, list) or not all(isinstance(op, dict) for op in ops):
        raise InvalidInput(f"a JSON patch must be a list of operations, got {_shape(ops)}", reason="BadRequest")
    if len(ops) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        raise InvalidInput(message, reason="RequestEntityTooLarge")
    try:
        result = cast(Json, jsonpatch.apply_patch(copy_obj(target), copy_obj({"ops": ops})["ops"], in_place=True))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError) as error:
        raise InvalidInput(_REFUSED, reason="Invalid") from error
    if not isinstance(result, dict):
        raise InvalidInput(_REFUSED, reason="Invalid")
    return result


def _shape(value: Json) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "null" if value is None else "a scalar"


def with_annotations(patch: Obj, annotations: Obj) -> Obj:
    """A merge patch with these annotations besides; itself without any."""
    if not annotations:
        return patch
    meta: Obj = patch.get("metadata") or {}
    return {**patch, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **annotations}}}
