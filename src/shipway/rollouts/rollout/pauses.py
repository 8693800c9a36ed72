"""Pausing, resuming and aborting as moves on the status, collected over a pass and applied once.

The model is Argo Rollouts': the controller records why it paused (`pauseConditions`) and that it did (`controllerPause`);
a person resumes by clearing the conditions, so "controllerPause without conditions" means "just resumed".
"""

import msgspec
from msgspec import Struct

from shipway.api.rollout import PauseCondition, RolloutStatus
from shipway.base.clock import Instant, rfc3339


class Moves(Struct, frozen=True):
    """`abort` is the message of an abort decided in this pass; `lift` takes a standing abort back; `clear` ends all pauses.

    `resumed`: a person has ended a pause, and this pass could not yet go on: the next one is to know.
    """

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    clear: bool = False
    abort: str | None = None
    lift: bool = False
    resumed: bool = False

    def merged(self, other: "Moves") -> "Moves":
        return Moves(
            add=self.add + other.add,
            drop=self.drop + other.drop,
            clear=self.clear or other.clear,
            abort=self.abort if self.abort is not None else other.abort,
            lift=self.lift or other.lift,
            resumed=self.resumed or other.resumed,
        )


def is_aborted(status: RolloutStatus, moves: Moves) -> bool:
    if moves.lift:
        return False
    return moves.abort is not None or status.abort


def apply_moves(before: RolloutStatus, after: RolloutStatus, moves: Moves, now: Instant) -> RolloutStatus:
    """`after` with abort and pause fields as `before` and the moves say. An abort ends every pause."""
    if is_aborted(before, moves):
        return _with(after, abort=True, aborted_at=before.aborted_at or rfc3339(now), pauses=(), controller_pause=False)
    kept = () if moves.clear else tuple(pause for pause in before.pause_conditions if pause.reason not in moves.drop)
    known = {pause.reason for pause in before.pause_conditions}
    added = tuple(PauseCondition(reason, rfc3339(now)) for reason in dict.fromkeys(moves.add) if reason not in known)
    pauses = () if moves.clear else (*kept, *added)
    controller_pause = before.controller_pause or bool(added) if pauses else moves.resumed and not moves.clear
    return _with(after, abort=False, aborted_at=None, pauses=pauses, controller_pause=controller_pause)


def _with(
    status: RolloutStatus,
    *,
    abort: bool,
    aborted_at: str | None,
    pauses: tuple[PauseCondition, ...],
    controller_pause: bool,
) -> RolloutStatus:
    return msgspec.structs.replace(
        status, abort=abort, aborted_at=aborted_at, pause_conditions=pauses, controller_pause=controller_pause
    )
