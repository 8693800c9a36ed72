"""Why is an application as it is, and what to do: one sentence, made here once and printed everywhere.

    why(app, children, now) -> str

Pure over the Application and whatever is known around it (its AppProject, Rollouts, ReplicaSets, AnalysisRuns, an Argo CD; more
does no harm, less makes the sentence shorter). The first thing that explains the state is said: what keeps it from going, what
Git could not give, what a sync waits for or failed at, what is unhealthy (an aborted rollout with both versions and the metric
that threw it out), what differs. Where somebody else reconciles it, or nobody, that is said besides.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial

from shipway.api.application import parse_project, parse_spec
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput
from shipway.gitops.auto_sync import is_automated
from shipway.gitops.change_rights import CONDITION as CHANGE_RIGHTS
from shipway.gitops.dependencies import CONDITION as DEPENDENCY
from shipway.gitops.handover import is_argo_cd, sign_of_life, who_reconciles
from shipway.gitops.hold import hold_of, sentence
from shipway.gitops.operation import is_acting
from shipway.gitops.orphans import CONDITION as ORPHANED
from shipway.gitops.pinned import revisions_in
from shipway.gitops.status import HYDRATION
from shipway.gitops.sync.tasks import images_of
from shipway.gitops.windows import gate_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    condition_of,
    dig,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)

_VERDICTS = {"Error": "could not be measured", "Inconclusive": "was inconclusive"}
HASH_LABEL = "rollouts-pod-template-hash"
_ABORTED = re.compile(r"RolloutAborted: Rollout aborted update to revision (\d+)(?:: (.*))?", re.DOTALL)
_INVALID = re.compile(r'The Rollout "[^"]*" is invalid: ')
_METRIC = re.compile(r'[Mm]etric "([^"]+)" assessed (\w+)')
_LIMIT = re.compile(r"(<=|>=|<|>)\s*([0-9.]+)\s*$")
_BROKEN = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}


def why(app: Obj, children: Iterable[Obj] = (), now: Instant | None = None) -> str:
    """One sentence (two where there is something to do) about the state of an application; `now` for its sync windows."""
    found = list(children)
    who = who_reconciles(app, next(filter(None, map(sign_of_life, filter(is_argo_cd, found))), ""))
    return f"{_state(app, found, now, who)}{who and ' ' + who}"


def _state(app: Obj, found: Sequence[Obj], now: Instant | None, who: str) -> str:
    name = name_of(app)
    if not status_of(app).get("sync"):
        hint = "." if who else ": is `shipway run` (or `shipway up`) running?"
        return f"{name} has not been looked at yet{hint}"
    for explain in (
        _leaving,
        _to_be_held,
        _error,
        _running,
        _aborted,
        _held,
        partial(_shut, now),
        _waiting,
        _unhealthy,
        _failed,
        _out_of_sync,
    ):
        if text := explain(app, found):
            return f"{name} {text}"
    return f"{name} is {_sync(app)} to {_commit(app)} and {_health(app)}.{_orphaned(app)}"


def _orphaned(app: Obj) -> str:
    """Nothing is wrong with the application itself, but somebody may want to tidy up around it."""
    if condition_of(app, ORPHANED) is None:
        return ""
    return f" Its namespace holds objects that belong to no Application: `shipway app orphans {name_of(app)}` lists them."


def _leaving(app: Obj, _: Sequence[Obj]) -> str:
    if not is_deleting(app):
        return ""
    if is_acting(status_of(app).get("operationState") or {}, app.get("operation")):
        return f"is being deleted once its operation has ended: `shipway app terminate {name_of(app)}` ends it."
    condition = condition_of(app, "DeletionError")
    if condition is None:
        return "is being deleted: what it tracks goes first, where its finalizers say so."
    return f"is being deleted and cannot go yet: {_ended(condition.get('message', ''))}"


def _to_be_held(app: Obj, _: Sequence[Obj]) -> str:
    """A rollback that waits, since what it goes back to is not to be had now."""
    is_under_way = app.get("operation") and dig(app, "status", "operationState", "phase") == "Running"
    error = condition_of(app, "ComparisonError")
    try:
        hold = hold_of(app) if is_under_way and error is not None else None
    except InvalidInput:
        return ""  # `_error` tells of it
    if hold is None or error is None:
        return ""
    told = f"{sentence(app, hold)}. That is done once Git or the history gives that: {_ended(error.get('message', ''))}"
    return f"is to be {told} What runs stays as it is until then."


def _error(app: Obj, _: Sequence[Obj]) -> str:
    conditions = {c.get("type"): c.get("message", "") for c in status_of(app).get("conditions") or []}
    if "InvalidSpecError" in conditions:
        return f"cannot be synced: {_ended(conditions['InvalidSpecError'])} Nothing live is touched until that is mended."
    if HYDRATION in conditions:  # a branch that was never written to cannot be compared with either
        what = _ended(conditions[HYDRATION])
        return f"is not rendered into its branch: {what} What runs stays as it is until that is mended."
    if "ComparisonError" in conditions:
        what = _ended(conditions["ComparisonError"])
        return f"cannot be compared with Git: {what} What runs stays as it is until that is mended."
    if CHANGE_RIGHTS in conditions:
        return f"is {_sync(app)} and not synced: {_ended(conditions[CHANGE_RIGHTS])} What runs stays as it is."
    return ""


def _running(app: Obj, _: Sequence[Obj]) -> str:
    state = status_of(app).get("operationState") or {}
    if not app.get("operation") or state.get("phase") not in ("Running", "Terminating"):
        return ""
    revision = _short(state.get("syncResult") or {})
    return f"is syncing to {revision}: {_ended(state.get('message', ''))}"


def _aborted(app: Obj, children: Sequence[Obj]) -> str:
    """An aborted rollout: Git is ahead of what serves, on purpose, and nothing loops."""
    for rollout in _of_kind(children, "Rollout"):
        match = _ABORTED.match(status_of(rollout).get("message") or "")
        if status_of(rollout).get("phase") != "Degraded" or match is None:
            continue
        wanted, stable = _versions(rollout, children)
        where = _weight(rollout)
        text = f"is {_health(app)}: Git wants {wanted} (commit {_commit(app)}), but the {_strategy(rollout)} was aborted{where}"
        text += f" because {reason}" if (reason := _reason(rollout, match[2] or "", children)) else " by hand"
        return f"{text}; all traffic is on {stable}. Fix the cause and push, or revert the commit."
    return ""


def _held(app: Obj, _: Sequence[Obj]) -> str:
    try:
        hold = hold_of(app)
    except InvalidInput:
        return ""  # `_error` tells of it
    return f"is {_sync(app)} and {_health(app)}, {sentence(app, hold)}." if hold else ""


def _waiting(app: Obj, _: Sequence[Obj]) -> str:
    """New content waits for other Applications."""
    conditions: list[Obj] = status_of(app).get("conditions") or []
    told = next((str(one.get("message", "")) for one in conditions if one.get("type") == DEPENDENCY), "")
    return f"is {_sync(app)} and {_ended(told)} Everything else goes on." if told else ""


def _unhealthy(app: Obj, _: Sequence[Obj]) -> str:
    health = _health(app)
    if health in ("Healthy", ""):
        return ""
    rows = [row for row in status_of(app).get("resources") or [] if dig(row, "health", "status") == health]
    if not rows:
        return f"is {_sync(app)} to {_commit(app)} and {health}."
    message = dig(rows[0], "health", "message", default="")
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    mend = " Mend that in Git; the running version is left alone." if _INVALID.match(message) else ""
    return f"is {health}: {_named(rows[0])}{more}{': ' + _ended(message) if message else '.'}{mend}"


def _failed(app: Obj, _: Sequence[Obj]) -> str:
    state = status_of(app).get("operationState") or {}
    if _sync(app) != "OutOfSync" or state.get("phase") not in ("Failed", "Error"):
        return ""
    rows = [row for row in dig(state, "syncResult", "resources", default=[]) if row.get("status") == "SyncFailed"]
    detail = f"{_named(rows[0])}: {rows[0].get('message', '')}" if rows else state.get("message", "")
    return f"is OutOfSync because the last sync failed: {_ended(detail)} Mend it in Git and push."


def _shut(now: Instant | None, app: Obj, around: Sequence[Obj]) -> str:
    """Automated sync would put Git live, but a sync window of the project is in its way."""
    project: Obj = next(iter(_of_kind(around, "AppProject")), {})
    if now is None or _sync(app) != "OutOfSync" or _health(app) == "Degraded" or not spec_of(project).get("syncWindows"):
        return ""
    try:
        spec, rules = parse_spec(app), parse_project(project)
    except InvalidInput:
        return ""
    window = gate_of(rules, name_of(app), spec, now, is_manual=False)
    if window.is_open or not is_automated(spec):
        return ""
    by_hand = gate_of(rules, name_of(app), spec, now, is_manual=True).is_open
    hint = f" A person may sync it now: `shipway app sync {name_of(app)}`." if by_hand else ""
    return f"is OutOfSync and waits for a sync window: {_ended(window.reason)}{hint}"


def _out_of_sync(app: Obj, _: Sequence[Obj]) -> str:
    if _sync(app) != "OutOfSync":
        return ""
    rows = [row for row in status_of(app).get("resources") or [] if row.get("status") == "OutOfSync"]
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    what = f"{_named(rows[0])}{more} differ{'' if more else 's'}" if rows else "something differs"
    return f"is OutOfSync: {what} from commit {_commit(app)}. Sync it with `shipway app sync {name_of(app)}`."


def _versions(rollout: Obj, children: Sequence[Obj]) -> tuple[str, str]:
    """(what Git wants, what serves), as image tags where they tell the two apart."""
    wanted = images_of(rollout)
    stable_hash = status_of(rollout).get("stableRS") or ""
    stable_set = next((rs for rs in _of_kind(children, "ReplicaSet") if labels_of(rs).get(HASH_LABEL) == stable_hash), None)
    if stable_set is None:
        return _tags(wanted), "the stable version"
    stable = images_of(stable_set)
    new = tuple(image for image in wanted if image not in stable) or wanted
    old = tuple(image for image in stable if image not in wanted) or stable
    return _tags(new), _tags(old)


def _reason(rollout: Obj, told: str, children: Sequence[Obj]) -> str:
    """`metric error-rate failed (30 % where result < 0.05 was required)`, as far as the analysis run says."""
    match = _METRIC.search(told)
    if match is None:
        return told.rstrip(".")
    metric, verdict = match[1], _VERDICTS.get(match[2], match[2].lower())
    runs = [run for run in _of_kind(children, "AnalysisRun") if namespace_of(run) == namespace_of(rollout)]
    mine = [
        run
        for run in runs
        if any(ref.get("uid") == metadata(rollout).get("uid") for ref in metadata(run).get("ownerReferences") or [])
    ]
    for run in sorted(mine or runs, key=lambda run: metadata(run).get("creationTimestamp") or "", reverse=True):
        result = next((r for r in status_of(run).get("metricResults") or [] if r.get("name") == metric), None)
        if result and result.get("phase") not in ("Successful", "Running"):
            return f"metric {metric} {verdict}{_measured(run, metric, result)}"
    return f"metric {metric} {verdict}"


def _measured(run: Obj, metric: str, result: Obj) -> str:
    bad = [m for m in result.get("measurements") or [] if m.get("phase") in ("Failed", "Error", "Inconclusive")]
    if not bad:
        return ""
    if bad[-1].get("message") and not bad[-1].get("value"):
        return f" ({bad[-1]['message']})"
    spec: Obj = next((m for m in spec_of(run).get("metrics") or [] if m.get("name") == metric), {})
    return f" ({_against(bad[-1].get('value', ''), spec)})"


def _against(value: str, metric: Obj) -> str:
    """`30 % > 5 %`: the value and the limit that it broke; in the condition's own words where that is not a comparison."""
    condition: str = metric.get("successCondition") or ""
    match, number = _LIMIT.search(condition), _number(value)
    if match and number is not None:
        limit = float(match[2])
        return f"{_amount(number, limit)} {_BROKEN[match[1]]} {_amount(limit, limit)}"
    if condition:
        return f"measured {value} where {condition} was required"
    if metric.get("failureCondition"):
        return f"measured {value} and {metric['failureCondition']} means failure"
    return f"measured {value}"


