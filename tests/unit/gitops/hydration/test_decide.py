"""One group of Applications: what is written of it, what is asked and when, over snapshots."""

from typing import Any

import pytest

from shipway.api.hydration import Hydrated, HydrationRequest
from shipway.api.sources import Head, HeadRequest
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import ShipwayError, Unavailable
from shipway.gitops.asks import HeadAsk, HydrateAsk
from shipway.gitops.hydration.decide import AGAIN, PATIENCE, decide
from shipway.gitops.hydration.group import GroupKey
from shipway.gitops.hydration.observe import Member, Observed
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.decision import Answer, Decision

NOW = Instant(1_790_000_000.0)
D1, D2 = "1" * 40, "2" * 40
HYDRATOR = {"drySource": {"repoURL": "r", "path": "p"}, "syncSource": {"targetBranch": "env", "path": "web"}}
HEAD = HeadAsk(HeadRequest("r", "main", b"{}"))
PUSH = HydrateAsk(HydrationRequest("r", D1, "r", "env", "env", "", ()))
KEY = GroupKey("r", "main", "r", "env")


def member(name: str = "a", *, wishes: bool = False, problem: str = "", last: Obj | None = None, **operation: Any) -> Member:
    meta: Obj = {"name": name, "namespace": "argocd", "uid": name, "resourceVersion": "7"}
    if wishes:
        meta["annotations"] = {"argocd.argoproj.io/hydrate": "normal"}
    told: Obj = {"currentOperation": {"sourceHydrator": HYDRATOR, **operation}} if operation else {}
    told |= {"lastSuccessfulOperation": last} if last else {}
    app = {"metadata": meta, "spec": {"sourceHydrator": HYDRATOR}, "status": {"sourceHydrator": told}}
    return Member(app, None, problem)


def hydrating(name: str = "a", **more: Any) -> Member:
    return member(name, startedAt=rfc3339(NOW), phase="Hydrating", message="", **more)


def done(name: str = "a", dry: str = D1, **more: Any) -> Member:
    return member(name, phase="Hydrated", message="", drySHA=dry, hydratedSHA="h", startedAt=rfc3339(NOW), **more)


def failed(name: str = "a", message: str = "x", dry: str = D1, **more: Any) -> Member:
    return member(name, phase="Failed", message=message, drySHA=dry, startedAt=rfc3339(NOW), finishedAt=rfc3339(NOW), **more)


def observed(*members: Member, dry: str = D1, at: float = NOW, sha: str = "", error: ShipwayError | None = None) -> Observed:
    head = Answer(Head(dry, ()), at=Instant(at)) if dry else None
    answer = Answer(Hydrated(sha)) if sha else Answer(error=error) if error else None
    return Observed(KEY, members, HEAD, head, PUSH, answer)


def written(decision: Decision, *members: Member) -> dict[str, Obj]:
    """What the Applications are after the decision, as far as it writes them."""
    by_name = {one.key.name: one.app for one in members}
    patches = [action for batch in decision.batches for action in batch.actions]
    assert all(patch.resource_version == "7" for patch in patches)
    return {patch.name: merge_patch(by_name[patch.name], patch.body) for patch in patches}


def operations(decision: Decision, *members: Member) -> dict[str, Obj]:
    found = written(decision, *members)
    return {name: dig(app, "status", "sourceHydrator", "currentOperation") for name, app in found.items()}


def test_what_is_in_the_branch_already_asks_only_where_its_source_stands() -> None:
    assert decide(observed(done("a"), done("b"), sha="h"), NOW) == Decision(asks=(HEAD,))


def test_while_the_source_is_not_known_nothing_that_was_done_is_begun_anew() -> None:
    assert decide(observed(done("a"), dry=""), NOW) == Decision(asks=(HEAD,))
    assert decide(observed(failed("a"), dry=""), NOW).batches == ()


