"""Repositories that ask who we are, hang, flood or go away: `shipway run` beside real Git servers."""

import asyncio
import contextlib

import orjson
import pytest
from aiohttp import web

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, EVENTS, SECRETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.e2e.places import CLOCK, Place, banner_says, config_map
from tests.e2e.running import app_is, application, synced_to
from tests.git_hosts import Door, basic, secrets_in


def login(name: str, kind: str, **values: str) -> Obj:
    """A Secret as Argo CD's users write it."""
    meta = {"name": name, "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values}


def says(text: str):
    return lambda app: any(text in condition.get("message", "") for condition in dig(app, "status", "conditions", default=[]))


def is_calm(app: Obj) -> bool:
    return not dig(app, "status", "conditions") and dig(app, "status", "sync", "status") == "Synced"


async def test_a_private_repository_from_a_missing_secret_to_a_revoked_one(place: Place) -> None:
    """Each step counts at once, without a webhook and long before the next poll; no word of it reaches anything written."""
    first, second = "first-s3cr3t-of-the-robot", "second-s3cr3t-of-the-robot"
    async with Door(place.git, basic("robot", first)).open() as door, place.run() as running:
        await running.ready()
        url = f"{door.url}/shop.git"
        await place.client.create(APPLICATIONS, application("shop", url, "deploy"))
        await app_is(place.client, "shop", says("check the login in the repository's Secret"))

        await place.client.create(SECRETS, login("host", "repo-creds", url=door.url, username="robot", password=first))
        await app_is(place.client, "shop", synced_to(await place.head()))

        await place.push({"deploy/banner.yaml": config_map("two")})
        door.admits = basic("robot", second)
        await place.client.create(SECRETS, login("shop", "repository", url=url, username="robot", password="wrong-s3cr3t"))
        await app_is(place.client, "shop", says("Authentication failed"))
        await banner_says(place.client, "one")
        await place.client.patch(SECRETS, "argocd", "shop", {"stringData": {"password": second}})
        await app_is(place.client, "shop", synced_to(await place.head()))
        await banner_says(place.client, "two")

        await place.client.delete(SECRETS, "argocd", "shop")
        await place.client.delete(SECRETS, "argocd", "host")
        await app_is(place.client, "shop", says("check the login in the repository's Secret"))
        await place.client.create(SECRETS, login("odd", "repository", url=url, gcpServiceAccountKey="k"))
        await app_is(place.client, "shop", says("Secret odd: gcpServiceAccountKey is not supported yet"))
        await place.client.delete(SECRETS, "argocd", "odd")
        await place.client.create(SECRETS, login("shop", "repository", url=url, username="robot", password=second))
        await app_is(place.client, "shop", is_calm)

        metrics = (await running.get("/metrics")).text
        kept = [[(await place.client.list(kind)).items] for kind in (APPLICATIONS, EVENTS)]
        await running.end()
    written = running.said + metrics + orjson.dumps(kept).decode()
    assert "s3cr3t" not in written
    assert secrets_in(place.home, "s3cr3t") == []


@pytest.mark.proves("000-24")
@pytest.mark.compat("argocd:cm.timeout.reconciliation")
async def test_without_webhooks_a_push_is_found_by_looking(place: Place) -> None:
    """As often as `argocd-cm` says, from the moment it says so."""
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        timing = {"timeout.reconciliation": "1s", "timeout.reconciliation.jitter": "0s"}
        meta = {"name": "argocd-cm", "namespace": "argocd"}
        await place.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": timing})
        for text in ("two", "three"):
            began = CLOCK.now()
            commit = await place.push({"deploy/banner.yaml": config_map(text)})
            await banner_says(place.client, text)
            print(f"polled: live {CLOCK.now() - began:.2f} s after the push")
        await app_is(place.client, "shop", synced_to(commit))


async def test_repositories_that_hang_flood_lead_in_circles_or_are_gone_delay_nobody_else(place: Place) -> None:
    """Four bad ones from the start; pushes to the good one are live as ever, and of each bad one somebody says what it is."""

    async def misbehave(request: web.Request) -> web.StreamResponse:
        name = request.path.split("/")[1]
        if name == "circle.git":
            raise web.HTTPFound(request.path_qs)
        if name == "gone.git":
            raise web.HTTPNotFound
        response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while name == "flood.git":
                await response.write(b"0000" * 10_000)
                await CLOCK.sleep(0.01)
            await asyncio.get_running_loop().create_future()
        return response

    async with Door(place.git, lambda _: True).open() as door, place.run() as running:
        door.handle = misbehave
        await running.ready()
        for name in ("hang", "flood", "circle", "gone"):
            for number in range(3):
                bad = application(f"{name}-{number}", f"{door.url}/{name}.git", "deploy")
                await place.client.create(APPLICATIONS, bad)
        await place.deliver_app()
        place.git.notify(f"{running.url}/api/webhook", "")
        await app_is(place.client, "shop", synced_to(await place.head()))
        for text in ("two", "three", "four"):
            began = CLOCK.now()
            await place.push({"deploy/banner.yaml": config_map(text)})
            await banner_says(place.client, text)
            print(f"beside four bad repositories: live {CLOCK.now() - began:.2f} s after the push")
        await app_is(place.client, "gone-0", says("check its URL; a private repository looks so"))
        await app_is(place.client, "circle-1", says("is unreachable"))
        assert running.process.returncode is None
