"""Server-side apply and the bookkeeping of every other write: who owns which field of an object.

An applied configuration claims the paths it states (`fields_of`). It is laid over the live object (`merge`); what the manager
applied last time but states no longer is taken out, unless somebody else holds it (`_prune`); then the result is compared
with what was live (`compare`). Whoever else holds a path that changed is in conflict, or loses it by force. Equal values are
shared. Every other write (`record_update`) is compared the same way and takes what it changed from whoever had it, which is
why an entry of ours that is still whole proves that nobody touched our fields.

The texts are a real server's. Its plain errors, which it answers with status 500, are InvalidInput with the reason
`InternalError` here; `BadRequest` is 400 and ApplyConflict 409.

Not done: conversion between versions whose fields differ (all versions of a kind are taken to have the same paths).
"""

from collections.abc import Callable
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Conflict, InvalidInput
from shipway.kube.objects.field_sets import (
    FieldSet,
    difference,
    field_set,
    intersection,
    paths,
    union,
    without_subtrees,
)
from shipway.kube.objects.managed_fields import (
    APPLY,
    UPDATE,
    Entries,
    Entry,
    EntryKey,
    cap_updaters,
    decode,
    entry_key,
    is_reset,
    same_but_time,
    with_entries,
    without_entries,
)
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.schema import Schema
from shipway.kube.objects.typed_compare import Comparison, compare
from shipway.kube.objects.typed_fields import TypeMismatch, explain, fields_of, in_terms_of, remove, with_named_parents
from shipway.kube.objects.typed_merge import merge, same_value
from shipway.kube.objects.views import annotations_of, copy_obj, metadata, name_of, namespace_of

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_STRIPPED = union(
    field_set("apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "metadata.creationTimestamp"),
    field_set(
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ),
)
"""Paths that no entry ever holds."""


class Cause(Struct, frozen=True):
    """One cause of a 409 as it stands in Status.details.causes."""

    message: str
    field: str
    reason: str = "FieldManagerConflict"


class ApplyConflict(Conflict):
    """Other managers hold fields that the configuration wants to change. `causes` names each field and its holder."""

    default_reason = "Conflict"

    def __init__(self, held: dict[EntryKey, FieldSet]) -> None:
        self.held = held
        self.causes = tuple(
            Cause(f"conflict with {_printed(key)}", path)
            for key, fields in sorted(held.items(), key=lambda item: _encoded_key(item[0]))
            for path in paths(fields)
        )
        super().__init__(_conflict_message(held))


def _encoded_key(key: EntryKey) -> str:
    """What a real server sorts managers by: their identity as JSON."""
    stated = {"manager": key.manager, "operation": key.operation, "apiVersion": key.version, "subresource": key.subresource}
    return orjson.dumps({name: value for name, value in stated.items() if value}).decode()


def _printed(key: EntryKey) -> str:
    manager = orjson.dumps(key.manager).decode()
    if key.subresource:
        manager += f' with subresource "{key.subresource}"'
    return f"{manager} using {key.version}" if key.operation == UPDATE else manager


def _conflict_message(held: dict[EntryKey, FieldSet]) -> str:
    listed = [(key, paths(fields)) for key, fields in sorted(held.items(), key=lambda item: _encoded_key(item[0]))]
    count = sum(len(found) for _, found in listed)
    if count == 1:
        key, (path,) = listed[0]
        return f"Apply failed with 1 conflict: conflict with {_printed(key)}: {path}"
    lines = [line for key, found in listed for line in (f"conflicts with {_printed(key)}:", *(f"- {path}" for path in found))]
    return f"Apply failed with {count} conflicts: " + "\n".join(lines)


class Writer(Struct, frozen=True):
    """Who writes and through which endpoint. `api_version` and `schema` are those of the request.

    `reset` are the paths that the endpoint ignores: `field_set("status")` where status is a subresource. None stands for spec
    on `/status` and nothing elsewhere. `is_fixed`: the schema never changes, so what was stored is in its terms.
    """

    manager: str
    api_version: str
    schema: Schema
    now: Instant
    subresource: str = ""
    reset: FieldSet | None = None
    is_fixed: bool = False

    @property
    def ignored(self) -> FieldSet:
        if self.reset is not None:
            return self.reset
        return field_set("spec") if self.subresource == "status" else {}

    @property
    def time(self) -> str:
        return rfc3339(self.now)

    def key(self, operation: str) -> EntryKey:
        return entry_key(self.manager, operation, self.api_version, self.subresource)


def server_side_apply(
    live: Obj | None, config: Obj, writer: Writer, *, finish: Callable[[Obj], Obj], force: bool = False
) -> Obj:
    """The object after `writer` applied `config`, with its managedFields; equal to `live` when nothing changed.

    `finish` is the server's defaulting and normalising; it gets an object of its own, without managedFields (nulls in it
    mean absent), and may change it. Nothing given is changed or shared.
    Raises ApplyConflict, or InvalidInput with reason `BadRequest` or `InternalError` and a real server's text.
    """
    _check_config(config, writer.api_version)
    entries = _in_terms_of(writer, _decoded(live))
    before = without_entries(live or {"apiVersion": config["apiVersion"], "kind": config.get("kind", "")})
    if live is not None and not entries:
        entries = _first_owner(before, writer)
    claim = _claim(config, writer)
    try:
        merged, entries = _applied(before, claim, entries, writer, force)
    except ApplyConflict as conflict:
        if writer.manager != "kubectl":
            raise
        _allow_client_side(conflict, before, writer)
        merged, entries = _applied(before, claim, entries, writer, True)
    untouched = live is not None and merged is before
    result = with_entries(copy_obj(before) if untouched else finish(copy_obj(merged)), entries)
    if writer.manager == "kubectl":
        untouched, result = False, _synced_last_applied(result, config)
    return timestamps_kept(live, result, untouched)


def _check_config(config: Obj, api_version: str) -> None:
    if config.get("apiVersion") != api_version:
        group, version = split_api_version(config.get("apiVersion", ""))
        raise InvalidInput(f"invalid object type: {group}/{version}, Kind={config.get('kind', '')}", reason="BadRequest")
    if metadata(config).get("managedFields") is not None:
        raise InvalidInput("metadata.managedFields must be nil", reason="BadRequest")


def _decoded(live: Obj | None) -> Entries:
    try:
        return decode(live or {}, stored=True)
    except InvalidInput as error:
        raise InvalidInput(f"failed to decode managed fields: {error.message}", reason="InternalError") from error


def _in_terms_of(writer: Writer, entries: Entries) -> Entries:
    """Entries that were written before the schema of their version made a field atomic hold that field as one."""
    found: Entries = {}
    for key, entry in entries.items():
        is_settled = entry.api_version != writer.api_version or (writer.is_fixed and entry.stored is not None)
        fields = entry.fields if is_settled else in_terms_of(writer.schema, entry.fields)
        found[key] = entry if fields is entry.fields else replace(entry, fields=fields, stored=None)
    return found


class _Claim(Struct, frozen=True):
    """What of a configuration counts at this endpoint, and the paths it states."""

    config: Obj
    fields: FieldSet


def _claim(config: Obj, writer: Writer) -> _Claim:
    try:
        fields = fields_of(config, writer.schema)
    except TypeMismatch as error:
        group, version = split_api_version(config["apiVersion"])
        identity = f"{namespace_of(config)}/{name_of(config)}; {group}/{version}, Kind={config.get('kind', '')}"
        message = f"failed to create typed patch object ({identity}): {explain(config, writer.schema)}"
        raise InvalidInput(message, reason="InternalError") from error
    if not writer.ignored:
        return _Claim(config, fields)
    kept = remove(config, writer.ignored, writer.schema)
    return _Claim(kept if isinstance(kept, dict) else {}, without_subtrees(fields, writer.ignored))


def _applied(before: Obj, claim: _Claim, entries: Entries, writer: Writer, force: bool) -> tuple[Obj, Entries]:
    """The merged object (`before` itself if nothing changes) and who owns what afterwards."""
    own = writer.key(APPLY)
    last = entries.get(own)
    others = {key: entry for key, entry in entries.items() if key != own}
    try:
        merged = merge(before, claim.config, writer.schema)
        assert isinstance(merged, dict)
        held = [claim.fields, *(entry.fields for entry in others.values())]
        merged = _prune(merged, last.fields if last else {}, held, writer.schema)
        changes = _compared(before, merged, writer)
    except TypeMismatch as error:
        raise InvalidInput(f"failed to merge config: {error}", reason="InternalError") from error
    after = _taken(others, changes, force)
    changed = merged is not before and (
        bool(changes.added or changes.modified or changes.removed) or not same_value(merged, before)
    )
    time = writer.time if changed else last.time if last else ""
    after[own] = Entry(difference(claim.fields, _STRIPPED), writer.api_version, time)
    return (merged if changed else before), after


def _prune(merged: Obj, last: FieldSet, held: list[FieldSet], schema: Schema) -> Obj:
    """`merged` without what was applied last time and is held by nobody now."""
    if not difference(last, held[0]):
        return merged
    still: FieldSet = {}
    for fields in held:
        still = union(still, fields)
    given_up = difference(with_named_parents(last, schema), with_named_parents(still, schema))
    pruned = remove(merged, given_up, schema) if given_up else merged
    return pruned if isinstance(pruned, dict) else {}


def _compared(before: Obj, after: Obj, writer: Writer) -> Comparison:
    changes = compare(before, after, writer.schema)
    ignored = writer.ignored
    if not ignored:
        return changes
    return Comparison(
        without_subtrees(changes.added, ignored),
        without_subtrees(changes.modified, ignored),
        without_subtrees(changes.removed, ignored),
    )


def _taken(others: Entries, changes: Comparison, force: bool) -> Entries:
    """What the other managers keep. Raises ApplyConflict if they hold something that changes and nobody forces it."""
    wanted = union(changes.added, changes.modified)
    conflicts = {key: lost for key, entry in others.items() if (lost := intersection(entry.fields, wanted))}
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    gone = union(wanted, changes.removed)
    kept: Entries = {}
    for key, entry in others.items():
        fields = difference(entry.fields, gone)
        if fields:
            kept[key] = entry if fields is entry.fields else Entry(fields, entry.api_version, entry.time)
    return kept


def _first_owner(before: Obj, writer: Writer) -> Entries:
    """Nobody was recorded so far: all there is belongs to `before-first-apply`."""
    empty: Obj = {"apiVersion": before.get("apiVersion"), "kind": before.get("kind")}
    key = entry_key(BEFORE_FIRST_APPLY, UPDATE, writer.api_version, writer.subresource)
    changes = _compared(empty, before, writer)
    held = difference(union(changes.added, changes.modified), _STRIPPED)
    return {key: Entry(held, writer.api_version, writer.time)} if held else {}


def timestamps_kept(live: Obj | None, result: Obj, untouched: bool = False) -> Obj:
    """`result`, or a copy of `live` if only times of entries differ, for then nothing was written.

    `untouched`: all but managedFields is known to be the same.
    """
    if live is None:
        return result
    old: list[Obj] = metadata(live).get("managedFields") or []
    new: list[Obj] = metadata(result).get("managedFields") or []
    if same_but_time(old, new) and (untouched or same_value(without_entries(live), without_entries(result))):
        return copy_obj(live)
    return result


# --- objects that kubectl applied on the client's side until now -----------------------------------------------------------


def _allow_client_side(conflict: ApplyConflict, before: Obj, writer: Writer) -> None:
    """`kubectl apply --server-side` may take what `kubectl apply` wrote: fields of its annotation that are still so.

    Raises the conflict with whatever else is held.
    """
    try:
        recorded: Any = orjson.loads(annotations_of(before).get(LAST_APPLIED, ""))
        allowed = fields_of(recorded, writer.schema)
        drift = compare(recorded, before, writer.schema)
    except (orjson.JSONDecodeError, TypeMismatch, AttributeError):
        raise conflict from None
    if recorded.get("apiVersion") != writer.api_version:
        raise conflict
    for changed in (drift.modified, drift.added, drift.removed):
        allowed = difference(allowed, changed)
    held = {key: rest for key, fields in conflict.held.items() if (rest := difference(fields, allowed))}
    if held:
        raise ApplyConflict(held)


def _synced_last_applied(result: Obj, config: Obj) -> Obj:
    """Keeps the annotation of client-side apply current, so that an old kubectl can still apply."""
    if not annotations_of(result).get(LAST_APPLIED):
        return result
    recorded = copy_obj(config)
    if "annotations" in metadata(recorded):
        recorded["metadata"]["annotations"].pop(LAST_APPLIED, None)
    text = orjson.dumps(recorded, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    meta = {**metadata(result), "annotations": {**annotations_of(result), LAST_APPLIED: text}}
    return {**result, "metadata": meta}


# --- every other write -----------------------------------------------------------------------------------------------------


def record_update(before: Obj | None, after: Obj, writer: Writer, *, blank: Obj | None = None) -> Obj:
    """`after` with the managedFields that it has once `writer` has written it (create, PUT, any patch but apply).

    `after` is what will be stored, defaults and all; its own managedFields count as the server counts them: taken if they
    are valid, `[]` or `[{}]` clears, on a subresource they are ignored. An object that nobody is recorded for stays so until
    its first apply. `blank` is what a new object of the type looks like when nothing is stated: its values are nobody's.
    Nothing given is changed; what comes out shares branches with `after`.
    """
    new, old = without_entries(after), without_entries(before or {})
    entries = _in_terms_of(writer, _recorded(before, after, writer.subresource))
    if not entries and before is not None:
        return new
    if before is None:
        old = blank or {"apiVersion": after.get("apiVersion"), "kind": after.get("kind")}
    try:
        changes = _compared(old, new, writer)
    except TypeMismatch:
        return new
    kept = _taken(entries, changes, True)
    own = difference(union(changes.added, changes.modified), _STRIPPED)
    if own:
        key = writer.key(UPDATE)
        previous = kept.get(key)
        kept[key] = Entry(union(own, previous.fields if previous else {}), writer.api_version, writer.time)
    return timestamps_kept(before, with_entries(new, cap_updaters(kept)))


def _recorded(before: Obj | None, after: Obj, subresource: str) -> Entries:
    """The entries a write starts from: those it brings along, or those that were there."""
    if not subresource:
        if is_reset(after):
            return {}
        if before is not None and metadata(after).get("managedFields") == metadata(before).get("managedFields"):
            return _decoded_or_none(before, stored=True)  # a patch brings along what was there
        brought = _decoded_or_none(after)
        if brought:
            return brought
    return _decoded_or_none(before or {}, stored=True)


def _decoded_or_none(obj: Obj, *, stored: bool = False) -> Entries:
    try:
        return decode(obj, stored=stored)
    except InvalidInput:
        return {}
