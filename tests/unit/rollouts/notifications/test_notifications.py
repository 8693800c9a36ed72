"""What is due: subscriptions, occasions and what is remembered, as tables over pure functions."""

import json

import pytest

from shipway.api.kinds import ROLLOUTS
from shipway.api.notifications import NOTIFIED, NOTIFYING, OF_ROLLOUTS, Delivery
from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Answer, Decision
from shipway.notifications.asks import NotifyAsk, Pending
from shipway.notifications.decide import ObservedNews, decide
from shipway.notifications.settings import Condition, Service, read_settings
from shipway.notifications.subscriptions import Subscription, subscriptions_of
from shipway.notifications.told import MOST_TOLD, read_pending, read_told
from shipway.rollouts.notifications.occasions import occasions_of

NOW = Instant(1_795_000_000.0)
NOTES = "notifications.argoproj.io"
DATA = {
    "service.webhook.ops": "url: http://ops.test",
    "service.slack": "token: $t",
    "trigger.on-rollout-aborted": "[{send: [aborted]}]",
    "trigger.on-rollout-updated": "[{send: [updated]}]",
    "trigger.on-big": "[{send: [big], when: rollout.spec.replicas > 3}]",
}


def config_map(**data: str) -> Obj:
    return {"metadata": {"name": "x"}, "data": {**DATA, **data}}


def rollout(notes: dict[str, str], status: Obj | None = None, replicas: int = 2) -> Obj:
    meta = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1", "labels": {"team": "blue"}}
    return {"metadata": {**meta, "annotations": notes}, "spec": {"replicas": replicas}, "status": status or {}}


def seen(obj: Obj, answers: dict[str, Answer] | None = None, runs: tuple[Obj, ...] = (), **data: str) -> ObservedNews:
    settings = read_settings(config_map(**data))
    names = {"rollout": obj, "analysisRuns": list(runs)}
    subscriptions, occasions = subscriptions_of(obj, settings), occasions_of(obj, runs, ())
    return ObservedNews(ROLLOUTS, obj, OF_ROLLOUTS, settings, subscriptions, names, occasions, answers or {})


def after(obj: Obj, decision: Decision) -> Obj:
    return merge_patch(obj, decision.change.root) if decision.change is not None else obj


def aborted(at: float) -> Obj:
    conditions = [{"type": "Progressing", "status": "False", "reason": "RolloutAborted"}]
    return {"abort": True, "abortedAt": rfc3339(Instant(at)), "conditions": conditions}


@pytest.mark.compat("rollouts:notifications.subscriptions")
@pytest.mark.parametrize(
    ("notes", "data", "expected"),
    [
        ({f"{NOTES}/subscribe.on-x.slack": "a; b;"}, {}, [("on-x", "slack", "a"), ("on-x", "slack", "b")]),
        ({f"{NOTES}/subscribe.on-x.ops": ""}, {}, [("on-x", "ops", "")]),
        ({f"{NOTES}/subscribe.slack": "a"}, {"defaultTriggers": "[on-x]"}, [("on-x", "slack", "a")]),
        (
            {f"{NOTES}/subscribe.slack": "a"},
            {"defaultTriggers": "[on-x]", "defaultTriggers.slack": "[on-y, on-z]"},
            [("on-y", "slack", "a"), ("on-z", "slack", "a")],
        ),
        ({f"{NOTES}/subscribe.slack": "a"}, {}, []),
        (
            {
                f"{NOTES}/subscriptions": "[{trigger: [on-x], destinations: "
                "[{service: slack, recipients: [a, b]}, {service: ops}]}]"
            },
            {},
            [("on-x", "ops", ""), ("on-x", "slack", "a"), ("on-x", "slack", "b")],
        ),
        ({f"{NOTES}/subscriptions": "{"}, {}, []),
        ({f"{NOTES}/subscriptions": "[1]"}, {}, []),
        (
            {},
            {"subscriptions": "[{recipients: ['slack:a:b'], triggers: [on-x], selector: team=blue}]"},
            [("on-x", "slack", "a:b")],
        ),
        ({}, {"subscriptions": "[{recipients: ['slack:a'], triggers: [on-x], selector: team=red}]"}, []),
    ],
)
def test_who_is_subscribed(notes: dict[str, str], data: dict[str, str], expected: list[tuple[str, ...]]) -> None:
    found = subscriptions_of(rollout(notes), read_settings(config_map(**data)))
    assert list(found) == [Subscription(*one) for one in expected]


def test_a_key_that_cannot_be_read_spoils_no_other() -> None:
    found = read_settings(config_map(**{"trigger.bad": "[{send: 3}]", "service.webhook.bad": "[1]", "subscriptions": "{"}))
    assert found.triggers["on-rollout-aborted"] == (Condition(("aborted",)),)
    assert found.services["slack"] == Service("slack", {"token": "$t"})
    assert sorted(found.problems) == ["service.webhook.bad", "subscriptions", "trigger.bad"]
    assert read_settings(None) == read_settings({"data": {}})


SUBSCRIBED = {f"{NOTES}/subscribe.on-rollout-aborted.ops": ""}


