"""Strategic merge patch: a merge patch that knows which lists are keyed, as `kubectl set image`, `edit` and `apply` send it.

Lists whose strategy is `merge` are merged by their merge key (or as a set of scalars), all others are replaced. Directives in
the patch steer it:

    $patch: delete | replace            of a map or of a list item; in a list, `replace` drops what was there
    $deleteFromPrimitiveList/x: [...]   takes scalars out of list x
    $setElementOrder/x: [...]           the order of list x, for the items it names
    $retainKeys: [...]                  fields of this map that may stay

Order: items that patch (or $setElementOrder) and server share stand in the patch's order; items only the server has keep their
place relative to shared ones. Only built-in kinds have merge keys; a server refuses this patch for custom resources (415).
"""

from typing import Any

from shipway.base.errors import InvalidInput
from shipway.kube.objects.go_text import go_text
from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import DEDUCED, Schema
from shipway.kube.objects.views import copy_obj

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"
_DIRECTIVES = (DIRECTIVE, RETAIN_KEYS, SET_ORDER, DELETE_FROM)


def strategic_merge(live: Obj, patch: Obj, schema: Schema) -> Obj:
    """`live` with the strategic merge `patch` applied. Nothing given is changed or shared.

    Nulls mean absent, so none is left. Raises InvalidInput with Kubernetes' text: reason `BadRequest` (400) for a directive
    that makes no sense, `Invalid` (422) for a list of lists, `InternalError` (500) for an item without its merge key.
    """
    return _clean_map(_merge_map(copy_obj(live), copy_obj(patch), schema))


def _clean_map(value: dict[str, Any]) -> dict[str, Any]:
    """Without nulls and without directives that ended where nothing obeys them: an item taken from the patch as it was."""
    kept = {key: child for key, child in value.items() if child is not None and not key.startswith(_DIRECTIVES)}
    return {key: _clean(child) for key, child in kept.items()}


def _clean(value: Json) -> Json:
    if isinstance(value, dict):
        return _clean_map(value)
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _bad(message: str) -> InvalidInput:
    return InvalidInput(message, reason="BadRequest")


def _broken(message: str) -> InvalidInput:
    return InvalidInput(message, reason="InternalError")


def _no_key(item: Json, key: str) -> InvalidInput:
    return _broken(f"map: {go_text(item)} does not contain declared merge key: {key}")


