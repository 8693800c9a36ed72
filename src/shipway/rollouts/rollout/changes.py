"""What a pass writes to its Rollout: ONE merge patch of what really changes."""

import msgspec

from shipway.api.kinds import ROLLOUTS
from shipway.api.rollout import RolloutStatus, read_status, write_status
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of
from shipway.kube.runtime.decision import Change, Decision
from shipway.rollouts.rollout.observe import Observed


def change_of(rollout: Obj, root: Obj, status: RolloutStatus | None) -> Change | None:
    """The change from what is stored; None when nothing changes."""
    patch = _status_patch(rollout, status) if status is not None else {}
    return _change(rollout, root, patch)


def said(seen: Observed, decision: Decision) -> Observed | None:
    """What the next pass would see if nothing else happened; None where this one acts, or changes more than the status."""
    change = decision.change
    if decision.batches or change is None or change.root or change.status is None:
        return None
    status = merge_patch(seen.rollout.get("status") or {}, change.status)
    return msgspec.structs.replace(seen, rollout={**seen.rollout, "status": status})


def in_one(seen: Observed, after: Observed) -> Change | None:
    """One change for all that was said between two observations."""
    return _change(seen.rollout, {}, _merge_diff(seen.rollout.get("status") or {}, after.rollout.get("status") or {}))


def _change(rollout: Obj, root: Obj, patch: Obj) -> Change | None:
    if not root and not patch:
        return None
    namespace, name = namespace_of(rollout), name_of(rollout)
    return Change(ROLLOUTS, namespace, name, resource_version_of(rollout), root, patch or None)


def _status_patch(rollout: Obj, status: RolloutStatus) -> Obj:
    """Merge patch from the stored status to this one. Fields that we do not model stay as they are."""
    try:
        before = write_status(read_status(rollout)) if rollout.get("status") else {}
    except ValueError:
        before = rollout["status"]
    return _merge_diff(before, write_status(status))


def _merge_diff(before: Obj, after: Obj) -> Obj:
    patch: Obj = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := _merge_diff(old, value):
                patch[key] = inner
        elif old != value:
            patch[key] = value
    return patch
