"""Rows of `status.operationState.syncResult.resources`: what became of each object, in the words kubectl prints.

The rows are the memory of a running operation: whatever has a row has been done, so that a restarted controller goes on
where the last one stopped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shipway.gitops.sync.tasks import Task, images_of
from shipway.kube.objects.resource import Obj, Ref, split_api_version
from shipway.kube.objects.views import resource_version_of
from shipway.kube.objects.wire import says_unserved

RowKey = tuple[str, str, str, str, str]
Rows = dict[RowKey, Obj]

_VALUE = re.compile(r'Invalid value: (?:"(?:[^"\\]|\\.)*"|\S+)')
_TYPED = re.compile(r"(: expected [\w ]+, got ).*", re.DOTALL)
"""How the server says of a field that is applied that its value has the wrong type; what follows is the value."""
_REQUEST = re.compile(r"^\w+ /apis?/\S+: ")
_PHASE_OF = {"Synced": "Running", "SyncFailed": "Failed", "Pruned": "Succeeded", "PruneSkipped": "Succeeded"}


def read_rows(operation_state: Obj) -> Rows:
    """The rows that are written down, by their key."""
    result = operation_state.get("syncResult") or {}
    return {key_of(row): row for row in result.get("resources") or []}


def key_of(row: Obj) -> RowKey:
    fields = (row.get(field) or "" for field in ("group", "kind", "namespace", "name"))
    group, kind, namespace, name = fields
    return (group, kind, namespace, name, row.get("syncPhase") or "Sync")


def new_row(task: Task, status: str, message: str, *, hook_phase: str = "") -> Obj:
    """A row as Argo CD writes it; empty fields are left out, except those it always writes."""
    row: dict[str, Any] = {
        "group": task.ref.group,
        "version": task.resource.version if task.resource else "",
        "kind": task.ref.kind,
        "namespace": task.ref.namespace,
        "name": task.ref.name,
        "status": status,
        "message": message,
        "hookPhase": hook_phase or _PHASE_OF[status],
        "syncPhase": task.phase,
    }
    if task.is_hook:
        row["hookType"] = task.phase
    if images := images_of(task.obj):
        row["images"] = list(images)
    return row


def failed_row(task: Task, message: str) -> Obj:
    """A row of what could not be done, in the server's words, and where in Git the object stands. Secrets are masked."""
    message = unknown_kind(task) if says_unserved(message) else _REQUEST.sub("", message)
    if task.ref.kind == "Secret":
        message = _TYPED.sub(r"\1++++++++", _VALUE.sub('Invalid value: "++++++++"', message))
    place = task.item.desired.origin if task.item.desired else ""
    return new_row(task, "SyncFailed", f"{message} ({place})" if place else message)


def unknown_kind(task: Task) -> str:
    """What is said of an object whose kind, or version of it, the cluster does not know, in Argo CD's words."""
    ref, nearest = task.ref, task.item.desired.nearest if task.item.desired else None
    wanted = f"for requested resource {ref.namespace}/{ref.name}"
    if nearest is not None and nearest.kind == ref.kind:
        _, version = split_api_version(task.obj["apiVersion"])
        return (
            f'The Kubernetes API could not find version "{version}" of {ref.group}/{ref.kind} {wanted}. '
            f'Version "{nearest.version}" of {nearest.group}/{nearest.kind} is installed on the destination cluster.'
        )
    told = (
        f"The Kubernetes API could not find {ref.group}/{ref.kind} {wanted}. "
        f'Make sure the "{ref.kind}" CRD is installed on the destination cluster.'
    )
    return f'{ref.kind}.{ref.group} "" not found: {told}' if nearest else told


def with_phase(row: Obj, phase: str, message: str = "") -> Obj:
    """The row of what has ended. That of a hook says by its phase alone how, as Argo CD's does; "" leaves its message."""
    status = "" if row.get("hookType") else row.get("status", "")
    return {**row, "status": status, "hookPhase": phase, **({"message": message} if message else {})}


def in_order(rows: Rows, tasks: Sequence[Task]) -> list[Obj]:
    """Rows in task order; those of objects that are gone keep their place at the end."""
    order: Mapping[RowKey, int] = {task.row_key: index for index, task in enumerate(tasks)}
    return sorted(rows.values(), key=lambda row: order.get(key_of(row), len(order)))


def has_failed(row: Obj) -> bool:
    return row.get("status") == "SyncFailed" or row.get("hookPhase") in ("Failed", "Error")


def is_running(row: Obj) -> bool:
    return row.get("hookPhase") == "Running"


def applied_message(ref: Ref, before: str, result: Obj, *, server_side: bool) -> str:
    """`deployment.apps/web created|configured|unchanged`, or `serverside-applied` where the user asked for that.

    `before` is the resourceVersion that was live ("" = none was).
    """
    if server_side:
        verb = "serverside-applied"
    elif not before:
        verb = "created"
    else:
        verb = "unchanged" if before == resource_version_of(result) else "configured"
    return f"{kubectl_name(ref)} {verb}"


def kubectl_name(ref: Ref) -> str:
    kind = f"{ref.kind.lower()}.{ref.group}" if ref.group else ref.kind.lower()
    return f"{kind}/{ref.name}"


def failures(rows: Iterable[Obj]) -> list[Obj]:
    return [row for row in rows if has_failed(row)]


def reasons(rows: Iterable[Obj]) -> str:
    """What failed and why, each reason once."""
    return ", ".join(dict.fromkeys(f"{row['kind']}/{row['name']}: {row['message']}" for row in rows if row.get("message")))
