"""Metric servers that log in, through the engine of production: from the Secret in the API server to the status of the run.

The servers are real sockets (Wavefront's with TLS, as it is never asked without). One refuses everything and repeats all that
it was sent: what was secret in that stands in no status, no event and no line that the process writes.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, EVENTS, SECRETS
from shipway.assembly.measuring import MetricServers
from shipway.base.tls import trusting
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.contract.analysis_engine import analysis_engine
from tests.kube.certificates import write_certificates

HUSH = "hush-f00d"
"""Part of every secret here."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Servers(Struct, frozen=True):
    """One handler behind two doors: `plain`, and TLS on `port` for whatever host is asked for."""

    plain: str
    port: int


class Elsewhere(AbstractResolver):
    """Every name is this machine; https is served on a port of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        there = self._port if port == 443 else port
        return [ResolveResult(hostname=host, host="127.0.0.1", port=there, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def serving(handler: Handler, folder: Path) -> AsyncGenerator[Servers, None]:
    await asyncio.to_thread(write_certificates, folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.crt", folder / "server.key")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for context in (None, tls):
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        plain, secure = (address[1] for address in runner.addresses)
        yield Servers(f"http://127.0.0.1:{plain}", secure)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def engine(handler: Handler, folder: Path) -> AsyncGenerator[tuple[Client, Servers], None]:
    """A client of the API server whose engine knows the CA and logs in as the Secrets below say."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(serving(handler, folder))
        trusted = trusting(ca_file=str(folder / "ca.crt"))
        connector = aiohttp.TCPConnector(resolver=Elsewhere(servers.port), ssl=trusted)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        identity = {
            "AWS_ACCESS_KEY_ID": "AKIDSHOP",
            "AWS_SECRET_ACCESS_KEY": f"{HUSH}-1",
            "AWS_SESSION_TOKEN": f"{HUSH}-2",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": servers.plain,
        }
        started = analysis_engine(lambda client: MetricServers(client, session, namespace="shop", environment=identity))
        client = await stack.enter_async_context(started)
        new_relic = {"personal-api-key": f"{HUSH}-3", "account-id": "7", "base-url-nerdgraph": f"{servers.plain}/graphql"}
        for name, data in {
            "newrelic": new_relic,
            "influxdb": {"address": servers.plain, "authToken": f"{HUSH}-4", "org": "shop"},
            "wavefront-api-tokens": {"localhost": f"{HUSH}-5"},
        }.items():
            meta = {"name": name, "namespace": "shop"}
            await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
        yield client, servers


def providers(servers: Servers) -> dict[str, tuple[Obj, str]]:
    """(settings, a condition that the answers below meet) by the kind of provider."""
    query = {"id": "rate", "expression": "errors / requests"}
    return {
        "newRelic": ({"query": "SELECT x"}, "result.share <= 0.05"),
        "influxdb": ({"query": "from(bucket: 'b')"}, "result[0] <= 0.05"),
        "wavefront": ({"address": "localhost", "query": "ts(x)"}, "result <= 0.05"),
        "cloudWatch": ({"metricDataQueries": [query]}, "all(result[0].Values, {# <= 0.05})"),
        "graphite": ({"address": servers.plain, "query": "target=x"}, "result[0] <= 0.05"),
        "skywalking": ({"address": servers.plain, "query": "query($duration: Duration!) { x }"}, "result.share <= 0.05"),
    }


async def ended(client: Client, metrics: list[Obj]) -> Obj:
    run = {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {"name": "run", "namespace": "shop"},
        "spec": {"metrics": metrics},
    }
    await client.create(ANALYSIS_RUNS, run)
    found = await wait_until(
        client, One(ANALYSIS_RUNS, "shop", "run"), lambda obj: bool(dig(obj or {}, "status", "completedAt"))
    )
    assert found is not None
    return found


async def _answers(request: web.Request) -> web.StreamResponse:
    """0.01, as each of them says it."""
    match request.path:
        case "/graphql" if "Api-Key" in request.headers:
            return web.json_response({"data": {"actor": {"account": {"nrql": {"results": [{"share": 0.01}]}}}}})
        case "/graphql":
            return web.json_response({"data": {"share": 0.01}})
        case "/api/v2/query":
            return web.Response(text="#datatype,string,double\r\n#default,_result,\r\n,result,_value\r\n,,0.01\r\n")
        case "/api/v2/chart/api" if request.secure:
            return web.json_response({"timeseries": [{"data": [[1, 0.01]]}]})
        case "/render":
            return web.json_response([{"target": "x", "datapoints": [[0.01, 1]]}])
        case "/" if "X-Amz-Target" in request.headers:
            return web.json_response({"MetricDataResults": [{"Id": "rate", "Values": [0.01]}]})
        case _:
            return web.Response(status=404)


async def test_each_is_asked_and_judged(tmp_path: Path) -> None:
    async with engine(_answers, tmp_path) as (client, servers):
        metrics = [
            {"name": kind, "provider": {kind: settings}, "successCondition": condition}
            for kind, (settings, condition) in providers(servers).items()
        ]
        run = await ended(client, metrics)
    found = {result["name"]: result["measurements"][0].get("value") for result in run["status"]["metricResults"]}
    assert found == {
        "newRelic": '{"share":0.01}',
        "influxdb": "[0.01]",
        "wavefront": "0.01",
        "cloudWatch": "[[0.01]]",
        "graphite": "[0.010000]",
        "skywalking": '{"share":0.01}',
    }
    assert run["status"]["phase"] == "Successful", run["status"]


async def _repeats(request: web.Request) -> web.StreamResponse:
    told = [request.path_qs, *(f"{name}: {value}" for name, value in request.headers.items()), await request.text()]
    return web.Response(status=403, text="\n".join(told))


@pytest.mark.parametrize("kind", ["newRelic", "influxdb", "wavefront", "cloudWatch"])
async def test_a_login_that_a_server_repeats_is_told_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    async with engine(_repeats, tmp_path) as (client, servers):
        settings, condition = providers(servers)[kind]
        metric = {"name": kind, "provider": {kind: settings}, "successCondition": condition, "consecutiveErrorLimit": 0}
        run = await ended(client, [metric])
        async with asyncio.timeout(60):
            while not (events := (await client.list(EVENTS, "shop")).items):  # they come after the state
                await asyncio.sleep(0.02)
    message = dig(run, "status", "metricResults", 0, "measurements", 0, "message")
    assert run["status"]["phase"] == "Error"
    assert "refuses the login (403)" in message
    written = capfd.readouterr()
    for told in (orjson.dumps(run).decode(), orjson.dumps(events).decode(), written.out, written.err):
        assert HUSH not in told
