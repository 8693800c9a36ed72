"""Answers measurements: fills in what comes from Secrets, asks the metric's provider, and lets no secret back out."""

from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson
from msgspec.structs import replace

from shipway.adapters.prometheus import provider as prometheus
from shipway.adapters.web import provider as web
from shipway.api.kinds import SECRETS
from shipway.api.metrics import Sample, SecretRef
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.secrets import secret_values
from shipway.rollouts.analysis.asks import MeasureAsk

REDACTED = "*****"


class MetricServers:
    """One HTTP session for all providers. `measure` is the resolver of MeasureAsk."""

    def __init__(self, client: Client, session: aiohttp.ClientSession, prometheus_address: str = "") -> None:
        self._client = client
        self._session = session
        self._prometheus_address = prometheus_address

    async def measure(self, ask: MeasureAsk) -> Sample:
        """Raises the provider's error with every secret blotted out."""
        secrets = await self._secrets(ask.request.namespace, ask.request.secrets)
        text = ask.request.provider.decode()
        for arg, value in secrets.items():
            text = text.replace(f"{{{{args.{arg}}}}}", orjson.dumps(value).decode()[1:-1])
        try:
            sample = await self._ask_provider(orjson.loads(text))
        except ShipwayError as error:
            error.message = _blot_out(error.message, secrets)
            error.args = (error.message,)
            raise error from None  # what caused it may hold the URL as it was sent
        return replace(sample, text=_blot_out(sample.text, secrets)) if secrets else sample

    async def _ask_provider(self, provider: dict[str, Any]) -> Sample:
        match provider:
            case {"web": dict(settings)}:
                return await web.measure(self._session, settings)
            case {"prometheus": dict(settings)}:
                return await prometheus.measure(self._session, settings, self._prometheus_address)
            case _:
                raise InvalidInput(f"no provider among {', '.join(provider)} works here", reason="UnknownProvider")

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