def test_a_message_is_remembered_before_it_is_asked_for_until_its_answer_is_written() -> None:
    first = rollout(SUBSCRIBED, aborted(NOW - 2))
    decision = decide(seen(first), NOW)
    (ask,) = decision.asks
    assert isinstance(ask, NotifyAsk)
    remembered = after(first, decision)
    assert read_pending(remembered) == (ask.message,)
    assert (ask.message.send, ask.message.since) == (("aborted",), int(NOW))

    moved_on = {**remembered, "status": {}}
    assert decide(seen(moved_on), Instant(NOW + 5)).asks == (ask,)
    assert decide(seen(moved_on), Instant(NOW + 5)).change is None

    done = decide(seen(remembered, {ask.message.key: Answer(Delivery())}), Instant(NOW + 9))
    told = after(remembered, done)
    assert (done.asks, done.notes, read_pending(told)) == ((), (), ())
    assert read_told(told) == {ask.message.key: int(NOW + 9)}
    again = decide(seen(told), Instant(NOW + 9999))
    assert (again.asks, again.change) == ((), None)


def test_what_was_given_up_is_told_no_more_and_said_in_an_event() -> None:
    first = rollout(SUBSCRIBED, aborted(NOW))
    remembered = after(first, decide(seen(first), NOW))
    key = read_pending(remembered)[0].key
    decision = decide(seen(remembered, {key: Answer(Delivery("no route"))}), NOW)
    assert [(note.reason, note.message) for note in decision.notes] == [
        ("NotificationFailed", "on-rollout-aborted was not told to ops: no route")
    ]
    assert key in read_told(after(remembered, decision))


def test_an_abort_whose_cause_is_not_said_yet_is_no_occasion() -> None:
    status = {**aborted(NOW), "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}
    assert decide(seen(rollout(SUBSCRIBED, status)), NOW).asks == ()


def test_a_condition_of_ones_own_is_told_each_time_it_comes_true() -> None:
    notes = {f"{NOTES}/subscribe.on-big.ops": ""}
    small, big = rollout(notes), rollout(notes, replicas=4)
    assert decide(seen(small), NOW).change is None
    pending = after(big, decide(seen(big), NOW))
    key = read_pending(pending)[0].key
    assert key.startswith("on-big:[0].") and key.endswith("=:ops:")
    told = after(pending, decide(seen(pending, {key: Answer(Delivery())}), NOW))
    assert decide(seen(told), NOW).change is None
    small_again = after({**told, "spec": {"replicas": 1}}, decide(seen({**told, "spec": {"replicas": 1}}), NOW))
    assert NOTIFIED not in small_again["metadata"]["annotations"]
    assert len(decide(seen({**small_again, "spec": {"replicas": 9}}), NOW).asks) == 1


def test_of_a_row_the_first_is_what_the_next_is_news_after() -> None:
    notes = {f"{NOTES}/subscribe.on-rollout-updated.ops": ""}
    revision = "rollout.argoproj.io/revision"
    first = rollout({**notes, revision: "7"})
    quiet = after(first, decide(seen(first), NOW))
    assert decide(seen(first), NOW).asks == ()
    later = merge_patch(quiet, {"metadata": {"annotations": {revision: "8"}}})
    (ask,) = decide(seen(later), NOW).asks
    assert isinstance(ask, NotifyAsk) and ask.message.key.startswith("8:on-rollout-updated:[0].")


def test_runs_are_told_by_their_phase() -> None:
    notes = {f"{NOTES}/subscribe.on-analysis-run-failed.ops": ""}
    status = {"phase": "Failed", "completedAt": rfc3339(NOW)}
    runs = ({"metadata": {"name": "web-1", "creationTimestamp": "2020-01-01T00:00:00Z"}, "status": status},)
    data = {"trigger.on-analysis-run-failed": "[{send: [failed], when: \"analysisRuns[0].metadata.name == 'web-1'\"}]"}
    (ask,) = decide(seen(rollout(notes), runs=runs, **data), NOW).asks
    assert isinstance(ask, NotifyAsk) and json.loads(ask.says)["analysisRuns"] == list(runs)
    other = {"trigger.on-analysis-run-failed": "[{send: [failed], when: \"analysisRuns[0].metadata.name == 'x'\"}]"}
    assert decide(seen(rollout(notes), runs=runs, **other), NOW).asks == ()


def test_nobody_complains_where_nothing_is_configured() -> None:
    obj = rollout(SUBSCRIBED, aborted(NOW))
    settings = read_settings(None)
    bare = ObservedNews(ROLLOUTS, obj, OF_ROLLOUTS, settings, subscriptions_of(obj, settings), {}, occasions_of(obj, (), ()))
    assert decide(bare, NOW) == Decision()


def test_what_is_remembered_is_bounded_and_what_is_spoilt_says_nothing() -> None:
    many = {f"{index}:old": index for index in range(3 * MOST_TOLD)}
    obj = rollout({**SUBSCRIBED, NOTIFIED: json.dumps(many)}, aborted(NOW))
    kept = read_told(after(obj, decide(seen(obj), NOW)))
    assert len(kept) == MOST_TOLD and min(kept.values()) == 2 * MOST_TOLD
    assert read_told(rollout({NOTIFIED: "[]"})) == {}
    assert read_pending(rollout({NOTIFYING: "{}"})) == ()


def test_the_same_message_is_the_same_ask_whatever_it_says() -> None:
    message = Pending("k", "on-x", "ops")
    assert {NotifyAsk(OF_ROLLOUTS, "u", message, b"1"), NotifyAsk(OF_ROLLOUTS, "u", message, b"2")} == {
        NotifyAsk(OF_ROLLOUTS, "u", message, b"3")
    }
    assert NotifyAsk(OF_ROLLOUTS, "v", message, b"") != NotifyAsk(OF_ROLLOUTS, "u", message, b"")


def test_services_do_not_wait_for_one_another() -> None:
    lanes = {NotifyAsk(OF_ROLLOUTS, "u", Pending("k", "on-x", service), b"").lane for service in ("ops", "slack", "ops")}
    assert lanes == {"notify ops", "notify slack"}
