"""Taking over objects that kubectl, Helm or Argo CD applied: their ownership becomes ours, nothing else changes.

Server-side apply deletes a field only if whoever leaves it out owns it. An object that another tool applied is owned by that
tool's field manager, so a field that leaves Git would stay live and look Synced. Before our first apply the entries of those
managers are therefore renamed to ours in `managedFields` (a patch guarded by the resourceVersion, as kubectl does when it
moves to server-side apply). Spec, generation and pods stay as they are.
"""

from typing import Any

import orjson

from shipway.gitops.annotations import APPLIED
from shipway.kube.objects.field_sets import MEMBER, FieldSet, key_element, union, value_element
from shipway.kube.objects.managed_fields import APPLY, Entries, Entry, EntryKey, decode, encode
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, copy_obj, name_of, namespace_of, resource_version_of
from shipway.kube.runtime.decision import Patch

FORMER = frozenset({"kubectl-client-side-apply", "helm", "argocd-controller"})
"""Field managers of the tools that people come from."""
_LAST_APPLIED = "f:kubectl.kubernetes.io/last-applied-configuration"


def takeover(
    live: Obj, resource: Resource, manager: str, drifters: frozenset[str] = frozenset(), tools: frozenset[str] = FORMER
) -> Patch | None:
    """The patch that makes their fields ours; None when there is nothing to take over.

    `drifters` are managers whose fields are taken as well: who changed an object so that Git's version cannot be applied
    over it (a second port without a name, say) has their additions removed with it. `tools` are the managers that people come
    from.
    """
    entries = decode(copy_obj(live))
    ours = EntryKey(manager, APPLY)
    former = tools if ours not in entries else frozenset[str]()
    theirs = {key: entry for key, entry in entries.items() if _is_of(former | drifters, key, entry, live)}
    if not theirs:
        return None
    fields: FieldSet = entries[ours].fields if ours in entries else {}
    for entry in theirs.values():
        fields = union(fields, entry.fields)
    kept: Entries = {key: entry for key, entry in entries.items() if key not in theirs}
    newest = max(entry.time for entry in theirs.values())
    kept[ours] = Entry(fields, live.get("apiVersion", ""), newest)
    body: list[Obj] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": encode(kept)},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version_of(live)},
    ]
    if APPLIED in annotations_of(live):
        # We own now what we did not apply: until our apply has followed, the object must not look in sync.
        body.append({"op": "remove", "path": f"/metadata/annotations/{APPLIED.replace('/', '~1')}"})
    return Patch(resource, namespace_of(live), name_of(live), body, type="json")


def has_leftovers(live: Obj, desired: Obj, tools: frozenset[str] = FORMER) -> bool:
    """Whether those tools own a field that Git does not state any more: it has to go, and only a takeover lets it."""
    entries = decode(copy_obj(live)).items()
    return any(_is_stale(entry.fields, desired) for key, entry in entries if _is_of(tools, key, entry, live))


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
