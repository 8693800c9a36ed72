"""Hooks: objects that are created at a phase of a sync, awaited and cleaned up by their delete policy.

A hook carries a finalizer and the id of the operation that created it. The id makes a restart recognise what it had begun;
the finalizer keeps the hook until its result has been stored and seen, so that none can run twice. A hook that has only a
generateName, or no name at all, is named by its operation: prefix, 7 characters of the revision, phase, start (Argo CD's
rule), so that it is another object in each of its phases.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shipway.base.clock import parse_rfc3339
from shipway.gitops.annotations import HOOK, HOOK_FINALIZER, OPERATION, TRACKING_ID
from shipway.gitops.comparison import Item, Live
from shipway.gitops.desired import Desired
from shipway.gitops.order import Phase, delete_policies, phases_of
from shipway.gitops.pinned import revisions_in
from shipway.gitops.sync.rows import Rows, has_failed
from shipway.gitops.sync.tasks import Task
from shipway.gitops.tracking import tracking_id
from shipway.kube.objects.resource import Obj, Ref, ref_of
from shipway.kube.objects.views import annotations_of, copy_obj, is_deleting, metadata, name_of, namespace_of, uid_of
from shipway.kube.runtime.decision import Action, Delete, Patch


def named(items: Sequence[Item], live: Mapping[Ref, Live], state: Obj, instance: str) -> tuple[Item, ...]:
    """Items in which every hook has a name."""
    found: list[Item] = []
    for item in items:
        nameless = item.desired if item.is_hook and not item.ref.name else None
        found += [_named(item, nameless, phase, live, state, instance) for phase in phases_of(item.obj)] if nameless else [item]
    return tuple(found)


def hook_object(obj: Obj, operation: str) -> Obj:
    """The hook as it is created."""
    hook = copy_obj(obj)
    meta = hook["metadata"]
    meta["finalizers"] = [*(meta.get("finalizers") or []), HOOK_FINALIZER]
    meta.setdefault("annotations", {})[OPERATION] = operation
    return hook


def is_begun(task: Task, operation: str) -> bool:
    """Whether this operation (or, where nothing is to be deleted first, anybody) has created the hook."""
    live = task.item.live_obj
    if live is None:
        return False
    return annotations_of(live).get(OPERATION) == operation or "BeforeHookCreation" not in delete_policies(task.obj)


def removal(item: Item) -> tuple[Action, ...]:
    """Deletes a live hook and lets it go."""
    live, resource = item.live_obj, item.resource
    if live is None or resource is None:
        return ()
    namespace, name = namespace_of(live), name_of(live)
    gone = () if is_deleting(live) else (Delete(resource, namespace, name, uid=uid_of(live)),)
    return (*gone, *release(item))


def release(item: Item) -> tuple[Action, ...]:
    """Takes our finalizer off a live hook."""
    live, resource = item.live_obj, item.resource
    finalizers = metadata(live or {}).get("finalizers") or []
    if live is None or resource is None or HOOK_FINALIZER not in finalizers:
        return ()
    left = [finalizer for finalizer in finalizers if finalizer != HOOK_FINALIZER]
    return (Patch(resource, namespace_of(live), name_of(live), {"metadata": {"finalizers": left or None}}, uid=uid_of(live)),)


def clean_up(items: Sequence[Item], rows: Rows) -> tuple[tuple[Action, ...], ...]:
    """What happens to live hooks once their operation is over: let go of, and deleted where their policy says so.

    One tuple of actions per hook, to be carried out in order.
    """
    return tuple(actions for item in items if item.is_hook and (actions := _clean_up(item, rows)))


def _clean_up(item: Item, rows: Rows) -> tuple[Action, ...]:
    live = item.live_obj
    if live is None or not release(item):
        return ()
    ref = ref_of(live)
    mine = [row for key, row in rows.items() if key[:4] == (ref.group, ref.kind, ref.namespace, ref.name)]
    policies = delete_policies(live)
    failed = any(map(has_failed, mine))
    is_due = bool(mine) and ("HookFailed" if failed else "HookSucceeded") in policies
    return removal(item) if is_due else release(item)


def _named(item: Item, nameless: Desired, phase: Phase, live: Mapping[Ref, Live], state: Obj, instance: str) -> Item:
    """The object that the hook is in one of its phases."""
    obj = copy_obj(nameless.obj)
    revision = "".join(revisions_in(state.get("syncResult") or {})[:1])
    started = int(parse_rfc3339(state["startedAt"]))
    meta = obj["metadata"]
    meta["name"] = f"{meta.pop('generateName', '')}{revision[:7]}-{phase.lower()}-{started}"
    meta["annotations"][TRACKING_ID] = tracking_id(instance, obj)
    if phases_of(obj) != (phase,):
        meta["annotations"][HOOK] = phase
    desired = Desired(ref_of(obj), obj, nameless.resource)
    return msgspec.structs.replace(item, ref=desired.ref, desired=desired, live=live.get(desired.ref))
