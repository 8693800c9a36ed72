"""The HTTP face: what it answers while the process is not ready, and what it refuses."""

import json
from collections.abc import AsyncGenerator, Mapping

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter

from shipway.api.ledger import SIGHT, START, Entry, Row, row_after
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.gitops.application.shadow import Said, Shadow
from shipway.server.http import HttpServer
from shipway.server.webhook import PushEvent

PUSH = {"ref": "refs/heads/main", "repository": {"clone_url": "https://git.example.com/o/shop.git"}}


class Process:
    """Says what the test wants and remembers what it was told."""

    def __init__(self) -> None:
        self.ready = False
        self.secrets: Mapping[str, str] | None = {}
        self.events: list[PushEvent] = []

    def is_ready(self) -> bool:
        return self.ready

    def pushed(self, event: PushEvent) -> int:
        self.events.append(event)
        return 1

    def shadows(self) -> list[Shadow]:
        return [Shadow("argocd/pay", "Argo CD is alive", "agrees", Said("Synced", "Healthy"), Said("Synced", "Healthy"))]

    async def kept(self, sealed: bytes) -> bytes:
        if sealed != b"question":
            raise InvalidInput("it was sealed with another key, or damaged", reason="NotReadable")
        return b"answer"

    async def ledger(self, application: str, sight: str) -> list[Row]:
        if sight != "seen":
            raise Denied("it is for who may get the Application", reason="NotSeen")
        if application == "argocd/away":
            raise Unavailable("the history in PostgreSQL: it does not answer", reason="HistoryUnavailable")
        return [row_after(START, "uid", application, Entry("op", "sync"), "2026-01-01T00:00:00Z")]

    def webhook_secrets(self) -> Mapping[str, str]:
        if self.secrets is None:
            raise Unavailable("Secret argocd/argocd-secret has not been read yet: deliver again in a moment")
        return self.secrets


class Served:
    """The process and a client of its server."""

    def __init__(self, process: Process, url: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self._session = session

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: bytes) -> tuple[int, str]:
        async with self._session.post(f"{self.url}{path}", data=body) as response:
            return response.status, await response.text()

    async def deliver(self, payload: object = PUSH) -> tuple[int, dict[str, object]]:
        where = f"{self.url}/api/webhook"
        async with self._session.post(where, json=payload, headers={"X-GitHub-Event": "push"}) as response:
            return response.status, await response.json()


@pytest_asyncio.fixture
async def served() -> AsyncGenerator[Served, None]:
    process, registry = Process(), CollectorRegistry()
    Counter("passes", "Passes", registry=registry).inc()
    server = HttpServer(process, registry, process.webhook_secrets)
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Served(process, server.url, session)
    await server.stop()


async def test_alive_and_ready_are_two_things(served: Served) -> None:
    assert await served.get("/healthz") == (200, "ok")
    assert (await served.get("/readyz"))[0] == 503
    served.process.ready = True
    assert await served.get("/readyz") == (200, "ok")


async def test_what_another_engine_reconciles_is_told(served: Served) -> None:
    status, text = await served.get("/shadow")
    (item,) = json.loads(text)["items"]
    assert (status, item["application"], item["agreement"]) == (200, "argocd/pay", "agrees")
    assert item["theirs"] == {"sync": "Synced", "health": "Healthy", "revision": ""}


async def test_the_ledger_of_an_application_is_told(served: Served) -> None:
    status, text = await served.get("/ledger/argocd/shop", **{SIGHT: "seen"})
    (row,) = json.loads(text)["items"]
    assert (status, row["subject"], row["entry"], row["sequence"]) == (200, "argocd/shop", "op", 1)
    status, text = await served.get("/ledger/argocd/away", **{SIGHT: "seen"})
    assert (status, json.loads(text)["reason"]) == (503, "HistoryUnavailable")
    for headers in ({}, {SIGHT: ""}, {SIGHT: "guessed"}):
        status, text = await served.get("/ledger/argocd/shop", **headers)
        assert (status, json.loads(text)["reason"]) == (403, "NotSeen")


async def test_what_is_kept_is_for_the_holder_of_the_key(served: Served) -> None:
    assert await served.post("/kept", b"question") == (200, "answer")
    status, text = await served.post("/kept", b"give me all")
    assert (status, json.loads(text)["reason"]) == (403, "NotReadable")


async def test_metrics(served: Served) -> None:
    status, text = await served.get("/metrics")
    assert status == 200
    assert "passes_total 1.0" in text
    chosen = await served.get("/metrics?name[]=passes_total")
    assert "passes_total 1.0" in chosen[1]
    assert chosen[1] != text
    assert await served.get("/metrics?name[]=none") == (200, "")


async def test_a_push_is_passed_on(served: Served) -> None:
    assert await served.deliver() == (200, {"refreshed": 1})
    assert [event.refs for event in served.process.events] == [("refs/heads/main",)]


@pytest.mark.parametrize(
    ("secrets", "payload", "status", "reason"),
    [
        ({"webhook.github.secret": "gh"}, PUSH, 400, "WebhookSignature"),
        ({}, ["no", "object"], 400, "InvalidWebhook"),
        ({}, {"ref": "refs/heads/main"}, 400, "InvalidWebhook"),
        (None, PUSH, 503, "Unavailable"),
    ],
)
async def test_what_is_refused_does_nothing(
    served: Served, secrets: Mapping[str, str] | None, payload: object, status: int, reason: str
) -> None:
    served.process.secrets = secrets
    answered, body = await served.deliver(payload)
    assert (answered, body["reason"]) == (status, reason)
    assert body["message"]
    assert served.process.events == []


async def test_an_address_that_is_taken_or_not_ours(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    for host in ("127.0.0.1", "192.0.2.1"):
        other = HttpServer(served.process, CollectorRegistry(), served.process.webhook_secrets)
        with pytest.raises(InvalidInput, match=rf"cannot listen on {host}:{port}: .*; stop who listens there, or give"):
            await other.start(host, port)
        await other.stop()


async def test_an_address_of_ipv6_is_a_url() -> None:
    process = Process()
    server = HttpServer(process, CollectorRegistry(), process.webhook_secrets)
    try:
        await server.start("::1", 0)
    except InvalidInput:
        return  # this machine has no IPv6
    assert server.url.startswith("http://[::1]:")
    await server.stop()
