"""Who owns the replicas, after a write through `/scale`.

A Scale is an object of its own kind, so a server translates: the parent's entries that hold the replicas become entries of the
Scale at autoscaling/v1, the write is recorded there, and what comes out is translated back. Two habits of a real server follow
from that and are kept: replicas that nobody holds stay so (the writer is not recorded), and entries of updates lose their time,
for they come back under another version than they went with.
"""

from typing import Any

from shipway.kube.objects.apply import Writer, timestamps_kept
from shipway.kube.objects.field_sets import FieldSet, difference, field_set, intersection
from shipway.kube.objects.managed_fields import UPDATE, Entries, Entry, EntryKey, decode, entry_key, with_entries
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig

SCALE_VERSION = "autoscaling/v1"


def record_scale(before: Obj, after: Obj, writer: Writer, path: tuple[str, ...]) -> Obj:
    """`after` with managedFields, where only the replicas at `path` ("spec", "replicas") differ from `before`.

    `writer` is who wrote, in terms of the parent: its API version and schema. Nothing given is changed; what comes out shares
    branches with `after`.
    """
    replicas = field_set(".".join(path))
    entries = decode(before)
    holders = {key: entry for key, entry in entries.items() if intersection(entry.fields, replicas)}
    moved = dig(before, *path, default=0) != dig(after, *path, default=0)
    scale = _on_the_scale(holders, writer, moved, gone=not dig(after, *path, default=0))
    kept = _still_held(entries, holders, scale, replicas)
    for key in scale:
        if key not in kept:
            kept[key] = Entry(replicas, writer.api_version)
    return timestamps_kept(before, with_entries(after, kept))


def _scale_key(key: EntryKey) -> EntryKey:
    return entry_key(key.manager, key.operation, SCALE_VERSION, key.subresource)


def _on_the_scale(holders: Entries, writer: Writer, moved: bool, *, gone: bool) -> set[EntryKey]:
    """Who holds the replicas of the Scale after the write; nobody did: nobody does."""
    if not holders or not moved:
        return {_scale_key(key) for key in holders}
    return set() if gone else {entry_key(writer.manager, UPDATE, SCALE_VERSION, "scale")}


def _still_held(entries: Entries, holders: Entries, scale: set[EntryKey], replicas: FieldSet) -> Entries:
    """The parent's entries, without the replicas where the Scale does not give them back under the same key."""
    kept: Entries = {}
    for key, entry in entries.items():
        fields: dict[str, Any] = entry.fields
        if key in holders and key not in scale:
            fields = difference(entry.fields, replicas)
        if fields:
            kept[key] = Entry(fields, entry.api_version, entry.time)
    return kept
