"""Who subscribed is told what becomes of an Application, over real HTTP, with the triggers that Argo CD's users have."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha1

import pytest
from msgspec.structs import replace

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, SECRETS
from shipway.api.notifications import NOTIFIED, NOTIFYING, OF_APPLICATIONS
from shipway.gitops.handover import ARGO_CD_NOTIFICATIONS, LABEL, NAME_LABEL
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from tests.sim.gitops_objects import CLAIMS, claim, config
from tests.sim.gitops_world import SETTINGS, World, application, simulate
from tests.sim.receiver import Receiver, receiver

TOKEN = "t0ps3cret"
PREFIX = "notifications.argoproj.io/subscribe"
HAS_SYNCED = "app.status.operationState != nil and app.status.operationState.phase in ['Succeeded']"
REVISION = "app.status.operationState?.syncResult?.revision"
SINCE = "time.Parse(app.status.health.lastTransitionTime)"
BEGUN, ENDED = (f"time.Parse(app.status.operationState.{name})" for name in ("startedAt", "finishedAt"))
IS_NEW = f"(!{SINCE}.Add(1 * time.Minute).Before({ENDED}) or {SINCE}.Before({BEGUN}))"
DEPLOYED = f"{HAS_SYNCED} and app.status.health.status == 'Healthy' and {IS_NEW}"
"""Conditions of the kind that Argo CD's own catalogue has."""


def words(url: str) -> Obj:
    hook = {"url": url, "headers": [{"name": "Authorization", "value": "Bearer $hook-token"}]}
    by = "{{(call .repo.GetCommitMetadata .app.status.sync.revision).Author}}"
    body = '{"app": "{{.app.metadata.name}}", "to": "{{.recipient}}", "by": "' + by + '", "at": "{{.context.argocdUrl}}"}'
    data = {
        "service.webhook.ops": hook,
        "service.slack": {"token": "$slack-token", "apiURL": f"{url}/slack"},
        "template.synced": {
            "message": '{{if eq .serviceType "slack"}}:ok:{{end}} {{.app.metadata.name}} of {{.context.team}}',
            "webhook": {"ops": {"method": "POST", "path": "/synced", "body": body}},
        },
        "template.deployed": {
            "message": "deployed",
            "webhook": {"ops": {"method": "POST", "path": "/deployed", "body": "{{.app.status.sync.revision}}"}},
        },
        "template.named": {
            "message": "",
            "webhook": {"ops": {"method": "POST", "path": "/named", "body": "{{.app.metadata.name}}"}},
        },
        "template.degraded": {
            "message": "degraded",
            "webhook": {"ops": {"method": "POST", "path": "/degraded", "body": "{{.app.status.health.status}}"}},
        },
        "trigger.on-sync-succeeded": [{"when": HAS_SYNCED, "oncePer": REVISION, "send": ["synced"]}],
        "trigger.on-deployed": [{"when": DEPLOYED, "oncePer": REVISION, "send": ["deployed"]}],
        "trigger.on-health-degraded": [{"when": "app.status.health.status == 'Degraded'", "send": ["degraded"]}],
        "context": {"team": "the shop"},
    }
    texts = {key: json.dumps(value) for key, value in data.items()}
    return config_map(OF_APPLICATIONS.config_map, texts)


def config_map(name: str, data: dict[str, str]) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd"}, "data": data}


def subscribed(*names: str, on: Obj | None = None) -> Obj:
    """The Application (or `on`) with a subscription for each `trigger.service`; Slack's goes to a channel."""
    obj = on or application()
    notes = {f"{PREFIX}.{name}": "releases" if name.endswith(".slack") else "" for name in names}
    obj["metadata"].setdefault("annotations", {}).update(notes)
    return obj


def told(story: Callable[[World, Receiver], Awaitable[None]], *more: Obj, settings: GitOpsSettings = SETTINGS) -> None:
    """Runs `story` in a world with a server that is told. Git has a ConfigMap, and `more`."""

    async def main(there: World) -> None:
        await there.user.create(CONFIG_MAPS, words(server.url))
        await there.user.create(CONFIG_MAPS, config_map("argocd-cm", {"url": "https://cd.example"}))
        meta = {"name": OF_APPLICATIONS.secret, "namespace": "argocd"}
        secret = {"hook-token": TOKEN, "slack-token": "x0xb"}
        await there.user.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secret})
        await story(there, server)

    with receiver() as server:
        simulate(main, [config(), *more], settings=settings)


