"""The annotation `shipway.dev/strategy`: the strategy that the present release began with, steps and all. Pure.

It is written before anything of the release is begun, so neither a restart nor an edit of the policy changes the steps in the
middle. It stays when the release is done, and the next release replaces it.
"""

from functools import lru_cache

import msgspec
from msgspec import Struct

from shipway.api.measured import shortened
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, metadata, spec_of
from shipway.rollouts.budget.policy import Choice, Known, Pace, Policy
from shipway.rollouts.rollout.names import STRATEGY

FROZEN_STEP: Obj = {"pause": {}}
"""What holds a frozen release: a pause without an end, before any weight is set. Every client knows how to end it."""


class Pinned(Struct, frozen=True, omit_defaults=True):
    """`hash`: the version that the release brings; `after`: when the try before was thrown out.

    `steps` None: the Rollout's own.
    """

    hash: str
    pace: Pace
    objective: str = ""
    left: float | None = None
    unknown: str = ""
    after: str = ""
    steps: tuple[Obj, ...] | None = None

    @property
    def known(self) -> Known:
        return Known(self.objective, self.left, self.unknown)


def pin(policy: Policy, choice: Choice, pod_hash: str, after: str = "") -> Pinned:
    """What is remembered of a choice. Shares are kept as they are told, so that a budget at rest writes nothing."""
    known = choice.known
    left = round(known.left, 3) if known.left is not None else None
    steps = policy.strategy(choice.pace).steps
    return Pinned(pod_hash, choice.pace, known.objective, left, shortened(known.unknown), after, steps)


def pinned_text(pinned: Pinned) -> str:
    return msgspec.json.encode(pinned).decode()


def pinned_of(rollout: Obj) -> Pinned | None:
    """What the annotation says; one that somebody has broken says nothing."""
    text = annotations_of(rollout).get(STRATEGY)
    return _read(text) if text else None


@lru_cache(maxsize=2048)
def _read(text: str) -> Pinned | None:
    try:
        return msgspec.json.decode(text, type=Pinned)
    except msgspec.DecodeError:
        return None


def in_force(rollout: Obj) -> Obj:
    """The Rollout with the steps of its pinned strategy in place of its own."""
    pinned = pinned_of(rollout)
    if pinned is None:
        return rollout
    own = ((spec_of(rollout).get("strategy") or {}).get("canary") or {}).get("steps") or []
    steps = own if pinned.steps is None else list(pinned.steps)
    return with_steps(rollout, steps, is_frozen=pinned.pace == "freeze")


def without_pin(rollout: Obj) -> Obj:
    """The Rollout as the next release finds it."""
    kept = {key: value for key, value in annotations_of(rollout).items() if key != STRATEGY}
    return {**rollout, "metadata": {**metadata(rollout), "annotations": kept}}


def with_steps(rollout: Obj, steps: list[Obj], *, is_frozen: bool = False) -> Obj:
    """The Rollout with other steps. A blue-green one has none, and stays as it is."""
    spec = spec_of(rollout)
    canary: Obj | None = (spec.get("strategy") or {}).get("canary")
    if not isinstance(canary, dict):
        return rollout
    canary = {**canary, "steps": [FROZEN_STEP, *steps] if is_frozen else steps}
    if is_frozen and isinstance(analysis := canary.get("analysis"), dict):
        canary["analysis"] = {**analysis, "startingStep": 1 + (analysis.get("startingStep") or 0)}
    return {**rollout, "spec": {**spec, "strategy": {**spec["strategy"], "canary": canary}}}
