"""The status of an Application as Argo CD writes it, built whole and sent as the smallest merge patch.

Nothing here decides: it spells what was decided. An unchanged status gives an empty patch (`merge_diff`), so a
pass that finds everything as it was writes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from shipway.base.clock import Instant, rfc3339
from shipway.gitops.change_rights import CONDITION as CHANGE_RIGHTS
from shipway.gitops.comparison import Comparison, Item, item_wave
from shipway.gitops.dependencies import CONDITION as DEPENDENCY
from shipway.gitops.external_urls import external_urls
from shipway.gitops.hold import CONDITION as HELD
from shipway.gitops.orphans import CONDITION as ORPHANED
from shipway.gitops.pinned import Pinned
from shipway.gitops.sync.tasks import images_of
from shipway.kube.objects.resource import Obj, Resource, split_api_version

ERROR_CONDITIONS = ("InvalidSpecError", "ComparisonError", "SyncError", "DeletionError", "UnknownError")
WARNINGS = (
    "SharedResourceWarning",
    "RepeatedResourceWarning",
    "ExcludedResourceWarning",
    ORPHANED,
    DEPENDENCY,
    "ClientSideApplyWarning",
)
HYDRATION = "HydrationError"
"""What a hydrator writes could not be written."""
EVALUATED = frozenset({*ERROR_CONDITIONS, *WARNINGS, HELD, CHANGE_RIGHTS, HYDRATION})


REVISIONS = ("revision", "revisions")
SOURCE_TYPES = ("sourceType", "sourceTypes")
"""Of each pair an application has one: its spec says whether it has one source or a list."""


def without(fields: Obj, names: Sequence[str]) -> Obj:
    return {key: value for key, value in fields.items() if key not in names}


def compared_to(app: Obj, wanted: Pinned) -> Obj:
    spec = app.get("spec") or {}
    compared: Obj = {"destination": spec.get("destination") or {}, **wanted.source_fields}
    if spec.get("ignoreDifferences"):
        compared["ignoreDifferences"] = spec["ignoreDifferences"]
    return compared


def resource_row(item: Item) -> Obj:
    """One row of `status.resources`."""
    row: dict[str, Any] = {"kind": item.ref.kind, "name": item.ref.name, "version": _version(item)}
    if item.ref.group:
        row["group"] = item.ref.group
    if item.ref.namespace:
        row["namespace"] = item.ref.namespace
    if item.is_hook:
        row["hook"] = True
    elif not item.is_skipped:
        row["status"] = item.state
    if item.requires_pruning:
        row["requiresPruning"] = True
    if wave := item_wave(item):
        row["syncWave"] = wave
    health = item.health
    if health and not item.is_hook:
        row["health"] = {"status": health.status, **({"message": health.message} if health.message else {})}
    return row


def resource_rows(comparison: Comparison, is_prohibited: Callable[[Item], bool]) -> list[Obj]:
    """Sorted by group, kind, namespace and name, as Argo CD lists them. What is prohibited is Unknown."""
    items = [item for item in comparison.items if not item.is_hook or item.live is not None]
    rows = [(item, resource_row(item)) for item in sorted(items, key=lambda item: item.ref)]
    return [{**row, "status": "Unknown"} if "status" in row and is_prohibited(item) else row for item, row in rows]


def summary(items: Sequence[Item]) -> Obj:
    live = [item.live.obj for item in items if item.live]
    images = sorted({image for obj in live for image in images_of(obj)})
    urls = sorted({url for obj in live for url in external_urls(obj)})
    found: Obj = {**({"images": images} if images else {}), **({"externalURLs": urls} if urls else {})}
    if any(item.ref.group == "argoproj.io" and item.ref.kind == "Application" for item in items):
        found["isAppOfApps"] = True
    return found


def merged_conditions(existing: Sequence[Obj], found: Sequence[tuple[str, str]], now: Instant) -> list[Obj]:
    """`found` (type, message) replaces what is evaluated at every pass; the time stays while a condition says the same."""
    ours = EVALUATED | {kind for kind, _ in found}
    kept = [condition for condition in existing if condition.get("type") not in ours]
    for kind, message in dict.fromkeys(found):
        same = next((c for c in existing if (c.get("type"), c.get("message")) == (kind, message)), None)
        time = same.get("lastTransitionTime") if same else None
        kept.append({"type": kind, "message": message, "lastTransitionTime": time or rfc3339(now)})
    return kept


def health_status(existing: Obj, status: str, now: Instant, message: str = "") -> Obj:
    time = existing.get("lastTransitionTime") if existing.get("status") == status else None
    health = {"status": status, "lastTransitionTime": time or rfc3339(now)}
    return {**health, "message": message} if message else health


def with_history(existing: Sequence[Obj], entry: Obj, limit: int) -> list[Obj]:
    """The history with one more entry, ids counting up, at most `limit` long."""
    following = max((int(old.get("id") or 0) for old in existing), default=-1) + 1
    history = [*existing, {**entry, "id": following}]
    return history[-limit:] if limit > 0 else []


def _version(item: Item) -> str:
    resource: Resource | None = item.resource
    if item.desired is not None:
        return split_api_version(item.desired.obj.get("apiVersion", ""))[1]
    return resource.version if resource else ""
