"""What a rehearsal saw: the strategy's course, every measurement, and how it ended. Times in seconds from its beginning."""

from typing import Literal

import msgspec
from msgspec import Struct

from shipway.kube.objects.resource import Obj

Outcome = Literal["promoted", "aborted", "waiting", "stuck", "unfinished"]
OUTCOMES: dict[Outcome, str] = {
    "promoted": "promoted",
    "aborted": "aborted",
    "waiting": "waits for a person",
    "stuck": "stopped without going back",
    "unfinished": "still under way when the rehearsal ended",
}


class Moment(Struct, frozen=True):
    """From `at` on: the step, the new version's share of the traffic in percent, its pods and those of the old version."""

    at: float
    step: str
    weight: float
    canary: int
    canary_ready: int
    stable: int
    stable_ready: int
    phase: str
    message: str = ""


class Measured(Struct, frozen=True):
    """One measurement of a run: `run` is Background, Step, Pre or PostPromotion; or Budget, of a strategy
    that was chosen (`phase`) by what is left of an error budget."""

    at: float
    run: str
    metric: str
    phase: str
    value: str = ""
    message: str = ""


class Ending(Struct, frozen=True):
    """How it ended, at which step and weight, and why."""

    outcome: Outcome
    at: float
    step: str
    weight: float
    message: str = ""


class Timeline(Struct, frozen=True):
    """`exposed`: requests that the new version answered; `warnings`: what is odd about the recording, or not played."""

    rollout: str
    namespace: str
    moments: tuple[Moment, ...]
    measurements: tuple[Measured, ...]
    ending: Ending
    exposed: float
    warnings: tuple[str, ...] = ()

    @property
    def is_caught(self) -> bool:
        return self.ending.outcome == "aborted"


def document_of(timeline: Timeline) -> Obj:
    """The timeline for programs, as an object; times are seconds since the update began."""
    body: Obj = msgspec.to_builtins(timeline)
    meta = {"name": body.pop("rollout"), "namespace": body.pop("namespace")}
    return {"apiVersion": "shipway.dev/v1alpha1", "kind": "RolloutRehearsal", "metadata": meta, **body}
