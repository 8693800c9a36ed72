"""What the parts of a decision add up to: batches in order, events tied to actions, and when to look again."""

import msgspec
from msgspec import Struct

from shipway.base.clock import Instant
from shipway.kube.runtime.decision import Action, Batch, Note


class Tied(Struct, frozen=True):
    """An event that is told only once its action has been done."""

    action: Action
    note: Note


class Effects(Struct, frozen=True):
    """`batches` run one after the other; `notes` belong to the change of the Rollout itself."""

    batches: tuple[Batch, ...] = ()
    tied: tuple[Tied, ...] = ()
    notes: tuple[Note, ...] = ()
    wake: Instant | None = None


NOTHING = Effects()


def together(*parts: Effects) -> Effects:
    """The parts one after the other; the earliest wake counts. Most parts of most passes are nothing."""
    parts = tuple(part for part in parts if part is not NOTHING)
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    return Effects(
        batches=tuple(batch for part in parts for batch in part.batches),
        tied=tuple(tied for part in parts for tied in part.tied),
        notes=tuple(note for part in parts for note in part.notes),
        wake=earliest(*(part.wake for part in parts)),
    )


def side_by_side(one: Effects, other: Effects) -> Effects:
    """Both at once: their first batches are one. For moves of which neither waits for the other."""
    if not one.batches or not other.batches:
        return together(one, other)
    first = Batch((*one.batches[0].actions, *other.batches[0].actions))
    both = together(one, other)
    return msgspec.structs.replace(both, batches=(first, *one.batches[1:], *other.batches[1:]))


def acting(*actions: Action, notes: tuple[tuple[Action, Note], ...] = (), wake: Instant | None = None) -> Effects:
    """One batch of actions that may run in parallel, with their events. What comes after it waits for its success."""
    if not actions and wake is None:
        return NOTHING
    batches = (Batch(actions),) if actions else ()
    return Effects(batches=batches, tied=tuple(Tied(action, note) for action, note in notes), wake=wake)


def tidying(*actions: Action) -> Effects:
    """Actions that nothing else depends on: one that fails holds nobody up."""
    return Effects(batches=(Batch(actions, on_failure="continue"),)) if actions else NOTHING


def earliest(*instants: Instant | None) -> Instant | None:
    return min((instant for instant in instants if instant is not None), default=None)
