"""Answers generators that a ConfigMap configures, as in Argo CD: plugins, and cluster decision resources.

Whoever writes a set names a ConfigMap; it and the token lie in the namespace of the installation, so where a token goes and
what is read is said by those who run it.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from shipway.adapters.generators.plugin import Plugin, parameters
from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.api.metrics import Fetch
from shipway.appsets.asks import Decisions, DecisionsAsk, PluginAsk, canonical
from shipway.appsets.scene import bounded
from shipway.base.errors import Denied, InvalidInput, NotFound
from shipway.base.names import is_object_name
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import dig, labels_of, name_of

OWN_SECRET = "argocd-secret"
PART_OF = "app.kubernetes.io/part-of"
TIMEOUT = 30.0


class ConfiguredGenerators:
    """`client` reads ConfigMaps, Secrets and decisions, in `namespace` only."""

    def __init__(self, client: Client, namespace: str, fetch: Fetch) -> None:
        self._client = client
        self._namespace = namespace
        self._fetch = fetch

    async def plugin(self, ask: PluginAsk) -> bytes:
        """What the plugin gives, as JSON. Raises InvalidInput, NotFound or Denied naming what is to be mended."""
        said = await self._settings(ask.config_map, ("baseUrl", "token"))
        called = f"plugin {ask.config_map}"
        plugin = Plugin(called, said["baseUrl"], await self._token(said["token"], called), _seconds(said, called))
        return canonical(await parameters(self._fetch, plugin, ask.set_name, orjson.loads(ask.parameters)))

    async def decisions(self, ask: DecisionsAsk) -> Decisions:
        """What the objects decide, in their order. Raises InvalidInput, NotFound (none is there) or Denied."""
        said = await self._settings(ask.config_map, ("apiVersion", "kind", "matchKey"))
        kind = _kind(said, ask.config_map)
        try:
            objects = await self._objects(kind, ask)
        except NotFound as error:
            told = f"{kind.plural}.{kind.group} {ask.name or ask.selector}: not found in {self._namespace} ({error.message})"
            raise NotFound(f"{told}; ConfigMap {ask.config_map} names the kind by its plural", reason="NoDecision") from error
        except Denied as error:
            may_not = f"{kind.plural}.{kind.group}: Shipway may not get and list them in {self._namespace}"
            told = f"{may_not}: give its account a Role (docs/install.md)"
            raise Denied(f"{told} ({error.message})", reason="NoDecision") from error
        key = said.get("statusListKey") or "clusters"
        found = [one for obj in objects for one in _listed(obj, key, kind)]
        return Decisions(said["matchKey"], canonical(found))

    async def _objects(self, kind: Resource, ask: DecisionsAsk) -> list[Obj]:
        if ask.name:
            return [await self._client.get(kind, self._namespace, ask.name)]
        items = (await self._client.list(kind, self._namespace, label_selector=ask.selector, keep=_with_its_status)).items
        if not items:
            raise NotFound("none carries these labels")
        bounded(len(items), f"ConfigMap {ask.config_map}")
        return sorted(items, key=name_of)

    async def _settings(self, name: str, needed: tuple[str, ...]) -> Mapping[str, str]:
        """Data of a ConfigMap. It is listed, not got: the account that Shipway is installed with may list them anyway."""
        one = f"metadata.name={name}" if is_object_name(name) else ""
        found = (await self._client.list(CONFIG_MAPS, self._namespace, field_selector=one)).items if one else []
        if not found:
            raise NotFound(f"there is no ConfigMap {self._namespace}/{name}", reason="InvalidGenerator")
        said: dict[str, str] = found[0].get("data") or {}
        missing = [key for key in needed if not said.get(key)]
        if missing:
            raise InvalidInput(f"ConfigMap {self._namespace}/{name} has no {', '.join(missing)}", reason="InvalidGenerator")
        return said

    async def _token(self, reference: str, called: str) -> str:
        """`$key` of Argo CD's own Secret, or `$secret:key` of one that is marked as part of it."""
        if not reference.startswith("$"):
            raise InvalidInput(f"{called}: token does not begin with $: give $secret:key, not the token", reason="NoToken")
        first, _, second = reference[1:].partition(":")
        name, key = (first, second) if second else (OWN_SECRET, first)
        secret = await self._client.get(SECRETS, self._namespace, name)
        if name != OWN_SECRET and labels_of(secret).get(PART_OF) != "argocd":
            told = f"{called}: Secret {self._namespace}/{name} is lent to plugins only with the label {PART_OF}: argocd"
            raise Denied(told, reason="NoToken")
        values = secret_values(secret)
        if not values.get(key, "").strip():
            raise InvalidInput(f"{called}: Secret {self._namespace}/{name} has no key {key}", reason="NoToken")
        return values[key].strip()


def _kind(said: Mapping[str, str], config_map: str) -> Resource:
    """The kind that a ConfigMap names, by its plural as Argo CD has it."""
    group, version = split_api_version(said["apiVersion"])
    plural = said["kind"].lower()
    if not all(is_object_name(one) for one in (group, version, plural)):
        told = (
            f"ConfigMap {config_map}: apiVersion {said['apiVersion']!r}, kind {said['kind']!r}: give group/version and a plural"
        )
        raise InvalidInput(told, reason="InvalidGenerator")
    return Resource(group, version, said["kind"], plural)


def _seconds(said: Mapping[str, str], called: str) -> float:
    text = said.get("requestTimeout") or ""
    if text and not text.isdecimal():
        raise InvalidInput(f"{called}: requestTimeout {text!r} is no number of seconds", reason="InvalidGenerator")
    return float(text or 0) or TIMEOUT


def _with_its_status(obj: Obj) -> Obj:
    return {"metadata": {"name": name_of(obj)}, "status": obj.get("status")}


def _listed(obj: Obj, key: str, kind: Resource) -> list[dict[str, Any]]:
    """What one object decides; nothing before its controller has written a status."""
    found: Any = dig(obj, "status", key, default=[])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        told = f"{kind.plural}.{kind.group} {name_of(obj)}: status.{key} is no list of objects: is statusListKey right?"
        raise InvalidInput(told, reason="InvalidGenerator")
    return found
