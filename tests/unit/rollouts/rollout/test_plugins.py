"""Steps that are plugins, over `decide`: what is asked and when, what an answer means, and what ends well or badly."""

from typing import Any

import orjson
import pytest

from shipway.api.plugins import DeclaredPlugins, StepReply
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Answer, Ask
from shipway.rollouts import actions
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.plugin_calls import StepAsk
from shipway.rollouts.settings import RolloutSettings
from shipway.rollouts.why import why
from tests.unit.rollouts.rollout.sandbox import KEY, START, Sandbox, deployed, plain

TICKET: Obj = {"plugin": {"name": "acme/ticket", "config": {"queue": "web"}}}
PAUSE: Obj = {"pause": {}}
DECLARED = DeclaredPlugins(frozenset(("acme/ticket", "acme/other", "acme/off")), disabled=frozenset(("acme/off",)))


def started(*steps: Obj, declared: DeclaredPlugins = DECLARED) -> Sandbox:
    """A Rollout whose update has begun and come to rest."""
    world = plain(*(steps or (TICKET, PAUSE)))
    world.controller = RolloutController(RolloutSettings(plugins=declared))
    deployed(world)
    world.set_image("shop/web:v2")
    world.settle()
    return world


def asks(world: Sandbox) -> tuple[Ask, ...]:
    decision = world.reconcile()
    return decision.asks if decision is not None else ()


def asked(world: Sandbox) -> StepAsk:
    (ask,) = asks(world)
    assert isinstance(ask, StepAsk)
    return ask


def request(world: Sandbox) -> Obj:
    return orjson.loads(asked(world).request)


def reply(world: Sandbox, phase: Any, message: str = "", **more: Any) -> None:
    world.answers[asked(world)] = Answer(value=StepReply(phase, message, **more), at=world.now)
    world.settle()


def statuses(world: Sandbox) -> list[Obj]:
    return world.status["canary"].get("stepPluginStatuses", [])


def promote_full(world: Sandbox) -> None:
    world.patch_status(promoteFull=True)
    world.settle()


def abort(world: Sandbox) -> None:
    world.patch_status(abort=True)
    world.settle()


@pytest.mark.compat("rollouts:step.plugin")
def test_a_step_begins_in_the_status_and_is_asked_from_there() -> None:
    world = started()
    assert statuses(world) == [
        {
            "index": 0,
            "name": "acme/ticket",
            "operation": "Run",
            "phase": "Running",
            "startedAt": "2026-11-21T08:00:00Z",
        }
    ]
    said, meta = request(world), world.rollout["metadata"]
    ident = said.pop("id")
    assert said == {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "StepPlugin",
        "op": "run",
        "execution": 1,
        "rollout": {
            "namespace": "shop",
            "name": "web",
            "uid": meta["uid"],
            "podHash": world.status["currentPodHash"],
            "stableHash": world.status["stableRS"],
        },
        "step": {"index": 0, "of": 2},
        "config": {"queue": "web"},
        "status": None,
    }
    assert ident.startswith(f"{meta['uid']}.{world.status['currentPodHash']}.") and ident.endswith(".20261121T080000Z.0.run.1")
    assert (asked(world).plugin, asked(world).lane) == ("acme/ticket", "step plugin acme/ticket")


def test_nothing_is_asked_again_by_a_pass_more_or_by_another_generation() -> None:
    world = started()
    first = asked(world)
    assert asked(world) == first
    world.edit(replicas=6)
    assert asks(world) == (first,)  # only to be scaled
    world.settle()
    assert asked(world) == first
    world.wait(100)
    assert asked(world) == first


@pytest.mark.compat("rollouts:step.plugin")
def test_successful_goes_on_to_the_next_step() -> None:
    world = started()
    world.wait(7)
    reply(world, "Successful", "approved", status={"id": 7})
    assert statuses(world) == [
        {
            "index": 0,
            "name": "acme/ticket",
            "operation": "Run",
            "phase": "Successful",
            "message": "approved",
            "startedAt": "2026-11-21T08:00:00Z",
            "updatedAt": "2026-11-21T08:00:07Z",
            "finishedAt": "2026-11-21T08:00:07Z",
            "executions": 1,
            "status": {"id": 7},
        }
    ]
    assert world.status["currentStepIndex"] == 1 and asks(world) == ()
    assert "Rollout step 1/2 completed (plugin: acme/ticket)" in [note.message for note in world.events]


