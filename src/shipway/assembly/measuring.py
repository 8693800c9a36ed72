"""Answers measurements: fills in what comes from Secrets, asks the metric's provider, and lets no secret back out."""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
from msgspec.structs import replace

from shipway.adapters.datadog import provider as datadog
from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.prometheus import provider as prometheus
from shipway.adapters.web import provider as web
from shipway.api.kinds import SECRETS
from shipway.api.metrics import Sample, SecretRef
from shipway.base.clock import Clock, SystemClock
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.expression import evaluate_time

REDACTED = "*****"


class MetricServers:
    """One HTTP session for all providers. `measure` is the resolver of MeasureAsk.

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

    async def measure(self, ask: MeasureAsk) -> Sample:
        """Raises the provider's error with every secret blotted out."""
        secrets = await self._secrets(ask.request.namespace, ask.request.secrets)
        text = ask.request.provider.decode()
        for arg, value in secrets.items():
            text = text.replace(f"{{{{args.{arg}}}}}", orjson.dumps(value).decode()[1:-1])
        try:
            sample = await self._ask_provider(orjson.loads(text), ask.request.namespace)
        except ShipwayError as error:
            error.message = _blot_out(error.message, secrets)
            error.args = (error.message,)
            raise error from None  # what caused it may hold the URL as it was sent
        return replace(sample, text=_blot_out(sample.text, secrets)) if secrets else sample

    async def _ask_provider(self, provider: dict[str, Any], namespace: str) -> Sample:
        match provider:
            case {"web": dict(settings)}:
                return await web.measure(self._fetch, settings)
            case {"prometheus": dict(settings)}:
                over = self._range(settings.get("rangeQuery") or {})
                return await prometheus.measure(self._fetch, settings, self._prometheus_address, over)
            case {"datadog": dict(settings)}:
                login = await self._datadog_login(settings.get("secretRef") or {}, namespace)
                return await datadog.measure(self._fetch, settings, login, self._clock.now())
            case _:
                raise InvalidInput(f"no provider among {', '.join(provider)} works here", reason="UnknownProvider")

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


def _blot_out(text: str, secrets: dict[str, str]) -> str:
    for value in secrets.values():
        if value:
            text = text.replace(value, REDACTED)
    return text
