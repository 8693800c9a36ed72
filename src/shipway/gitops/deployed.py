"""The latest deployment of an Application in one line: what, by whom, why, and what was there before. Pure."""

from shipway.api.ledger import Entry
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.gitops.operation import reason_in
from shipway.gitops.pinned import revision_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of


def latest_deployment(app: Obj, entry: Entry | None, now: Instant) -> str:
    """What `why` says besides; "" where nothing was deployed. `entry`: the ledger's of that deployment, if it could be read:
    who wrote the commit is known from there."""
    history: list[Obj] = status_of(app).get("history") or []
    if not history:
        return ""
    last = history[-1]
    parts = [f"Last deployed {_ago(last, now)}: {revision_of(last) or 'what is live'}{_written(entry)}", _asked(last)]
    if reason := (entry.reason if entry else "") or _reason(app, last):
        parts.append(f"reason: {reason}")
    if len(history) > 1:
        parts.append(f"before it: {revision_of(history[-2])}")
    return "; ".join(parts) + "."


def tells_of_latest(app: Obj, entry: Entry) -> bool:
    """Whether an entry of the ledger is the one of the latest deployment."""
    history: list[Obj] = status_of(app).get("history") or [{}]
    return entry.phase == "Succeeded" and bool(entry.sources) and entry.began == history[-1].get("deployStartedAt")


def _written(entry: Entry | None) -> str:
    told = []
    for one in entry.commits if entry else ():
        approved = f", approved by {', '.join(one.approvers)}" if one.approvers else ""
        request = f" ({one.pull_request})" if one.pull_request and one.pull_request not in one.subject else ""
        told.append(f' "{one.subject}"{request} by {one.author}{approved}')
    return ",".join(told)


def _asked(last: Obj) -> str:
    by: Obj = last.get("initiatedBy") or {}
    return f"asked for by {by['username']}" if by.get("username") and not by.get("automated") else "synced by itself"


def _reason(app: Obj, last: Obj) -> str:
    state: Obj = status_of(app).get("operationState") or {}
    is_its = state.get("startedAt") == last.get("deployStartedAt")
    return reason_in(dig(state, "operation", default={})) if is_its else ""


def _ago(last: Obj, now: Instant) -> str:
    try:
        return f"{format_age(now - parse_rfc3339(last.get('deployedAt') or ''))} ago"
    except ValueError:
        return "at an unknown time"