def _merge_map(original: dict[str, Any], patch: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Both are ours to change."""
    directive = patch.pop(DIRECTIVE, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive is not None:
        raise _broken(f"unknown patch type: {directive} in map: {go_text({DIRECTIVE: directive, **patch})}")
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(SET_ORDER)]:
        _merge_ordered(original, patch, key, schema)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            _delete_scalars(original, key.removeprefix(DELETE_FROM), value)
        elif value is None:
            original.pop(key, None)
        else:
            _merge_field(original, key, value, schema.child(key) or DEDUCED)
    return original


def _merge_field(original: dict[str, Any], key: str, value: Json, schema: Schema) -> None:
    ours: Json = original.get(key)
    if isinstance(ours, dict) and isinstance(value, dict):
        original[key] = value if "replace" in schema.patch_strategies else _merge_map(ours, value, schema)
    elif isinstance(ours, list) and isinstance(value, list):
        original[key] = _merge_list(ours, value, schema) if "merge" in schema.patch_strategies else value
    elif isinstance(value, dict) and DIRECTIVE in value:
        original.pop(key, None)
    else:
        original[key] = _plain(value)


def _plain(value: Json) -> Json:
    """What a patch adds where nothing was: without nulls in maps, and without whatever carries a directive."""
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items() if child is not None and not _is_directed(child)}
    if isinstance(value, list):
        return [_plain(item) for item in value if not _is_directed(item)]
    return value


def _is_directed(value: Json) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _retain_keys(original: dict[str, Any], patch: dict[str, Any]) -> None:
    if RETAIN_KEYS not in patch:
        return
    retained = patch.pop(RETAIN_KEYS)
    stated = [key for key, value in patch.items() if value is not None and not key.startswith((SET_ORDER, DELETE_FROM))]
    if not isinstance(retained, list) or any(key not in retained for key in stated):
        raise _bad("invalid patch format of retainKeys")
    for key in [key for key in original if key not in retained]:
        del original[key]


def _delete_scalars(original: dict[str, Any], key: str, gone: Json) -> None:
    ours = original.get(key)
    if isinstance(ours, list) and isinstance(gone, list):
        kept: list[Any] = [item for item in ours if item not in gone]  # pyright: ignore[reportUnknownVariableType]
        original[key] = kept


# --- lists -----------------------------------------------------------------------------------------------------------------


def _merge_list(original: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    if not original and not patch:
        return original
    if not _holds_maps(original, patch):
        both = list(original)
        both += [item for item in patch if item not in both]
        return _ordered(_unique(both), patch, original, "")
    key, items = schema.merge_key, schema.items or DEDUCED
    if not key:
        raise _broken("cannot merge lists without merge key")
    original, patch = _directed(original, patch, key)
    merged = list(original)
    for item in patch:
        at = _index(merged, item, key)
        if at < 0:
            merged.append(item)
        else:
            merged[at] = _merge_map(merged[at], item, items)
    return _ordered(merged, patch, original, key)


def _holds_maps(*lists: list[Any]) -> bool:
    """Whether the items are maps; refuses lists of lists and mixtures."""
    kinds: set[str] = set()
    for item in (item for items in lists for item in items):
        kinds.add("map" if isinstance(item, dict) else "list" if isinstance(item, list) else type(item).__name__)
    if "list" in kinds:
        raise InvalidInput("lists of lists are not supported", reason="Invalid")
    if len(kinds) > 1 and "map" in kinds:
        raise _broken(f"list element types are not identical: {go_text([*lists])}")
    return "map" in kinds


def _directed(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Both lists after `$patch` items of the patch have done their work."""
    plain: list[Any] = []
    replaced = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if key not in item and directive != "replace":
            raise _no_key(item, key)
        if directive is None:
            plain.append(item)
        elif directive == "delete":
            original = [ours for ours in original if ours.get(key) != item[key]]
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise _broken("merging lists cannot yet be specified in the patch")
        else:
            raise _broken(f"unknown patch type: {directive} in map: {go_text(item)}")
    return (plain, []) if replaced else (original, plain)


def _merge_ordered(original: dict[str, Any], patch: dict[str, Any], directive: str, schema: Schema) -> None:
    """Merges one list whose order the patch states, and takes it out of the patch."""
    key, order = directive.removeprefix(SET_ORDER), patch.pop(directive)
    ours, theirs = original.get(key), patch.pop(key, None)
    field = schema.child(key) or DEDUCED
    for found in (order, *(value for value in (ours, theirs) if value is not None)):
        if not isinstance(found, list):
            raise _bad("invalid patch format of setElementOrder list")
    if ours is None and theirs is None:
        return
    _check_order(theirs or [], order, field.merge_key)
    if ours is None:
        merged: Json = _plain(theirs)
    elif theirs is None:
        merged = ours
    else:
        merged = _merge_list(ours, theirs, field) if "merge" in field.patch_strategies else theirs
    if isinstance(merged, list):
        original[key] = _ordered(merged, order, ours or [], field.merge_key)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The patch's items must all be in the order, and in that order."""
    stated = [item for item in patch if not _is_directed(item)]
    if not order or not stated:
        return
    at = 0
    for wanted in order:
        if at < len(stated) and _same(stated[at], wanted, key):
            at += 1
    if at < len(stated):
        raise _broken(f"The order in patch list:\n{go_text(patch)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n")


def _same(a: Json, b: Json, key: str) -> bool:
    if not key:
        return a == b
    for item in (a, b):
        if not isinstance(item, dict) or key not in item:
            raise _no_key(item, key)
    return _identity(a, key) == _identity(b, key)


def _identity(item: Json, key: str) -> Json:
    return item.get(key) if key and isinstance(item, dict) else item


def _index(items: list[Any], item: Json, key: str) -> int:
    wanted = _identity(item, key)
    return next((at for at, other in enumerate(items) if _identity(other, key) == wanted), -1)


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _ordered(merged: list[Any], patch_order: list[Any], server_order: list[Any], key: str) -> list[Any]:
    """Items named by the patch in its order, the others in the server's, interleaved by the server's order as far as known."""
    if key and (bare := next((item for item in merged if key not in item), None)) is not None:
        raise _no_key(bare, key)
    shared = [item for item in merged if _index(patch_order, item, key) >= 0]
    server = [item for item in merged if _index(patch_order, item, key) < 0]
    shared.sort(key=lambda item: _index(patch_order, item, key))
    server.sort(key=lambda item: _index(server_order, item, key))
    result: list[Any] = []
    for item in shared:
        place = _index(server_order, item, key)
        while server and 0 <= _index(server_order, server[0], key) < place:
            result.append(server.pop(0))
        result.append(item)
    return result + server
