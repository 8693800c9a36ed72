"""`status.sync.revision` of applications that a commit did not touch is moved in a slow sweep, not in a burst.

A commit to a monorepo is news to the applications that read what it changed; all the others only have a newer name for the same
content. They are told one by one, spread over minutes, or along with the next thing that does change. After a restart nobody
knows what the old revision read, so it is the same: no burst of writes.
"""

from shipway.base.clock import Instant, parse_rfc3339
from shipway.gitops.application.observe import Observed
from shipway.gitops.pinned import revisions_in
from shipway.gitops.status import REVISIONS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, uid_of

SOONEST, SPREAD = 300.0, 300.0


def waits_for_sweep(observed: Observed, patch: Obj, now: Instant) -> Instant | None:
    """When this status patch is due, if it only moves the revision and may wait; None: write it now."""
    target = observed.target
    if target is None or target.is_news or set(patch) != {"sync"} or not set(patch["sync"]) <= set(REVISIONS):
        return None
    last: str = dig(observed.status, "reconciledAt", default="")
    if not last or not revisions_in(observed.status.get("sync") or {}):
        return None
    spread = int(uid_of(observed.app).replace("-", "")[:4] or "0", 16) / 0xFFFF * SPREAD
    due = Instant(parse_rfc3339(last) + SOONEST + spread)
    return due if due > now else None
