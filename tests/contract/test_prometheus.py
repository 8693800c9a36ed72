"""A real Prometheus answers our measurements: every shape of a value, a query it refuses, and whole analysis runs.

It scrapes a small exporter whose one gauge the test sets. What is asserted here of the server's answers is what the unit
tests of the provider take for granted.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.prometheus.provider import Range, measure
from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CRDS, ROLLOUTS
from shipway.assembly.measuring import MetricServers
from shipway.assembly.recording import record
from shipway.base.clock import Instant, SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rehearsal.measures import metrics_of
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import read_recording
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.burn_rate import OBJECTIVES
from shipway.rollouts.budget.asks import Budget, BudgetAsk
from shipway.rollouts.budget.pinned import pinned_of
from shipway.rollouts.rollout.names import STRATEGY_BY_BUDGET
from shipway.rollouts.view import Family, view_of
from shipway.rollouts.why import why
from tests.contract.analysis_engine import analysis_engine
from tests.ports import free_port
from tests.sim.rollouts_world import NS, World, errors_template, furnished, rollout, running

CONFIG = """global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: shop
  static_configs: [{targets: ["%s"]}]
"""
READY_SECONDS = 60.0


class Shop(Struct):
    """What the exporter tells: the share of failed requests of each service, and how many requests each version has answered
    by status."""

    ratios: dict[str, float]
    requests: dict[tuple[str, str], int] = {}

    async def metrics(self, request: web.Request) -> web.Response:
        ratios = [f'shop_error_ratio{{service="{name}"}} {ratio}' for name, ratio in self.ratios.items()]
        counts = [f'requests_total{{version="{one}",code="{code}"}} {count}' for (one, code), count in self.requests.items()]
        types = ("# TYPE shop_error_ratio gauge", "# TYPE requests_total counter")
        return web.Response(text="\n".join([types[0], *ratios, types[1], *counts, ""]))


class Monitoring(Struct, frozen=True):
    """Where Prometheus answers, what it scrapes, and a session to ask by."""

    url: str
    shop: Shop
    session: aiohttp.ClientSession

    async def ask(self, query: str):
        return await measure(HttpFetch(self.session), {"address": self.url, "query": query})

    async def until(self, query: str, is_so: Callable[[object], bool]) -> None:
        """Waits until Prometheus has scraped what makes it so."""
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    if is_so((await self.ask(query)).value):
                        return
                except Unavailable:
                    pass  # it is starting
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def monitoring(program: Callable[[str], str], tmp_path: Path) -> AsyncGenerator[Monitoring, None]:
    shop = Shop({"web": 0.01})
    app = web.Application()
    app.router.add_get("/metrics", shop.metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    (tmp_path / "prometheus.yml").write_text(CONFIG % f"{host}:{port}")
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            *(f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"),
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            async with aiohttp.ClientSession() as session:
                there = Monitoring(f"http://{address}", shop, session)
                await there.until("up", lambda value: value == [1.0])
                yield there
        finally:
            process.kill()
            await process.wait()
            await runner.cleanup()


async def test_what_prometheus_knows_of_the_past_is_rehearsed(monitoring: Monitoring) -> None:
    """The failures come after the update began: the replay throws the new version out when they are seen."""
    begun = SystemClock().now()
    await monitoring.until("shop_error_ratio", lambda value: value == [0.01])
    await asyncio.sleep(4.0)
    monitoring.shop.ratios["web"] = 0.4
    broken_at = SystemClock().now() - begun
    await monitoring.until("shop_error_ratio", lambda value: value == [0.4])
    known_at = SystemClock().now() - begun
    await asyncio.sleep(4.0)
    query = 'shop_error_ratio{service="web"}'
    template = errors_template()
    template["spec"]["metrics"][0] |= {
        "interval": "1s",
        "successCondition": "result[0] <= 0.05",
        "provider": {"prometheus": {"address": monitoring.url, "query": query}},
    }
    steps = ({"setWeight": 20}, {"pause": {"duration": "1m"}})
    made = rollout(*steps, analysis={"templates": [{"templateName": "errors"}]})
    over = Range(Instant(begun), Instant(begun + 30.0), 1.0)
    document = await record(monitoring.url, metrics_of(made, (template,)), over, rate_query="sum(shop_error_ratio) * 0 + 50")
    recording = read_recording(orjson.dumps(document).decode())
    seen = rehearse(Play(made, (template,), recording, pod_start=0.0))
    assert seen.ending.outcome == "aborted"
    assert broken_at <= seen.ending.at <= known_at + 3.0
    assert [one.value for one in seen.measurements][0 :: len(seen.measurements) - 1] == ["[0.01]", "[0.4]"]
    assert seen.exposed == pytest.approx(0.2 * 50 * seen.ending.at, rel=0.3)


@pytest.mark.compat("rollouts:provider.prometheus")
@pytest.mark.proves("001-22")
async def test_every_shape_of_an_answer(monitoring: Monitoring) -> None:
    monitoring.shop.ratios["checkout"] = 0.25
    await monitoring.until("count(shop_error_ratio)", lambda value: value == [2.0])
    for query, value, text in (
        ("scalar(vector(0.5))", 0.5, "0.5"),
        ('shop_error_ratio{service="web"}', [0.01], "[0.01]"),
        ("sort(shop_error_ratio)", [0.01, 0.25], "[0.01,0.25]"),
        ("vector(1) / 3", [1 / 3], "[0.3333333333333333]"),
        ('shop_error_ratio{service="nobody"}', [], "[]"),
        ("1 / 0", math.inf, "+Inf"),
        ("vector(-1) / 0", [-math.inf], "[-Inf]"),
    ):
        sample = await monitoring.ask(query)
        assert (sample.value, sample.text) == (value, text), query
    sample = await monitoring.ask("vector(0) / 0")
    assert math.isnan(sample.value[0])
    assert sample.text == "[NaN]"
    with pytest.raises(InvalidInput) as caught:
        await monitoring.ask("sum(")
    assert caught.value.reason == "BadQuery"
    assert caught.value.message.startswith("Prometheus refuses the query: bad_data: ")
    assert "parse error" in caught.value.message
    assert 0.01 in (await monitoring.ask('shop_error_ratio{service="web"}[1m]')).value
    now = SystemClock().now()
    settings = {"address": monitoring.url, "query": 'shop_error_ratio{service="checkout"}'}
    over = Range(Instant(now - 2), now, 1.0)
    assert (await measure(HttpFetch(monitoring.session), settings, over=over)).value[-1] == 0.25
    with pytest.raises(Unavailable, match=r"cannot query Prometheus at http://127.0.0.1:1: Connection refused"):
        await measure(HttpFetch(monitoring.session), {"address": "http://127.0.0.1:1", "query": "up"})


@pytest_asyncio.fixture
async def client(monitoring: Monitoring) -> AsyncGenerator[Client, None]:
    """An API server with the real engine for analyses, which knows Prometheus by its default address only."""
    async with analysis_engine(lambda client: MetricServers(client, monitoring.session, monitoring.url)) as client:
        yield client


def analysis_run(name: str, metric: Obj) -> Obj:
    meta = {"name": name, "namespace": "shop"}
    args = [{"name": "service", "value": "web"}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": meta,
        "spec": {"args": args, "metrics": [metric]},
    }


def error_ratio(query: str) -> Obj:
    return {
        "name": "error-ratio",
        "interval": "1s",
        "count": 3,
        "failureLimit": 1,
        "consecutiveErrorLimit": 0,
        "successCondition": "len(result) == 1 && result[0] < 0.05",
        "provider": {"prometheus": {"query": query}},
    }


async def ended(client: Client, name: str, metric: Obj) -> Obj:
    """The run once it has a verdict."""
    await client.create(ANALYSIS_RUNS, analysis_run(name, metric))
    finished = ("Successful", "Failed", "Error", "Inconclusive")
    run = await wait_until(client, One(ANALYSIS_RUNS, "shop", name), lambda obj: dig(obj or {}, "status", "phase") in finished)
    assert run is not None
    return run


@pytest.mark.compat("rollouts:provider.prometheus")
async def test_runs_from_good_to_bad_to_nonsense(monitoring: Monitoring, client: Client) -> None:
    query = 'shop_error_ratio{service="{{args.service}}"}'
    good = await ended(client, "good", error_ratio(query))
    result = dig(good, "status", "metricResults", 0)
    assert (dig(good, "status", "phase"), result["successful"]) == ("Successful", 3)
    assert [measurement["value"] for measurement in result["measurements"]] == ["[0.01]"] * 3

    monitoring.shop.ratios["web"] = 0.3
    await monitoring.until("shop_error_ratio", lambda value: value == [0.3])
    bad = await ended(client, "bad", error_ratio(query))
    assert dig(bad, "status", "phase") == "Failed"
    assert dig(bad, "status", "message") == 'Metric "error-ratio" assessed Failed due to failed (2) > failureLimit (1)'
    assert dig(bad, "status", "metricResults", 0, "measurements", 0, "value") == "[0.3]"

    silent = await ended(client, "silent", error_ratio('shop_error_ratio{service="nobody"}'))
    assert dig(silent, "status", "phase") == "Failed"

    nonsense = await ended(client, "nonsense", error_ratio("sum("))
    assert dig(nonsense, "status", "phase") == "Error"
    assert "Prometheus refuses the query: bad_data: " in dig(nonsense, "status", "message")


OBJECTIVE = {
    "target": "99",
    "window": "4w",
    "indicator": {"ratio": {"errors": {"metric": 'requests_total{code="500"}'}, "total": {"metric": "requests_total"}}},
}
PYRRA = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicelevelobjectives.pyrra.dev"},
    "spec": {
        "group": "pyrra.dev",
        "scope": "Namespaced",
        "names": {"kind": "ServiceLevelObjective", "plural": "servicelevelobjectives"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def budget(slo: Obj) -> Obj:
    return {
        "name": "budget",
        "failureCondition": 'result.severity == "critical"',
        "successCondition": 'result.severity != "critical"',
        "provider": {"plugin": {"shipway.dev/slo": {"release": 'version="v2"', **slo}}},
    }


def better_version() -> Obj:
    """Which version fails less often; `no difference` is as good as better."""

    def side(version: str) -> Obj:
        counts = (("hits", f'version="{version}",code="500"'), ("total", f'version="{version}"'))
        asked = {key: {"prometheus": {"query": f"sum(increase(requests_total{{{labels}}}[1h]))"}} for key, labels in counts}
        return {"name": version, **asked}

    block = {"test": "proportions", "better": "lower", "baseline": side("v1"), "candidate": side("v2")}
    return {
        "name": "better",
        "failureCondition": 'result.winner == "v1"',
        "successCondition": 'result.winner == "v2" || result.verdict == "no difference"',
        "provider": {"plugin": {"shipway.dev/compare": block}},
    }


@pytest.mark.compat("rollouts:provider.shipway")
@pytest.mark.proves("004-05", "004-10", "004-12", "rehearsal:slo", "rehearsal:comparison")
async def test_a_budget_that_burns_and_a_version_that_is_worse(monitoring: Monitoring, client: Client) -> None:
    """From objectives alone: nobody wrote a burn rate. First there are no requests at all, then good ones, then bad ones."""
    await client.create(CRDS, PYRRA)
    meta = {"name": "shop", "namespace": "shop"}
    pyrra = {"apiVersion": OBJECTIVES.api_version, "kind": OBJECTIVES.kind, "metadata": meta, "spec": OBJECTIVE}
    await client.create(OBJECTIVES, pyrra)
    blind = await ended(client, "blind", budget({"objective": OBJECTIVE}) | {"consecutiveErrorLimit": 0})
    assert dig(blind, "status", "phase") == "Error"
    assert "Prometheus has no data of it" in dig(blind, "status", "message")

    served = {("v1", "200"): 1000, ("v1", "500"): 0, ("v2", "200"): 1000, ("v2", "500"): 0}
    await requests_are(monitoring, served)
    few = await ended(client, "few", better_version())
    assert dig(few, "status", "phase") == "Inconclusive"
    assert dig(few, "status", "metricResults", 0, "measurements", 0, "value").startswith("not enough data: v1 0, v2 0 samples")
    await requests_are(monitoring, served | {("v1", "200"): 3000, ("v2", "200"): 3000})
    good = await ended(client, "good", budget({"serviceLevelObjective": "shop"}))
    assert dig(good, "status", "phase") == "Successful"
    assert dig(good, "status", "metricResults", 0, "measurements", 0, "value").endswith(
        "100.0% of the budget left, 0.00% spent by this release"
    )
    assert dig(await ended(client, "even", better_version()), "status", "phase") == "Successful"

    await requests_are(monitoring, served | {("v1", "200"): 3000, ("v2", "200"): 3500, ("v2", "500"): 1500})
    bad = await ended(client, "bad", budget({"serviceLevelObjective": "shop"}))
    assert dig(bad, "status", "phase") == "Failed"
    told = dig(bad, "status", "metricResults", 0, "measurements", 0, "value")
    assert told.startswith("critical: burns ") and "over 1h" in told and "spent by this release" in told
    worse = await ended(client, "worse", better_version())
    assert dig(worse, "status", "phase") == "Failed"
    assert dig(worse, "status", "metricResults", 0, "measurements", 0, "value").endswith("v1 is better")
    absent = await ended(client, "absent", budget({"serviceLevelObjective": "gone"}) | {"consecutiveErrorLimit": 0})
    assert "ServiceLevelObjective shop/gone does not exist" in dig(absent, "status", "message")


POLICY = """
objectives:
- {{name: shop, prometheus: {{address: "{url}"}}, serviceLevelObjective: shop}}
strategies:
  fast: {{atLeast: 75%, steps: [{{setWeight: 50}}, {{pause: {{}}}}]}}
  careful: {{atLeast: 10%, steps: [{{setWeight: 1}}, {{pause: {{}}}}]}}
