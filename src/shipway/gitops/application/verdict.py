"""What is true about an application now: sync state, health and conditions.

While something is not known yet (a render under way, a dry run unanswered) what was said stands. While Git cannot be read,
health goes on being judged and, for a time of grace, so does the sync state against the last revision that was known.
"""

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Instant, parse_rfc3339
from shipway.gitops.application.checks import CHECKED
from shipway.gitops.application.observe import Observed
from shipway.gitops.comparison import Item, health_of_all
from shipway.gitops.hold import CONDITION, sentence
from shipway.gitops.orphans import CONDITION as ORPHANED
from shipway.gitops.project import DEFAULT, refusals
from shipway.gitops.status import HYDRATION
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import condition_of, dig


class Verdict(Struct, frozen=True):
    """What is true now. `is_known`: the comparison is there; otherwise only `conditions` say anything."""

    sync: str
    health: str
    conditions: tuple[tuple[str, str], ...] = ()
    is_known: bool = False


def verdict_of(observed: Observed, now: Instant) -> Verdict:
    """Sync state, health and conditions."""
    verdict = _judged(observed, now)
    others = [one for one in verdict.conditions if one[0] not in (ORPHANED, HYDRATION)]
    return replace(verdict, conditions=(*others, *_orphaned(observed), *_hydration(observed)))


def _hydration(observed: Observed) -> list[tuple[str, str]]:
    """Why what its source renders to is not in the branch that it is synced from; what is there is synced all the same."""
    operation: Obj = dig(observed.status, "sourceHydrator", "currentOperation", default={})
    is_told = observed.spec is not None and observed.spec.source_hydrator is not None and operation.get("phase") == "Failed"
    return [(HYDRATION, str(operation.get("message")))] if is_told else []


def _orphaned(observed: Observed) -> list[tuple[str, str]]:
    """Orphans are told of whether or not Git can be read. While they are not known, what was said stands."""
    if observed.orphaned.ask is not None and observed.orphaned.count is None:
        return [one for one in told(observed.status) if one[0] == ORPHANED]
    return [(ORPHANED, text)] if (text := observed.orphaned.condition) else []


def _judged(observed: Observed, now: Instant) -> Verdict:
    old_health: str = dig(observed.status, "health", "status", default="Unknown")
    if observed.spec is None:
        return Verdict("Unknown", "Unknown", (("InvalidSpecError", observed.spec_error),))
    wrong = project_conditions(observed)
    if wrong:
        return Verdict("Unknown", "Unknown", wrong)
    if observed.family.problem:
        return Verdict("Unknown", _live_health(observed), (("InvalidSpecError", observed.family.problem),))
    if observed.place.away:
        return Verdict("Unknown", "Unknown", (("ComparisonError", observed.place.away),))
    target, comparison = observed.target, observed.comparison
    if target is not None and target.error:
        return Verdict("Unknown", _live_health(observed), (("ComparisonError", target.error), *held(observed)))
    if target is None or comparison is None or comparison.is_pending or comparison.health_is_pending:
        old_sync: str = dig(observed.status, "sync", "status", default="Unknown")
        return Verdict(old_sync, old_health, _kept_conditions(observed))
    conditions = list(target.prepared.warnings)
    conditions += [("RepeatedResourceWarning", text) for rendered in target.renders for text in rendered.warnings]
    conditions += [("SharedResourceWarning", _shared(item, observed)) for item in comparison.items if item.shared_with]
    conditions += held(observed)
    conditions += [("UnknownError", problem) for problem in observed.customizations.problems]
    conditions += target.checks.problems
    if target.checks.is_pending:  # what was said stands until it is known
        conditions += [one for one in told(observed.status) if one[0] in CHECKED]
    sync = comparison.state
    if target.is_remembered and not target.stale:
        conditions += [one for one in told(observed.status) if one[0] == "ComparisonError"]
    if target.stale:
        conditions.append(("ComparisonError", target.stale))
        sync = "Unknown" if _is_overdue(observed, now) else sync
    return Verdict(sync, health_of_all(comparison.items), tuple(conditions), is_known=True)


def held(observed: Observed) -> list[tuple[str, str]]:
    """The condition that tells everybody of a hold."""
    if observed.hold is None or observed.target is None:
        return []
    text = f"{observed.key.name} is {sentence(observed.app, observed.hold)}"
    away = f". Git cannot give it ({observed.target.recalled}), so the kept manifests count" if observed.target.recalled else ""
    awaited = ". Neither Git nor the history gives it now, so it waits for them" if observed.target.is_away else ""
    return [(CONDITION, text + away + awaited)]


def _shared(item: Item, observed: Observed) -> str:
    mine = observed.context.instance
    where = observed.settings.namespace
    return f"{item.ref.kind}/{item.ref.name} is part of applications {where}/{mine} and {item.shared_with}"


def project_conditions(observed: Observed) -> tuple[tuple[str, str], ...]:
    if observed.project is None:
        return (("InvalidSpecError", observed.project_error),)
    assert observed.spec is not None
    name = observed.spec.project or DEFAULT
    found = refusals(observed.project, name, observed.spec, observed.place.owner)
    return tuple(("InvalidSpecError", refusal) for refusal in found)


def _kept_conditions(observed: Observed) -> tuple[tuple[str, str], ...]:
    """While nothing new is known, what was said stands."""
    return tuple(told(observed.status))


def told(status: Obj) -> list[tuple[str, str]]:
    """The conditions of a status as (type, message)."""
    conditions: list[Obj] = status.get("conditions") or []
    return [(condition.get("type", ""), condition.get("message", "")) for condition in conditions]


def _live_health(observed: Observed) -> str:
    """Health goes on being judged when Git cannot be read. Where nothing is live, nothing is unhealthy."""
    items = [Item(ref_of(one.obj), None, one) for one in observed.live]
    if any(one.scripted and one.scripted.health is None for one in observed.live):
        items = []
    is_judged = observed.is_listed and len(items) == len(observed.live)
    return health_of_all(items) if is_judged else dig(observed.status, "health", "status", default="Unknown")


def _is_overdue(observed: Observed, now: Instant) -> bool:
    since = _stale_since(observed)
    return since is not None and now >= since + observed.settings.timing.grace


def grace_over(observed: Observed, now: Instant) -> Instant | None:
    """When an application whose repository is unreachable turns Unknown."""
    if observed.target is None or not observed.target.stale:
        return None
    since = _stale_since(observed)
    due = (since if since is not None else now) + observed.settings.timing.grace
    return Instant(due) if due > now else None


def _stale_since(observed: Observed) -> Instant | None:
    condition = condition_of(observed.app, "ComparisonError") or {}
    since: str = condition.get("lastTransitionTime", "")
    return parse_rfc3339(since) if since else None
