"""What goes when an owner goes.

    owner being deleted, finalizer `orphan`               strip its references from dependents, then remove the finalizer
    owner being deleted, finalizer `foregroundDeletion`   delete dependents that block it, then remove the finalizer
    owner gone (the server says so)                       delete dependents without another owner, strip it from the rest

Every deletion carries uid and resourceVersion, so an object that was adopted meanwhile is left alone.
"""

from collections.abc import Callable, Iterable

from shipway.api.kinds import NAMESPACES
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    is_deleting,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Batch, Decision, Delete, Patch, Propagation, Watch
from shipway.localcluster.controllers.garbage.observe import (
    Dependent,
    Item,
    Key,
    Kinds,
    Observed,
    Uid,
    is_waiting_for_dependents,
    own_uid,
    owner_uids,
)

AT_ONCE = 500
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
INDEXES: dict[str, Callable[[Obj], Iterable[str]]] = {"uid": own_uid, "owner": owner_uids}


def keys(obj: Obj) -> Iterable[Key]:
    """An object concerns itself and its owners."""
    return (Uid(uid_of(obj)), *(Uid(uid) for uid in owner_uids(obj)))


def keys_of_namespace(obj: Obj) -> Iterable[Key]:
    """There is always a namespace: its first event starts the watches on all kinds."""
    return (Kinds(), *keys(obj))


def decide(observed: Observed, now: Instant) -> Decision:
    """The next deletions and patches around one uid; or, for the kinds, the watches."""
    if not observed.uid:
        others = (resource for resource in observed.kinds if resource != NAMESPACES)
        return Decision(watches=tuple(Watch(kind, keys, indexes=INDEXES, metadata_only=True) for kind in others))
    if observed.me is None:
        return _owner_gone(observed)
    finalizers: list[str] = metadata(observed.me.obj).get("finalizers") or []
    if not is_deleting(observed.me.obj):
        return Decision()
    if ORPHAN in finalizers:
        actions: list[Action] = [_without_owners(d.item, {observed.uid}) for d in observed.dependents]
        return _batch(actions or [_without_finalizer(observed.me, ORPHAN)])
    if FOREGROUND in finalizers:
        return _foreground(observed, observed.me)
    return Decision()


def _foreground(observed: Observed, me: Item) -> Decision:
    blocking = [d for d in observed.dependents if _blocks(d.item.obj, observed.uid)]
    if not blocking:
        return _batch([_without_finalizer(me, FOREGROUND)])
    actions: list[Action] = []
    for dependent in blocking:
        others = [owner for owner in dependent.owners if owner.uid != observed.uid]
        if any(owner.is_there and not owner.waits_for_dependents for owner in others):
            actions.append(_without_owners(dependent.item, {observed.uid}))
        elif not is_deleting(dependent.item.obj):
            actions.append(_delete(dependent.item, "Foreground" if dependent.has_dependents else "Background"))
    return _batch(actions)


def _owner_gone(observed: Observed) -> Decision:
    """The cache has no such owner. Whoever has no answer from the server yet waits for it."""
    actions: list[Action] = []
    asks = [owner.ask for d in observed.dependents for owner in d.owners if owner.ask]
    for dependent in observed.dependents:
        gone = {owner.uid for owner in dependent.owners if owner.is_there is False}
        if observed.uid not in gone or is_deleting(dependent.item.obj):
            continue
        kept = [owner for owner in dependent.owners if owner.uid not in gone]
        if any(owner.is_there is None for owner in kept):
            continue
        if any(owner.is_there and not owner.waits_for_dependents for owner in kept):
            actions.append(_without_owners(dependent.item, gone))
        else:
            in_foreground = bool(kept) and dependent.has_dependents
            actions.append(_delete(dependent.item, "Foreground" if in_foreground else _own_policy(dependent)))
    decision = _batch(actions)
    return Decision(decision.batches, asks=tuple(dict.fromkeys(asks)))


def _own_policy(dependent: Dependent) -> Propagation:
    """How the dependent itself asked to be deleted."""
    finalizers = metadata(dependent.item.obj).get("finalizers") or ()
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers or is_waiting_for_dependents(dependent.item.obj) else "Background"


def _blocks(obj: Obj, owner_uid: str) -> bool:
    references: list[Obj] = metadata(obj).get("ownerReferences") or []
    return any(ref.get("uid") == owner_uid and ref.get("blockOwnerDeletion") for ref in references)


def _batch(actions: list[Action]) -> Decision:
    return Decision((Batch(tuple(actions[:AT_ONCE]), on_failure="continue"),) if actions else ())


def _delete(item: Item, propagation: Propagation) -> Delete:
    obj = item.obj
    return Delete(
        item.resource, namespace_of(obj), name_of(obj), uid=uid_of(obj), resource_version=resource_version_of(obj),
        propagation=propagation,
    )  # fmt: skip


def _without_owners(item: Item, uids: set[str]) -> Patch:
    left = [ref for ref in metadata(item.obj).get("ownerReferences") or () if ref.get("uid") not in uids]
    return _patch(item, {"metadata": {"ownerReferences": left or None}})


def _without_finalizer(item: Item, finalizer: str) -> Patch:
    left = [name for name in metadata(item.obj).get("finalizers") or () if name != finalizer]
    return _patch(item, {"metadata": {"finalizers": left or None}})


def _patch(item: Item, body: Obj) -> Patch:
    obj = item.obj
    return Patch(
        item.resource, namespace_of(obj), name_of(obj), body, uid=uid_of(obj), resource_version=resource_version_of(obj)
    )
