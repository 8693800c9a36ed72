"""Who subscribed is told, over real HTTP, whatever ends an update at whatever step, and however often the engine dies."""

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CONFIG_MAPS, EVENTS, ROLLOUTS, SECRETS
from shipway.api.notifications import NOTIFIED, NOTIFYING, OF_ROLLOUTS
from shipway.api.plugins import StepReply
from shipway.api.rollout import STEP_KINDS
from shipway.assembly.notifying import Notifier
from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.notifications.asks import NotifyAsk
from shipway.rollouts.settings import RolloutSettings
from tests.sim.faults import Faults, FaultyTransport
from tests.sim.receiver import FillsHere, Receiver, at_once, receiver
from tests.sim.rollouts_world import NS, PLUGINS, World, errors_template, world
from tests.sim.test_routers import (
    DESTINATION_RULES,
    HEADER,
    ISTIO,
    VIRTUAL_SERVICES,
    destination_rule,
    install,
    routed,
    shares,
    virtual_service,
)

TOKEN = "t0ps3cret"
IMAGE = "rollout.spec.template.spec.containers[0].image"
MIRROR = {"name": "copy", "percentage": 50, "match": [{"path": {"prefix": "/"}}]}
SMOKE = {"templates": [{"templateName": "smoke"}]}
TRIAL = {
    "duration": "10s",
    "templates": [{"name": "new", "specRef": "canary"}],
    "analyses": [{"name": "smoke", "templateName": "smoke"}],
}
STEPS: tuple[Obj, ...] = (
    {"setWeight": 20},
    {"setCanaryScale": {"replicas": 2}},
    {"setHeaderRoute": HEADER},
    {"setMirrorRoute": MIRROR},
    {"pause": {"duration": "10s"}},
    {"analysis": SMOKE},
    {"experiment": TRIAL},
    {"plugin": {"name": "acme/ticket"}},
    {"pause": {}},
    {"setWeight": 100},
)
BACKGROUND = {"templates": [{"templateName": "errors"}]}
ROUTING = {"istio": ISTIO, "managedRoutes": [{"name": "staff"}, {"name": "copy"}]}


class Telling(World):
    """With the notifications at work."""

    settings = RolloutSettings(plugins=PLUGINS, namespace=NS)

    def resolvers(self, client: Client) -> dict[type[Ask], Resolver]:
        notifier = Notifier(client, at_once, FillsHere(), self.clock, NS)
        return {**super().resolvers(client), NotifyAsk: notifier.notify}


class Saboteur:
    """Fails the analysis in the background at the very moment at which step `at` is written as the present one."""

    def __init__(self, server: Transport, at: int) -> None:
        self._server = server
        self._user = Client(server, manager="saboteur")
        self._at = at
        self.index: int | None = None
        """The step at which it was done."""

    async def send(self, request: Request) -> Response:
        response = await self._server.send(request)
        if request.method != "GET" and self.index is None:
            await self._look()
        return response

    async def close(self) -> None:
        """The server belongs to the test."""

    async def _look(self) -> None:
        status = [one.get("status") or {} for one in (await self._user.list(ROLLOUTS, NS)).items]
        if not status or status[0].get("currentPodHash") == status[0].get("stableRS"):
            return
        index = status[0].get("currentStepIndex")
        if index != self._at:
            if dig(STEPS[index or 0], "pause") == {} and status[0].get("pauseConditions"):
                await self._user.patch(ROLLOUTS, NS, "web", {"status": {"pauseConditions": None}}, subresource="status")
            return
        run = dig(status[0], "canary", "currentBackgroundAnalysisRunStatus", "name")
        if run in [name_of(one) for one in (await self._user.list(ANALYSIS_RUNS, NS)).items]:
            self.index = index
            said = {"status": {"phase": "Failed", "message": "too many errors"}}
            await self._user.patch(ANALYSIS_RUNS, NS, run, said)


