"""`metadata.managedFields` as values: who (manager, operation, subresource) holds which paths, at which version, since when.

Applied entries are one per manager and subresource, whatever version they were applied at; updates are one per version. The
order on the wire is the API server's: by operation, then time, then name.
"""

from typing import Any

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.field_sets import FieldSet, in_order, union
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATERS = 10
"""More entries of updates than these are folded, oldest first, into the manager `ancient-changes`."""


class EntryKey(Struct, frozen=True, order=True):
    """Identity of an entry: two writes with the same key share one. `version` is "" for applied entries."""

    manager: str
    operation: str
    version: str = ""
    subresource: str = ""


class Entry(Struct, frozen=True):
    """Paths held since `time` (RFC 3339, "" when the server recorded none) in terms of `api_version`. `stored` is the entry
    as a server wrote it, where it is that very entry."""

    fields: FieldSet
    api_version: str
    time: str = ""
    stored: Obj | None = None


Entries = dict[EntryKey, Entry]


def entry_key(manager: str, operation: str, api_version: str, subresource: str) -> EntryKey:
    return EntryKey(manager or "unknown", operation, "" if operation == APPLY else api_version, subresource)


def decode(obj: Obj, *, stored: bool = False) -> Entries:
    """The entries of an object. Raises InvalidInput when one is not what a server would have written.

    `stored`: it comes from the store, so what stays of its entries need not be brought in order again.
    """
    found: Entries = {}
    listed: list[Obj] = metadata(obj).get("managedFields") or []
    for index, raw in enumerate(listed):
        operation, version = raw.get("operation"), raw.get("apiVersion")
        if operation not in (APPLY, UPDATE):
            raise InvalidInput("operation must be `Apply` or `Update`")
        if not version:
            raise InvalidInput("apiVersion must not be empty")
        if raw.get("fieldsType") != "FieldsV1":
            raise InvalidInput(f"missing fieldsType in managed fields entry {index}")
        key = entry_key(raw.get("manager") or "", operation, version, raw.get("subresource") or "")
        found[key] = Entry(raw.get("fieldsV1") or {}, version, raw.get("time") or "", raw if stored else None)
    return found


def encode(entries: Entries) -> list[Obj]:
    """As the server writes them, without empty ones."""
    held = [(key, entry) for key, entry in entries.items() if entry.fields]
    held.sort(key=lambda item: (item[0].operation, item[1].time, item[0].manager, item[1].api_version, item[0].subresource))
    return [_encoded(key, entry) for key, entry in held]


def _encoded(key: EntryKey, entry: Entry) -> Obj:
    if entry.stored is not None:
        return entry.stored
    raw: Obj = {"manager": key.manager, "operation": key.operation, "apiVersion": entry.api_version}
    if entry.time:
        raw["time"] = entry.time
    raw.update(fieldsType="FieldsV1", fieldsV1=in_order(entry.fields))
    if key.subresource:
        raw["subresource"] = key.subresource
    return raw


def is_reset(obj: Obj) -> bool:
    """Whether a write asks to forget all owners: `managedFields: []` or `[{}]`."""
    stated: Any = metadata(obj).get("managedFields")
    return stated in ([], [{}])


def with_entries(obj: Obj, entries: Entries) -> Obj:
    """`obj` with these managed fields; the branches that do not change are shared."""
    encoded = encode(entries)
    meta: dict[str, Any] = {key: value for key, value in metadata(obj).items() if key != "managedFields"}
    if encoded:
        meta["managedFields"] = encoded
    return {**obj, "metadata": meta}


def without_entries(obj: Obj) -> Obj:
    """`obj` without managed fields, sharing everything else."""
    return with_entries(obj, {}) if "managedFields" in metadata(obj) else obj


def same_but_time(a: list[Obj], b: list[Obj]) -> bool:
    """Whether two encoded lists differ in nothing but times."""

    def timeless(listed: list[Obj]) -> list[Obj]:
        return [{**raw, "time": ""} for raw in listed]

    return len(a) == len(b) and timeless(a) == timeless(b)


def cap_updaters(entries: Entries) -> Entries:
    """At most `MAX_UPDATERS` entries of updates: the oldest of each version are merged under `ancient-changes`."""
    updaters = sorted((entry.time, key) for key, entry in entries.items() if key.operation == UPDATE)
    excess = len(updaters) - MAX_UPDATERS
    if excess <= 0:
        return entries
    capped, first_of = dict(entries), dict[str, EntryKey]()
    for time, key in updaters:
        if excess <= 0:
            break
        entry = capped[key]
        first = first_of.setdefault(entry.api_version, key)
        if first == key:
            continue
        bucket = entry_key("ancient-changes", UPDATE, entry.api_version, "")
        if bucket not in capped:
            capped[bucket] = capped.pop(first)
        gathered = union(entry.fields, capped[bucket].fields)
        del capped[key]
        capped[bucket] = Entry(gathered, entry.api_version, time)
        excess -= 1
    return capped
