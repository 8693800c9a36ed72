"""The logins of metric servers: found in the Secrets that Argo Rollouts reads, and never told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.metrics import MeasureRequest, Sample, SecretRef
from shipway.assembly.measuring import MetricServers
from shipway.assembly.metric_logins import MetricLogins
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.analysis.asks import MeasureAsk
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import echoing


@pytest_asyncio.fixture
async def client() -> AsyncGenerator[Client, None]:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="test")
    for name in ("engine", "shop"):
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield client
    await server.close()


async def secret(client: Client, name: str, namespace: str = "engine", /, **data: str) -> None:
    meta = {"name": name, "namespace": namespace}
    data = {key.replace("_", "-"): value for key, value in data.items()}
    await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})


@asynccontextmanager
async def servers(client: Client, **environment: str) -> AsyncGenerator[MetricServers, None]:
    async with aiohttp.ClientSession() as session:
        yield MetricServers(client, session, namespace="engine", environment=environment)


def ask(provider: Obj, *secrets: SecretRef, started: dict[str, str] | None = None) -> MeasureAsk:
    measurement = orjson.dumps({"metadata": started}) if started else b""
    op = "resume" if started else "run"
    return MeasureAsk(
        "uid", "errors", 1, MeasureRequest("shop", orjson.dumps(provider), secrets, op=op, measurement=measurement)
    )


async def _says_who(request: web.Request) -> web.StreamResponse:
    """Answers every provider with the login that it came with, in capitals."""
    match request.path:
        case "/graphql":
            rows = [{"key": request.headers["Api-Key"].upper()}]
            return web.json_response({"data": {"actor": {"account": {"nrql": {"results": rows}}}}})
        case "/api/v2/query":
            cells = f"{request.headers['Authorization'].upper()} of {request.query['org']}"
            return web.Response(text=f"#datatype,string,string\n,result,_value\n,,{cells}\n")
        case "/canaryConfig":
            return web.json_response([{"id": "c", "name": "x"}])
        case "/canary/c":
            return web.json_response({"canaryExecutionId": "01X"})
        case "/canary/01X":
            score = {"judgeResult": {"score": {"score": 90}}}
            return web.json_response({"complete": True, "status": "succeeded", "result": score})
        case _:
            return web.json_response(
                {"MetricDataResults": [{"Id": request.headers["Authorization"].split("/")[0], "Values": []}]}
            )


async def test_new_relic_and_influxdb_log_in_by_their_profiles_in_the_namespace_of_the_engine(client: Client) -> None:
    async with metric_server(_says_who) as (url, _), servers(client) as measuring:
        for name in ("newrelic", "mine"):
            keys = {"personal_api_key": f"key-of-{name}", "account_id": "7", "base_url_nerdgraph": f"{url}/graphql"}
            await secret(client, name, **keys)
        await secret(client, "newrelic", "shop", personal_api_key="of the run's namespace", account_id="7")
        for name in ("influxdb", "other"):
            await secret(client, name, address=url, authToken=f"token-of-{name}", org="shop")
        found = [
            await measuring.measure(ask({kind: {"query": "q", "profile": profile}}))
            for kind, profile in (("newRelic", ""), ("newRelic", "mine"), ("influxdb", ""), ("influxdb", "other"))
        ]
    assert [one.value for one in found if isinstance(one, Sample)] == [
        {"key": "KEY-OF-NEWRELIC"},
        {"key": "KEY-OF-MINE"},
        ["TOKEN TOKEN-OF-INFLUXDB of shop"],
        ["TOKEN TOKEN-OF-OTHER of shop"],
    ]


async def test_cloudwatch_is_asked_with_the_identity_of_the_pod(client: Client) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
    async with metric_server(_says_who) as (url, _), servers(client, **keys, AWS_ENDPOINT_URL=url) as measuring:
        sample = await measuring.measure(ask({"cloudWatch": {"metricDataQueries": [{"id": "a", "expression": "1"}]}}))
    assert isinstance(sample, Sample)
    assert sample.value[0]["Id"] == "AWS4-HMAC-SHA256 Credential=AKID"


async def test_kayenta_is_begun_once_and_then_resumed(client: Client) -> None:
    async with metric_server(_says_who) as (url, _), servers(client) as measuring:
        provider = {"kayenta": {"address": url, "canaryConfigName": "x", "threshold": {"pass": 90, "marginal": 75}}}
        begun = await measuring.measure(ask(provider))
        assert begun == Sample(None, "", {"canaryExecutionId": "01X"}, phase="Running", resume_after=15.0)
        sample = await measuring.measure(ask(provider, started=begun.metadata))
    assert sample == Sample(90, "90", phase="Successful")


@pytest.mark.parametrize(
    ("provider", "kept", "says"),
    [
        ({"newRelic": {}}, {}, "newRelic metric: Secret engine/newrelic not found: give it personal-api-key and account-id"),
        ({"newRelic": {"profile": "mine"}}, {}, "newRelic metric: Secret engine/mine not found"),
        (
            {"newRelic": {}},
            {"newrelic": {"account_id": "7"}},
            "Secret engine/newrelic: account ID or personal API key not found",
        ),
        ({"influxdb": {}}, {}, "influxdb metric: Secret engine/influxdb not found: give it address, authToken and org"),
        ({"influxdb": {}}, {"influxdb": {"org": "x"}}, "Secret engine/influxdb: authToken, org, or address not found"),
        ({"wavefront": {"address": "a.test"}}, {}, "wavefront metric: Secret engine/wavefront-api-tokens not found: give it"),
        (
            {"wavefront": {"address": "a.test"}},
            {"wavefront-api-tokens": {"b.test": "hush"}},
            "Secret engine/wavefront-api-tokens: API token not found: give it a key a.test",
        ),
        ({"cloudWatch": {}}, {}, "cloudWatch metric: no region: set AWS_REGION"),
        ({"graphite": {}}, {}, "Graphite address  is not a valid URL"),
        ({"skywalking": {}}, {}, "skywalking metric: no address"),
        ({"kayenta": {}}, {}, "kayenta metric: no address"),
    ],
)
async def test_what_is_missing_is_named(client: Client, provider: Obj, kept: dict[str, dict[str, str]], says: str) -> None:
    for name, data in kept.items():
        await secret(client, name, **data)
    async with servers(client) as measuring:
        with pytest.raises(InvalidInput) as caught:
            await measuring.measure(ask(provider))
    assert says in caught.value.message
    assert "hush" not in caught.value.message


async def test_the_token_of_wavefront_is_the_one_for_the_address(client: Client) -> None:
    await secret(client, "wavefront-api-tokens", **{"a.test": "one\n", "b.test": "two"})
    assert await MetricLogins(client, "engine").for_wavefront({"address": "a.test"}) == "one"


async def test_a_secret_argument_and_a_login_are_both_blotted_out_of_an_error(client: Client) -> None:
    async with metric_server(echoing) as (url, _), servers(client) as measuring:
        await secret(client, "args", "shop", token="whisper")
        await secret(client, "newrelic", personal_api_key="hush", account_id="7", base_url_nerdgraph=f"{url}/whisper")
        provider = {"newRelic": {"query": "SELECT '{{args.token}}'"}}
        with pytest.raises(Denied) as caught:
            await measuring.measure(ask(provider, SecretRef("token", "args", "token")))
    assert "hush" not in f"{caught.value} {caught.value.args}"
    assert "whisper" not in f"{caught.value} {caught.value.args}"


async def test_a_secret_argument_is_blotted_out_of_metadata(client: Client) -> None:
    async def warns(request: web.Request) -> web.StreamResponse:
        result: dict[str, Any] = {"resultType": "scalar", "result": [1, "1"]}
        return web.json_response({"status": "success", "data": result, "warnings": [(await request.post())["query"]]})

    async with metric_server(warns) as (url, _), servers(client) as measuring:
        await secret(client, "args", "shop", token="whisper")
        provider = {"prometheus": {"address": url, "query": "up{key='{{args.token}}'}"}}
        sample = await measuring.measure(ask(provider, SecretRef("token", "args", "token")))
    assert isinstance(sample, Sample)
    assert sample.metadata == {"warnings": "\"up{key='*****'}\""}


async def test_a_provider_that_is_unknown_here_is_named(client: Client) -> None:
    async with servers(client) as measuring:
        with pytest.raises(InvalidInput, match="no provider among appInsights works here"):
            await measuring.measure(ask({"appInsights": {}}))


async def test_a_metric_server_that_is_away_is_unavailable(client: Client) -> None:
    async with servers(client) as measuring:
        with pytest.raises(Unavailable, match=r"cannot query Graphite at http://127\.0\.0\.1:1: "):
            await measuring.measure(ask({"graphite": {"address": "http://127.0.0.1:1", "query": "target=x"}}))
