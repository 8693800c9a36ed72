"""RollingSync: the Applications of a set are synced step by step instead of all at once.

    Waiting -> Pending      all earlier steps are Healthy, and fewer of this step are under way than `maxUpdate` says
    Pending -> Progressing  a sync began after it became Pending (or the Application cannot be synced at all)
    Progressing -> Healthy  it is Synced and Healthy
    any -> Waiting          it has another revision or is OutOfSync again

Generated Applications have no automated sync meanwhile: one that is Pending is given its operation by the set. A sync that
fails is left to the Application's own retry. What no step selects is never synced by the set.

With `deletionOrder: Reverse` the set holds on to itself by a finalizer when it is deleted, and takes its Applications with it
step by step, the last step first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from shipway.api.applicationset import ApplicationSetSpec, MatchExpression, RollingStep
from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, name_of, namespace_of, resource_version_of, spec_of, status_of
from shipway.kube.runtime.decision import Patch

WAITING, PENDING, PROGRESSING, HEALTHY = "Waiting", "Pending", "Progressing", "Healthy"
UNDER_WAY = (PENDING, PROGRESSING)
SETTLE = 3.0
"""Seconds an Application waits at least: those of earlier steps see the same change at about the same time, not before."""
NO_STEP = -1
_SAID = {
    WAITING: "Application has pending changes, setting status to Waiting.",
    PENDING: "Application moved to Pending status, watching for the Application resource to start Progressing.",
    PROGRESSING: "Application resource became Progressing, updating status from Pending to Progressing.",
    HEALTHY: "Application resource became Healthy, updating status from Progressing to Healthy.",
}
_NEW = "No Application status found, defaulting status to Waiting."


class Turn(Struct, frozen=True):
    """`statuses` is the whole new `status.applicationStatus`; `syncs` begin what is Pending; `wake`: when to look again."""

    statuses: tuple[Obj, ...] = ()
    syncs: tuple[Patch, ...] = ()
    wake: Instant | None = None

    @property
    def condition(self) -> Obj:
        """RolloutProgressing, without its time."""
        open_steps = [int(one["step"]) for one in self.statuses if one["status"] != HEALTHY and one["step"] != str(NO_STEP)]
        if not open_steps:
            said = {"status": "False", "reason": "ApplicationSetRolloutComplete"}
            return {"type": "RolloutProgressing", **said, "message": "ApplicationSet Rollout has completed"}
        said = {"status": "True", "reason": "ApplicationSetModified"}
        return {
            "type": "RolloutProgressing",
            **said,
            "message": f"ApplicationSet is performing rollout of step {min(open_steps)}",
        }


def steps_of(spec: ApplicationSetSpec) -> tuple[RollingStep, ...]:
    """The steps of a set that rolls; none for one that does not."""
    strategy = spec.strategy
    if strategy is None or strategy.type != "RollingSync" or strategy.rolling_sync is None:
        return ()
    return strategy.rolling_sync.steps or ()


def deletes_in_reverse(spec: ApplicationSetSpec) -> bool:
    """Whether the Applications of the last step go first when the set is deleted. Argo CD takes the word in any case."""
    return bool(steps_of(spec)) and spec.strategy is not None and spec.strategy.deletion_order.lower() == "reverse"


def last_step(applications: Mapping[str, Obj], steps: Sequence[RollingStep]) -> tuple[Obj, ...]:
    """Those of the last step that has any, by name. What no step selects comes last of all: it goes with the set."""
    step_of = {name: _step(app, steps) for name, app in sorted(applications.items())}
    last = max(step_of.values(), default=NO_STEP)
    return tuple(applications[name] for name, step in step_of.items() if step == last) if last != NO_STEP else ()


def take_turn(
    steps: Sequence[RollingStep],
    applications: Mapping[str, Obj],
    prunes: Mapping[str, bool],
    before: Sequence[Obj],
    now: Instant,
) -> Turn:
    """One look at all Applications that are there. `prunes`: whether a sync may prune, by name."""
    earlier = {one.get("application"): one for one in before}
    step_of = {name: _step(app, steps) for name, app in applications.items()}
    seen = {name: _seen(app, earlier.get(name), step_of[name], now) for name, app in sorted(applications.items())}
    statuses, wake = _promoted(steps, seen, step_of, now)
    syncs = [
        _sync(applications[name], prunes.get(name, False))
        for name, one in statuses.items()
        if one["status"] == PENDING and _may_begin(applications[name])
    ]
    return Turn(tuple(statuses.values()), tuple(syncs), wake)


def without_automation(app: Obj) -> Obj:
    """The Application with its automated sync taken out: the set decides when it is synced."""
    policy: dict[str, Any] = spec_of(app).get("syncPolicy") or {}
    if "automated" not in policy:
        return app
    left = {key: value for key, value in policy.items() if key != "automated"}
    spec = {key: value for key, value in spec_of(app).items() if key != "syncPolicy"}
    return {**app, "spec": {**spec, "syncPolicy": left} if left else spec}


# --- one Application ----------------------------------------------------------------------------------------------------


def _step(app: Obj, steps: Sequence[RollingStep]) -> int:
    """The first step that selects it, from 1; NO_STEP when none does."""
    labels = labels_of(app)
    for number, step in enumerate(steps, 1):
        if all(_fits(labels, one) for one in step.match_expressions or ()):
            return number
    return NO_STEP


def _fits(labels: Mapping[str, str], expression: MatchExpression) -> bool:
    value = labels.get(expression.key)
    if expression.operator == "NotIn":
        return value is None or value not in (expression.values or ())
    return expression.operator == "In" and value is not None and value in (expression.values or ())


def _seen(app: Obj, before: Obj | None, step: int, now: Instant) -> Obj:
    """The state of one Application by itself, before its step is asked."""
    revisions = _revisions(app)
    if before is None:
        before = _state(app, WAITING, _NEW, step, revisions, now)
    status = before.get("status")
    has_moved = status != WAITING and revisions != (before.get("targetRevisions") or [])
    if has_moved or (status == HEALTHY and _sync_status(app) == "OutOfSync"):
        return _state(app, WAITING, _SAID[WAITING], step, revisions, now)
    current = {**before, "step": str(step), "targetRevisions": revisions}
    if status == WAITING and _sync_status(app) == "Synced":
        message = "Application resource is already Healthy, updating status from Waiting to Healthy."
        return _state(app, HEALTHY, message, step, revisions, now) if _is_healthy(app) else current
    if status == PENDING and _has_begun(app, before):
        current = _state(app, PROGRESSING, _SAID[PROGRESSING], step, revisions, now)
    if current["status"] == PROGRESSING and _is_healthy(app):
        return _state(app, HEALTHY, _SAID[HEALTHY], step, revisions, now)
    return current


def _state(app: Obj, status: str, message: str, step: int, revisions: list[str], now: Instant) -> Obj:
    return {
        "application": name_of(app),
        "status": status,
        "message": message,
        "step": str(step),
        "targetRevisions": revisions,
        "lastTransitionTime": rfc3339(now),
    }


def _has_begun(app: Obj, before: Obj) -> bool:
    """Whether a sync began since it became Pending, or none ever will."""
    conditions: list[Obj] = status_of(app).get("conditions") or []
    if any(one.get("type") in ("InvalidSpecError", "UnknownError") for one in conditions):
        return True
    started: str = dig(app, "status", "operationState", "startedAt", default="")
    return _sync_status(app) == "Synced" or bool(started and _time(started) >= _time(before.get("lastTransitionTime", "")))


def _is_healthy(app: Obj) -> bool:
    phase = dig(app, "status", "operationState", "phase", default="")
    is_well = dig(app, "status", "health", "status", default="") == "Healthy"
    return is_well and _sync_status(app) == "Synced" and phase in ("", "Succeeded") and "operation" not in app


def _sync_status(app: Obj) -> str:
    """What the GitOps engine says, once it has looked at this very spec."""
    compared: Any = dig(app, "status", "sync", "comparedTo", "source")
    source: Any = spec_of(app).get("source")
    if compared is not None and source is not None and compared != source:
        return ""
    return dig(app, "status", "sync", "status", default="")


def _revisions(app: Obj) -> list[str]:
    sync = dig(app, "status", "sync", default={})
    return sync.get("revisions") or ([sync["revision"]] if sync.get("revision") else [])


def _time(text: str) -> float:
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


# --- all of them --------------------------------------------------------------------------------------------------------


def _promoted(
    steps: Sequence[RollingStep], seen: Mapping[str, Obj], step_of: Mapping[str, int], now: Instant
) -> tuple[dict[str, Obj], Instant | None]:
    """Those whose turn it is become Pending; and when the next one has waited long enough."""
    statuses = dict(seen)
    wakes: list[Instant] = []
    for number, step in enumerate(steps, 1):
        names = [name for name in seen if step_of[name] == number]
        room = _most(step, len(names)) - sum(statuses[name]["status"] in UNDER_WAY for name in names)
        for name in (name for name in names if statuses[name]["status"] == WAITING):
            due = Instant(_time(statuses[name]["lastTransitionTime"]) + SETTLE)
            if due > now:
                wakes.append(due)
            elif room > 0:
                room -= 1
                statuses[name] = {
                    **statuses[name],
                    "status": PENDING,
                    "message": _SAID[PENDING],
                    "lastTransitionTime": rfc3339(now),
                }
        if any(statuses[name]["status"] != HEALTHY for name in names):
            break
    return statuses, min(wakes, default=None)


def _most(step: RollingStep, count: int) -> int:
    """How many of a step may be under way: a number, or a share rounded down but not to nothing unless it says 0%."""
    most = step.max_update
    if most is None:
        return count
    if isinstance(most, int):
        return most
    share = most.strip().removesuffix("%")
    if not share.isdecimal():
        return 0
    return max(count * int(share) // 100, 1 if int(share) else 0) if most.strip().endswith("%") else int(share)


def _may_begin(app: Obj) -> bool:
    phase = dig(app, "status", "operationState", "phase", default="")
    return _sync_status(app) == "OutOfSync" and "operation" not in app and phase != "Running"


def _sync(app: Obj, prune: bool) -> Patch:
    """Gives the Application its operation, as Argo CD's controller does."""
    policy: dict[str, Any] = spec_of(app).get("syncPolicy") or {}
    operation: Obj = {
        "initiatedBy": {"username": "applicationset-controller", "automated": True},
        "info": [{"name": "Reason", "value": "ApplicationSet RollingSync triggered a sync of this Application resource"}],
        "sync": {
            **({"prune": True} if prune else {}),
            **({"syncOptions": policy["syncOptions"]} if policy.get("syncOptions") else {}),
        },
        **({"retry": policy["retry"]} if policy.get("retry") else {}),
    }
    body = {"operation": operation}
    return Patch(APPLICATIONS, namespace_of(app), name_of(app), body, resource_version=resource_version_of(app))