@pytest.mark.compat(
    "argocd:notifications.subscriptions",
    "argocd:notifications.triggers",
    "argocd:notifications.templates",
    "argocd:notifications.once",
)
def test_a_sync_is_told_once_per_revision_to_all_who_subscribed() -> None:
    async def story(there: World, server: Receiver) -> None:
        app = subscribed("on-sync-succeeded.ops", "on-sync-succeeded.slack", "on-deployed.ops")
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        await there.settle(30)
        (posted,), (deployed,) = server.of("/synced"), server.of("/deployed")
        assert json.loads(posted.body) == {"app": "shop", "to": "", "by": "Ada <ada@example.org>", "at": "https://cd.example"}
        assert posted.headers["authorization"] == f"Bearer {TOKEN}"
        assert deployed.body == there.repository.head
        (slack,) = server.of("/slack/chat.postMessage")
        assert json.loads(slack.body) == {"channel": "releases", "text": ":ok: shop of the shop"}
        notes = annotations_of(await there.app())
        assert NOTIFYING not in notes and TOKEN not in json.dumps(await there.app())
        (key,) = [key for key in json.loads(notes[NOTIFIED]) if key.endswith(":slack:releases")]
        assert key.startswith(f"{there.repository.head}:on-sync-succeeded:[0].")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {"edited": "yes"}}})
        there.restart()
        await there.settle(60)
        assert len(server.received) == 3, "neither an edit nor another process tells it again"
        await there.push([config(annotations={"edition": "2"})])
        await there.synced()
        await there.settle(30)
        assert [one.body for one in server.of("/deployed")] == [deployed.body, there.repository.head]
        assert len(server.of("/synced")) == 2

    told(story)


@pytest.mark.compat("argocd:notifications.triggers")
def test_what_comes_true_again_is_told_again() -> None:
    async def story(there: World, server: Receiver) -> None:
        await there.user.create(APPLICATIONS, subscribed("on-health-degraded.ops"))
        for phase, times in (("Bound", 0), ("Lost", 1), ("Bound", 1), ("Lost", 2)):
            await there.synced()
            await there.settle(5)
            await there.user.patch(CLAIMS, "shop", "disk", {"status": {"phase": phase}}, subresource="status")
            await there.settle(30)
            assert len(server.of("/degraded")) == times

    told(story, claim("disk"))


@pytest.mark.compat("argocd:notifications.triggers")
def test_what_only_time_makes_true_is_told_although_nothing_happens() -> None:
    async def story(there: World, server: Receiver) -> None:
        old = "time.Now().Sub(time.Parse(app.metadata.creationTimestamp)).Minutes() >= 5"
        data = {"trigger.on-old": json.dumps([{"when": old, "send": ["named"]}])}
        await there.user.patch(CONFIG_MAPS, "argocd", OF_APPLICATIONS.config_map, {"data": data})
        await there.user.create(APPLICATIONS, subscribed("on-old.ops"))
        await there.synced()
        await there.settle(240)
        assert server.received == []
        await there.clock.sleep(130)
        assert [one.body for one in server.of("/named")] == ["shop"]
        await there.clock.sleep(600)
        assert len(server.received) == 1

    told(story)


@pytest.mark.compat("argocd:notifications.subscriptions")
def test_a_project_subscribes_to_its_applications_and_the_config_map_to_all() -> None:
    async def story(there: World, server: Receiver) -> None:
        meta = {"name": "team", "namespace": "argocd"}
        spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
        project = {"apiVersion": APP_PROJECTS.api_version, "kind": "AppProject", "metadata": meta, "spec": spec}
        await there.user.create(APP_PROJECTS, project)
        await there.user.create(APPLICATIONS, application(project="team"))
        await there.synced()
        await there.settle(30)
        assert server.received == []
        await there.user.patch(APP_PROJECTS, "argocd", "team", subscribed("on-deployed.ops", on={"metadata": {}}))
        await there.settle(30)
        assert [one.path for one in server.received] == ["/deployed"]
        for_all = [{"recipients": ["slack:releases"], "triggers": ["on-sync-succeeded"], "selector": "team=blue"}]
        data = {"subscriptions": json.dumps(for_all)}
        await there.user.patch(CONFIG_MAPS, "argocd", OF_APPLICATIONS.config_map, {"data": data})
        await there.settle(30)
        assert len(server.received) == 1
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {"team": "blue"}}})
        await there.settle(30)
        assert [one.path for one in server.received] == ["/deployed", "/slack/chat.postMessage"]

    told(story)


