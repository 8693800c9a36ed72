"""An Application that another engine reconciles, as we see it: what we would say and do, beside what that engine says and did.

    shadow_of(observed, decision, now) -> Shadow

The decision is the one that we would carry out, so nothing is worked out here that the engine does not work out. Told are
names of objects and fields, never a value.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.gitops.application.observe import Observed
from shipway.gitops.application.verdict import told, verdict_of
from shipway.gitops.comparison import Item
from shipway.gitops.operation import is_over
from shipway.gitops.order import is_hook
from shipway.gitops.pinned import revisions_in, shown
from shipway.gitops.status import ERROR_CONDITIONS
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import dig
from shipway.kube.runtime.decision import Decision
from shipway.kube.runtime.execute import describe

Agreement = Literal["agrees", "differs", "pending"]
PRUNED = ("Pruned", "PruneSkipped")
UNANSWERED = "Git, the renderers or the cluster have not answered yet"
AT_MOST = 20
"""Differences that are told of one application."""


class Said(Struct, frozen=True):
    """What one of the two says of an Application."""

    sync: str = ""
    health: str = ""
    revision: str = ""


class Deploy(Struct, frozen=True):
    """The last sync that the other engine ended, and what it applied that we would not have, or the other way round."""

    revision: str
    differences: tuple[str, ...] = ()


class Shadow(Struct, frozen=True):
    """`reason`: why we only report. `pending`: what is waited for, where nothing can be compared yet. `would`: what we would do
    now. `deployed`: when the other engine's last sync ended (RFC 3339). `deploy`: None where its content is unknown."""

    application: str
    reason: str
    agreement: Agreement
    theirs: Said
    ours: Said
    pending: str = ""
    differences: tuple[str, ...] = ()
    would: tuple[str, ...] = ()
    deployed: str = ""
    deploy: Deploy | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it says what it will say as long as nothing changes."""
        return self.pending != UNANSWERED


def shadow_of(observed: Observed, decision: Decision, now: Instant) -> Shadow:
    """`decision`: what the pass would do, were the application ours."""
    theirs = observed.status
    ours: Obj = merge_patch(theirs, decision.change.status or {}) if decision.change else theirs
    pending = _pending(observed, now)
    differences = () if pending else tuple(_differences(observed, theirs, ours)[:AT_MOST])
    return Shadow(
        str(observed.key),
        observed.stance.reason,
        "pending" if pending else "differs" if differences else "agrees",
        _said(theirs),
        Said() if pending else _said(ours),
        pending,
        differences,
        () if observed.app.get("operation") else _would(decision),
        _deployed(observed),
        _deploy(observed),
    )


def _pending(observed: Observed, now: Instant) -> str:
    if observed.app.get("operation"):
        return "a sync is under way"
    verdict = verdict_of(observed, now)
    if any(kind in ERROR_CONDITIONS for kind, _ in verdict.conditions):
        return ""
    if not verdict.is_known:
        return UNANSWERED
    theirs, at = revisions_in(dig(observed.status, "sync", default={})), observed.target.at if observed.target else None
    if not theirs:
        return "its status tells of no comparison yet"
    if at is not None and at.revisions != theirs:
        return f"its status tells of {_shown(theirs)}, Git is at {_shown(at.revisions)}"
    return ""


def _said(status: Obj) -> Said:
    revisions = revisions_in(dig(status, "sync", default={}))
    sync, health = dig(status, "sync", "status", default=""), dig(status, "health", "status", default="")
    return Said(sync, health, _shown(revisions))


def _differences(observed: Observed, theirs: Obj, ours: Obj) -> list[str]:
    found = _of_errors(theirs, ours)
    if found:
        return found
    a, b = _said(theirs), _said(ours)
    if a.sync != b.sync:
        found.append(f"sync: {_both(a.sync, b.sync)}")
    if a.health != b.health:
        found.append(f"health: {_both(a.health, b.health)}")
    items = {item.ref: item for item in observed.comparison.items} if observed.comparison else {}
    return [*found, *_of_objects(_rows(theirs), _rows(ours), items)]


def _of_errors(theirs: Obj, ours: Obj) -> list[str]:
    """Errors that only one of the two sees; their wording may differ."""
    a, b = ({kind: text for kind, text in told(one) if kind in ERROR_CONDITIONS} for one in (theirs, ours))
    return [
        *(f"only Shipway says {kind}: {b[kind]}" for kind in b if kind not in a),
        *(f"only the status says {kind}: {a[kind]}" for kind in a if kind not in b),
    ]


def _rows(status: Obj) -> dict[Ref, Obj]:
    rows: list[Obj] = status.get("resources") or []
    return {_ref(row): row for row in rows if not row.get("hook")}


def _ref(row: Obj) -> Ref:
    return Ref(row.get("group", ""), row.get("kind", ""), row.get("namespace", ""), row.get("name", ""))


def _of_objects(theirs: Mapping[Ref, Obj], ours: Mapping[Ref, Obj], items: Mapping[Ref, Item]) -> list[str]:
    found = [f"{ref}: only the status lists it" for ref in theirs if ref not in ours]
    found += [f"{ref}: only Shipway lists it" for ref in ours if ref not in theirs]
    for ref in theirs.keys() & ours.keys():
        a, b = theirs[ref], ours[ref]
        if a.get("status") != b.get("status"):
            found.append(f"{ref}: {_both(a.get('status'), b.get('status'))}{_because(items.get(ref))}")
        health = tuple(dig(row, "health", "status", default="") for row in (a, b))
        if all(health) and health[0] != health[1]:  # Argo CD 3 does not always write it here
            found.append(f"{ref}: {_both(*health)}")
    return sorted(found)


def _because(item: Item | None) -> str:
    """Why an object differs for us, as far as a word says it."""
    if item is None or item.live_obj is None or item.state == "Synced":
        return ""
    if item.requires_pruning:
        return " (not in Git)"
    if not tuple(tracked_by(item.live_obj)):
        return " (it carries no tracking id)"
    return f" ({', '.join(drift.path for drift in item.drifts)})" if item.drifts else ""


def _would(decision: Decision) -> tuple[str, ...]:
    root = decision.change.root if decision.change else {}
    sync = dig(root, "operation", "sync", default=None) if root.get("operation") else None
    objects = [f"{one.get('kind')}/{one.get('name')}" for one in (sync or {}).get("resources") or []]
    begun = [f"sync {', '.join(objects) if objects else 'everything'}"] if sync is not None else []
    return (*begun, *(describe(action) for batch in decision.batches for action in batch.actions))


def _deployed(observed: Observed) -> str:
    return observed.state.get("finishedAt") or "" if is_over(observed.state) else ""


def _deploy(observed: Observed) -> Deploy | None:
    """Compared where the sync was one of everything, to what we know the content of."""
    state, target = observed.state, observed.target
    revisions = revisions_in(state.get("syncResult") or {})
    if state.get("phase") != "Succeeded" or not is_over(state) or not revisions:
        return None
    if target is None or not target.is_known or target.at is None or target.at.revisions != revisions:
        return None
    if dig(state, "operation", "sync", "resources") or dig(state, "operation", "sync", "dryRun"):
        return None
    rows: list[Obj] = dig(state, "syncResult", "resources", default=[])
    theirs = {_ref(row) for row in rows if row.get("status") not in PRUNED and not row.get("hookType")}
    ours = {one.ref for one in target.prepared.objects if one.ref.name and not is_hook(one.obj)}
    differences = [f"{ref}: was applied, Shipway does not render it" for ref in theirs - ours]
    differences += [f"{ref}: Shipway renders it, was not applied" for ref in ours - theirs]
    return Deploy(_shown(revisions), tuple(sorted(differences)[:AT_MOST]))


def _both(theirs: str | None, ours: str | None) -> str:
    return f"the status says {theirs or 'nothing'}, Shipway {ours or 'nothing'}"


def _shown(revisions: tuple[str, ...]) -> str:
    return shown(revisions, is_plural=len(revisions) > 1)