def config_map(url: str) -> Obj:
    hook = {"url": url, "headers": [{"name": "Authorization", "value": "Bearer $hook-token"}]}
    body = '{"rollout": "{{.rollout.metadata.name}}", "why": {{toJson .rollout.status.message}}, "to": "{{.recipient}}"}'
    data = {
        "service.webhook.ops": hook,
        "service.slack": {"token": "$slack-token", "apiURL": f"{url}/slack"},
        "template.aborted": {
            "message": "{{.rollout.metadata.name}} was thrown out of {{.context.place}}: {{.rollout.status.message}}",
            "webhook": {"ops": {"method": "POST", "path": "/aborted", "body": body}},
        },
        "template.reached": {
            "message": "step",
            "webhook": {"ops": {"method": "POST", "path": "/steps", "body": "{{.rollout.status.currentStepIndex}}"}},
        },
        "template.done": {
            "message": "done",
            "webhook": {"ops": {"method": "POST", "path": "/done", "body": "{{len .analysisRuns}}"}},
        },
        "trigger.on-rollout-aborted": [{"send": ["aborted"]}],
        "trigger.on-rollout-step-completed": [{"send": ["reached"]}],
        "trigger.on-rollout-completed": [{"send": ["done"]}],
        "trigger.on-v2": [
            {"when": f"{IMAGE} endsWith ':v2'", "oncePer": IMAGE, "send": ["done"]},
        ],
        "context": {"place": "the shop"},
    }  # fmt: skip
    meta = {"name": OF_ROLLOUTS.config_map, "namespace": NS}
    texts = {key: json.dumps(value) for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": texts}


def subscribed(made: Obj, **triggers: str) -> Obj:
    """The Rollout with a subscription by the webhook for each trigger, and by Slack for an abort."""
    notes = {f"notifications.argoproj.io/subscribe.{trigger}.ops": to for trigger, to in triggers.items()}
    notes["notifications.argoproj.io/subscribe.on-rollout-aborted.slack"] = "releases"
    made["metadata"]["annotations"] = notes
    return made


def smoke() -> Obj:
    made = errors_template()
    made["metadata"]["name"] = "smoke"
    made["spec"]["metrics"][0] |= {"count": 2, "provider": {"web": {"url": "http://metrics.test/smoke"}}}
    return made


Story = Callable[[Telling, Receiver], Awaitable[None]]
Wrap = Callable[[Transport, Clock], Transport]


def told(story: Story, wrap: Wrap = lambda server, clock: server) -> None:
    """Runs `story` in a fresh world with a server that is told."""

    async def main(server: Receiver) -> None:
        async with world(wrap, Telling) as there:
            await install(there.user, there.clock)
            await there.user.create(VIRTUAL_SERVICES, virtual_service())
            await there.user.create(DESTINATION_RULES, destination_rule())
            await there.user.create(ANALYSIS_TEMPLATES, smoke())
            await there.user.create(CONFIG_MAPS, config_map(server.url))
            meta = {"name": OF_ROLLOUTS.secret, "namespace": NS}
            secret = {"hook-token": TOKEN, "slack-token": "x0xb"}
            await there.user.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secret})
            await story(there, server)

    with receiver() as server:
        run_in_virtual_time(main(server))


def canary(*steps: Obj, **more: Any) -> Obj:
    wanted = {"on-rollout-aborted": "on call", "on-rollout-step-completed": "", "on-rollout-completed": "", "on-v2": ""}
    return subscribed(routed(ROUTING, *steps, analysis=BACKGROUND, **more), **wanted)


async def is_told_of_the_abort(there: Telling, server: Receiver, cause: str) -> None:
    """Stable has everything, the cause is recorded, and both services have been told of it, once."""
    found = await there.phase("Degraded", cause)
    assert found["status"]["message"].startswith("RolloutAborted: Rollout aborted update to revision 2: ")
    await there.clock.sleep(5)
    assert await shares(there.user) == (0, 100)
    message = found["status"]["message"]
    (posted,) = server.of("/aborted")
    assert json.loads(posted.body) == {"rollout": "web", "why": message, "to": "on call"}
    assert posted.headers["authorization"] == f"Bearer {TOKEN}"
    (slack,) = server.of("/slack/chat.postMessage")
    assert json.loads(slack.body) == {"channel": "releases", "text": f"web was thrown out of the shop: {message}"}
    assert slack.headers["authorization"] == "Bearer x0xb"
    notes = annotations_of(await there.rollout())
    assert NOTIFYING not in notes
    assert sum(":on-rollout-aborted:[0]." in key for key in json.loads(notes[NOTIFIED])) == 2


