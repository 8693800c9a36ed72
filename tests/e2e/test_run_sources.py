"""Git is the only truth: what `shipway run` keeps on disk can be thrown away, and how a revision is named changes nothing."""

import asyncio
import shutil

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, NAMESPACES, SECRETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of
from tests.e2e.places import Place, banner_says, config_map
from tests.e2e.running import app_is, application, synced_to, versions

EVERYTHING = (APPLICATIONS, APP_PROJECTS, CONFIG_MAPS, NAMESPACES, SECRETS)


@pytest.mark.proves("000-20")
async def test_without_its_cache_it_knows_everything_again(place: Place) -> None:
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        assert await running.end() == 0
    before = await versions(place.client, *EVERYTHING)
    status = status_of(await place.client.get(APPLICATIONS, "argocd", "shop"))
    assert (place.home / "cache").is_dir()
    shutil.rmtree(place.home)
    place.home.mkdir()
    async with place.run() as running:
        await running.ready()
        head = await place.push({"deploy/second.yaml": config_map("new", "second")})
        await running.post(
            "/api/webhook", b'{"ref": "refs/heads/main", "repository": {"url": "%s"}}' % place.copy.url.encode(), GITHUB
        )
        app = await app_is(place.client, "shop", synced_to(head))
    after = await versions(place.client, *EVERYTHING)
    ours = "applications/argocd/shop"
    assert {name: after.get(name) for name in before if name != ours} == {n: v for n, v in before.items() if n != ours}
    assert dig(app, "status", "history", 0) == dig(status, "history", 0)
    assert [row["name"] for row in status_of(app)["resources"]] == ["banner", "second"]


@pytest.mark.proves("000-20")
async def test_a_status_that_was_lost_is_rebuilt_from_git_and_the_cluster(place: Place) -> None:
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        app = await app_is(place.client, "shop", synced_to(await place.head()))
        assert await running.end() == 0
    shutil.rmtree(place.home)
    place.home.mkdir()
    await place.client.patch(APPLICATIONS, "argocd", "shop", {"status": None})
    before = await versions(place.client, CONFIG_MAPS)
    async with place.run() as running:
        await running.ready()
        again = await app_is(place.client, "shop", synced_to(await place.head()))
    assert truth(again) == truth(app)
    assert await versions(place.client, CONFIG_MAPS) == before


async def test_repositories_of_this_machine_are_refused_unless_it_was_allowed(place: Place) -> None:
    """Whoever may write an Application could otherwise read what the process can."""
    bare = f"file://{place.git_root}/shop.git"
    await place.client.create(APPLICATIONS, application("near", bare, "deploy"))
    async with place.run() as running:
        await running.ready()
        app = await app_is(place.client, "near", lambda app: dig(app, "status", "conditions"))
        assert dig(app, "status", "conditions", 0, "message") == (
            f"repository {bare} lies on this machine, which is not allowed here: use http, https or ssh"
        )
        assert await running.end() == 0
    async with place.run("--local-repositories") as running:
        await running.ready()
        await app_is(place.client, "near", synced_to(await place.head()))


def truth(app: Obj) -> Obj:
    """What a status says of the world, without when it was found out."""
    status = status_of(app)
    return {
        "sync": status["sync"],
        "health": dig(status, "health", "status"),
        "resources": status["resources"],
        "summary": status.get("summary"),
    }


GITHUB = {"X-GitHub-Event": "push"}
ELSEWHERE = {"server": "https://kubernetes.default.svc", "namespace": "elsewhere"}


@pytest.mark.proves("001-14")
@pytest.mark.compat("argocd:spec.source.targetRevision", "argocd:spec.source.tagPrefix")
async def test_how_a_revision_is_named_makes_no_difference(place: Place) -> None:
    """A branch, a tag, ranges of versions and the commit itself name one commit: switching between them syncs nothing."""
    for tag in ("v1.2.0", "shop/v3.0.0"):
        await asyncio.to_thread(place.copy.git, "tag", tag)
    await asyncio.to_thread(place.copy.push, "main", "--tags")
    head = await place.head()
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        app = await app_is(place.client, "shop", synced_to(head))
        before, history = await versions(place.client, CONFIG_MAPS), dig(app, "status", "history")
        for revision in ("v1.2.0", "v1.x", "1.2.*", ">=1.0.0 <2.0.0", head, "HEAD", "main"):
            await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"targetRevision": revision}}})
            app = await app_is(place.client, "shop", compared_to(revision))
            assert (dig(app, "status", "sync", "status"), dig(app, "status", "sync", "revision")) == ("Synced", head), revision
            assert dig(app, "status", "history") == history
            assert "operation" not in app
        prefixed = {"targetRevision": "3.x", "tagPrefix": "shop/"}
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": prefixed}})
        app = await app_is(place.client, "shop", compared_to("3.x"))
        assert (dig(app, "status", "sync", "status"), dig(app, "status", "sync", "revision")) == ("Synced", head)
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"tagPrefix": None}}})
        assert await versions(place.client, CONFIG_MAPS) == before

        place.git.notify(f"{running.url}/api/webhook", "")
        await pinned_stays_and_branch_moves(place, head)


async def pinned_stays_and_branch_moves(place: Place, old: str) -> None:
    """A pin, a tag and a range stay where they are when the branch moves (`fence` follows it, so that we know when it has
    been looked at); back on the branch the new commit comes."""
    await place.client.create(APPLICATIONS, application("fence", place.copy.url, "deploy", destination=ELSEWHERE))
    for revision in (old, "v1.2.0", "1.2.*"):
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"targetRevision": revision}}})
        await app_is(place.client, "shop", compared_to(revision))
        new = await place.push({"deploy/banner.yaml": config_map(f"after {revision}")})
        await app_is(place.client, "fence", synced_to(new))
        app = await app_is(place.client, "shop", synced_to(old))
        assert dig(app, "status", "sync", "comparedTo", "source", "targetRevision") == revision
        await banner_says(place.client, "one")
    await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"targetRevision": "main"}}})
    await app_is(place.client, "shop", synced_to(new))
    await banner_says(place.client, "after 1.2.*")
    tag = await place.push({"deploy/banner.yaml": config_map("tagged")})
    await asyncio.to_thread(place.copy.git, "tag", "v1.2.1")
    await asyncio.to_thread(place.copy.push, "v1.2.1")
    await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"targetRevision": "1.2.*"}}})
    await app_is(place.client, "shop", synced_to(tag))
    await banner_says(place.client, "tagged")


def compared_to(revision: str):
    return lambda app: dig(app, "status", "sync", "comparedTo", "source", "targetRevision") == revision
