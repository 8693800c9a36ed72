"""What to do about one group: pure, from a snapshot to a decision.

    begin     what is not in the branch yet is written down as Hydrating, and nothing else is done in that pass
    result    rendered, pushed, or why not: of every Application, or of the group as a whole
    settle    the result is written down, and a wish for it (the annotation `hydrate`) goes along with it

All of them or none: a commit holds what the whole group renders to, so one that cannot be rendered holds up the others, and
they are told which one it is. What is pushed already is found in the branch itself, so nothing that a crash lost is done twice.
"""

from msgspec import Struct

from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.gitops.annotations import HYDRATE
from shipway.gitops.hydration.observe import Member, Observed
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import resource_version_of
from shipway.kube.runtime.decision import Ask, Batch, Decision, Note, Patch, regarding

PATIENCE = 0.2
"""Seconds until a pass looks again whether a wish has been answered."""
AGAIN = 120.0
"""Seconds after which what is wrong with an Application is looked at again, though nobody told (as Argo CD does)."""


class Result(Struct, frozen=True):
    """`sha`: where the branch holds all of it. `problems`: why it does not, by Application. Neither: it is under way."""

    sha: str = ""
    problems: tuple[str, ...] = ()


UNDER_WAY = Result()


def decide(observed: Observed, now: Instant) -> Decision:
    dry_sha = observed.dry_sha
    open_ones = [(index, one) for index, one in enumerate(observed.members) if not one.is_settled(dry_sha)]
    if not open_ones:
        return Decision(asks=(observed.head_ask,))
    result = UNDER_WAY if any(one.wishes and not one.has_begun for _, one in open_ones) else _result(observed)
    if result == UNDER_WAY and (new := [one for _, one in open_ones if not (one.has_begun or one.has_failed(dry_sha))]):
        # Nothing else is asked: what failed before is forgotten, and so is tried anew.
        return Decision(batches=_patches([(one, _begun(one, now)) for one in new]), asks=(observed.head_ask,), wake=now)
    written = [(one, told) for index, one in open_ones if (told := _told(one, index, result, dry_sha, now)) is not None]
    is_looking = _is_looking(observed)
    wake = now + PATIENCE if is_looking else now + AGAIN if result.problems else None
    return Decision(
        batches=_patches(written),
        asks=observed.asks,
        wake=None if wake is None else Instant(wake),
        notes=tuple(_note(one, told) for one, told in written if told["currentOperation"]["phase"] == "Failed"),
        refresh=_asked_again(observed) if is_looking else (),
    )


def _is_looking(observed: Observed) -> bool:
    """A wish waits for the remote to say where the source stands now."""
    began = [parse_rfc3339(one.operation["startedAt"]) for one in observed.members if one.wishes and one.has_begun]
    return bool(began) and (observed.head is None or observed.head.at < max(began))


def _asked_again(observed: Observed) -> tuple[Ask, ...]:
    return (observed.head_ask,) if observed.head is not None else ()


def _result(observed: Observed) -> Result:
    members, head = observed.members, observed.head
    wrong = {index: one.problem for index, one in enumerate(members) if one.problem}
    if wrong:
        return _failed(observed, wrong)
    if head is not None and head.value is None and head.error is not None:
        return Result(problems=(f"failed to get manifests: {head.error.message}",) * len(members))
    if not observed.dry_sha or _is_looking(observed):
        return UNDER_WAY
    wrong = {
        index: f"failed to get manifests: {one.target.error}"
        for index, one in enumerate(members)
        if one.target and one.target.error
    }
    if wrong:
        return _failed(observed, wrong)
    answer = observed.answer
    if answer is None or (answer.value is None and answer.error is None):
        return UNDER_WAY
    if answer.value is None:
        told = answer.error.message if answer.error else ""
        return Result(problems=(f"failed to commit hydrated manifests: {told}",) * len(members))
    return Result(sha=answer.value.sha)


def _failed(observed: Observed, wrong: dict[int, str]) -> Result:
    """Those that are wrong are told why, and the others which one holds them up."""
    names = sorted(str(observed.members[index].key) for index in wrong)
    more = f"and {len(names) - 1} more have errors" if len(names) > 1 else "has an error"
    other = f"cannot hydrate because application {names[0]} {more}"
    return Result(problems=tuple(wrong.get(index, other) for index in range(len(observed.members))))


def _begun(member: Member, now: Instant) -> Obj:
    operation = {"startedAt": rfc3339(now), "phase": "Hydrating", "message": "", "sourceHydrator": member.hydrator}
    return {**member.told, "currentOperation": operation}


def _told(member: Member, index: int, result: Result, dry_sha: str, now: Instant) -> Obj | None:
    """`status.sourceHydrator` after the result; None where it says so already."""
    if result == UNDER_WAY:
        return None
    before = member.operation
    began = before.get("startedAt") if member.has_begun or before.get("phase") == "Failed" else ""
    operation: Obj = {"startedAt": began or rfc3339(now), "finishedAt": rfc3339(now), "sourceHydrator": member.hydrator}
    if dry_sha:
        operation["drySHA"] = dry_sha
    if result.problems:
        operation |= {"phase": "Failed", "message": f"Failed to hydrate: {result.problems[index]}"}
        timeless = ("startedAt", "finishedAt")
        is_same = {**operation, **dict.fromkeys(timeless)} == {**before, **dict.fromkeys(timeless)}
        return None if is_same and not member.wishes else {**member.told, "currentOperation": operation}
    operation |= {"phase": "Hydrated", "message": "", "hydratedSHA": result.sha}
    done = {"drySHA": dry_sha, "hydratedSHA": result.sha, "sourceHydrator": member.hydrator}
    return {"currentOperation": operation, "lastSuccessfulOperation": done}


def _patches(told: list[tuple[Member, Obj]]) -> tuple[Batch, ...]:
    return (Batch(tuple(_patch(member, status) for member, status in told), "continue"),) if told else ()


def _patch(member: Member, told: Obj) -> Patch:
    body: Obj = {"status": {"sourceHydrator": merge_diff(member.told, told)}}
    if member.wishes and told["currentOperation"]["phase"] != "Hydrating":
        body["metadata"] = {"annotations": {HYDRATE: None}}
    key, version = member.key, resource_version_of(member.app)
    return Patch(APPLICATIONS, key.namespace, key.name, body, resource_version=version)


def _note(member: Member, told: Obj) -> Note:
    message: str = told["currentOperation"]["message"]
    return Note(regarding(APPLICATIONS, member.app), "HydrationFailed", message, "Warning")
