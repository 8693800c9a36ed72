"""An API server in memory and a short way to talk to it."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson
import pytest_asyncio
from msgspec import Struct

from shipway.base.clock import Instant
from shipway.base.ids import RandomIds
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.server import ApiServer

START = Instant(1_800_000_000.0)
CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class SteppedClock:
    """Stands still until it is moved; sleeping moves it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> Instant:
        return self.time

    def elapsed(self) -> float:
        return self.time - START

    async def sleep(self, seconds: float) -> None:
        self.time = Instant(self.time + max(0.0, seconds))
        await asyncio.sleep(0)


class Answer(Struct):
    """Status code, JSON body and headers."""

    code: int
    body: Any
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        return self.body.get("reason", "")

    @property
    def message(self) -> str:
        return self.body.get("message", "")

    @property
    def causes(self) -> list[tuple[str, str]]:
        return [(cause.get("field", ""), cause["message"]) for cause in (self.body.get("details") or {}).get("causes", [])]


class Api:
    """One server; every verb is one line in a test."""

    def __init__(self, server: ApiServer, clock: SteppedClock) -> None:
        self.server = server
        self.clock = clock

    async def call(
        self, method: str, url: str, body: Any = None, *, type: str = "", accept: str = "", agent: str = "tester/1"
    ) -> Answer:
        response = await self.send(method, url, body, type=type, accept=accept, agent=agent)
        assert response.stream is None
        text = response.headers.get("content-type", "")
        decoded = orjson.loads(response.body) if text.startswith("application/json") and response.body else response.body
        return Answer(response.status, decoded, dict(response.headers))

    async def send(
        self, method: str, url: str, body: Any = None, *, type: str = "", accept: str = "", agent: str = "tester/1"
    ) -> Response:
        path, _, query = url.partition("?")
        pairs = tuple(tuple(part.split("=", 1)) for part in query.split("&") if part)
        headers = {"user-agent": agent}
        if type:
            headers["content-type"] = type
        if accept:
            headers["accept"] = accept
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        return await self.server.send(Request(method, path, pairs, headers, raw))  # type: ignore[arg-type]

    async def get(self, url: str, **more: str) -> Answer:
        return await self.call("GET", url, **more)

    async def post(self, url: str, body: Any, **more: str) -> Answer:
        return await self.call("POST", url, body, **more)

    async def put(self, url: str, body: Any, **more: str) -> Answer:
        return await self.call("PUT", url, body, **more)

    async def patch(self, url: str, body: Any, type: str = MERGE, **more: str) -> Answer:
        return await self.call("PATCH", url, body, type=type, **more)

    async def delete(self, url: str, body: Any = None) -> Answer:
        return await self.call("DELETE", url, body)

    async def apply(self, url: str, body: Any, manager: str, *, force: bool = False) -> Answer:
        joined = "&" if "?" in url else "?"
        return await self.patch(f"{url}{joined}fieldManager={manager}&force={'true' if force else 'false'}", body, APPLY)

    async def watched(self, url: str, count: int, *, accept: str = "") -> list[dict[str, Any]]:
        """The first `count` events of a watch that starts now."""
        response = await self.send("GET", url, accept=accept)
        assert response.status == 200, response.body
        assert response.stream is not None
        return await events(response, count)


async def events(response: Response, count: int) -> list[dict[str, Any]]:
    """The next `count` events of a watch, or fewer when it ends."""
    found: list[dict[str, Any]] = []
    assert response.stream is not None
    async with aclosing(response.stream) as stream, asyncio.timeout(60):
        async for chunk in stream:
            found += [orjson.loads(line) for line in chunk.splitlines() if line]
            if len(found) >= count:
                break
    return found


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"k": "v"}}


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "builtin/echo:v1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def pod(name: str, node: str = "", **metadata: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "builtin/echo:v1"}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


def owners(obj: dict[str, Any]) -> dict[str, Sequence[str]]:
    """Top-level fields by manager."""
    return {entry["manager"]: sorted(entry["fieldsV1"]) for entry in obj["metadata"].get("managedFields", [])}


@pytest_asyncio.fixture
async def api() -> AsyncGenerator[Api, None]:
    clock = SteppedClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(7)))
    yield Api(server, clock)
    await server.close()
