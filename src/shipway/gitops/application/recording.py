"""What the outcomes of a pass say: rows of the running operation, and the objects as the server returned them.

The caches may not have seen our own writes yet when the pass is concluded, so the results take the place of what they hold
and the application is compared anew.
"""

from msgspec.structs import replace

from shipway.gitops.application.observe import Observed
from shipway.gitops.application.syncing import Acted, rows_written, with_state, work_of
from shipway.gitops.application.target import Target
from shipway.gitops.comparison import Comparison, Live, compare
from shipway.gitops.health.scripted import scripted_health
from shipway.gitops.operation import is_over
from shipway.gitops.sync.actions import record, results
from shipway.gitops.sync.rows import read_rows
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of
from shipway.kube.runtime.decision import Ask, Outcome


def recorded(fresh: Observed, outcomes: tuple[Outcome, ...], acted: Acted) -> Observed:
    """The fresh look with what the outcomes say: rows of the operation, and the objects as the server returned them."""
    observed = _with_results(fresh, outcomes)
    operation = fresh.app.get("operation")
    if not operation or is_over(fresh.state):
        return observed
    work = work_of(fresh)
    if work is None:
        return observed
    # The caches may as well have seen them: what was pruned or created is no task any more.
    known = {task.row_key for task in work.tasks}
    tasks = (*(task for task in acted.tasks if task.row_key not in known), *work.tasks)
    rows = record(tasks, outcomes, read_rows(fresh.state), work.hand, acted.before)
    state = rows_written(fresh.state, rows, tasks)
    return with_state(observed, state)


def _with_results(fresh: Observed, outcomes: tuple[Outcome, ...]) -> Observed:
    """Compared anew, with the results in place of what the caches may not have seen yet."""
    changed = results(outcomes)
    if not changed or fresh.comparison is None:
        return fresh
    watched = {watch.resource.group_kind: watch.resource for watch in fresh.watches}
    by_ref = {ref_of(one.obj): one for one in fresh.live}
    for (resource, namespace, name), obj in changed.items():
        ref = Ref(resource.group, resource.kind, namespace, name)
        if obj is None:
            by_ref.pop(ref, None)
        else:
            there = _typed(obj, resource)
            scripted = scripted_health(there, fresh.customizations, _not_answered_yet)
            by_ref[ref] = Live(there, watched.get(resource.group_kind, resource), scripted)
    live = tuple(by_ref.values())
    comparison = _again(fresh, fresh.target, fresh.comparison, live)
    is_same = fresh.sync_comparison is fresh.comparison
    sync_comparison = comparison if is_same else _again(fresh, fresh.sync_target, fresh.sync_comparison, live)
    return replace(fresh, live=live, comparison=comparison, sync_comparison=sync_comparison)


def _again(fresh: Observed, target: Target | None, comparison: Comparison | None, live: tuple[Live, ...]) -> Comparison | None:
    if target is None or comparison is None:
        return comparison
    claims = {item.ref: item.claims for item in comparison.items}
    wanted = {item.ref for item in comparison.items}
    known = tuple(one for one in live if ref_of(one.obj) in wanted)
    return compare(target.prepared.objects, known, claims, fresh.context, skipped=target.prepared.skipped)


def _not_answered_yet(_: Ask) -> None:
    """A script that judged an earlier version of an object says nothing of the one that was just written."""


def _typed(obj: Obj, resource: Resource) -> Obj:
    return obj if obj.get("kind") else {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
