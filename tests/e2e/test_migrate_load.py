"""What `make bench NAME=migrate` is made of, small: its users see no failed request in a migration, and see a broken one."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.bench_migrate import broken, furnished, host_of, strategy
from bench.played_node import PlayedNode, reached_at, register
from bench.steady_load import Load
from shipway.api.kinds import HTTP_ROUTES, PODS
from shipway.cli.rollout_migrate import migrate_deployments
from shipway.cli.rollout_migration import MigrateFlags
from shipway.cli.session import Session
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
            load = Load(port, RATE, [host_of(name) for name in NAMES], CLOCK)
            asking = group.create_task(load.run(stop))
            yield load
            stop.set()
            await asking
            playing.cancel()


async def migrated(place: Place, home: Path, **flags: bool) -> int:
    path = home / "strategy.yaml"
    path.write_text(strategy("shop"))
    session = Session(place.client, CLOCK, "shop", "default")
    return await migrate_deployments(session, NAMES, MigrateFlags(strategy=path, timeout=90, **flags))


@pytest.mark.proves("004-14", "004-15", "rehearsal:migration")
async def test_behind_a_weighted_route_no_request_fails_there_and_back(
    place: Place, tmp_path: Path, program: Callable[[str], str]
) -> None:
    client = place.client

    async def pods() -> int:
        return len((await client.list(PODS, "shop")).items)

    async with users(place, program("envoy"), tmp_path / "envoy") as load:
        assert await migrated(place, tmp_path) == 0
        await eventually(lambda: load.by["rollout"])
        assert await migrated(place, tmp_path, back=True) == 0
        await comes_to(len(NAMES), pods)  # those that go are gone, with their addresses
    told = load.told()
    assert told.requests > 100, "too few requests to say anything"
    assert (told.failed, told.by.keys()) == ({}, {"deployment", "rollout"})
    for name in NAMES:
        rules = (await client.get(HTTP_ROUTES, "shop", name))["spec"]["rules"]
        assert [(ref["name"], ref["weight"]) for ref in rules[0]["backendRefs"]] == [(name, 100), (f"{name}-canary", 0)]


async def test_pods_that_are_killed_too_early_are_seen(place: Place, tmp_path: Path, program: Callable[[str], str]) -> None:
    async with users(place, program("envoy"), tmp_path / "envoy") as load, asyncio.TaskGroup() as group:
        group.create_task(broken(place.client, "shop", "cart"))
        await migrated(place, tmp_path)
    failed = load.told().failed
    assert sum(failed.values()) > 0
    assert failed.keys() <= {"503", "lost"}, failed
