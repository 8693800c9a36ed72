"""`shipway run --argocd-cache`: a plain client of Redis gets what `argocd-server` would, and no value of a Secret."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.server.redis.wire import encoded
from tests.e2e.places import Place, config_map
from tests.e2e.running import app_is, application, shipway_run, synced_to
from tests.ports import free_port
from tests.waiting import comes_to

LOGIN = """\
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: TOPSECRET}
"""
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:v1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
TREE, MANAGED = "app|resources-tree|shop|1.8.3", "app|managed-resources|shop|1.8.3"


class Client:
    """Says commands one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def says(self, *words: str) -> Any:
        self._writer.write(encoded([word.encode() for word in words], 2))
        async with asyncio.timeout(30):
            return await self.hears()

    async def hears(self) -> Any:
        """The next reply of version 2; an error is its text."""
        line = (await self._reader.readline()).strip()
        kind, text = line[:1], line[1:]
        if kind == b"$":
            return None if text == b"-1" else (await self._reader.readexactly(int(text) + 2))[:-2]
        if kind == b"*":
            return [await self.hears() for _ in range(int(text))]
        return int(text) if kind == b":" else text.decode()

    async def reads(self, key: str) -> Any:
        """A value of ours, unpacked. The connection is that of a client which does not give up."""
        found = await self.says("GET", f"{key}.gz")
        assert isinstance(found, bytes), found
        return orjson.loads(gzip.decompress(found))


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Client, None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.mark.compat("argocd:server.tree", "argocd:server.managed")
async def test_argocd_server_reads_tree_and_states_and_hears_of_changes(place: Place) -> None:
    password = {"metadata": {"name": "argocd-redis", "namespace": "argocd"}, "stringData": {"auth": "sesame"}}
    await place.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **password})
    commit = await place.push({"deploy/login.yaml": LOGIN, "deploy/web.yaml": WEB})
    by_hand = {"syncOptions": ["CreateNamespace=true"]}
    await place.client.create(APPLICATIONS, application("shop", place.copy.url, "deploy", syncPolicy=by_hand))
    port = free_port()
    async with place.run(f"--argocd-cache=127.0.0.1:{port}") as running, connected_when_ready(running, port) as client:
        assert await client.says("GET", TREE) == "NOAUTH Authentication required."
        assert str(await client.says("AUTH", "wrong")).startswith("WRONGPASS")
        assert await client.says("AUTH", "sesame") == "OK"
        assert await client.says("GET", "app|resources-tree|other|1.8.3") is None

        await app_is(place.client, "shop", lambda app: app.get("status", {}).get("resources"))
        rows = {row["name"]: row for row in await client.reads(MANAGED)}
        assert {name: row["liveState"] for name, row in rows.items()} == dict.fromkeys(("banner", "login", "web"), "null")
        operation = {"sync": {}, "initiatedBy": {"username": "test"}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"operation": operation})
        await app_is(place.client, "shop", synced_to(commit))

        async def kinds() -> set[str]:
            return {node["kind"] for node in (await client.reads(TREE))["nodes"]}

        await comes_to({"ConfigMap", "Secret", "Deployment", "ReplicaSet", "Service", "EndpointSlice", "Pod"}, kinds)

        states = await client.reads(MANAGED)
        assert [row["name"] for row in states if row["normalizedLiveState"] != row["predictedLiveState"]] == []
        assert b"TOPSECRET" not in orjson.dumps(states)
        assert b"VE9QU0VDUkVU" not in orjson.dumps(states)  # in base 64

        async with connected(port) as listener:
            await listener.says("AUTH", "sesame")
            assert await listener.says("SUBSCRIBE", MANAGED) == [b"subscribe", MANAGED.encode(), 1]
            assert await listener.hears() == [b"message", MANAGED.encode(), b""]
            await place.client.patch(CONFIG_MAPS, "shop", "banner", {"data": {"text": "drifted"}})
            assert await listener.hears() == [b"message", MANAGED.encode(), b""]
        await app_is(place.client, "shop", lambda app: app["status"]["sync"]["status"] == "OutOfSync")
        (banner,) = [row for row in await client.reads(MANAGED) if row.get("modified")]
        assert orjson.loads(banner["normalizedLiveState"])["data"]["text"] == "drifted"
        assert orjson.loads(banner["predictedLiveState"])["data"]["text"] == "one"

        await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": {"path": "nowhere"}}})
        await app_is(place.client, "shop", lambda app: app["status"]["sync"]["status"] == "Unknown")
        assert str(await client.says("GET", MANAGED)).startswith("nowhere: app path does not exist")


@asynccontextmanager
async def connected_when_ready(running: Any, port: int) -> AsyncGenerator[Client, None]:
    await running.ready()
    await running.says("argocd_cache")
    async with connected(port) as client:
        yield client


async def test_a_standby_has_nothing_to_say(place: Place) -> None:
    port = free_port()
    async with place.run() as first:
        await first.ready()
        async with place.run(f"--argocd-cache=127.0.0.1:{port}") as second:
            await second.says("argocd_cache")
            async with connected(port) as client:
                assert str(await client.says("GET", TREE)).startswith("LOADING ")


async def test_replicas_that_share_the_work_answer_for_one_another(place: Place) -> None:
    await place.push({"deploy/banner.yaml": config_map("one")})
    await place.deliver_app()
    ports = (free_port(), free_port())
    kubeconfig, home = place.cluster.kubeconfig, place.home
    flags = [("--share", f"--argocd-cache=127.0.0.1:{port}") for port in ports]
    async with shipway_run(kubeconfig, home / "a", *flags[0]) as one, shipway_run(kubeconfig, home / "b", *flags[1]) as two:
        for running in (one, two):
            await running.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        for port in ports:
            async with connected(port) as client:
                assert [row["name"] for row in await client.reads(MANAGED)] == ["banner"]
                assert [node["name"] for node in (await client.reads(TREE))["nodes"]] == ["banner"]


async def test_it_listens_to_others_with_a_password_only(place: Place) -> None:
    code, last = await place.ended("--argocd-cache=0.0.0.0:0")
    assert (code, "can be reached from outside and has no password: set REDIS_PASSWORD" in last) == (2, True), last
