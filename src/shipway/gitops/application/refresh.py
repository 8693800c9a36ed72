"""The refresh annotation: a client asks that Git is looked at now.

Two writes make it safe to crash between: first the annotation gets a companion that says since when we ask again, then, once
an answer was asked for after that moment, both go.
"""

from shipway.base.clock import Instant, parse_rfc3339, rfc3339_micro
from shipway.gitops.annotations import REFRESH, REFRESHING
from shipway.gitops.application.observe import Observed
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from shipway.kube.runtime.decision import Ask

PATIENCE = 0.2
"""Seconds until a pass looks again whether the answer has come."""
LOOKING = 10.0
"""Seconds that an operation waits for the newest commit, where its client wants that."""
_SPELT_IN = 1.0
"""Seconds to which a status says when something ended."""


def refresh_change(observed: Observed, now: Instant) -> Obj:
    """Annotations to write where this pass asks: since when we ask again, or both away once that is answered. A wish that came
    while a pass acted is for the next one, which the wish wakes: its conclusion writes no more than `refreshed`."""
    annotations = annotations_of(observed.app)
    if REFRESH not in annotations:
        return {}
    if REFRESHING not in annotations and observed.target is not None:
        return {REFRESHING: rfc3339_micro(now)}
    return refreshed(observed)


def refreshed(observed: Observed) -> Obj:
    """The annotations go once what a client wished is done."""
    is_wished = REFRESH in annotations_of(observed.app)
    return dict.fromkeys((REFRESH, REFRESHING)) if is_wished and _is_refreshed(observed) else {}


def _is_refreshed(observed: Observed) -> bool:
    """Whether what we know was asked for after the client's wish."""
    target, since = observed.target, annotations_of(observed.app).get(REFRESHING)
    if target is None:
        return True
    return bool(since) and target.asked_at >= parse_rfc3339(str(since)) and not target.is_waiting


def refresh_wake(observed: Observed, now: Instant) -> Instant | None:
    waits = REFRESH in annotations_of(observed.app) and not _is_refreshed(observed)
    is_renewed = observed.target is not None and observed.target.checks.renewed
    return Instant(now + PATIENCE) if waits or is_renewed else None


def is_looked_for(observed: Observed, now: Instant) -> bool:
    """Whether an operation that follows the tracked revision waits for the answer to a client's wish."""
    annotations = annotations_of(observed.app)
    if REFRESH not in annotations or observed.sync_target is not observed.target or _is_refreshed(observed):
        return False
    since = annotations.get(REFRESHING)
    return since is None or now < parse_rfc3339(since) + LOOKING


def asked_again(observed: Observed, now: Instant) -> tuple[Ask, ...]:
    """The questions to put anew in this pass."""
    if observed.target is None:
        return ()
    is_new = REFRESHING in refresh_change(observed, now) and not _is_refreshed(observed)
    return observed.target.head_asks if is_new or _was_hydrated(observed) else observed.target.checks.renewed


def _was_hydrated(observed: Observed) -> bool:
    """The branch that is synced from was written to since it was looked at, maybe by another replica, which tells nobody."""
    hydrator = observed.spec.source_hydrator if observed.spec else None
    operation: Obj = dig(observed.status, "sourceHydrator", "currentOperation", default={})
    if observed.target is None or hydrator is None or hydrator.hydrate_to or operation.get("phase") != "Hydrated":
        return False
    at, ended = observed.target.at, str(operation.get("finishedAt") or "")
    if not ended or (at is not None and at.revisions == (operation.get("hydratedSHA"),)):
        return False
    return 0.0 < observed.target.asked_at < parse_rfc3339(ended) + _SPELT_IN
