"""Answers measurements: fills in what comes from Secrets, asks the metric's provider, and lets no secret back out."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
from msgspec.structs import replace

from shipway.adapters.cloudwatch import provider as cloudwatch
from shipway.adapters.cloudwatch.credentials import AwsIdentity
from shipway.adapters.cloudwatch.service import service_of
from shipway.adapters.cloudwatch.signed_fetch import SigningFetch
from shipway.adapters.datadog import provider as datadog
from shipway.adapters.graphite import provider as graphite
from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.influxdb import provider as influxdb
from shipway.adapters.kayenta import provider as kayenta
from shipway.adapters.newrelic import provider as newrelic
from shipway.adapters.plugins.caller import PluginCaller
from shipway.adapters.prometheus import provider as prometheus
from shipway.adapters.skywalking import provider as skywalking
from shipway.adapters.wavefront import provider as wavefront
from shipway.adapters.web import provider as web
from shipway.api.kinds import SECRETS
from shipway.api.measured import blot_out, without
from shipway.api.metrics import MeasureRequest, Sample, SecretRef
from shipway.assembly.metric_logins import MetricLogins
from shipway.base.clock import Clock, SystemClock, parse_rfc3339
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput, NotFound
from shipway.expression import evaluate_time
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import spec_of
from shipway.rollouts.analysis import burn_rate, comparison
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.metric import OUR_OWN
from shipway.rollouts.budget.asks import Budget, BudgetAsk


class MetricServers:
    """One HTTP session for all providers. `measure` is the resolver of MeasureAsk, `budget` that of BudgetAsk.

    `namespace`: where the engine runs and its own logins are kept; `environment`: its variables (`DD_API_KEY` …).
    """

    def __init__(
        self,
        client: Client,
        session: aiohttp.ClientSession,
        prometheus_address: str = "",
        *,
        clock: Clock | None = None,
        namespace: str = "",
        environment: Mapping[str, str] = {},
    ) -> None:
        self._client = client
        self._fetch = HttpFetch(session)
        self._prometheus_address = prometheus_address
        self._clock = clock or SystemClock()
        self._namespace = namespace
        self._environment = environment
        self._logins = MetricLogins(client, namespace)
        self._aws = AwsIdentity(self._fetch, environment)
        self._signing = SigningFetch(self._fetch, self._aws, self._clock)
        self.plugins: PluginCaller | None = None
        """Runs what is declared as MetricPlugins; without it such a metric is an error."""

    async def measure(self, ask: MeasureAsk) -> Sample:
        """Raises the provider's error with every secret blotted out."""
        secrets = await self._secrets(ask.request.namespace, ask.request.secrets)
        text = ask.request.provider.decode()
        for arg, value in secrets.items():
            text = text.replace(f"{{{{args.{arg}}}}}", orjson.dumps(value).decode()[1:-1])
        with blot_out(*secrets.values()):
            sample = await self._measured(orjson.loads(text), ask)
        return _without(sample, secrets) if secrets else sample

    async def _measured(self, provider: dict[str, Any], ask: MeasureAsk) -> Sample:
        match provider:
            case {"kayenta": dict(settings)}:
                return await kayenta.measure(self._fetch, settings, ask.request.measurement)
            case {"plugin": dict(plugin)} if not OUR_OWN.keys() & plugin.keys():
                return await self._ask_plugin(ask, plugin)
            case _:
                return await self._ask_provider(provider, ask.request)

    async def _ask_plugin(self, ask: MeasureAsk, plugin: Obj) -> Sample:
        (name, config), *_ = plugin.items()
        if self.plugins is None:
            raise InvalidInput(f"the plugin {name} does not work here: this process runs none", reason="UnknownProvider")
        return await self.plugins.measure(name, ask.request.op, ask.plugin_request(config))

    async def _ask_provider(self, provider: dict[str, Any], request: MeasureRequest) -> Sample:
        match provider:
            case {"web": dict(settings)}:
                return await web.measure(self._signing, settings)
            case {"prometheus": dict(settings)}:
                over = self._range(settings.get("rangeQuery") or {})
                return await prometheus.measure(self._signing, settings, self._prometheus_address, over)
            case {"datadog": dict(settings)}:
                login = await self._datadog_login(settings.get("secretRef") or {}, request.namespace)
                return await datadog.measure(self._fetch, settings, login, self._clock.now())
            case {"plugin": {comparison.COMPARE: block}}:
                return await self._compare(comparison.read_comparison(block), request)
            case {"plugin": {burn_rate.SLO: block}}:
                return await self._burning(burn_rate.read_burning(block), request)
            case _:
                return await self._ask_service(provider)

    async def _ask_service(self, provider: dict[str, Any]) -> Sample:
        """The providers whose logins are where Argo Rollouts has them, or that need none."""
        fetch, now = self._fetch, self._clock.now()
        match provider:
            case {"newRelic": dict(settings)}:
                return await newrelic.measure(fetch, settings, await self._logins.for_newrelic(settings))
            case {"cloudWatch": dict(settings)}:
                service = service_of("monitoring", self._environment)
                return await cloudwatch.measure(fetch, settings, service, await self._aws.credentials(now), now)
            case {"influxdb": dict(settings)}:
                return await influxdb.measure(fetch, settings, await self._logins.for_influxdb(settings))
            case {"wavefront": dict(settings)}:
                return await wavefront.measure(fetch, settings, await self._logins.for_wavefront(settings), now)
            case {"graphite": dict(settings)}:
                return await graphite.measure(fetch, settings)
            case {"skywalking": dict(settings)}:
                return await skywalking.measure(fetch, settings, now)
            case _:
                raise InvalidInput(f"no provider among {', '.join(provider)} works here", reason="UnknownProvider")

    async def _compare(self, asked: comparison.Comparison, request: MeasureRequest) -> Sample:
        """Both sides are measured at once. A million samples take a second to compare, which nothing else waits for."""
        samples = await asyncio.gather(*(self._ask_provider(provider, request) for provider in asked.providers))
        return await asyncio.to_thread(comparison.judged, asked, [sample.value for sample in samples])

    async def _burning(self, asked: burn_rate.Burning, request: MeasureRequest) -> Sample:
        objective = await self._objective(asked, request.namespace)
        age = self._clock.now() - parse_rfc3339(request.began) if request.began else 0.0
        queries = burn_rate.queries(objective, asked.release, age)
        providers = ({"prometheus": {**asked.prometheus, "query": query}} for query in queries.values())
        samples = await asyncio.gather(*(self._ask_provider(provider, request) for provider in providers))
        values = [sample.value for sample in samples]
        return burn_rate.judged(objective, dict(zip(queries, values, strict=True)))

    async def budget(self, ask: BudgetAsk) -> Budget:
        """What is left of an error budget. Raises InvalidInput where there is no data of it, Unavailable without an answer."""
        asked = burn_rate.read_burning(orjson.loads(ask.block))
        objective = await self._objective(asked, ask.namespace)
        settings = {**asked.prometheus, "query": burn_rate.budget_query(objective)}
        sample = await prometheus.measure(self._signing, settings, self._prometheus_address, None)
        return Budget(burn_rate.budget_left(objective, sample.value))

    async def _objective(self, asked: burn_rate.Burning, namespace: str) -> burn_rate.Objective:
        if asked.objective is not None:
            return burn_rate.read_objective(asked.objective, f"{burn_rate.SLO}: objective")
        name = asked.service_level_objective
        where = f"{burn_rate.OBJECTIVES.kind} {namespace}/{name}"
        try:
            found = await self._client.get(burn_rate.OBJECTIVES, namespace, name)
        except NotFound:
            raise InvalidInput(f"{where} does not exist: create it, or write the objective in the metric") from None
        return burn_rate.read_objective(spec_of(found), where)

    def _range(self, settings: Obj) -> prometheus.Range | None:
        """A rangeQuery, whose start and end are expressions such as `now() - duration("5m")`."""
        if not settings:
            return None
        now = self._clock.now()
        try:
            step = parse_duration(settings.get("step") or "1m")
        except ValueError as error:
            raise InvalidInput(f"prometheus metric: rangeQuery.step: {error}") from None
        if step <= 0:
            raise InvalidInput("prometheus metric: rangeQuery.step must be longer than nothing")
        start = evaluate_time(settings.get("start") or "now()", now)
        return prometheus.Range(start, evaluate_time(settings.get("end") or "now()", now), step)

    async def _datadog_login(self, ref: Obj, namespace: str) -> datadog.Login:
        """From the Secret that the metric names in its own namespace; else the environment; else the engine's own Secret."""
        own = not ref.get("namespaced")
        name = ref.get("name") or datadog.SECRET
        where = self._namespace if own else namespace
        if own and (found := datadog.login_of_environment(self._environment)):
            return found
        try:
            found = datadog.login_of(secret_values(await self._client.get(SECRETS, where, name)))
        except NotFound:
            found = None
        if found is None:
            raise InvalidInput(
                f"datadog metric: API or App token not found: give Secret {where}/{name} the keys api-key and app-key",
                reason="NoLogin",
            )
        return found

    async def _secrets(self, namespace: str, refs: Sequence[SecretRef]) -> dict[str, str]:
        values: dict[str, str] = {}
        for ref in refs:
            found = secret_values(await self._client.get(SECRETS, namespace, ref.name))
            if ref.key not in found:
                raise InvalidInput(f"Secret {namespace}/{ref.name} has no key {ref.key}, which argument {ref.arg} needs")
            values[ref.arg] = found[ref.key]
        return values


def _without(sample: Sample, secrets: dict[str, str]) -> Sample:
    values = secrets.values()
    metadata = {key: without(text, values) for key, text in sample.metadata.items()}
    return replace(sample, text=without(sample.text, values), message=without(sample.message, values), metadata=metadata)
