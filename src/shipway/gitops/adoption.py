"""Taking over objects that kubectl, Helm or Argo CD applied: their ownership becomes ours, nothing else changes.

Server-side apply deletes a field only if whoever leaves it out owns it. An object that another tool applied is owned by that
tool's field manager, so a field that leaves Git would stay live and look Synced. Before our first apply the entries of those
managers are therefore renamed to ours in `managedFields` (a patch guarded by the resourceVersion, as kubectl does when it
moves to server-side apply). Spec, generation and pods stay as they are.
"""

from typing import Any

import orjson
from msgspec.structs import replace

from shipway.gitops.annotations import APPLIED
from shipway.gitops.quiet import NO_LONGER, is_quiet
from shipway.kube.objects.field_sets import MEMBER, FieldSet, difference, key_element, union, value_element
from shipway.kube.objects.managed_fields import APPLY, Entries, Entry, EntryKey, decode, encode
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, copy_obj, labels_of, name_of, namespace_of, resource_version_of
from shipway.kube.runtime.decision import Patch

FORMER = frozenset({"kubectl-client-side-apply", "helm", "argocd-controller"})
"""Field managers of the tools that people come from."""
_POINTER = APPLIED.replace("/", "~1")
_LAST_APPLIED = "f:kubectl.kubernetes.io/last-applied-configuration"


def takeover(
    live: Obj,
    resource: Resource,
    manager: str,
    drifters: frozenset[str] = frozenset(),
    tools: frozenset[str] = FORMER,
    *,
    leaves_annotations: bool = False,
) -> Patch | None:
    """The patch that makes their fields ours; None when there is nothing to take over.

    `drifters` are managers whose fields are taken as well: who changed an object so that Git's version cannot be applied
    over it (a second port without a name, say) has their additions removed with it. `tools` are the managers that people come
    from. `leaves_annotations`: those stay theirs for now, so that a quiet adoption does not remove one.
    """
    entries = decode(copy_obj(live))
    ours = EntryKey(manager, APPLY)
    whole = drifters if ours in entries else tools | drifters
    # What a quiet adoption has left behind goes with the first loud apply.
    annotations = tools if is_quiet(live) and not leaves_annotations else frozenset[str]()
    taken: dict[EntryKey, FieldSet] = {}
    for key, entry in entries.items():
        if _is_of(whole, key, entry, live):
            taken[key] = difference(entry.fields, _annotations(entry.fields) if leaves_annotations else {})
        elif _is_of(annotations, key, entry, live):
            taken[key] = _annotations(entry.fields)
    if not any(taken.values()):
        return None
    fields: FieldSet = entries[ours].fields if ours in entries else {}
    for more in taken.values():
        fields = union(fields, more)
    newest = max(entries[key].time for key, found in taken.items() if found)
    rest = {key: replace(entry, fields=difference(entry.fields, taken.get(key, {}))) for key, entry in entries.items()}
    kept: Entries = {key: entry for key, entry in rest.items() if entry.fields}
    kept[ours] = Entry(fields, live.get("apiVersion", ""), newest)
    body: list[Obj] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": encode(kept)},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version_of(live)},
    ]
    return Patch(resource, namespace_of(live), name_of(live), [*body, *_unmarked(live, leaves_annotations)], type="json")


def _unmarked(live: Obj, stays_quiet: bool) -> list[Obj]:
    """We own now what we did not apply: until our apply has followed, the object must not look in sync."""
    found: list[Obj] = []
    if APPLIED in annotations_of(live):
        found.append({"op": "remove", "path": f"/metadata/annotations/{_POINTER}"})
    if APPLIED in labels_of(live):
        path = f"/metadata/labels/{_POINTER}"
        found.append({"op": "remove", "path": path} if stays_quiet else {"op": "replace", "path": path, "value": NO_LONGER})
    return found


def has_leftovers(live: Obj, desired: Obj, tools: frozenset[str] = FORMER) -> bool:
    """Whether those tools own a field that Git does not state any more: it has to go, and only a takeover lets it."""
    entries = decode(copy_obj(live)).items()
    return any(_is_stale(entry.fields, desired) for key, entry in entries if _is_of(tools, key, entry, live))


def _annotations(fields: FieldSet) -> FieldSet:
    """What of a field set is annotations."""
    found = (fields.get("f:metadata") or {}).get("f:annotations")
    return {"f:metadata": {"f:annotations": found}} if found else {}


def _is_of(managers: frozenset[str], key: EntryKey, entry: Entry, live: Obj) -> bool:
    return key.manager in managers and not key.subresource and entry.api_version == live.get("apiVersion")


def _is_stale(fields: FieldSet, stated: Any) -> bool:
    """Whether the set holds a path that `stated` does not have."""
    for element, below in fields.items():
        if element in (MEMBER, _LAST_APPLIED):
            continue
        found, value = _step(element, stated)
        if not found or (below and _is_stale(below, value)):
            return True
    return False


def _step(element: str, stated: Any) -> tuple[bool, Any]:
    """(whether `stated` has this element, what is there)."""
    kind = element[:2]
    if kind == "f:":
        name = element[2:]
        return (True, stated[name]) if isinstance(stated, dict) and name in stated else (False, None)
    if not isinstance(stated, list):
        return False, None
    if kind == "k:":
        for item in stated:
            if isinstance(item, dict) and _has_key(element, item):
                return True, item
        return False, None
    return (True, None) if kind == "v:" and any(value_element(item) == element for item in stated) else (kind == "i:", None)


def _has_key(element: str, item: Obj) -> bool:
    """Whether the item is the one that `element` names; key fields it leaves out are the server's defaults."""
    keys: Obj = _keys(element)
    return any(name in item for name in keys) and key_element({**keys, **{n: item[n] for n in keys if n in item}}) == element


def _keys(element: str) -> Obj:
    return orjson.loads(element[2:])
