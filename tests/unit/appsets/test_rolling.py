"""RollingSync: whose turn it is, step by step."""

from typing import Any

import pytest

from shipway.api.applicationset import MatchExpression, RollingStep
from shipway.appsets.rolling import SETTLE, Turn, take_turn, without_automation
from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj

NOW = Instant(1_790_000_000.0)
OLD = rfc3339(NOW - 600)


def step(*values: str, most: int | str | None = None, operator: str = "In") -> RollingStep:
    return RollingStep((MatchExpression("env", operator, values),), most)


DEV_THEN_PROD = (step("dev"), step("prod", most=1))


def app(name: str, env: str, sync: str = "OutOfSync", health: str = "Healthy", revision: str = "new", **status: Any) -> Obj:
    meta = {"name": name, "namespace": "argocd", "labels": {"env": env}, "resourceVersion": "7"}
    body = {"sync": {"status": sync, "revision": revision}, "health": {"status": health}, **status}
    return {"metadata": meta, "spec": {"source": {"path": "a"}}, "status": body}


def was(name: str, status: str, revision: str = "new", since: str = OLD) -> Obj:
    return {"application": name, "status": status, "targetRevisions": [revision], "lastTransitionTime": since, "step": "1"}


def turn(*apps: Obj, before: tuple[Obj, ...] = (), steps: tuple[RollingStep, ...] = DEV_THEN_PROD) -> Turn:
    return take_turn(steps, {one["metadata"]["name"]: one for one in apps}, {}, before, NOW)


def states(found: Turn) -> dict[str, str]:
    return {one["application"]: one["status"] for one in found.statuses}


@pytest.mark.compat("argocd:appset.strategy")
def test_a_new_application_waits_a_moment_for_the_others_to_see_the_same_change() -> None:
    found = turn(app("a", "dev"))
    assert states(found) == {"a": "Waiting"}
    assert found.wake == NOW + SETTLE
    assert found.syncs == ()
    assert found.condition["message"] == "ApplicationSet is performing rollout of step 1"


@pytest.mark.compat("argocd:appset.strategy")
def test_the_first_step_begins_and_later_ones_wait_until_all_of_it_is_healthy() -> None:
    apps = [app("a", "dev"), app("b", "dev"), app("p", "prod"), app("q", "prod")]
    found = turn(*apps, before=tuple(was(name, "Waiting") for name in "abpq"))
    assert states(found) == {"a": "Pending", "b": "Pending", "p": "Waiting", "q": "Waiting"}
    assert [one.name for one in found.syncs] == ["a", "b"]
    assert found.syncs[0].body["operation"]["initiatedBy"] == {"username": "applicationset-controller", "automated": True}
    assert found.syncs[0].resource_version == "7"
    done = [app("a", "dev", "Synced"), app("b", "dev", "Synced"), *apps[2:]]
    found = turn(*done, before=(was("a", "Progressing"), was("b", "Progressing"), was("p", "Waiting"), was("q", "Waiting")))
    assert states(found) == {"a": "Healthy", "b": "Healthy", "p": "Pending", "q": "Waiting"}
    assert found.statuses[2]["step"] == "2"


