"""Delivers what the rollouts engine wants told: fills the templates, puts in what the Secret holds, and lets none of it out."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson

from shipway.adapters.notifications import slack, webhook
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.api.measured import blot_out, sealed
from shipway.api.metrics import Fetch
from shipway.api.notifications import Delivery, Message
from shipway.api.templates import Filled, Template
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import digest
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.rollouts.notifications.asks import NotifyAsk
from shipway.rollouts.notifications.settings import CONFIG_MAP, SECRET, NotificationSettings, Service, read_settings
from shipway.workers.pool import WorkerPool

PATIENCE = 600.0
"""Seconds after which a service that does not take a message is given up."""
FILL_SECONDS, FILL_MEMORY = 10.0, 512 << 20
_REFERENCE = re.compile(r"\$([-A-Za-z0-9_]+)")

Send = Callable[[Fetch, Obj, Message], Awaitable[None]]
SENDERS: Mapping[str, Send] = {"webhook": webhook.send, "slack": slack.send}


class Filler(Protocol):
    """Fills templates (see `TemplateEngine.render`)."""

    async def render(self, template: Template, entries: Sequence[bytes]) -> Sequence[Filled]: ...


class Notifier:
    """`notify` is the resolver of NotifyAsk. `namespace`: where the ConfigMap and the Secret lie."""

    def __init__(self, client: Client, fetch: Fetch, filler: Filler, clock: Clock, namespace: str) -> None:
        self._client = client
        self._fetch = fetch
        self._filler = filler
        self._clock = clock
        self._namespace = namespace

    async def notify(self, ask: NotifyAsk) -> Delivery:
        """Raises Unavailable as long as it is worth another try."""
        try:
            secrets = await self._secrets()
            with blot_out(*secrets.values()):
                await self._send(ask, secrets)
        except Unavailable as error:
            if self._clock.now() - ask.since < PATIENCE:
                raise
            return Delivery(f"{error.message} (tried for {PATIENCE / 60:.0f} minutes)")
        except ShipwayError as error:
            return Delivery(error.message)
        return Delivery()

    async def _send(self, ask: NotifyAsk, secrets: Mapping[str, str]) -> None:
        settings, wanted = await self._settings(), ask.message
        service = settings.services.get(wanted.service)
        if service is None:
            told = settings.problems.get(f"service.{wanted.service}") or "there is no such service any more"
            raise InvalidInput(f"ConfigMap {self._namespace}/{CONFIG_MAP}, service {wanted.service}: {told}")
        if service.kind not in SENDERS:
            kinds = " and ".join(sorted(SENDERS))
            raise InvalidInput(f"service {wanted.service}: {kinds} are sent, {service.kind} is not: use a webhook")
        text, form = await self._filled(ask, settings, service, secrets)
        message = Message(wanted.service, wanted.recipient, text, form, digest(ask.uid, wanted.key))
        await SENDERS[service.kind](sealed(self._fetch, *secrets.values()), _resolved(service.settings, secrets), message)

    async def _filled(
        self, ask: NotifyAsk, settings: NotificationSettings, service: Service, secrets: Mapping[str, str]
    ) -> tuple[str, Obj]:
        """The text and what is for this kind of service; of several templates what a later one says counts."""
        parts = [_part(settings, name, ask.message.service, service.kind) for name in ask.message.send]
        says: Obj = {
            **orjson.loads(ask.says),
            "context": dict(settings.context),
            "secrets": dict(secrets),
            "recipient": ask.message.recipient,
            "serviceType": ask.message.service,
        }
        (filled,) = await self._filler.render(Template(orjson.dumps(parts), is_go=True), [orjson.dumps(says)])
        if filled.error:
            raise InvalidInput(f"template {', '.join(ask.message.send)}: {filled.error}", reason="BadTemplate")
        text, form = "", {}
        for part in orjson.loads(filled.body):
            text, form = part["message"] or text, form | part["form"]
        return text, form

    async def _settings(self) -> NotificationSettings:
        """Listed, not got: the account that Shipway is installed with may list ConfigMaps anyway."""
        one = f"metadata.name={CONFIG_MAP}"
        found = (await self._client.list(CONFIG_MAPS, self._namespace, field_selector=one)).items
        return read_settings(found[0] if found else None)

    async def _secrets(self) -> dict[str, str]:
        try:
            return {
                key: value.strip()
                for key, value in secret_values(await self._client.get(SECRETS, self._namespace, SECRET)).items()
            }
        except NotFound:
            return {}


def _part(settings: NotificationSettings, name: str, service: str, kind: str) -> Obj:
    """Of a template only what this service is sent, so that no other's words are in the way."""
    template = settings.templates.get(name)
    if template is None:
        problem = settings.problems.get(f"template.{name}", "it is not there")
        raise InvalidInput(f"ConfigMap {CONFIG_MAP}, template.{name}: {problem}", reason="BadTemplate")
    form = template.get(kind) or {}
    form = form.get(service) or {} if kind == "webhook" else form
    return {"message": str(template.get("message") or ""), "form": {key: value for key, value in form.items() if value}}


def _resolved(value: Any, secrets: Mapping[str, str]) -> Any:
    """With the values of the Secret for every `$key`. Raises InvalidInput for a key that it lacks."""
    if isinstance(value, Mapping):
        return {key: _resolved(child, secrets) for key, child in value.items()}
    if isinstance(value, list):
        return [_resolved(child, secrets) for child in value]
    return _REFERENCE.sub(lambda found: _secret(found[1], secrets), value) if isinstance(value, str) else value


def _secret(key: str, secrets: Mapping[str, str]) -> str:
    if key not in secrets:
        raise InvalidInput(f"Secret {SECRET} has no key {key}, which the service names", reason="NoToken")
    return secrets[key]


@asynccontextmanager
async def open_notifier(client: Client, fetch: Fetch, clock: Clock, namespace: str) -> AsyncIterator[Notifier]:
    """The worker starts with the first template, and ends with the block."""
    fillers = WorkerPool("template", size=1, memory_bytes=FILL_MEMORY, timeout_seconds=FILL_SECONDS, clock=clock)
    try:
        yield Notifier(client, fetch, TemplateEngine(fillers), clock, namespace)
    finally:
        await fillers.close()
