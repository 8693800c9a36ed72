"""`authentication.sigv4` of Prometheus and web metrics: a server that checks every signature, and what is refused."""

from typing import Any

import pytest
from aiohttp import web

from shipway.adapters.cloudwatch.credentials import AwsIdentity
from shipway.adapters.cloudwatch.signed_fetch import SigningFetch
from shipway.adapters.prometheus import provider as prometheus
from shipway.adapters.web import provider as web_metric
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from tests.unit.adapters.aws_signatures import KEYS, problem_of_signature
from tests.unit.adapters.metric_server import metric_server

VECTOR = {"status": "success", "data": {"resultType": "scalar", "result": [0, "7"]}}


async def _managed(request: web.Request) -> web.StreamResponse:
    """A managed Prometheus behind a path, and any other API that wants signatures."""
    signed = ("content-type",) if request.method == "POST" else ()
    if problem := problem_of_signature(request, await request.read(), "aps", *signed):
        return web.json_response({"message": problem}, status=403)
    return web.json_response(VECTOR if request.path == "/workspaces/ws-1/api/v1/query" else {"rate": 7})


def signing(fetch: Any, key: str) -> SigningFetch:
    secret, token = KEYS[key]
    environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    clock = SystemClock()
    return SigningFetch(fetch, AwsIdentity(fetch, environment), clock)


@pytest.mark.compat("rollouts:provider.sigv4")
@pytest.mark.parametrize("key", KEYS)
async def test_a_managed_prometheus_believes_the_signature(key: str) -> None:
    async with metric_server(_managed) as (url, fetch):
        settings = {"address": f"{url}/workspaces/ws-1", "query": "up", "authentication": {"sigv4": {"region": "eu-west-1"}}}
        assert (await prometheus.measure(signing(fetch, key), settings, "", None)).value == 7


@pytest.mark.compat("rollouts:provider.sigv4")
async def test_a_web_metric_with_a_query_is_signed_too() -> None:
    async with metric_server(_managed) as (url, fetch):
        login = {"sigv4": {"region": "eu-west-1"}}
        settings = {"url": f"{url}/rate?window=5m&app=shop", "jsonPath": "{$.rate}", "authentication": login}
        assert (await web_metric.measure(signing(fetch, next(iter(KEYS))), settings)).value == 7
        with pytest.raises(Unavailable, match="403"):
            await web_metric.measure(signing(fetch, next(iter(KEYS))), {**settings, "authentication": {}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"region": "eu-west-1", "roleArn": "arn:aws:iam::1:role/x"}, "authentication.sigv4.roleArn does not work"),
        ({"region": "eu-west-1", "profile": "prod"}, "authentication.sigv4.profile does not work"),
        ({"region": "", "profile": "", "roleArn": "", "other": "x"}, "authentication.sigv4 has no region"),
    ],
)
async def test_what_does_not_work_is_said(settings: dict[str, str], message: str) -> None:
    async with metric_server(_managed) as (url, fetch):
        with pytest.raises(InvalidInput, match=message):
            await web_metric.measure(signing(fetch, next(iter(KEYS))), {"url": url, "authentication": {"sigv4": settings}})
