"""The chapters of the cookbook about notifications, word for word, with the whole process: worker, Secret and HTTP included."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, ROLLOUTS, SECRETS
from shipway.api.notifications import NOTIFIED, NOTIFYING
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import CLOCK, Place
from tests.e2e.running import app_is, synced_to
from tests.sim.test_cookbook import TELL, TELL_OF_SYNCS, blocks, chapter_of

RESOURCES = {"ConfigMap": CONFIG_MAPS, "Secret": SECRETS}
SUBSCRIPTION = re.compile(r"^\$ kubectl annotate (?:rollout web|application shop -n argocd) (\S+)=(.*)$", re.MULTILINE)


@asynccontextmanager
async def ops() -> AsyncGenerator[tuple[str, list[tuple[str, Obj, str]]], None]:
    """Its URL, and what it is told: path, headers, body."""
    told: list[tuple[str, Obj, str]] = []

    async def take(request: web.Request) -> web.Response:
        told.append((request.path, dict(request.headers), await request.text()))
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", told
    finally:
        await runner.cleanup()


async def create_listing(client: Client, chapter: str, url: str) -> None:
    """What a chapter creates, with the addresses and the tokens of this test."""
    (listing,) = blocks(chapter_of(chapter), "yaml")
    listing = listing.replace("https://ops.example.com/hooks", url).replace("change-me", "t0ps3cret")
    listing = listing.replace("token: $slack-token\n", f"token: $slack-token\n    apiURL: {url}\n")
    for obj in yaml.load_all(listing):
        await client.create(RESOURCES[obj["kind"]], obj)


def rollout(image: str) -> Obj:
    notes = dict(SUBSCRIPTION.findall(chapter_of(TELL)))
    assert len(notes) == 2
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": ROLLOUTS.kind,
        "metadata": {"name": "web", "namespace": "shop", "annotations": notes},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
        },
    }


@pytest.mark.compat("rollouts:notifications.templates", "rollouts:notifications.services", "rollouts:notifications.once")
async def test_an_abort_is_told_to_both_services_and_not_again_by_the_next_process(place: Place) -> None:
    client = place.client
    web = One(ROLLOUTS, "shop", "web")
    async with ops() as (url, told):
        await create_listing(client, TELL, url)
        async with place.run() as running:
            await running.ready()
            await client.create(ROLLOUTS, rollout("builtin/echo:v1"))
            await wait_until(client, web, lambda obj: dig(obj or {}, "status", "phase") == "Healthy")
            image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "builtin/echo:v2"}]}}}}
            await client.patch(ROLLOUTS, "shop", "web", image)
            await wait_until(client, web, lambda obj: dig(obj or {}, "status", "phase") == "Paused")
            await client.patch(ROLLOUTS, "shop", "web", {"status": {"abort": True}}, subresource="status")
            await wait_until(client, web, lambda obj: NOTIFIED in annotations_of(obj or {}))
            found = await wait_until(client, web, lambda obj: NOTIFYING not in annotations_of(obj or {}))
            await running.end(signal.SIGKILL)
            assert "t0ps3cret" not in running.said
        async with place.run() as again:
            await again.ready()
            await client.patch(ROLLOUTS, "shop", "web", {"metadata": {"labels": {"edited": "yes"}}})
            async with asyncio.timeout(60):
                while (await again.get("/metrics")).text.count('controller="notifications"') == 0:
                    await CLOCK.sleep(0.05)
            await CLOCK.sleep(1)
    message = dig(found or {}, "status", "message")
    assert message == "RolloutAborted: Rollout aborted update to revision 2"
    by_path = {path: (headers, json.loads(body)) for path, headers, body in told}
    assert len(told) == len(by_path) == 2
    headers, body = by_path["/deploys"]
    assert (headers["Authorization"], body) == ("Bearer t0ps3cret", {"rollout": "web", "why": message})
    assert by_path["/chat.postMessage"][1] == {"channel": "releases", "text": f"web was thrown out: {message}"}
    assert "t0ps3cret" not in json.dumps(found)


@pytest.mark.compat("argocd:notifications.templates", "argocd:notifications.services", "argocd:notifications.once")
async def test_a_deployment_is_told_with_the_commit_that_brought_it_and_a_failure_with_its_reason(place: Place) -> None:
    client, shop = place.client, One(APPLICATIONS, "argocd", "shop")
    notes = dict(SUBSCRIPTION.findall(chapter_of(TELL_OF_SYNCS)))
    assert len(notes) == 3
    async with ops() as (url, told), place.run() as running:
        await running.ready()
        await create_listing(client, TELL_OF_SYNCS, url)
        await place.deliver_app()
        await client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": notes}})
        head = await place.head()
        await app_is(client, "shop", synced_to(head))
        await wait_until(client, shop, lambda obj: "on-deployed" in annotations_of(obj or {}).get(NOTIFIED, ""))
        found = await wait_until(client, shop, lambda obj: NOTIFYING not in annotations_of(obj or {}))
        by_path = {path: (headers, json.loads(body)) for path, headers, body in told}
        subject = await asyncio.to_thread(place.copy.git, "log", "-1", "--format=%s")
        author = await asyncio.to_thread(place.copy.git, "log", "-1", "--format=%an <%ae>")
        headers, body = by_path["/deploys"]
        assert (headers["Authorization"], body) == ("Bearer t0ps3cret", {"app": "shop", "revision": head, "author": author})
        assert by_path["/chat.postMessage"][1] == {"channel": "releases", "text": f"shop is live: {subject}"}
        assert len(told) == 2 and "t0ps3cret" not in json.dumps(found)
        await client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": {"retry": {"limit": 0}}}})
        await place.push({"deploy/bad.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n"})
        await running.post(
            "/api/webhook",
            b'{"ref": "refs/heads/main", "repository": {"url": "%s"}}' % place.copy.url.encode(),
            {"X-GitHub-Event": "push"},
        )
        await wait_until(client, shop, lambda obj: "on-sync-failed" in annotations_of(obj or {}).get(NOTIFIED, ""))
        await wait_until(client, shop, lambda obj: NOTIFYING not in annotations_of(obj or {}))
        _, _, failure = told[-1]
        assert json.loads(failure)["text"].startswith("shop was not synced: ") and "Bad_Name" in failure
        await running.end(signal.SIGKILL)
        assert "t0ps3cret" not in running.said