"""


async def test_the_steps_of_a_release_by_what_prometheus_says_is_left(monitoring: Monitoring) -> None:
    """First there is no data, then all of the budget is left, then more than all of it is spent."""
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    there = Watched(server, monitoring)
    await furnished(there)
    await there.user.create(CRDS, PYRRA)
    meta = {"name": "shop", "namespace": NS}
    await wait_until_served(there.user)
    await there.user.create(
        OBJECTIVES, {"apiVersion": OBJECTIVES.api_version, "kind": OBJECTIVES.kind, "metadata": meta, "spec": OBJECTIVE}
    )
    made = rollout({"setWeight": 20}, {"pause": {}})
    made["metadata"]["annotations"] = {STRATEGY_BY_BUDGET: POLICY.format(url=monitoring.url)}
    async with running(there, there.cluster.run()):
        await there.user.create(ROLLOUTS, made)
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        blind = await there.phase("Paused")
        assert (await there.weights())[0] == 1
        pinned = pinned_of(blind)
        assert pinned is not None
        assert "Prometheus has no data of it" in pinned.unknown
        await there.patch_status(promoteFull=True)
        await there.phase("Healthy")

        served = {("v1", "200"): 1000, ("v1", "500"): 0}
        await requests_are(monitoring, served)
        await requests_are(monitoring, served | {("v1", "200"): 3000})
        await there.set_image("shop/web:v3")
        await there.phase("Paused")
        assert (await there.weights())[0] == 50
        assert view_of(Family(await there.rollout())).by_budget == "fast (100.0% of the error budget of shop is left)"
        await there.patch_status(promoteFull=True)
        await there.phase("Healthy")

        await requests_are(monitoring, {("v1", "200"): 3000, ("v1", "500"): 1500})
        await there.set_image("shop/web:v4")
        frozen = await there.phase("Paused")
        assert (await there.weights())[0] == 0
        assert why(frozen).startswith("web is frozen: -")
    await server.close()


async def wait_until_served(client: Client) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while OBJECTIVES.group_kind not in {one.group_kind for one in await client.discover()}:
            await asyncio.sleep(0.05)


async def requests_are(monitoring: Monitoring, counts: dict[tuple[str, str], int]) -> None:
    """From now on Prometheus knows these counts."""
    monitoring.shop.requests = counts
    total = float(sum(counts.values()))
    await monitoring.until("sum(requests_total)", lambda value: value == [total])


class Watched(World):
    """The world of the simulations in real time, measured by a real Prometheus."""

    def __init__(self, server: ApiServer, monitoring: Monitoring) -> None:
        self.monitoring = monitoring
        super().__init__(server, SystemClock(), lambda same, _: same)

    async def _measure(self, ask: MeasureAsk) -> object:
        return await MetricServers(self.user, self.monitoring.session, self.monitoring.url).measure(ask)

    async def _budget(self, ask: BudgetAsk) -> Budget:
        return await MetricServers(self.user, self.monitoring.session).budget(ask)


async def test_a_canary_is_thrown_out_by_what_prometheus_says(monitoring: Monitoring) -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    there = Watched(server, monitoring)
    await furnished(there)
    query = 'shop_error_ratio{service="web"}'
    metric = {
        "name": "errors",
        "interval": "1s",
        "successCondition": "result[0] < 0.05",
        "provider": {"prometheus": {"query": query}},
    }
    await there.user.patch(ANALYSIS_TEMPLATES, NS, "errors", {"spec": {"metrics": [metric]}})
    background = {"templates": [{"templateName": "errors"}]}
    async with running(there, there.cluster.run()):
        await there.user.create(ROLLOUTS, rollout({"setWeight": 50}, {"pause": {}}, analysis=background))
        await there.phase("Healthy")
        await there.set_image("shop/web:v2")
        await there.phase("Paused")
        assert await there.weights() == (50, 50)
        monitoring.shop.ratios["web"] = 0.4
        (run,) = (await there.user.list(ANALYSIS_RUNS, NS)).items
        one = One(ANALYSIS_RUNS, NS, name_of(run))
        await wait_until(there.user, one, lambda found: dig(found or {}, "status", "phase") == "Failed")
        await there.until(lambda found: dig(found, "status", "canary", "weights", "stable", "weight") == 100)
        assert await there.weights() == (0, 100)
        assert "errors" in (await there.phase("Degraded"))["status"]["message"]
    await server.close()