def test_the_table_has_a_row_for_every_kind_of_step() -> None:
    assert {kind for step in STEPS for kind in step} == set(STEP_KINDS)


@pytest.mark.proves("000-38")
@pytest.mark.parametrize("step", range(len(STEPS)), ids=lambda step: f"{step}-{next(iter(STEPS[step]))}")
def test_a_failure_at_any_step_takes_the_traffic_back_says_why_and_is_told(step: int) -> None:
    saboteurs: list[Saboteur] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        saboteurs.append(Saboteur(server, step))
        return saboteurs[-1]

    async def story(there: Telling, server: Receiver) -> None:
        await there.user.create(ROLLOUTS, canary(*STEPS))
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        await is_told_of_the_abort(there, server, "too many errors")
        assert [one.index for one in saboteurs] == [step]

    told(story, wrap)


def own_fault(there: Telling, kind: str) -> None:
    """What makes a step of this kind fail by itself."""
    match kind:
        case "analysis" | "experiment":
            there.errors_of["smoke"] = 1.0
        case "plugin":
            there.said["run"] = [StepReply("Failed", "refused by Bob")]
        case _:
            there.broken.add("shop/web:v2")


@pytest.mark.proves("000-38")
@pytest.mark.parametrize(
    ("step", "cause"),
    [
        ({"setWeight": 20}, "timed out progressing"),
        ({"setCanaryScale": {"replicas": 2}}, "timed out progressing"),
        ({"analysis": SMOKE}, 'Metric "errors" assessed Failed'),
        ({"experiment": TRIAL}, "assessed Failed"),
        ({"plugin": {"name": "acme/ticket"}}, "refused by Bob"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_step_that_fails_by_itself_takes_the_traffic_back_says_why_and_is_told(step: Obj, cause: str) -> None:
    async def story(there: Telling, server: Receiver) -> None:
        made = canary({"setWeight": 10}, step, {"pause": {}})
        made["spec"] |= {"progressDeadlineSeconds": 20, "progressDeadlineAbort": True}
        await there.user.create(ROLLOUTS, made)
        await there.phase("Healthy")
        own_fault(there, next(iter(step)))
        await there.set_image("shop/web:v2")
        await is_told_of_the_abort(there, server, cause)

    told(story)


@pytest.mark.compat("rollouts:notifications.triggers", "rollouts:notifications.subscriptions")
def test_steps_and_the_end_are_told_once_each_and_a_condition_of_ones_own_once_per_version() -> None:
    async def story(there: Telling, server: Receiver) -> None:
        await there.user.create(ROLLOUTS, canary({"setWeight": 10}, {"pause": {"duration": "5s"}}, {"setWeight": 50}))
        await there.phase("Healthy")
        await there.clock.sleep(1)
        assert [len(server.of(path)) for path in ("/steps", "/done", "/aborted")] == [0, 1, 0]
        await there.set_image("shop/web:v2")
        await there.phase("Healthy", seconds=300)
        await there.clock.sleep(5)
        assert [one.body for one in server.of("/steps")] == ["1", "2", "3"]
        assert len(server.of("/done")) == 3
        await there.user.patch(ROLLOUTS, NS, "web", {"metadata": {"labels": {"edited": "yes"}}})
        await there.clock.sleep(300)
        assert [len(server.of(path)) for path in ("/steps", "/done", "/aborted")] == [3, 3, 0]

    told(story)


def test_a_service_that_fails_delays_no_other_and_is_given_up_with_an_event() -> None:
    async def story(there: Telling, server: Receiver) -> None:
        server.answers["/slack/chat.postMessage"] = [503] * 1000
        await there.user.create(ROLLOUTS, canary({"setWeight": 10}, {"pause": {}}))
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        await there.phase("Paused")
        await there.patch_status(abort=True)
        await there.phase("Degraded")
        await there.clock.sleep(2)
        assert len(server.of("/aborted")) == 1
        assert len(json.loads(annotations_of(await there.rollout())[NOTIFYING])) == 1
        await there.clock.sleep(900)
        assert NOTIFYING not in annotations_of(await there.rollout())
        tries = len(server.of("/slack/chat.postMessage"))
        assert 5 < tries < 25
        (event,) = [one for one in (await there.user.list(EVENTS, NS)).items if one["reason"] == "NotificationFailed"]
        assert event["message"] == (
            f"on-rollout-aborted was not told to slack releases: slack: {server.url}/slack/chat.postMessage answered 503 "
            '{"ok": true} (tried for 10 minutes)'
        )
        await there.clock.sleep(300)
        assert len(server.of("/slack/chat.postMessage")) == tries

    told(story)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"service.webhook.ops": '{"url": "http://x", "headers": [{"name": "A", "value": "$nothing"}]}'}, "no key nothing"),
        ({"template.aborted": '{"message": "{{.rollout.spec.nothing.deeper}}"}'}, "template aborted: "),
        ({"template.aborted": None}, "template.aborted: it is not there"),
        ({"service.webhook.ops": None, "service.nats.ops": "{}"}, "nats is none of email, googlechat, "),
        ({"service.webhook.ops": None}, f"ConfigMap {OF_ROLLOUTS.config_map} has no service ops"),
        ({"trigger.on-rollout-aborted": None}, f"ConfigMap {OF_ROLLOUTS.config_map} has no trigger.on-rollout-aborted"),
        ({"trigger.on-rollout-aborted": '[{"send": ["aborted"], "when": "1 +"}]'}, "unexpected end of the expression"),
    ],
)
def test_what_is_configured_wrong_is_said_once_in_an_event(changes: Obj, message: str) -> None:
    async def story(there: Telling, server: Receiver) -> None:
        await there.user.patch(CONFIG_MAPS, NS, OF_ROLLOUTS.config_map, {"data": changes})
        made = subscribed(routed(ROUTING, {"setWeight": 10}, {"pause": {}}), **{"on-rollout-aborted": ""})
        del made["metadata"]["annotations"]["notifications.argoproj.io/subscribe.on-rollout-aborted.slack"]
        await there.user.create(ROLLOUTS, made)
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        await there.phase("Paused")
        await there.patch_status(abort=True)
        await there.phase("Degraded")
        await there.clock.sleep(120)
        events = (await there.user.list(EVENTS, NS)).items
        (event,) = [one for one in events if one["reason"].startswith("Notification")]
        assert message in event["message"]
        assert (event["count"], event["type"]) == (1, "Warning")
        assert TOKEN not in json.dumps([events, await there.rollout()])
        assert not server.received

    told(story)


FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.02, watch_dropped=0.05, watch_held_back=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_dies_in_between_an_abort_is_told_at_least_once_under_one_id(seed: int) -> None:
    rng = random.Random(seed)

    def wrap(server: Transport, clock: Clock) -> Transport:
        return FaultyTransport(server, clock, rng, FAULTS)

    async def story(there: Telling, server: Receiver) -> None:
        await there.user.create(ROLLOUTS, canary({"setWeight": 10}, {"pause": {}}))
        await there.phase("Healthy", seconds=400)
        await there.set_image("shop/web:v2")
        await there.phase("Paused", seconds=400)
        await there.patch_status(abort=True)
        await there.phase("Degraded", seconds=400)
        await there.until(lambda found: NOTIFYING not in annotations_of(found) and ":on-rollout-aborted:" in json.dumps(found))
        await there.clock.sleep(600)
        posted = server.of("/aborted")
        assert 1 <= len(posted) <= 1 + there.crashes
        assert len({one.headers["idempotency-key"] for one in posted}) == 1

    told(story, wrap)


def test_who_subscribes_is_not_told_of_what_has_been() -> None:
    async def story(there: Telling, server: Receiver) -> None:
        made = canary({"setWeight": 10}, {"pause": {}})
        notes = made["metadata"].pop("annotations")
        await there.user.create(ROLLOUTS, made)
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        await there.phase("Paused")
        await there.patch_status(abort=True)
        await there.phase("Degraded")
        await there.clock.sleep(4000)
        await there.user.patch(ROLLOUTS, NS, "web", {"metadata": {"annotations": notes}})
        await there.clock.sleep(60)
        assert [one.path for one in server.received] == ["/done"]  # the condition of one's own holds
        await there.patch_status(abort=False)
        await there.phase("Paused")
        await there.patch_status(abort=True)
        await there.phase("Degraded")
        await there.clock.sleep(5)
        assert len(server.of("/aborted")) == 1

    told(story)
