"""Delivers what the engines want told: fills the templates, puts in what the Secret holds, and lets none of it out."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import orjson

from shipway.adapters.notifications import email, google_chat, mattermost, slack, teams, teams_workflows, telegram, webhook
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.commits import CommitOf
from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.api.measured import blot_out, sealed
from shipway.api.metrics import Fetch
from shipway.api.notifications import Delivery, Message
from shipway.api.templates import Filled, Template
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import digest
from shipway.gitops.pinned import revisions_in, spec_sources
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import dig, status_of
from shipway.notifications.asks import NotifyAsk
from shipway.notifications.settings import NotificationSettings, Service, read_settings
from shipway.workers.pool import WorkerPool

PATIENCE = 600.0
"""Seconds after which a service that does not take a message is given up."""
FILL_SECONDS, FILL_MEMORY = 10.0, 512 << 20
_REFERENCE = re.compile(r"\$([-A-Za-z0-9_]+)")

Send = Callable[[Fetch, Obj, Message], Awaitable[None]]
SENDERS: Mapping[str, Send] = {
    "email": email.send,
    "googlechat": google_chat.send,
    "mattermost": mattermost.send,
    "slack": slack.send,
    "teams": teams.send,
    "teams-workflows": teams_workflows.send,
    "telegram": telegram.send,
    "webhook": webhook.send,
}
SPOKEN_AS = {"teams-workflows": "teams"}
"""Services that say what a template says for another one, where it says nothing for them."""


class Filler(Protocol):
    """Fills templates (see `TemplateEngine.render`)."""

    async def render(self, template: Template, entries: Sequence[bytes]) -> Sequence[Filled]: ...


class Notifier:
    """`notify` is the resolver of NotifyAsk. `namespace`: where the ConfigMaps and the Secrets lie."""

    def __init__(self, client: Client, fetch: Fetch, filler: Filler, clock: Clock, namespace: str) -> None:
        self._client = client
        self._fetch = fetch
        self._filler = filler
        self._clock = clock
        self._namespace = namespace
        self.commit_of: CommitOf | None = None
        """Tells of a commit of a repository, where there is somebody who knows."""

    async def notify(self, ask: NotifyAsk) -> Delivery:
        """Raises Unavailable as long as it is worth another try."""
        try:
            secrets = await self._secrets(ask.words.secret)
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
        settings, wanted = await self._settings(ask.words.config_map), ask.message
        service = settings.services.get(wanted.service)
        if service is None:
            told = settings.problems.get(f"service.{wanted.service}") or "there is no such service any more"
            raise InvalidInput(f"ConfigMap {self._namespace}/{ask.words.config_map}, service {wanted.service}: {told}")
        if service.kind not in SENDERS:
            kinds = ", ".join(sorted(SENDERS))
            raise InvalidInput(f"service {wanted.service}: {service.kind} is none of {kinds}: use a webhook")
        (text, form), (_, escaped) = await self._filled(ask, settings, service, secrets)
        message = Message(wanted.service, wanted.recipient, text, form, digest(ask.uid, wanted.key), escaped)
        logins = _resolved(service.settings, secrets, ask.words.secret)
        await SENDERS[service.kind](sealed(self._fetch, *secrets.values()), logins, message)

    async def _filled(
        self, ask: NotifyAsk, settings: NotificationSettings, service: Service, secrets: Mapping[str, str]
    ) -> tuple[tuple[str, Obj], tuple[str, Obj]]:
        """The text and what is for this kind of service; the same with escaped values (`Message.escaped`)."""
        parts = [_part(settings, ask, name, service.kind) for name in ask.message.send]
        names: Obj = orjson.loads(ask.says)
        says: Obj = {
            **names,
            "context": {**names.get("context", {}), **settings.context, "notificationType": ask.message.service},
            "secrets": dict(secrets),
            "recipient": ask.message.recipient,
            "serviceType": ask.message.service,
        }
        body = orjson.dumps(parts)
        if b"GetCommitMetadata" in body and self.commit_of is not None:
            says["commits"] = _commits(names.get("app") or {}, self.commit_of)
        template = Template(body, is_go=True, has_library=True)
        filled, escaped = await self._filler.render(template, [orjson.dumps(says), orjson.dumps(_escaped(says))])
        if filled.error:
            raise InvalidInput(f"template {', '.join(ask.message.send)}: {filled.error}", reason="BadTemplate")
        return _joined(filled), ("", {}) if escaped.error else _joined(escaped)

    async def _settings(self, config_map: str) -> NotificationSettings:
        """Listed, not got: the account that Shipway is installed with may list ConfigMaps anyway."""
        one = f"metadata.name={config_map}"
        found = (await self._client.list(CONFIG_MAPS, self._namespace, field_selector=one)).items
        return read_settings(found[0] if found else None)

    async def _secrets(self, name: str) -> dict[str, str]:
        try:
            secret = await self._client.get(SECRETS, self._namespace, name)
        except NotFound:
            return {}
        return {key: value.strip() for key, value in secret_values(secret).items()}


def _joined(filled: Filled) -> tuple[str, Obj]:
    """Of several templates what a later one says counts."""
    text, form = "", {}
    for part in orjson.loads(filled.body):
        text, form = part["message"] or text, form | part["form"]
    return text, form


def _escaped(value: Any) -> Any:
    """With every text as it stands in JSON between the quotes."""
    if isinstance(value, Mapping):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_escaped(child) for child in value]
    return orjson.dumps(value)[1:-1].decode() if isinstance(value, str) else value


def _commits(app: Obj, commit_of: CommitOf) -> Obj:
    """What is known of the commits that an Application is at or has been brought to, by their names."""
    (sources, _), status = spec_sources(app), status_of(app)
    told = (status.get("sync") or {}, dig(status, "operationState", "syncResult", default={}))
    found: Obj = {}
    for source, revision in (pair for one in told for pair in zip(sources, revisions_in(one), strict=False)):
        with suppress(ShipwayError):
            facts = commit_of(source.get("repoURL", ""), revision)
            found[revision] = {"Message": facts.subject, "Author": facts.author}
    return found


def _part(settings: NotificationSettings, ask: NotifyAsk, name: str, kind: str) -> Obj:
    """Of a template only what this service is sent, so that no other's words are in the way."""
    template = settings.templates.get(name)
    if template is None:
        problem = settings.problems.get(f"template.{name}", "it is not there")
        raise InvalidInput(f"ConfigMap {ask.words.config_map}, template.{name}: {problem}", reason="BadTemplate")
    form = template.get(kind) or template.get(SPOKEN_AS.get(kind, "")) or {}
    form = form.get(ask.message.service) or {} if kind == "webhook" and isinstance(form, Mapping) else form
    if not isinstance(form, Mapping):
        problem = f"{kind} is to be an object"
        raise InvalidInput(f"ConfigMap {ask.words.config_map}, template.{name}: {problem}", reason="BadTemplate")
    return {"message": str(template.get("message") or ""), "form": {key: value for key, value in form.items() if value}}


def _resolved(value: Any, secrets: Mapping[str, str], of: str) -> Any:
    """With the values of the Secret `of` for every `$key`. Raises InvalidInput for a key that it lacks."""

    def secret(found: re.Match[str]) -> str:
        if found[1] not in secrets:
            raise InvalidInput(f"Secret {of} has no key {found[1]}, which the service names", reason="NoToken")
        return secrets[found[1]]

    if isinstance(value, Mapping):
        return {key: _resolved(child, secrets, of) for key, child in value.items()}
    if isinstance(value, list):
        return [_resolved(child, secrets, of) for child in value]
    return _REFERENCE.sub(secret, value) if isinstance(value, str) else value


@asynccontextmanager
async def open_notifier(client: Client, fetch: Fetch, clock: Clock, namespace: str) -> AsyncIterator[Notifier]:
    """The worker starts with the first template, and ends with the block."""
    fillers = WorkerPool("template", size=1, memory_bytes=FILL_MEMORY, timeout_seconds=FILL_SECONDS, clock=clock)
    try:
        yield Notifier(client, fetch, TemplateEngine(fillers), clock, namespace)
    finally:
        await fillers.close()
