"""What `make bench NAME=migrate` is made of, small: its users see no failed request in a migration, and see a broken one."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.bench_migrate import broken, furnished, host_of, made, strategy
from bench.played_node import PlayedNode, reached_at, register
from bench.steady_load import Load
from shipway.api.kinds import (
    ANALYSIS_RUNS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EXPERIMENTS,
    HTTP_ROUTES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from shipway.cli.rollout_migrate import migrate_deployments
from shipway.cli.rollout_migration import MigrateFlags
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects.views import annotations_of, labels_of, name_of
from shipway.kube.runtime.waiting import One, wait_until
from shipway.rollouts.migration import STRATEGY_BEFORE
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.e2e.places import CLOCK, Place
from tests.e2e.proxies import envoy
from tests.waiting import comes_to, eventually

NAMES = ["cart", "pay"]
RATE = 25.0


@asynccontextmanager
async def users(place: Place, program: str, home: Path) -> AsyncGenerator[Load, None]:
    """Who ask through an Envoy; what they counted stands fast when the block is over."""
    stop = asyncio.Event()
    async with place.run() as running, asyncio.TaskGroup() as group:
        await running.ready()
        await register(place.client, CLOCK)
        playing = group.create_task(PlayedNode(place.client, CLOCK).run())
        await furnished(place.client, "shop", NAMES)
        home.mkdir()
        async with envoy(program, place.client, "shop", home, reached_at) as port:
            load = Load([port], RATE, [host_of(name) for name in NAMES], CLOCK)
            asking = group.create_task(load.run(stop))
            yield load
            stop.set()
            await asking
            playing.cancel()


async def migrated(place: Place, home: Path, text: str = "", *, back: bool = False) -> int:
    path = home / "strategy.yaml"
    path.write_text(text or strategy("shop"))
    session = Session(place.client, CLOCK, "shop", "default")
    return await migrate_deployments(session, NAMES, MigrateFlags(strategy=path, timeout=90, back=back))


async def everything(client: Client) -> dict[tuple[str, str], Any]:
    """What a team has in the namespace and what is made of it, without what changes by itself."""
    kinds = (SERVICES, HTTP_ROUTES, DEPLOYMENTS, REPLICA_SETS, ROLLOUTS, ANALYSIS_RUNS, EXPERIMENTS, ENDPOINT_SLICES)
    found = {(kind.kind, name_of(obj)): obj for kind in kinds for obj in (await client.list(kind, "shop")).items}
    return {key: (labels_of(obj), annotations_of(obj), obj.get("spec")) for key, obj in found.items()}


@pytest.mark.proves("004-14", "004-15", "004-16", "rehearsal:migration")
async def test_behind_a_weighted_route_no_request_fails_there_and_back_and_nothing_is_left(
    place: Place, tmp_path: Path, program: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What a temporary Service and a temporary route are made for by hand, the Services and the route do that are there."""
    client = place.client

    async def pods() -> int:
        return len((await client.list(PODS, "shop")).items)

    async with users(place, program("envoy"), tmp_path / "envoy") as load:
        before = await everything(client)
        assert await migrated(place, tmp_path) == 0
        for name in ("cart", "cart-canary", "pay", "pay-canary"):
            assert HASH_LABEL in (await client.get(SERVICES, "shop", name))["spec"]["selector"]
        await eventually(lambda: load.by["rollout"])
        assert await migrated(place, tmp_path, back=True) == 0
        await comes_to(len(NAMES), pods)  # those that go are gone, with their addresses
    told, said = load.told(), capsys.readouterr().err.splitlines()
    assert told.requests > 100, "too few requests to say anything"
    assert (told.failed, told.by.keys()) == ({}, {"deployment", "rollout"})
    assert await everything(client) == before
    assert {f"{name}: of Rollout {name} is left: nothing" for name in NAMES} <= set(said)


async def test_who_changes_his_mind_on_the_way_back_has_the_strategy_again(
    place: Place, tmp_path: Path, program: Callable[[str], str]
) -> None:
    client, text = place.client, 'blueGreen: {activeService: "{name}", previewService: "{name}-canary"}'
    async with users(place, program("envoy"), tmp_path / "envoy") as load:
        assert await migrated(place, tmp_path, text) == 0
        wanted = (await client.get(ROLLOUTS, "shop", "cart"))["spec"]["strategy"]
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(migrated(place, tmp_path, back=True))
            await wait_until(client, One(ROLLOUTS, "shop", "cart"), lambda obj: STRATEGY_BEFORE in annotations_of(obj or {}))
            leaving.cancel()
        assert await migrated(place, tmp_path, text) == 0
        assert (await client.get(ROLLOUTS, "shop", "cart"))["spec"]["strategy"] == wanted
    assert load.told().failed == {}


async def test_a_service_by_hand_for_the_time_of_the_migration_is_named_at_its_end(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It selects the Deployment's pods by their own hash, as long as there are any; so does the route that leads there."""
    client = place.client
    async with place.run() as running, asyncio.TaskGroup() as group:
        await running.ready()
        await register(client, CLOCK)
        playing = group.create_task(PlayedNode(client, CLOCK).run())
        await furnished(client, "shop", NAMES)
        (one,) = (await client.list(REPLICA_SETS, "shop", label_selector="app=cart")).items
        temporary = dict(made("temporary", "shop"))
        service, route = temporary[SERVICES], temporary[HTTP_ROUTES]
        selector = {"app": "cart", "pod-template-hash": labels_of(one)["pod-template-hash"]}
        service = {**service, "metadata": {**service["metadata"], "name": "temporary"}}
        await client.create(SERVICES, {**service, "spec": {**service["spec"], "selector": selector}})
        refs = [{"name": "temporary", "port": 80}]
        await client.create(HTTP_ROUTES, {**route, "spec": {**route["spec"], "rules": [{"backendRefs": refs}]}})
        assert await migrated(place, tmp_path) == 0
        playing.cancel()
    said = capsys.readouterr().err
    assert "cart: leads to no pod any more: Service temporary, HTTPRoute temporary; delete what nobody needs\n" in said
    assert "pay: leads" not in said


async def test_pods_that_are_killed_too_early_are_seen(place: Place, tmp_path: Path, program: Callable[[str], str]) -> None:
    async with users(place, program("envoy"), tmp_path / "envoy") as load, asyncio.TaskGroup() as group:
        group.create_task(broken(place.client, "shop", "cart"))
        await migrated(place, tmp_path)
    failed = load.told().failed
    assert sum(failed.values()) > 0
    assert failed.keys() <= {"503", "lost"}, failed
