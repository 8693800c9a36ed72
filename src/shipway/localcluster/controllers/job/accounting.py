"""Counting the ends of a Job's pods exactly once.

A pod carries a finalizer until its end is counted. Its way: it ends; its uid is written to `uncountedTerminatedPods`; its
finalizer is removed; its uid moves from there into the counter. Each step is one write, so a crash between any two neither
loses nor repeats a count. A completion index is proof enough by itself: for Indexed jobs successes are counted by index.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, is_deleting, spec_of, status_of, uid_of
from shipway.localcluster.controllers.job.observe import is_tracked
from shipway.localcluster.controllers.pods import phase_of

INDEX = "batch.kubernetes.io/job-completion-index"


class Account(Struct, frozen=True):
    """Counters and lists as they should be written; `countable` are pods whose finalizer may go now."""

    succeeded: int
    failed: int
    uncounted_succeeded: tuple[str, ...] = ()
    uncounted_failed: tuple[str, ...] = ()
    completed: frozenset[int] = frozenset()
    countable: tuple[Obj, ...] = ()

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted_failed)

    @property
    def is_settled(self) -> bool:
        return not self.uncounted_succeeded and not self.uncounted_failed and not self.countable


def is_indexed(job: Obj) -> bool:
    return spec_of(job).get("completionMode") == "Indexed"


def index_of(pod: Obj) -> int | None:
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def has_succeeded(pod: Obj) -> bool:
    return phase_of(pod) == "Succeeded"


def has_failed(pod: Obj) -> bool:
    """Failed, or taken away before it could succeed."""
    return phase_of(pod) == "Failed" or (is_deleting(pod) and not has_succeeded(pod))


def account(job: Obj, pods: Sequence[Obj]) -> Account:
    """The account after this look at the pods."""
    tracked = {uid_of(pod): pod for pod in pods if is_tracked(pod)}
    status = status_of(job)
    lists: dict[str, list[str]] = dig(status, "uncountedTerminatedPods", default={})
    written = {kind: list(lists.get(kind) or ()) for kind in ("succeeded", "failed")}
    completed = parse_indexes(status.get("completedIndexes") or "")
    arrived = {kind: len([uid for uid in uids if uid not in tracked]) for kind, uids in written.items()}
    waiting = {kind: [uid for uid in uids if uid in tracked] for kind, uids in written.items()}
    countable = [tracked[uid] for uids in waiting.values() for uid in uids]
    known = {uid for uids in written.values() for uid in uids}
    fresh = [pod for uid, pod in tracked.items() if uid not in known]
    ended_well = [pod for pod in fresh if has_succeeded(pod)]
    if is_indexed(job):
        countable += [pod for pod in ended_well if index_of(pod) in completed]
        now_completed = completed | {ix for pod in ended_well if (ix := index_of(pod)) is not None}
        succeeded, new_succeeded = len(now_completed), tuple[str, ...]()
    else:
        now_completed = completed
        succeeded = int(status.get("succeeded") or 0) + arrived["succeeded"]
        new_succeeded = (*waiting["succeeded"], *(uid_of(pod) for pod in ended_well))
    new_failed = (*waiting["failed"], *(uid_of(pod) for pod in fresh if has_failed(pod)))
    failed = int(status.get("failed") or 0) + arrived["failed"]
    return Account(succeeded, failed, new_succeeded, new_failed, frozenset(now_completed), tuple(countable))


def uncounted(job: Obj, found: Account) -> dict[str, Any] | None:
    """`status.uncountedTerminatedPods` as a merge patch makes it: a list that ends is null."""
    lists = {"succeeded": list(found.uncounted_succeeded), "failed": list(found.uncounted_failed)}
    wanted = {kind: uids for kind, uids in lists.items() if uids}
    before: dict[str, Any] = dig(job, "status", "uncountedTerminatedPods", default={})
    if not wanted:
        return None
    return {**{kind: None for kind in before if kind not in wanted}, **wanted}


def parse_indexes(text: str) -> frozenset[int]:
    """The indexes of "1,3-5,7"."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def format_indexes(indexes: Iterable[int]) -> str:
    """ "1,3-5,7" of the indexes."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
