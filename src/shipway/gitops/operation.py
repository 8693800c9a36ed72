"""`operation` and `status.operationState`: how a sync begins, is retried, is terminated and ends.

A client writes `operation` (that is the sync API); we answer in `status.operationState`. The operation stays on the object
until the patch that writes its final phase removes it, so a crash at any point is resumed from what is written there.
`Running` with a `finishedAt` means: this try has failed and the next one waits for its time.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Literal

from msgspec import Struct

from shipway.api.application import InitiatedBy, Retry, SyncOperation
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.ids import digest
from shipway.gitops.ownership import Drift
from shipway.gitops.pinned import Pinned, revisions_in, sources_in
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, resource_version_of, uid_of

CONTENT = "shipway.dev/content"
"""Info entry of an operation: digest of the manifests it applies. The same content is never auto-synced twice."""
IDENTITY = "shipway.dev/operation"
"""Info entry of an operation: its id, which its hooks carry."""
DRIFT = "Drift"
"""Info entries of a self-heal: which object, which fields, by whom."""
TOOLS = "Tools"
"""Info entry of an operation: what rendered the manifests that it applies, with versions (`helm v4.2.3 (SDK)`)."""


STARTING, SOON = "waiting to start", 10.0
"""What an operation says until it acts or waits for something, and for how many seconds it is taken to be about to act."""
REASON = "reason"
"""Info entry of an operation, in small or large letters: why it is wanted."""


class Begun(Struct, frozen=True):
    """What an operation applies: the sources at resolved commits, the digest of the manifests ("" = not known), and the tools
    that rendered them."""

    at: Pinned = Pinned()
    content: str = ""
    tools: tuple[str, ...] = ()


def is_over(state: Obj) -> bool:
    return state.get("phase") not in ("Running", "Terminating")


def belongs(state: Obj, operation: Obj | None) -> bool:
    """Whether `state` tells of the operation that is on the object now (a finished one tells of an earlier one)."""
    return operation is not None and not is_over(state)


def is_acting(state: Obj, operation: Obj | None) -> bool:
    """Whether it is in the middle of something: not before its first action, nor between two tries."""
    has_acted = bool((state.get("syncResult") or {}).get("resources"))
    return belongs(state, operation) and has_acted and not state.get("finishedAt")


def begins(state: Obj, operation: Obj | None, now: Instant) -> bool:
    """Whether it is about to act for the first time; for ten seconds at most, since what it has to know may never come."""
    is_new = belongs(state, operation) and state.get("message") == STARTING and not state.get("finishedAt")
    return is_new and now < acts_by(state)


def acts_by(state: Obj) -> Instant:
    """Until when an operation counts as about to act."""
    return Instant(parse_rfc3339(state["startedAt"]) + SOON)


def begin(app: Obj, operation: Obj, begun: Begun, now: Instant) -> Obj:
    """The state of an operation that has been accepted; written before its first action.

    Its id is derived from the version of the application that it was written to, which no other operation has.
    """
    ours = {TOOLS: ", ".join(begun.tools), CONTENT: begun.content, IDENTITY: digest(uid_of(app), resource_version_of(app))}
    info = [entry for entry in operation.get("info") or [] if entry.get("name") not in ours]
    told = {**operation, "info": [*info, *({"name": name, "value": value} for name, value in ours.items() if value)]}
    return {
        "phase": "Running",
        "message": STARTING,
        "operation": told,
        "startedAt": rfc3339(now),
        "syncResult": {"revision": "", **begun.at.revision_fields, **begun.at.source_fields},
    }


def operation_wants(tracked: Pinned, sync: SyncOperation, begun: Obj) -> Pinned:
    """What an operation applies: what it has begun with, else what it names, else the tracked sources.

    `begun` is the `syncResult` of an operation that runs, {} before.
    """
    if tracked.is_plural:
        sources = sources_in(begun) or (sync.sources or ())
        revisions = revisions_in(begun) or (sync.revisions or ())
    else:
        sources = sources_in(begun) or ((sync.source,) if sync.source else ())
        revisions = revisions_in(begun) or ((sync.revision,) if sync.revision else ())
    if not sources:
        filled = [new or old for new, old in zip_longest(revisions[: len(tracked.sources)], tracked.revisions, fillvalue="")]
        return Pinned(tracked.sources, tuple(filled), tracked.is_plural)
    own = tuple(str(source.get("targetRevision") or "HEAD") for source in sources)
    filled = [new or old for new, old in zip_longest(revisions[: len(sources)], own, fillvalue="")]
    return Pinned(sources, tuple(filled), tracked.is_plural)


def finish(state: Obj, phase: Literal["Succeeded", "Failed", "Error"], message: str, now: Instant) -> Obj:
    tries = state.get("retryCount") or 0
    text = f"{message} (retried {tries} times)." if tries and phase != "Succeeded" else message
    return {**state, "phase": phase, "message": text, "finishedAt": rfc3339(now)}


def fail_or_retry(state: Obj, retry: Retry, phase: Literal["Failed", "Error"], message: str, now: Instant) -> Obj:
    """The next try is announced if there is one; its time is kept as `finishedAt` plus the backoff."""
    tries = int(state.get("retryCount") or 0)
    if retry.limit >= 0 and tries >= retry.limit:
        return finish(state, phase, message, now)
    at = rfc3339(now + retry.backoff.wait(tries))
    text = f"{message}. Retrying attempt #{tries + 1} at {_kitchen(at)}."
    return {**state, "phase": "Running", "message": text, "finishedAt": rfc3339(now), "retryCount": tries + 1}


def retry_at(state: Obj, retry: Retry) -> Instant | None:
    """When the next try is due; None when no try is waited for."""
    if state.get("phase") != "Running" or not state.get("finishedAt"):
        return None
    return Instant(parse_rfc3339(state["finishedAt"]) + retry.backoff.wait(max(0, int(state.get("retryCount") or 1) - 1)))


def restarted(state: Obj, newest: Pinned | None) -> Obj:
    """The state at the start of the next try: what was done is forgotten, the revision stays, or is the newest one."""
    result = {key: value for key, value in (state.get("syncResult") or {}).items() if key != "resources"}
    again = {key: value for key, value in state.items() if key not in ("finishedAt", "syncResult")}
    return {**again, "message": "retrying", "syncResult": {**result, **(newest.revision_fields if newest else {})}}


def content_of(state: Obj) -> str:
    """The digest of what the operation applied; "" if it does not say."""
    return _told(state, CONTENT)


def operation_id(state: Obj) -> str:
    """Which try of which operation: the same after a restart of ours, another for the next sync or try."""
    return f"{_told(state, IDENTITY)}-{state.get('retryCount') or 0}"


def _told(state: Obj, name: str) -> str:
    info: list[Obj] = dig(state, "operation", "info", default=[])
    return next((entry.get("value", "") for entry in info if entry.get("name") == name), "")


def identity_of(state: Obj) -> str:
    """Which operation, whatever try; "" for one that another engine carried out."""
    return _told(state, IDENTITY)


def reason_in(operation: Obj) -> str:
    """Why whoever asked for it wants it: `--info reason=TEXT` of Argo CD's command, `--reason TEXT` of ours."""
    said = (one.get("value") or "" for one in operation.get("info") or [] if (one.get("name") or "").lower() == REASON)
    return next(said, "").strip()


