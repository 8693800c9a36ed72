"""What `shipway app` shows of an Application: lines and rows, pure over the object and the time.

Status is what the GitOps engine (or Argo CD) wrote; nothing here judges. An Application with several sources shows its first
one in lists and all of them when it is looked at alone.
"""

from collections.abc import Sequence

from shipway.api.application import cluster_shown
from shipway.base.clock import Instant
from shipway.cli.output import MOODS, PLAIN, Column, Paint, age, since, table
from shipway.gitops.annotations import HOLD
from shipway.gitops.pinned import path_of, revision_of, spec_sources, target_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of, status_of

HISTORY_HEADINGS = ("ID", "DEPLOYED AT", "AGE", "REVISION", "BY")
RESULT_HEADINGS = ("KIND", "NAMESPACE", "NAME", "RESULT", "MESSAGE")
RESOURCE_HEADINGS = ("GROUP", "KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "MESSAGE")


def columns(now: Instant) -> tuple[Column, ...]:
    """The columns of `app list`."""
    return (
        Column("NAME", name_of),
        Column("PROJECT", lambda app: dig(app, "spec", "project", default="default")),
        Column("SYNC", _sync),
        Column("HEALTH", lambda app: dig(app, "status", "health", "status", default="Unknown")),
        Column("REVISION", lambda app: revision_of(dig(app, "status", "sync", default={}))),
        Column("TARGET", lambda app: target_of(sources_of(app)[0])),
        Column("PATH", lambda app: path_of(sources_of(app)[0])),
        Column("AGE", lambda app: age(app, now)),
    )


def _sync(app: Obj) -> str:
    held = " (held)" if HOLD in annotations_of(app) else ""
    return f"{dig(app, 'status', 'sync', 'status', default='Unknown')}{held}"


def sources_of(app: Obj) -> Sequence[Obj]:
    """All sources; never empty."""
    return spec_sources(app)[0]


def overview(app: Obj, why: str, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`app get`: the facts, what is wrong, every object, and the one sentence."""
    lines = [f"{label + ':':<14}{value}" for label, value in _facts(app, now, paint) if value]
    for condition in status_of(app).get("conditions") or []:
        lines.append(f"{condition.get('type', '') + ':':<25}{paint(condition.get('message') or '', 'red')}")
    if rows := resource_rows(app):
        lines += ["", *table(RESOURCE_HEADINGS, rows, paint)]
    return [*lines, "", why]


def _facts(app: Obj, now: Instant, paint: Paint) -> list[tuple[str, str]]:
    status = status_of(app)
    state = status.get("operationState") or {}
    sync, health = dig(status, "sync", "status", default="Unknown"), dig(status, "health", "status", default="Unknown")
    phase = state.get("phase") or ""
    ended = since(state.get("finishedAt") or state.get("startedAt") or "", now)
    return [
        ("Name", name_of(app)),
        ("Namespace", namespace_of(app)),
        ("Project", dig(app, "spec", "project", default="default")),
        *[("Source", f"{source.get('repoURL', '')}  {path_of(source)} at {target_of(source)}") for source in sources_of(app)],
        ("Destination", _destination(dig(app, "spec", "destination", default={}))),
        ("Sync policy", _policy(dig(app, "spec", "syncPolicy"))),
        ("Sync", f"{paint(sync, MOODS.get(sync, ''))} {revision_of(dig(status, 'sync', default={}))}".strip()),
        ("Health", f"{paint(health, MOODS.get(health, ''))} {dig(status, 'health', 'message', default='')}".strip()),
        ("Operation", f"{paint(phase, MOODS.get(phase, ''))} {ended + ' ago' if ended else ''}".strip()),
        ("Message", state.get("message") or ""),
    ]


def _destination(destination: Obj) -> str:
    return f"{cluster_shown(destination)}/{destination.get('namespace') or ''}"


def _policy(policy: Obj | None) -> str:
    automated = dig(policy, "automated")
    if automated is None or automated.get("enabled") is False:
        return "manual"
    extras = [words for key, words in (("prune", "prune"), ("selfHeal", "self-heal")) if automated.get(key)]
    return f"automated ({', '.join(extras)})" if extras else "automated"


def resource_rows(app: Obj) -> list[list[str]]:
    """One row for every object the Application manages."""
    return [
        [
            row.get("group") or "",
            row.get("kind") or "",
            row.get("namespace") or "",
            row.get("name") or "",
            row.get("status") or "",
            dig(row, "health", "status", default=""),
            dig(row, "health", "message", default="") or ("to be pruned" if row.get("requiresPruning") else ""),
        ]
        for row in status_of(app).get("resources") or []
    ]


def history_rows(app: Obj, now: Instant) -> list[list[str]]:
    """One row for every deployment that is remembered, newest last."""
    return [
        [
            str(entry.get("id", "")),
            entry.get("deployedAt") or "",
            since(entry.get("deployedAt") or "", now),
            revision_of(entry),
            dig(entry, "initiatedBy", "username") or "automated sync",
        ]
        for entry in status_of(app).get("history") or []
    ]


def result_rows(app: Obj) -> list[list[str]]:
    """What became of every object in the last operation."""
    return [
        [row.get("kind") or "", row.get("namespace") or "", row.get("name") or "", _result(row), row.get("message") or ""]
        for row in dig(app, "status", "operationState", "syncResult", "resources", default=[])
    ]


def _result(row: Obj) -> str:
    """A hook has no sync status of its own: its phase says what became of it."""
    return row.get("status") or row.get("hookPhase") or ""