@pytest.mark.compat("rollouts:step.plugin")
@pytest.mark.parametrize(("after", "backoff", "seconds"), [(None, "30s", 30), (3.0, "10s", 10), (90.0, "1m30s", 90)])
def test_running_is_asked_again_after_a_while_with_its_notes(after: float | None, backoff: str, seconds: int) -> None:
    world = started()
    first = request(world)
    reply(world, "Running", "waits for Ann", requeue_after=after, status={"id": 7})
    (told,) = statuses(world)
    assert (told["phase"], told["executions"], told["backoff"], told["message"]) == ("Running", 1, backoff, "waits for Ann")
    assert "finishedAt" not in told
    assert asks(world) == ()
    done = world.pass_over(world.controller, KEY)
    assert done is not None and done.conclusion.wake == START + seconds
    world.wait(seconds - 1)
    assert asks(world) == ()
    world.wait(1)
    done = world.pass_over(world.controller, KEY)
    assert done is not None and (done.conclusion.wake or world.now + 1) > world.now
    second = request(world)
    assert (second["execution"], second["status"]) == (2, {"id": 7})
    assert second["id"] == first["id"].removesuffix("1") + "2"
    reply(world, "Successful")
    assert world.status["currentStepIndex"] == 1


@pytest.mark.compat("rollouts:step.plugin")
def test_failed_throws_the_version_out_with_the_plugins_words() -> None:
    world = started({"setWeight": 25}, TICKET, PAUSE)
    reply(world, "Failed", "refused by Bob")
    assert world.status["abort"] and world.status["phase"] == "Degraded"
    assert world.status["message"].endswith("Step plugin acme/ticket failed: refused by Bob")
    assert set(world.replica_sets().values()) == {4, 0}
    assert [(note.message, note.type) for note in world.events if note.reason == "StepPluginTransition"] == [
        ("Step plugin acme/ticket of step 2 is Running", "Normal"),
        ("Step plugin acme/ticket of step 2 is Failed: refused by Bob", "Warning"),
    ]
    assert asks(world) == ()  # what failed is not aborted
    assert [one["phase"] for one in statuses(world)] == ["Failed"]


def test_what_has_failed_stays_failed_whatever_is_answered_later() -> None:
    world = started()
    ask = asked(world)
    reply(world, "Failed", "no")
    world.answers[ask] = Answer(value=StepReply("Successful", "yes after all"), at=world.now)
    world.settle()
    assert [(one["phase"], one["message"]) for one in statuses(world)] == [("Failed", "no")]


@pytest.mark.compat("rollouts:step.plugin")
def test_an_error_is_tried_again_on_the_notes_from_before() -> None:
    world = started()
    reply(world, "Running", status={"id": 7}, requeue_after=10.0)
    world.wait(10)
    reply(world, "Error", "no route to host", status={"id": "garbage"})
    (told,) = statuses(world)
    assert (told["phase"], told["backoff"], told["executions"], told["status"]) == ("Error", "30s", 2, {"id": 7})
    assert not world.status.get("abort") and asks(world) == ()
    assert "plugin acme/ticket, which ended in error (no route to host) and is run again in 30s" in why(world.rollout)
    world.wait(30)
    assert (request(world)["execution"], request(world)["status"]) == (3, {"id": 7})
    world.answers[asked(world)] = Answer(error=InvalidInput("nothing answers StepAsk"), at=world.now)
    world.settle()
    assert statuses(world)[0]["message"] == "nothing answers StepAsk"
    world.wait(30)
    reply(world, "Successful")
    assert world.status["currentStepIndex"] == 1


@pytest.mark.compat("rollouts:step.plugin")
def test_an_abort_is_told_to_all_that_ran_last_one_first() -> None:
    other: Obj = {"plugin": {"name": "acme/other"}}
    world = started(TICKET, other, PAUSE)
    reply(world, "Successful", status={"id": 7})
    reply(world, "Running", status={"n": 1})
    abort(world)
    said = request(world)
    assert (said["op"], said["step"]["index"], said["config"], said["status"]) == ("abort", 1, None, {"n": 1})
    world.wait(2)
    reply(world, "Error", "unreachable")
    said = request(world)
    assert (said["op"], said["step"]["index"], said["config"], said["status"]) == ("abort", 0, {"queue": "web"}, {"id": 7})
    assert said["id"].endswith(".0.abort.1")
    reply(world, "Successful", "ticket closed")
    assert asks(world) == ()
    assert [(one["index"], one["operation"], one["phase"], one.get("message")) for one in statuses(world)] == [
        (0, "Run", "Successful", None),
        (1, "Run", "Running", None),
        (1, "Abort", "Error", "unreachable"),
        (0, "Abort", "Successful", "ticket closed"),
    ]
    assert "finishedAt" in statuses(world)[2] and world.status["phase"] == "Degraded"


