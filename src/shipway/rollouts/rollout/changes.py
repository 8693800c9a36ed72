"""What a pass writes to its Rollout: ONE merge patch of what really changes."""

import msgspec

from shipway.api.kinds import ROLLOUTS
from shipway.api.rollout import RolloutStatus, read_status, write_status
from shipway.kube.objects.patches import merge_diff, merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of
from shipway.kube.runtime.decision import Change, Decision
from shipway.rollouts.rollout.observe import Observed


def change_of(rollout: Obj, root: Obj, status: RolloutStatus | None) -> Change | None:
    """The change from what is stored; None when nothing changes."""
    patch = _status_patch(rollout, status) if status is not None else {}
    return _change(rollout, root, patch)


def spoken(seen: Observed, decision: Decision) -> Observed:
    """The observation with the decision's change written, and nothing else done."""
    change = decision.change
    if change is None:
        return seen
    rollout = merge_patch(seen.rollout, change.root) if change.root else seen.rollout
    status = merge_patch(rollout.get("status") or {}, change.status or {})
    return msgspec.structs.replace(seen, rollout={**rollout, "status": status})


def said(seen: Observed, decision: Decision) -> Observed | None:
    """What the next pass would see if nothing else happened; None where this one acts, or changes more than the status."""
    change = decision.change
    if decision.batches or change is None or change.root or change.status is None:
        return None
    return spoken(seen, decision)


def in_one(seen: Observed, after: Observed, root: Obj | None = None) -> Change | None:
    """One change for all that was said between two observations, with `root` beside it."""
    return _change(seen.rollout, root or {}, merge_diff(seen.rollout.get("status") or {}, after.rollout.get("status") or {}))


def is_turn(seen: Observed, after: Observed) -> bool:
    """Whether a promotion or an abort was said in between: then nothing is done before it is written."""
    before, now = (one.rollout.get("status") or {} for one in (seen, after))
    return any(before.get(field) != now.get(field) for field in ("stableRS", "abort", "currentPodHash"))


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
    return merge_diff(before, write_status(status))
