"""What a person can do to a Rollout now, and what each would bring about, in one sentence. Pure.

Whether there is anything to do is asked of the very patches that would be sent (`rollouts.actions`). The page shows the
sentence before it acts.
"""

from collections.abc import Callable, Sequence

from msgspec import field

from shipway.base.errors import ShipwayError
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
from shipway.rollouts.rollout.replica_set import read_replica_set
from shipway.rollouts.rollout.steps import describe
from shipway.rollouts.view import owned_by, typed
from shipway.server.dashboard.measured import Shape


class Choice(Shape, frozen=True):
    """One button: `path` is what is PUT behind the Rollout's address, `body` its JSON. `reason`: whether a person is asked why,
    "" (no), "optional" or "required"."""

    verb: str
    label: str
    possible: bool
    says: str
    path: str
    body: dict[str, bool] = field(default_factory=dict)
    reason: str = ""


def choices(rollout: Obj, replica_sets: Sequence[Obj]) -> list[Choice]:
    """In the order of the buttons, then one for each revision to go back to, newest first."""
    name = name_of(rollout)
    return [
        _choice("promote", "Promote", rollout, actions.promote, _promoting(rollout)),
        _choice("promote-full", "Promote full", rollout, actions.promote_full,
                f"{name} skips what is left of steps, pauses and analyses: the new version takes all traffic."),
        _choice("abort", "Abort", rollout, actions.abort,
                f"{name} throws out the new version: all traffic goes back to the stable one at once."),
        _choice("retry", "Retry", rollout, actions.retry, f"{name} begins the aborted update again at its first step."),
        Choice("restart", "Restart", possible=True, says=_restarting(rollout), path="restart"),
        *_undoing(rollout, replica_sets),
    ]  # fmt: skip


def _choice(verb: str, label: str, rollout: Obj, patches_for: Callable[[Obj], Patches], says: str) -> Choice:
    verb_of_path, _, flag = verb.partition("-")
    try:
        is_possible = not patches_for(rollout).is_nothing
    except ShipwayError as error:
        is_possible, says = False, error.message
    return Choice(verb, label, is_possible, says, verb_of_path, {flag: True} if flag else {})


def _promoting(rollout: Obj) -> str:
    name = name_of(rollout)
    spec, status = typed(rollout)
    canary = spec.strategy.canary
    if canary is None:
        return f"{name} sends all traffic to the new version."
    index = status.current_step_index or 0
    if index >= len(canary.steps):
        return f"{name} goes on."
    after = describe(canary.steps[index + 1]) if index + 1 < len(canary.steps) else "full promotion"
    doing = "leaves its pause at" if status.pause_conditions else "does not wait for"
    return f"{name} {doing} step {index + 1} of {len(canary.steps)} ({describe(canary.steps[index])}) and goes on with {after}."


def _restarting(rollout: Obj) -> str:
    replicas = dig(rollout, "spec", "replicas", default=1)
    return f"{name_of(rollout)} replaces its {replicas} pods one after the other, without an update and without its steps."


def _undoing(rollout: Obj, replica_sets: Sequence[Obj]) -> list[Choice]:
    """One for each revision but the present one. A pod template that stands in another object cannot be put back here."""
    if dig(rollout, "spec", "workloadRef"):
        return []
    current = typed(rollout)[1].current_pod_hash
    sets = sorted((read_replica_set(rs) for rs in owned_by(rollout, replica_sets)), key=lambda rs: -rs.revision)
    return [
        Choice(
            f"undo-{rs.revision}", f"Back to revision {rs.revision}", possible=True, path=f"undo/{rs.revision}",
            says=f"{name_of(rollout)} goes back to the pods of revision {rs.revision} ({_images(rs.obj)}) by the steps of an "
            "update. What Git says stays as it is.",
        )
        for rs in sets
        if rs.hash != current
    ]  # fmt: skip


def _images(rs: Obj) -> str:
    return ", ".join(one.get("image") or "" for one in dig(rs, "spec", "template", "spec", "containers", default=[]))
