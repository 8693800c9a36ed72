"""`operation` and `status.operationState`: how a sync begins, is retried, is terminated and ends.

A client writes `operation` (that is the sync API); we answer in `status.operationState`. The operation stays on the object
until the patch that writes its final phase removes it, so a crash at any point is resumed from what is written there.
`Running` with a `finishedAt` means: this try has failed and the next one waits for its time.
"""

from collections.abc import Sequence
from typing import Any, Literal

from shipway.api.application import InitiatedBy, Retry
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.gitops.ownership import Drift
from shipway.kube.objects.resource import Obj

CONTENT = "shipway.dev/content"
"""Info entry of an operation: digest of the manifests it applies. The same content is never auto-synced twice."""
DRIFT = "Drift"
"""Info entries of a self-heal: which object, which fields, by whom."""


def is_over(state: Obj) -> bool:
    return state.get("phase") not in ("Running", "Terminating")


def belongs(state: Obj, operation: Obj | None) -> bool:
    """Whether `state` tells of the operation that is on the object now (a finished one tells of an earlier one)."""
    return operation is not None and not is_over(state)


def begin(operation: Obj, revision: str, source: Obj, content: str, now: Instant) -> Obj:
    """The state of an operation that has been accepted; written before its first action."""
    info = [entry for entry in operation.get("info") or [] if entry.get("name") != CONTENT]
    told = {**operation, "info": [*info, {"name": CONTENT, "value": content}]} if content else operation
    return {
        "phase": "Running",
        "message": "waiting to start",
        "operation": told,
        "startedAt": rfc3339(now),
        "syncResult": {"revision": revision, "source": source},
    }


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


def restarted(state: Obj, revision: str) -> Obj:
    """The state at the start of the next try: what was done is forgotten, the revision stays (or is the newest one)."""
    result = {key: value for key, value in (state.get("syncResult") or {}).items() if key != "resources"}
    again = {key: value for key, value in state.items() if key not in ("finishedAt", "syncResult")}
    return {**again, "message": "retrying", "syncResult": {**result, **({"revision": revision} if revision else {})}}


def content_of(state: Obj) -> str:
    """The digest of what the operation applied; "" if it does not say."""
    return next((e.get("value", "") for e in (state.get("operation") or {}).get("info") or [] if e.get("name") == CONTENT), "")


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
    return {
        "revision": result.get("revision", ""),
        "source": result.get("source") or {},
        "deployedAt": rfc3339(now),
        "deployStartedAt": state.get("startedAt", ""),
        "initiatedBy": by,
    }


def _kitchen(at: str) -> str:
    """`3:04PM`, as Go's time.Kitchen prints it (UTC)."""
    hour, minute = int(at[11:13]), at[14:16]
    return f"{hour % 12 or 12}:{minute}{'AM' if hour < 12 else 'PM'}"
