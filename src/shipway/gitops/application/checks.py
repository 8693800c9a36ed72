"""May what Git wants be synced at all? What the project says of who signed it and of who changed it.

It is compared all the same, so that everybody sees what waits; only no operation applies it. A question that is not answered
yet lets nothing through, and an answer that could not be had neither.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from shipway.api.application import Destination
from shipway.api.commits import ChangesRequest, HistoryRequest, SignatureRequest
from shipway.api.signatures import SignaturePolicy, refusal_of_history, refusal_of_signature, unsigned
from shipway.gitops.application.projects import ReadProject
from shipway.gitops.application.target import Checks, Part, Target
from shipway.gitops.asks import ChangesAsk, HeadAsk, HistoryAsk, SignatureAsk
from shipway.gitops.change_rights import CONDITION, ChangeRights, refusals_of_changes
from shipway.gitops.pinned import pinned_in
from shipway.gitops.source import is_only_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Ask

CHECKED = ("ComparisonError", CONDITION)
"""The conditions that tell of a refusal."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def checks_of(world: World, target: Target, project: ReadProject, app: Obj, destination: Destination) -> Checks:
    """As far as the answers have arrived."""
    found: list[Checks] = []
    for part in target.parts:
        policy = project.signatures.of(part.source.get("repoURL", ""))
        if part.head and policy.is_required:
            found.append(_or_signed_anew(world, part, _signed(world, part, policy)))
    if project.rights is not None:
        found += [_permitted(world, request, project.rights, destination) for request in dict.fromkeys(_to_check(target, app))]
    return Checks(
        tuple(dict.fromkeys(ask for one in found for ask in one.asks)),
        tuple(dict.fromkeys(problem for one in found for problem in one.problems)),
        any(one.is_pending for one in found),
        tuple(ask for one in found for ask in one.renewed),
    )


def unproven(project: ReadProject, tracked: Target) -> str:
    """Why what a client sends may not be synced; "" where nobody asks where it comes from."""
    is_asked = any(project.signatures.of(part.source.get("repoURL", "")).is_required for part in tracked.parts)
    if not is_asked and project.rights is None:
        return ""
    return "the AppProject asks who signed or changed what is synced, which operation.sync.manifests cannot say: sync from Git"


def _signed(world: World, part: Part, policy: SignaturePolicy) -> Checks:
    """Whether an allowed key has signed what one source stands at."""
    assert part.head is not None
    revision = part.revision or "HEAD"
    if not _COMMIT.fullmatch(part.head.commit):  # a chart, an artifact
        return Checks() if policy.is_of_git else Checks(problems=(("ComparisonError", unsigned(revision)),))
    repo_url, unknown = part.source.get("repoURL", ""), f"Could not verify commit signature on revision '{revision}'"
    if policy.is_strict:
        history = HistoryAsk(HistoryRequest(repo_url, part.head.commit, part.head.tag, policy.gpg, policy.ssh))
        return _judged(world, history, "ComparisonError", unknown, refusal_of_history)
    ask = SignatureAsk(SignatureRequest(repo_url, part.head.commit, part.head.tag))
    return _judged(world, ask, "ComparisonError", unknown, lambda found: refusal_of_signature(policy, found, revision))


def _or_signed_anew(world: World, part: Part, checks: Checks) -> Checks:
    """The checks; and, where they refuse a commit, a look out for another: the same content may come signed, which is no news
    otherwise."""
    asked = next((ask for ask in part.asks if isinstance(ask, HeadAsk)), None)
    if part.head is None or asked is None or not checks.problems or _COMMIT.fullmatch(part.revision):
        return checks
    ask = HeadAsk(replace(asked.request, every_commit=True))
    answer = world.answer(ask)
    is_other = answer is not None and answer.value is not None and answer.value.commit != part.head.commit
    return replace(checks, asks=(*checks.asks, ask), renewed=(asked,) if is_other else ())


def _judged(world: World, ask: Ask, condition: str, unknown: str, refusal_of: Callable[[Any], str]) -> Checks:
    """What the answer to a question comes to; `unknown` begins the refusal where it cannot be answered."""
    answer = world.answer(ask)
    if answer is None or (answer.value is None and answer.error is None):
        return Checks((ask,), is_pending=True)
    told = answer.error.message if answer.error else ""
    refusal = f"{unknown}: {told}" if answer.value is None else refusal_of(answer.value)
    return Checks((ask,), ((condition, refusal),) if refusal else ())


def _to_check(target: Target, app: Obj) -> Iterator[ChangesRequest]:
    """What each source of a repository reads, since what was synced last; nothing of a source that was not synced before."""
    history: list[Obj] = status_of(app).get("history") or []
    last = pinned_in(history[-1]) if history else None
    if last is None or len(last.sources) != len(target.parts) or len(last.revisions) != len(target.parts):
        return
    for part, source, since in zip(target.parts, last.sources, last.revisions, strict=True):
        repo_url = part.source.get("repoURL", "")
        if part.head is None or source.get("repoURL", "") != repo_url or since == part.head.commit:
            continue
        if _COMMIT.fullmatch(since) and _COMMIT.fullmatch(part.head.commit):
            yield ChangesRequest(repo_url, part.revision, since, part.head.commit, _reads(part, target))


def _reads(part: Part, target: Target) -> tuple[str, ...]:
    """The paths that are read of it; of one that lends its files, those that the others read."""
    assert part.head is not None
    heads = [part.head]
    if is_only_ref(part.source):
        heads += [lent for other in target.parts for lent in other.lent if lent.commit == part.head.commit]
    return tuple(sorted({tree.path for head in heads for tree in head.trees}))


def _permitted(world: World, request: ChangesRequest, rights: ChangeRights, destination: Destination) -> Checks:
    """Whether those to whom it belongs had a hand in each change."""
    unknown = f"who changed what since {request.since[:7]} is not known"
    return _judged(
        world,
        ChangesAsk(request),
        CONDITION,
        unknown,
        lambda found: ". ".join(refusals_of_changes(rights, destination, found)),
    )
