"""Conditions and rows of an ApplicationSet, spelled as Argo CD does.

Three conditions are always there: ErrorOccurred, ParametersGenerated, ResourcesUpToDate. `AwaitingConfirmation` is our own
reason: Applications with a tombstone wait for the look that confirms it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from shipway.appsets.evaluation import Evaluation
from shipway.appsets.plan import Plan
from shipway.appsets.scene import FROM_PARAMS, RENDERING, PassedOver
from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of

MAX_ROWS = 5000
"""Rows of `status.resources`, as in Argo CD."""
SHOWN = 3
UP_TO_DATE = "ApplicationSetUpToDate"


class Failure(Struct, frozen=True):
    """What keeps a set from being up to date, under the reason that users know."""

    reason: str
    message: str


def failures_of(wanted: Evaluation, the_plan: Plan) -> list[Failure]:
    """Everything that went wrong before anything was written."""
    found = [Failure(one.reason, one.message) for one in wanted.problems]
    found += [
        Failure("CreateApplicationError", f"application {name!r} exists and belongs to somebody else: give yours another name")
        for name in the_plan.taken
    ]
    return found


def conditions(
    before: Sequence[Obj],
    failures: Sequence[Failure],
    the_plan: Plan,
    now: Instant,
    extra: Iterable[Obj] = (),
    passed_over: Sequence[PassedOver] = (),
) -> list[Obj]:
    """All conditions; those that say the same as before keep their time."""
    error = _told(failures)
    generation = [one for one in failures if one.reason in (FROM_PARAMS, RENDERING, "ErrorOccurred")]
    made = [
        _condition("ErrorOccurred", bool(error), error.reason if error else UP_TO_DATE, error.message if error else _DONE),
        _parameters(generation, error, passed_over),
        _resources(error, the_plan),
        *extra,
    ]
    old = {one.get("type"): one for one in before}
    return [_timed(one, old.get(one["type"]), now) for one in made]


def rows(applications: Iterable[Obj]) -> list[Obj]:
    """One row an Application, sorted by name."""
    listed = sorted(applications, key=name_of)[:MAX_ROWS]
    return [_row(app) for app in listed]


_GENERATED = "Successfully generated parameters for all Applications"
_DONE = "All applications have been generated successfully"


def _parameters(generation: Sequence[Failure], error: Failure | None, passed_over: Sequence[PassedOver]) -> Obj:
    if generation and error is not None:
        return _condition("ParametersGenerated", False, "ErrorOccurred", error.message)
    left_out = [f"{one.where}: passed over, {one.why}: {_some(one.names)}" for one in passed_over]
    return _condition("ParametersGenerated", True, "ParametersGenerated", "; ".join([_GENERATED, *left_out]))


def _resources(error: Failure | None, the_plan: Plan) -> Obj:
    if error is not None:
        return _condition("ResourcesUpToDate", False, "ErrorOccurred", error.message)
    if the_plan.leaving:
        return _condition("ResourcesUpToDate", False, "AwaitingConfirmation", leaving_message(the_plan))
    return _condition("ResourcesUpToDate", True, UP_TO_DATE, _DONE)


def leaving_message(the_plan: Plan) -> str:
    """Which Applications go, and when."""
    names = [name for name, _ in the_plan.leaving]
    first = min(at for _, at in the_plan.leaving)
    return (
        f"{_some(names)}: no generator gives {'it' if len(names) == 1 else 'them'} any more. Deleted when a look at the "
        f"generators after {rfc3339(first)} says the same"
    )


def _told(failures: Sequence[Failure]) -> Failure | None:
    """One message for all: the first few, and how many more there are."""
    if not failures:
        return None
    messages = [one.message for one in failures[:SHOWN]]
    more = f" (and {len(failures) - SHOWN} more)" if len(failures) > SHOWN else ""
    return Failure(failures[0].reason, "; ".join(messages) + more)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _condition(kind: str, is_true: bool, reason: str, message: str) -> Obj:
    return {"type": kind, "status": "True" if is_true else "False", "reason": reason, "message": message}


def _timed(condition: Obj, before: Obj | None, now: Instant) -> Obj:
    same = before is not None and all(before.get(key) == value for key, value in condition.items())
    return {**condition, "lastTransitionTime": before["lastTransitionTime"] if same and before else rfc3339(now)}


def _row(app: Obj) -> Obj:
    health: Any = dig(app, "status", "health", "status", default="")
    return {
        "group": "argoproj.io",
        "version": "v1alpha1",
        "kind": "Application",
        "namespace": namespace_of(app),
        "name": name_of(app),
        **({"status": sync} if (sync := dig(app, "status", "sync", "status", default="")) else {}),
        **({"health": {"status": health}} if health else {}),
    }