@pytest.mark.compat("argocd:appset.strategy")
@pytest.mark.parametrize(
    ("now_is", "before", "state"),
    [
        (app("a", "dev", operationState={"phase": "Running", "startedAt": rfc3339(NOW)}), was("a", "Pending"), "Progressing"),
        (app("a", "dev", operationState={"phase": "Failed", "startedAt": rfc3339(NOW)}), was("a", "Pending"), "Progressing"),
        (
            app("a", "dev", operationState={"phase": "Succeeded", "startedAt": rfc3339(NOW - 900)}),
            was("a", "Pending"),
            "Pending",
        ),
        (app("a", "dev", "Unknown", conditions=[{"type": "InvalidSpecError"}]), was("a", "Pending"), "Progressing"),
        (app("a", "dev", "Synced"), was("a", "Pending"), "Healthy"),
        (app("a", "dev", "Synced", "Progressing"), was("a", "Progressing"), "Progressing"),
        (app("a", "dev", "Synced", "Degraded"), was("a", "Progressing"), "Progressing"),
        (app("a", "dev", "Synced"), was("a", "Progressing"), "Healthy"),
        (app("a", "dev", "Synced", operationState={"phase": "Running"}), was("a", "Progressing"), "Progressing"),
        (app("a", "dev"), was("a", "Progressing"), "Progressing"),
        (app("a", "dev"), was("a", "Healthy"), "Waiting"),
        (app("a", "dev", "Synced", "Degraded"), was("a", "Healthy"), "Healthy"),
        (app("a", "dev", revision="newer"), was("a", "Progressing"), "Waiting"),
        (app("a", "dev", "Synced"), was("a", "Waiting"), "Healthy"),
        (app("a", "dev", sync="Synced", health="Progressing"), was("a", "Waiting", since=rfc3339(NOW)), "Waiting"),
    ],
)
def test_what_becomes_of_one(now_is: Obj, before: Obj, state: str) -> None:
    assert states(turn(now_is, before=(before,))) == {"a": state}


@pytest.mark.compat("argocd:appset.strategy")
@pytest.mark.parametrize(
    ("most", "count", "begun"),
    [(None, 5, 5), (2, 5, 2), ("40%", 5, 2), ("10%", 5, 1), ("0%", 5, 0), (0, 5, 0), ("100%", 5, 5), ("many", 5, 0)],
)
def test_no_more_than_max_update_are_under_way(most: int | str | None, count: int, begun: int) -> None:
    apps = [app(f"a{number}", "dev") for number in range(count)]
    found = turn(*apps, before=tuple(was(f"a{number}", "Waiting") for number in range(count)), steps=(step("dev", most=most),))
    assert list(states(found).values()).count("Pending") == begun
    assert len(found.syncs) == begun


@pytest.mark.compat("argocd:appset.strategy")
def test_those_under_way_count_and_an_operation_is_given_once() -> None:
    apps = [app("a", "dev"), app("b", "dev"), {**app("c", "dev"), "operation": {"sync": {}}}]
    before = (was("a", "Progressing"), was("b", "Waiting"), was("c", "Pending"))
    found = turn(*apps, before=before, steps=(step("dev", most=2),))
    assert states(found) == {"a": "Progressing", "b": "Waiting", "c": "Pending"}
    assert found.syncs == ()


@pytest.mark.compat("argocd:appset.strategy")
def test_what_no_step_selects_is_never_synced_and_holds_nobody_up() -> None:
    found = turn(app("x", "other"), app("p", "prod"), before=(was("x", "Waiting"), was("p", "Waiting")))
    assert states(found) == {"p": "Pending", "x": "Waiting"}
    assert [one["step"] for one in found.statuses] == ["2", "-1"]
    others = turn(app("x", "other"), before=(was("x", "Waiting"),), steps=(step("dev", operator="NotIn"),))
    assert states(others) == {"x": "Pending"}


def test_a_state_that_speaks_of_another_spec_is_none() -> None:
    stale = app("a", "dev", "Synced")
    stale["status"]["sync"]["comparedTo"] = {"source": {"path": "before"}}
    found = turn(stale, app("p", "prod"), before=(was("a", "Waiting"), was("p", "Waiting")))
    assert states(found) == {"a": "Pending", "p": "Waiting"}
    assert found.syncs == ()


def test_automation_is_taken_out_and_nothing_else() -> None:
    policy = {"automated": {"prune": True}, "syncOptions": ["A=b"]}
    assert without_automation({"spec": {"syncPolicy": policy, "x": 1}})["spec"] == {
        "x": 1,
        "syncPolicy": {"syncOptions": ["A=b"]},
    }
    assert without_automation({"spec": {"syncPolicy": {"automated": {}}}})["spec"] == {}


def test_a_rollout_that_is_over_says_so() -> None:
    found = turn(app("a", "dev", "Synced"), before=(was("a", "Healthy"),))
    assert (found.condition["status"], found.condition["reason"]) == ("False", "ApplicationSetRolloutComplete")
    assert found.wake is None
