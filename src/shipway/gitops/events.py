"""The Kubernetes events of an application, read off the difference between two statuses (reasons as Argo CD's).

`DriftHealed` is ours: a self-heal says which fields of which object were put back and which field manager had changed them.
"""

from msgspec.structs import replace

from shipway.api.kinds import APPLICATIONS
from shipway.gitops.operation import DRIFT, is_over
from shipway.gitops.pinned import revisions_in, shown
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.decision import Note, regarding


def notes_of(app: Obj, new: Obj) -> tuple[Note, ...]:
    """What happened between the status on `app` and `new`."""
    old = app.get("status") or {}
    return (*_operation_notes(app, old, new), *_status_notes(app, old, new))


def deletion_note(app: Obj, problem: str) -> Note:
    """What keeps an application that is to be deleted."""
    return _note(app, "StatusRefreshed", f"Unable to delete application resources: {problem}", is_warning=True)


def _operation_notes(app: Obj, old: Obj, new: Obj) -> tuple[Note, ...]:
    before, after = old.get("operationState") or {}, new.get("operationState") or {}
    if not after or before == after:
        return ()
    result = after.get("syncResult") or {}
    revision = shown(revisions_in(result), is_plural=bool(result.get("revisions")))
    began = after.get("startedAt") != before.get("startedAt") or (is_over(before) and not is_over(after))
    notes: list[Note] = []
    if began:
        by = (after.get("operation") or {}).get("initiatedBy") or {}
        who = "Initiated automated sync" if by.get("automated") else f"{by.get('username') or 'A client'} initiated sync"
        notes.append(_note(app, "OperationStarted", f"{who} to {revision}"))
    if is_over(after) and (began or not is_over(before)):
        succeeded = after.get("phase") == "Succeeded"
        outcome = "succeeded" if succeeded else f"failed: {after.get('message', '')}"
        part = "Partial sync" if dig(after, "operation", "sync", "resources") else "Sync"
        text = f"{part} operation to {revision} {outcome}"
        notes.append(_note(app, "OperationCompleted", text, is_warning=not succeeded))
        notes += [_note(app, "DriftHealed", text) for text in _healed(after)] if succeeded else []
    return tuple(notes)


def _healed(state: Obj) -> list[str]:
    info = (state.get("operation") or {}).get("info") or []
    return [entry.get("value", "") for entry in info if entry.get("name") == DRIFT]


def _status_notes(app: Obj, old: Obj, new: Obj) -> tuple[Note, ...]:
    notes: list[Note] = []
    for part, name in (("sync", "sync status"), ("health", "health status")):
        before, after = (old.get(part) or {}).get("status"), (new.get(part) or {}).get("status")
        if before != after:
            change = (f"Updated {name}", before or "", after or "")
            note = _note(app, "ResourceUpdated", "", is_warning=after in ("Degraded", "Unknown", "Missing"))
            notes.append(replace(note, message=f"{change[0]}: {change[1]} -> {change[2]}", change=change))
    return tuple(notes)


def _note(app: Obj, reason: str, message: str, *, is_warning: bool = False) -> Note:
    return Note(regarding(APPLICATIONS, app), reason, message, "Warning" if is_warning else "Normal")
