"""`shipway rollout migrate`: the recipe of the cookbook, word for word, under requests that must not fail."""

import asyncio
from pathlib import Path

import pytest

from shipway.api.kinds import DEPLOYMENTS, REPLICA_SETS, ROLLOUTS, SERVICES
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.rollout_migrate import migrate_deployment
from shipway.cli.rollout_migration import MigrateFlags
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, name_of
from shipway.kube.runtime.waiting import One, TookTooLong, wait_until
from tests.e2e.places import CLOCK, Place
from tests.sim.test_cookbook import MIGRATE, blocks, chapter_of

RESOURCES = {"Deployment": DEPLOYMENTS, "Service": SERVICES}
HASH = "rollouts-pod-template-hash"


async def furnished(client: Client, folder: Path) -> Path:
    """The Deployment serves; the file with the strategy."""
    live, strategy = blocks(chapter_of(MIGRATE), "yaml")
    for obj in yaml.load_all(live.replace("registry.example/web:v1", "builtin/echo:v1")):
        if obj["kind"] == "Deployment":  # a slow machine may be late with what the gateway has to know
            obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DRAIN_MS", "value": "4000"}]
        await client.create(RESOURCES[obj["kind"]], {**obj, "metadata": {**obj["metadata"], "namespace": "shop"}})
    await wait_until(client, One(DEPLOYMENTS, "shop", "web"), lambda obj: dig(obj or {}, "status", "availableReplicas") == 3)
    path = folder / "strategy.yaml"
    path.write_text(strategy)
    return path


async def selectors(client: Client) -> list[bool]:
    """Whether each Service selects by hash."""
    return [HASH in dig(await client.get(SERVICES, "shop", name), "spec", "selector") for name in ("web", "web-canary")]


async def pods_of(client: Client) -> Obj:
    return {name_of(one): one["spec"]["replicas"] for one in (await client.list(REPLICA_SETS, "shop")).items}


@pytest.mark.proves("001-33", "004-14", "004-15", "rehearsal:migration")
async def test_there_and_back_without_a_failed_request(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(place.client, CLOCK, "shop", "default")
    chapter = chapter_of(MIGRATE)
    preview, going, coming = (block.partition("\n") for block in blocks(chapter, "console"))
    assert going[0].startswith("$ shipway rollout migrate deployment/web -f strategy.yaml --probe ")
    assert coming[0].startswith("$ shipway rollout migrate deployment/web --back --probe ")
    async with place.run() as running:
        await running.ready()
        strategy = await furnished(place.client, tmp_path)
        before = await pods_of(place.client)
        capsys.readouterr()
        assert await migrate_deployment(session, "web", MigrateFlags(strategy=strategy, dry_run=True)) == 0
        assert capsys.readouterr().out == preview[2]
        assert await pods_of(place.client) == before

        probe = {"probe": f"{place.cluster.gateway_url}/", "host": "web.shop.localhost"}
        assert await migrate_deployment(session, "web", MigrateFlags(strategy=strategy, timeout=60, **probe)) == 0
        assert capsys.readouterr().out.endswith(" requests, 0 failed\n")
        assert await selectors(place.client) == [True, True]
        assert dig(await place.client.get(DEPLOYMENTS, "shop", "web"), "spec", "replicas") == 0
        assert sorted((await pods_of(place.client)).values()) == [0, 3]

        for _ in range(100):  # killed again and again, it gets there all the same
            try:
                assert await migrate_deployment(session, "web", MigrateFlags(back=True, timeout=0.4, **probe)) == 0
                break
            except TookTooLong:
                assert capsys.readouterr().out == ""
        assert capsys.readouterr().out.endswith(" requests, 0 failed\n")
        assert await selectors(place.client) == [False, False]
        with pytest.raises(NotFound):
            await place.client.get(ROLLOUTS, "shop", "web")
        async with asyncio.timeout(90):
            while any(HASH in labels_of(one) for one in (await place.client.list(REPLICA_SETS, "shop")).items):
                await CLOCK.sleep(0.1)
        assert await pods_of(place.client) == before


async def test_what_cannot_be_migrated_says_why(place: Place, tmp_path: Path) -> None:
    session = Session(place.client, CLOCK, "shop", "default")
    with pytest.raises(NotFound, match="Deployment web not found in namespace shop"):
        await migrate_deployment(session, "web", MigrateFlags())
    strategy = await furnished(place.client, tmp_path)
    notes = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}}
    await place.client.patch(DEPLOYMENTS, "shop", "web", notes)
    with pytest.raises(InvalidInput, match=r"web comes from Git \(Application shop\)"):
        await migrate_deployment(session, "web", MigrateFlags(strategy=strategy))
    strategy.write_text("canary: {steps: [{setWeight: 300}]}")
    with pytest.raises(InvalidInput, match="setWeight"):
        await migrate_deployment(session, "web", MigrateFlags(strategy=strategy, dry_run=True))
    with pytest.raises(NotFound):
        await place.client.get(ROLLOUTS, "shop", "web")
