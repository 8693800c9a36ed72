"""Secrets go to the metric's provider and nowhere else: neither a value nor an error brings one back."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.metrics import MeasureRequest, SecretRef
from shipway.assembly.measuring import MetricServers
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.analysis.asks import MeasureAsk

TOKEN = 'to"ken\\sesame'
REFS = (SecretRef("token", "metrics", "token"),)


@pytest_asyncio.fixture
async def client() -> AsyncGenerator[Client, None]:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="test")
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    secret = {"metadata": {"name": "metrics", "namespace": "shop"}, "stringData": {"token": TOKEN, "empty": ""}}
    await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **secret})
    yield client
    await server.close()


@asynccontextmanager
async def metric_server_of(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture
async def metric_server() -> AsyncGenerator[str, None]:
    """Answers with what it was given in the header `Key`; below /fails not at all."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"given": request.headers.get("Key", "")})

    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500)

    app = web.Application()
    app.router.add_get("/echo", echo)
    app.router.add_get("/fails/{path:.*}", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture
async def servers(client: Client) -> AsyncGenerator[MetricServers, None]:
    async with aiohttp.ClientSession() as session:
        yield MetricServers(client, session)


def ask(provider: Obj, *secrets: SecretRef) -> MeasureAsk:
    return MeasureAsk("uid", "errors", 1, MeasureRequest("shop", orjson.dumps(provider), secrets))


def by_header(url: str, path: str = "{$.given}") -> Obj:
    return {"web": {"url": url, "headers": [{"key": "Key", "value": "Bearer {{args.token}}"}], "jsonPath": path}}


async def test_a_secret_is_filled_in_and_blotted_out_of_the_value(servers: MetricServers, metric_server: str) -> None:
    sample = await servers.measure(ask(by_header(f"{metric_server}/echo"), *REFS))
    assert sample.value == f"Bearer {TOKEN}"
    assert sample.text == "Bearer *****"


async def test_without_secrets_nothing_is_changed(servers: MetricServers, metric_server: str) -> None:
    sample = await servers.measure(ask(by_header(f"{metric_server}/echo")))
    assert sample.text == "Bearer {{args.token}}"


async def test_an_empty_secret_blots_nothing_out(servers: MetricServers, metric_server: str) -> None:
    sample = await servers.measure(ask(by_header(f"{metric_server}/echo"), SecretRef("token", "metrics", "empty")))
    assert sample.text == "Bearer"


@pytest.mark.parametrize("path", ["/fails/{{args.token}}", "/fails/x?key={{args.token}}"])
async def test_an_error_does_not_name_a_secret(servers: MetricServers, metric_server: str, path: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await servers.measure(ask({"web": {"url": f"{metric_server}{path}"}}, *REFS))
    said = f"{caught.value} {caught.value.message} {caught.value.args}"
    assert "500" in said
    assert TOKEN not in said
    assert "sesame" not in said


async def test_an_answer_without_the_value_does_not_name_a_secret(servers: MetricServers, metric_server: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await servers.measure(ask(by_header(f"{metric_server}/echo", "{$.{{args.token}}}"), *REFS))
    assert "sesame" not in f"{caught.value} {caught.value.args}"


@pytest.mark.parametrize(
    ("ref", "error", "says"),
    [
        (
            SecretRef("token", "metrics", "none"),
            InvalidInput,
            "Secret shop/metrics has no key none, which argument token needs",
        ),
        (SecretRef("token", "missing", "token"), NotFound, "missing"),
    ],
)
async def test_a_secret_that_is_not_there_is_named(
    servers: MetricServers, ref: SecretRef, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await servers.measure(ask(by_header("http://127.0.0.1:1"), ref))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "5"}, "expected a time, but got int"),
        ({"start": "now() -"}, "unexpected end of the expression"),
        ({"step": "soon"}, "rangeQuery.step: time: invalid duration"),
        ({"step": "0"}, "rangeQuery.step must be longer than nothing"),
    ],
)
async def test_a_range_that_cannot_be_worked_out_says_why(servers: MetricServers, settings: Obj, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        await servers.measure(ask({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "rangeQuery": settings}}))


async def test_a_datadog_metric_without_keys_says_where_to_put_them(servers: MetricServers) -> None:
    provider = {"datadog": {"query": "errors", "secretRef": {"name": "dd", "namespaced": True}}}
    with pytest.raises(InvalidInput, match="API or App token not found: give Secret shop/dd the keys api-key and app-key"):
        await servers.measure(ask(provider))


async def test_a_datadog_login_is_taken_from_where_it_is(client: Client) -> None:
    async def answer(request: web.Request) -> web.Response:
        key = float(request.headers["DD-API-KEY"])
        return web.json_response({"status": "ok", "series": [{"pointlist": [[1, key]]}]})

    async with metric_server_of(answer) as url, aiohttp.ClientSession() as session:
        for name, key in (("datadog", "1"), ("own", "2")):
            data = {"api-key": key, "app-key": "a", "address": url}
            meta = {"name": name, "namespace": "shop"}
            await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
        by_secret = MetricServers(client, session, namespace="shop")
        environment = {"DD_API_KEY": "3", "DD_APP_KEY": "a", "DD_ADDRESS": url}
        by_environment = MetricServers(client, session, namespace="shop", environment=environment)
        own = {"datadog": {"query": "q", "secretRef": {"name": "own", "namespaced": True}}}
        assert (await by_secret.measure(ask({"datadog": {"query": "q"}}))).value == 1.0
        assert (await by_secret.measure(ask(own))).value == 2.0
        assert (await by_environment.measure(ask({"datadog": {"query": "q"}}))).value == 3.0
        assert (await by_environment.measure(ask(own))).value == 2.0