def drift_info(name: str, drifts: Sequence[Drift]) -> Obj:
    """`Deployment shop/web: spec.replicas changed by kubectl-edit`."""
    who = sorted({drift.manager for drift in drifts if drift.manager})
    paths = ", ".join(dict.fromkeys(drift.path for drift in drifts))
    by = f" by {', '.join(who)}" if who else ""
    what = f"{paths} changed{by}" if paths else "is missing"
    return {"name": DRIFT, "value": f"{name}: {what}"}


def history_entry(state: Obj, initiated_by: InitiatedBy, now: Instant) -> Obj:
    result = state.get("syncResult") or {}
    by: dict[str, Any] = {"automated": True} if initiated_by.automated else {}
    if initiated_by.username:
        by["username"] = initiated_by.username
    several = {key: result[key] for key in ("revisions", "sources") if result.get(key)}
    return {
        **(several or {"revision": result.get("revision", ""), "source": result.get("source") or {}}),
        "deployedAt": rfc3339(now),
        "deployStartedAt": state.get("startedAt", ""),
        "initiatedBy": by,
    }


def _kitchen(at: str) -> str:
    """`3:04PM`, as Go's time.Kitchen prints it (UTC)."""
    hour, minute = int(at[11:13]), at[14:16]
    return f"{hour % 12 or 12}:{minute}{'AM' if hour < 12 else 'PM'}"