def test_a_retry_begins_with_a_clean_status() -> None:
    world = started()
    first = request(world)["id"]
    reply(world, "Failed", "no")
    world.wait(5)
    patches = actions.retry(world.rollout)
    world.patch_status(**(patches.status or {}))
    world.settle()
    assert [(one["phase"], one["startedAt"]) for one in statuses(world)] == [("Running", "2026-11-21T08:00:05Z")]
    assert request(world)["id"] not in (first,)
    reply(world, "Successful")
    assert world.status["currentStepIndex"] == 1


@pytest.mark.compat("rollouts:step.plugin")
def test_a_full_promotion_ends_what_runs() -> None:
    world = started()
    reply(world, "Running", status={"id": 7})
    promote_full(world)
    said = request(world)
    assert (said["op"], said["status"]) == ("terminate", {"id": 7})
    reply(world, "Successful")
    assert world.status["phase"] == "Healthy" and asks(world) == ()
    assert [(one["operation"], one["phase"]) for one in statuses(world)] == [("Run", "Running"), ("Terminate", "Successful")]


def test_a_new_version_forgets_what_plugins_said() -> None:
    world = started()
    reply(world, "Running")
    world.set_image("shop/web:v3")
    assert asks(world) == ()
    world.settle()
    assert [one.get("executions") for one in statuses(world)] == [None]
    assert request(world)["execution"] == 1


def test_a_paused_rollout_runs_no_plugin() -> None:
    world = started(PAUSE, TICKET)
    assert asks(world) == () and statuses(world) == []
    world.patch_status(pauseConditions=None)
    world.settle()
    reply(world, "Running")
    world.edit(paused=True)
    world.wait(30)
    world.settle()
    assert asks(world) == ()
    world.edit(paused=False)
    world.settle()
    assert asked(world).op == "run"


@pytest.mark.compat("rollouts:step.plugin")
def test_a_disabled_plugin_is_passed_over() -> None:
    world = started({"plugin": {"name": "acme/off"}}, PAUSE)
    assert world.status["currentStepIndex"] == 1
    (told,) = statuses(world)
    assert (told["phase"], told["disabled"], "executions" in told) == ("Successful", True, False)
    abort(world)
    assert asks(world) == ()


@pytest.mark.compat("rollouts:step.plugin", "rollouts:invalid-spec")
def test_an_undeclared_plugin_is_an_invalid_spec_and_never_passed_over() -> None:
    world = started(PAUSE, TICKET, declared=DeclaredPlugins())
    assert world.status["phase"] == "Degraded"
    assert 'spec.strategy.canary.steps[1].plugin.name: Invalid value: "acme/ticket": ' in world.status["message"]
    assert "declare its command in the folder of `shipway run --plugins`" in world.status["message"]


def test_an_abort_takes_traffic_back_whatever_is_declared_by_then() -> None:
    world = started({"setWeight": 25}, TICKET, PAUSE)
    world.controller = RolloutController(RolloutSettings())
    world.settle()
    assert "InvalidSpec" in world.status["message"]
    abort(world)
    assert set(world.replica_sets().values()) == {4, 0}


def test_a_first_deployment_runs_no_plugin() -> None:
    world = plain(TICKET)
    world.controller = RolloutController(RolloutSettings(plugins=DECLARED))
    world.settle()
    assert world.status["phase"] == "Healthy" and statuses(world) == []


def test_why_names_the_plugin() -> None:
    world = started()
    assert "waits at step 1 of 2 for the step plugin acme/ticket; if it succeeds, pause follows" in why(world.rollout)
    reply(world, "Running", "waits for Ann")
    assert "for the step plugin acme/ticket (waits for Ann); if it succeeds" in why(world.rollout)