@pytest.mark.compat("argocd:notifications.beside")
def test_an_argo_cd_that_still_tells_is_left_to_it_and_nothing_is_told_twice_when_it_goes() -> None:
    async def story(there: World, server: Receiver) -> None:
        labels = {NAME_LABEL: ARGO_CD_NOTIFICATIONS}
        meta = {"name": "notifications", "namespace": "argocd", "labels": labels}
        pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "n", "image": "n"}]}}
        running = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": running}
        await there.user.create(DEPLOYMENTS, deployment)
        await there.user.create(APPLICATIONS, subscribed("on-sync-succeeded.ops", "on-deployed.ops"))
        await there.synced()
        await there.settle(30)
        assert server.received == []
        hashed = urlsafe_b64encode(sha1(HAS_SYNCED.encode(), usedforsecurity=False).digest()).decode()
        by_argo_cd = {f"{there.repository.head}:on-sync-succeeded:[0].{hashed}:ops:": 1}
        remembered = {"metadata": {"annotations": {NOTIFIED: json.dumps(by_argo_cd)}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", remembered)
        await there.user.patch(DEPLOYMENTS, "argocd", "notifications", {"spec": {"replicas": 0}})
        await there.settle(30)
        assert [one.path for one in server.received] == ["/deployed"]

    told(story)


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, only_reports=True)], ids=["left alone", "read only"])
def test_of_what_is_not_ours_nothing_is_told(settings: GitOpsSettings) -> None:
    async def story(there: World, server: Receiver) -> None:
        app = subscribed("on-sync-unknown.ops")
        app["metadata"]["labels"] = {LABEL: "false"}
        data = {"trigger.on-sync-unknown": json.dumps([{"when": "true", "send": ["named"]}])}
        await there.user.patch(CONFIG_MAPS, "argocd", OF_APPLICATIONS.config_map, {"data": data})
        await there.user.create(APPLICATIONS, app)
        await there.settle(60)
        assert server.received == [] and NOTIFIED not in annotations_of(await there.app())
        if settings.only_reports:
            return
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {LABEL: None}}})
        await there.settle(30)
        assert len(server.received) == 1

    told(story, settings=settings)


@pytest.mark.compat("argocd:notifications.services")
@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("on-nothing.ops", {}, f"ConfigMap {OF_APPLICATIONS.config_map} has no trigger.on-nothing"),
        ("on-deployed.nobody", {}, f"ConfigMap {OF_APPLICATIONS.config_map} has no service nobody"),
        ("on-bare.ops", {"trigger.on-bare": "[{send: [synced]}]"}, "trigger.on-bare needs a when"),
        ("on-deployed.pager", {"service.pagerduty.pager": "{a: b}"}, "pagerduty is none of email, googlechat, "),
        ("on-deployed.mail", {"service.email.mail": "{host: a}"}, "email: give service.email a host and from"),
        (
            "on-text.ops",
            {"trigger.on-text": "[{when: 'true', send: [text]}]", "template.text": "{webhook: x}"},
            "is to be an object",
        ),
        ("on-odd.ops", {"trigger.on-odd": "[{when: 'app.x(', send: [synced]}]"}, "unexpected"),
    ],
)
def test_a_subscription_that_is_of_no_use_says_so_in_an_event(name: str, changes: dict[str, str], problem: str) -> None:
    async def story(there: World, server: Receiver) -> None:
        await there.user.patch(CONFIG_MAPS, "argocd", OF_APPLICATIONS.config_map, {"data": changes})
        await there.user.create(APPLICATIONS, subscribed(name))
        await there.synced()
        await there.settle(60)
        (event,) = [one for one in await there.events() if one["reason"].startswith("Notification")]
        assert problem in event["message"] and event["involvedObject"]["kind"] == "Application"
        assert server.received == []

    told(story)