@pytest.mark.parametrize(
    "before", [member("a"), done("a", D2), failed("a", dry=D2), done("a", wishes=True), failed(wishes=True)]
)
def test_what_is_not_is_written_down_first_and_nothing_is_asked_in_that_pass(before: Member) -> None:
    decision = decide(observed(before, done("b")), NOW)
    begun = {"startedAt": rfc3339(NOW), "phase": "Hydrating", "message": "", "sourceHydrator": HYDRATOR}
    assert operations(decision, before) == {"a": begun}
    assert (decision.asks, decision.wake) == ((HEAD,), NOW)


def test_another_hydrator_is_another_operation() -> None:
    before = done("a")
    before.app["status"]["sourceHydrator"]["currentOperation"]["sourceHydrator"] = {
        "drySource": {"repoURL": "old", "gone": "x"}
    }
    assert operations(decide(observed(before), NOW), before)["a"]["sourceHydrator"] == HYDRATOR


def test_what_was_pushed_is_told_to_all_that_wait_for_it() -> None:
    members = (hydrating("a", wishes=True), failed("b"), done("c"))
    decision = decide(observed(*members, sha="new"), NOW)
    found = written(decision, *members)
    assert set(found) == {"a", "b"}
    last = {"drySHA": D1, "hydratedSHA": "new", "sourceHydrator": HYDRATOR}
    for app in found.values():
        assert dig(app, "status", "sourceHydrator", "lastSuccessfulOperation") == last
        operation = dig(app, "status", "sourceHydrator", "currentOperation")
        assert operation == {**last, "phase": "Hydrated", "message": "", "startedAt": rfc3339(NOW), "finishedAt": rfc3339(NOW)}
        assert dig(app, "metadata", "annotations", default={}) == {}
    assert decision.notes == ()


def test_one_that_may_not_be_rendered_holds_up_all_and_they_are_told_which() -> None:
    members = (hydrating("a"), hydrating("b", problem="no"), hydrating("c", problem="no"))
    decision = decide(observed(*members), NOW)
    told = {name: operation["message"] for name, operation in operations(decision, *members).items()}
    assert told == {
        "a": "Failed to hydrate: cannot hydrate because application argocd/b and 1 more have errors",
        "b": "Failed to hydrate: no",
        "c": "Failed to hydrate: no",
    }
    assert decision.wake == NOW + AGAIN
    assert [note.type for note in decision.notes] == ["Warning"] * 3


def test_a_failure_is_written_once_and_keeps_what_succeeded_last() -> None:
    last = {"drySHA": D2, "hydratedSHA": "h", "sourceHydrator": HYDRATOR}
    before = hydrating("a", last=last)
    error = Unavailable("GH006: Protected branch")
    first = decide(observed(before, error=error), NOW)
    (app,) = written(first, before).values()
    told = dig(app, "status", "sourceHydrator")
    assert told["lastSuccessfulOperation"] == last
    message = "Failed to hydrate: failed to commit hydrated manifests: GH006: Protected branch"
    assert (told["currentOperation"]["message"], told["currentOperation"]["drySHA"]) == (message, D1)
    app["metadata"]["resourceVersion"] = "7"
    assert decide(observed(Member(app, None), error=error), Instant(NOW + 60)).batches == ()


def test_a_wish_waits_until_the_remote_was_asked_after_it() -> None:
    before = hydrating("a", wishes=True)
    early = decide(observed(before, at=NOW - 10, sha="h"), NOW)
    assert (early.batches, early.refresh, early.wake) == ((), (HEAD,), NOW + PATIENCE)
    assert decide(observed(before, at=NOW + 1, sha="h"), NOW).batches != ()


@pytest.mark.parametrize("before", [hydrating("a"), failed("a")])
def test_while_it_is_under_way_nothing_is_written(before: Member) -> None:
    decision = decide(observed(before), NOW)
    assert (decision.batches, decision.asks) == ((), (HEAD, PUSH))