def _amount(number: float, limit: float) -> str:
    """Shares as percentages, everything else as it is."""
    return f"{number * 100:.3g} %" if 0 < limit < 1 and 0 <= number <= 1 else f"{number:.6g}"


def _number(value: str) -> float | None:
    """A measured value that is one number, `0.3` or `[0.3]`."""
    try:
        return float(value.strip("[] "))
    except ValueError:
        return None


def _weight(rollout: Obj) -> str:
    """The share the new version had when it was thrown out, where the rollout's status still says."""
    weight = dig(rollout, "status", "canary", "abortedAtWeight")
    return f" at {weight} %" if isinstance(weight, int) else ""


def _strategy(rollout: Obj) -> str:
    return "blue-green update" if dig(rollout, "spec", "strategy", "blueGreen") is not None else "canary"


def _tags(images: Sequence[str]) -> str:
    tags = [image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else image for image in images]
    return ", ".join(dict.fromkeys(tags)) or "a new version"


def _of_kind(objects: Iterable[Obj], kind: str) -> list[Obj]:
    return [obj for obj in objects if obj.get("kind") == kind]


def _named(row: Obj) -> str:
    place = f"{row['namespace']}/{row['name']}" if row.get("namespace") else row.get("name", "")
    return f"{row.get('kind', '')} {place}"


def _sync(app: Obj) -> str:
    return dig(app, "status", "sync", "status", default="Unknown")


def _health(app: Obj) -> str:
    return dig(app, "status", "health", "status", default="")


def _commit(app: Obj) -> str:
    return _short(dig(app, "status", "sync", default={})) or "the newest commit"


def _short(told: Obj) -> str:
    """The commits of all sources."""
    return ", ".join(revision[:7] for revision in revisions_in(told))


def _ended(text: str) -> str:
    """With exactly one full stop at the end; a question stays one."""
    text = text.rstrip(". \n")
    return text if text.endswith("?") else f"{text}."
