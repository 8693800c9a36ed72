"""A rollback without Git by another process than the one that deployed: what was applied is in a PostgreSQL server of both."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.e2e.places import Place, Shell, banner_says, config_map
from tests.e2e.running import Running, app_is, shipway_run, synced_to
from tests.postgres import ENCODED, PASSWORD, PostgresServer, postgres_server

REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


@pytest.fixture
def server(program: Callable[[str], str]) -> Iterator[PostgresServer]:
    with postgres_server(program) as one:
        yield one


async def everything_said(place: Place, running: Running) -> str:
    """What anybody may read of it: its log, figures and command line, and what it wrote into the Application."""
    app = await place.client.get(APPLICATIONS, "argocd", "shop")
    command = Path(f"/proc/{running.process.pid}/cmdline").read_bytes().decode()
    return "\n".join((running.said, (await running.get("/metrics")).text, json.dumps(app), command))


def is_held(app: Obj) -> bool:
    conditions = dig(app, "status", "conditions", default=[])
    return any(one["type"] == "HeldWarning" and "kept manifests" in one["message"] for one in conditions)


def waits_for_the_history(app: Obj) -> bool:
    told: str = dig(app, "status", "operationState", "message", default="")
    return told.startswith("waiting until Git or the history gives it") and "the history in PostgreSQL at 127.0.0.1" in told


async def test_another_process_rolls_back_while_git_is_away(place: Place, server: PostgresServer) -> None:
    shipway, first_home, second_home = Shell(place), place.home / "first", place.home / "second"
    env = {"SHIPWAY_HISTORY": server.url()}
    async with shipway_run(place.cluster.kubeconfig, first_home, **env) as first:
        await first.ready()
        await place.deliver_app()
        await app_is(place.client, "shop", synced_to(await place.head()))
        commit = await place.push({"deploy/banner.yaml": config_map("two")})
        await place.client.patch(APPLICATIONS, "argocd", "shop", REFRESH)
        await app_is(place.client, "shop", synced_to(commit))
        assert await first.end() == 0
    await place.git.stop()
    async with shipway_run(place.cluster.kubeconfig, second_home, **env) as second:
        await second.ready()
        server.stop()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(shipway("app", "rollback", "shop", "0"))
            await app_is(place.client, "shop", waits_for_the_history)
            server.start()  # asked again after a growing delay, as every remote that was away
            assert (await asked).code == 0
        await banner_says(place.client, "one")
        await place.client.patch(CONFIG_MAPS, "shop", "banner", {"data": {"text": "by hand"}})
        await banner_says(place.client, "one")
        await app_is(place.client, "shop", is_held)
        told = await everything_said(place, second)
        assert PASSWORD not in told and ENCODED not in told
        assert await second.end() == 0


async def test_a_url_that_cannot_work_ends_the_process_before_anything_else(place: Place) -> None:
    async with shipway_run(place.cluster.kubeconfig, place.home, SHIPWAY_HISTORY="postgresql://u:s3cret/@db/shop") as running:
        assert await asyncio.wait_for(running.process.wait(), 90) == 2
    assert "SHIPWAY_HISTORY" in running.said and "Percent-encode" in running.said
    assert "s3cret" not in running.said
