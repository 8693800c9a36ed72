"""Automated sync: whether an application that is OutOfSync gets an operation now.

The rules are Argo CD's (controller/appcontroller.go autoSync), read by content instead of by commit:
- the same manifests are never synced twice; after a success only self-heal goes on (with a backoff), after a failure it stops;
- nothing happens if only prunes are needed and pruning is off;
- it never prunes everything an application has, unless `allowEmpty`.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.application import ApplicationSpec, Automated
from shipway.base.clock import Instant, parse_rfc3339
from shipway.gitops.comparison import Comparison, Item
from shipway.gitops.operation import content_of, drift_info
from shipway.gitops.pinned import Pinned, revisions_in
from shipway.gitops.source import sync_options
from shipway.gitops.sync.tasks import option_of
from shipway.gitops.timing import Healing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig

USUAL = Healing()
DEFAULT_RETRY = {"limit": 5}


class AutoSync(Struct, frozen=True):
    """`operation` to write; or why there is none (`condition`), or when to look again (`wake`)."""

    operation: Obj | None = None
    condition: tuple[str, str] | None = None
    wake: Instant | None = None


def is_automated(spec: ApplicationSpec) -> bool:
    automated = spec.sync_policy.automated if spec.sync_policy else None
    return automated is not None and automated.enabled is not False


class Wanted(Struct, frozen=True):
    """What Git wants: the sources at their commits, the digest of their manifests, and whether they are the newest known."""

    at: Pinned
    content: str
    is_newest: bool = True


def auto_sync(
    app: Obj, spec: ApplicationSpec, comparison: Comparison, wanted: Wanted, now: Instant, pace: Healing = USUAL
) -> AutoSync:
    """What automated sync does about this comparison. While the newest revision is not known it only heals."""
    automated = spec.sync_policy.automated if spec.sync_policy else None
    out_of_sync = comparison.out_of_sync
    if automated is None or not is_automated(spec) or not out_of_sync:
        return AutoSync()
    if not automated.prune and all(item.requires_pruning for item in out_of_sync):
        return AutoSync()
    if automated.prune and not automated.allow_empty and _wipes_out(comparison):
        message = f"Skipping sync attempt to {wanted.at.shown}: auto-sync will wipe out all resources"
        return AutoSync(condition=("SyncError", message))
    last: Obj = dig(app, "status", "operationState", default={})
    if not _was_attempted(last, wanted):
        return AutoSync(_operation(spec, wanted.at, bool(automated.prune))) if wanted.is_newest else AutoSync()
    if last.get("phase") != "Succeeded" and not _heals(last):
        return AutoSync(condition=("SyncError", f"Failed last sync attempt to {wanted.at.shown}: {last.get('message', '')}"))
    if not automated.self_heal:
        return AutoSync()
    options = sync_options(spec)
    mine = [item for item in out_of_sync if not item.shared_with]  # two applications that both heal would fight for ever
    chosen = [item for item in mine if not item.requires_pruning or _may_prune(item, automated, wanted, options)]
    if not chosen:
        return AutoSync()
    heals = _heals(last)
    finished = parse_rfc3339(last["finishedAt"]) if last.get("finishedAt") else Instant(0.0)
    if not heals or now >= finished + pace.cooldown:
        return AutoSync(_healing(spec, chosen, wanted, 1))
    due = Instant(finished + _pause(pace, heals))
    return AutoSync(wake=due) if now < due else AutoSync(_healing(spec, chosen, wanted, heals + 1))


def _may_prune(item: Item, automated: Automated, wanted: Wanted, options: dict[str, str]) -> bool:
    is_kept = item.is_going or option_of(item.obj, options, "Prune") == "false"
    return bool(automated.prune) and wanted.is_newest and not is_kept


def _pause(pace: Healing, heals: int) -> float:
    """Seconds to wait after so many heals. The first is at once; each further one waits some times as long."""
    try:
        return min(pace.first * pace.factor ** (heals - 1), pace.longest)
    except OverflowError:
        return pace.longest


def _healing(spec: ApplicationSpec, chosen: Sequence[Item], wanted: Wanted, attempt: int) -> Obj:
    """A sync of just what is out of sync."""
    operation = _operation(spec, wanted.at, any(item.requires_pruning for item in chosen))
    operation["sync"]["resources"] = [_named(item) for item in chosen]
    operation["sync"]["autoHealAttemptsCount"] = attempt
    operation["info"] = [drift_info(str(item.ref), item.drifts) for item in chosen]
    return operation


def _operation(spec: ApplicationSpec, at: Pinned, prune: bool) -> Obj:
    policy = spec.sync_policy
    sync: Obj = at.revision_fields
    if prune:
        sync["prune"] = True
    if policy and policy.sync_options:
        sync["syncOptions"] = list(policy.sync_options)
    return {"sync": sync, "initiatedBy": {"automated": True}, "retry": _retry(spec)}


def _retry(spec: ApplicationSpec) -> Obj:
    retry = spec.sync_policy.retry if spec.sync_policy else None
    if retry is None:
        return dict(DEFAULT_RETRY)
    backoff = {"duration": retry.backoff.duration, "factor": retry.backoff.factor, "maxDuration": retry.backoff.max_duration}
    return {"limit": retry.limit, "backoff": backoff, **({"refresh": True} if retry.refresh else {})}


def _named(item: Item) -> Obj:
    named = {"group": item.ref.group, "kind": item.ref.kind, "name": item.ref.name, "namespace": item.ref.namespace}
    return {key: value for key, value in named.items() if value}


def _was_attempted(last: Obj, wanted: Wanted) -> bool:
    if not last:
        return False
    told = content_of(last)
    return told == wanted.content if told else revisions_in(last.get("syncResult") or {}) == wanted.at.revisions


def _heals(last: Obj) -> int:
    return int(dig(last, "operation", "sync", "autoHealAttemptsCount", default=0))


def _wipes_out(comparison: Comparison) -> bool:
    """Every object there is would be pruned and nothing is wanted instead."""
    ordinary = [item for item in comparison.items if not item.is_hook]
    return bool(ordinary) and all(item.requires_pruning for item in ordinary)
