"""Generators that a ConfigMap configures, against a real HTTP server: what is sent, what is refused, and why."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES, SECRETS
from shipway.appsets.asks import DecisionsAsk, PluginAsk
from shipway.assembly.configured_generators import ConfiguredGenerators
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from tests.unit.adapters.metric_server import metric_server

TOKEN = "s3cret-of-the-plugin"
ASK = PluginAsk("versions", "fleet", b'{"list":[1,2],"team":"shop"}', 1800.0)


class Plugin:
    """A program as users write it: checks what it is sent, and answers what the test says."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.answer: web.StreamResponse | bytes = b'{"output": {"parameters": [{"name": "blue"}]}}'
        self.hangs = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST" or request.path != "/base/api/v1/getparams.execute":
            return web.Response(status=404)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=403)
        self.calls.append(await request.json())
        if self.hangs:
            await asyncio.Event().wait()
        return self.answer if isinstance(self.answer, web.StreamResponse) else web.Response(body=self.answer)


class Installation:
    """A control plane with the plugin's ConfigMap and Secrets."""

    def __init__(self, client: Client, plugin: Plugin, generators: ConfiguredGenerators) -> None:
        self.client, self.plugin, self.generators = client, plugin, generators

    async def configure(self, **said: str | None) -> None:
        await self.client.patch(CONFIG_MAPS, "argocd", "versions", {"data": said})

    async def refusal(self, ask: PluginAsk | DecisionsAsk = ASK) -> ShipwayError:
        """The error, which never shows the token."""
        answers = self.generators.plugin if isinstance(ask, PluginAsk) else self.generators.decisions
        with pytest.raises(ShipwayError) as caught:
            await answers(ask)  # pyright: ignore[reportArgumentType]
        assert TOKEN not in caught.value.message
        return caught.value


@asynccontextmanager
async def installation() -> AsyncGenerator[Installation, None]:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    client, plugin = Client(server, manager="test"), Plugin()
    await client.create(NAMESPACES, {"metadata": {"name": "argocd"}})
    for name, labels in (("argocd-secret", {}), ("lent", {"app.kubernetes.io/part-of": "argocd"}), ("private", {})):
        meta = {"namespace": "argocd", "name": name, "labels": labels}
        await client.create(SECRETS, {"metadata": meta, "stringData": {"plugin.token": f"{TOKEN}\n"}})
    try:
        async with metric_server(plugin.serve) as (url, fetch):
            said = {"baseUrl": f"{url}/base/", "token": "$plugin.token"}
            await client.create(CONFIG_MAPS, {"metadata": {"namespace": "argocd", "name": "versions"}, "data": said})
            yield Installation(client, plugin, ConfiguredGenerators(client, "argocd", fetch))
    finally:
        await server.close()


@pytest.mark.compat("argocd:appset.plugin")
async def test_a_plugin_is_sent_the_set_and_its_parameters_with_the_token_of_either_secret() -> None:
    async with installation() as there:
        for reference in ("$plugin.token", "$lent:plugin.token"):
            await there.configure(token=reference)
            assert orjson.loads(await there.generators.plugin(ASK)) == [{"name": "blue"}]
        told = {"applicationSetName": "fleet", "input": {"parameters": {"list": [1, 2], "team": "shop"}}}
        assert there.plugin.calls == [told, told]
        there.plugin.answer = b'{"output": {"parameters": null}}'
        assert await there.generators.plugin(ASK) == b"[]", "how a Go program spells an empty list"


@pytest.mark.compat("argocd:appset.plugin")
async def test_a_plugin_that_hangs_floods_fails_or_babbles_is_an_error_and_never_an_empty_list() -> None:
    deep = b'{"output": {"parameters": [' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"]}}"
    answers: list[tuple[web.StreamResponse | bytes, str]] = [
        (b"", "the answer is not"),
        (b"{}", "the answer is not"),
        (b'{"output": []}', "the answer is not"),
        (b"[" * 100_000, "the answer is not"),
        (b'{"output": {"parameters": {"a": 1}}}', "no list of objects"),
        (b'{"output": {"parameters": ["a"]}}', "no list of objects"),
        (deep, "nested more than 32 levels deep"),
        (b" " * (9 * 2**20), "larger than 8 MiB"),
        (web.Response(status=500, text=TOKEN), "HTTP 500"),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
    ]
    async with installation() as there:
        for answer, told in answers:
            there.plugin.answer = answer
            error = await there.refusal()
            assert isinstance(error, Unavailable)
            assert error.message.startswith("plugin versions: ")
            assert told in error.message
        there.plugin.hangs = True
        await there.configure(requestTimeout="1")
        assert "no answer in time" in (await there.refusal()).message


@pytest.mark.compat("argocd:appset.plugin")
async def test_a_wrong_configuration_says_what_to_mend_and_sends_no_token() -> None:
    wrong: list[tuple[dict[str, str | None], type[ShipwayError], str]] = [
        ({"token": "plain"}, InvalidInput, "give $secret:key, not the token"),
        ({"token": "$other"}, InvalidInput, "Secret argocd/argocd-secret has no key other"),
        ({"token": "$private:plugin.token"}, Denied, "only with the label app.kubernetes.io/part-of: argocd"),
        ({"token": "$missing:plugin.token"}, NotFound, "missing"),
        ({"token": None}, InvalidInput, "ConfigMap argocd/versions has no token"),
        ({"token": "$plugin.token", "requestTimeout": "soon"}, InvalidInput, "requestTimeout 'soon' is no number of seconds"),
        ({"requestTimeout": None, "baseUrl": "plugin.test"}, InvalidInput, "baseUrl is no URL"),
        ({"baseUrl": None}, InvalidInput, "ConfigMap argocd/versions has no baseUrl"),
    ]
    async with installation() as there:
        for said, kind, told in wrong:
            await there.configure(**said)
            error = await there.refusal()
            assert type(error) is kind, error.message
            assert told in error.message
        for name in ("absent", "a,metadata.namespace=b", "../secrets/lent"):
            error = await there.refusal(PluginAsk(name, "fleet", b"{}", 1800.0))
            assert error.message == f"there is no ConfigMap argocd/{name}"
        assert there.plugin.calls == []


@pytest.mark.compat("argocd:appset.clusterDecisionResource")
@pytest.mark.parametrize(
    ("said", "name", "told"),
    [
        ({"apiVersion": "v1"}, "placed", "give group/version and a plural"),
        ({"kind": "../secrets"}, "placed", "give group/version and a plural"),
        ({"matchKey": ""}, "placed", "ConfigMap argocd/versions has no matchKey"),
        ({}, "placed", "placementdecisions.cluster.test placed: not found in argocd"),
        ({}, "../placed", "is not a name"),
        ({"apiVersion": "apps/v1", "kind": "deployments", "statusListKey": "replicas"}, "web", "is statusListKey right?"),
    ],
)
async def test_decisions_that_cannot_be_read_say_what_to_mend(said: dict[str, str], name: str, told: str) -> None:
    async with installation() as there:
        settings = {"apiVersion": "cluster.test/v1", "kind": "PlacementDecisions", "matchKey": "clusterName", **said}
        await there.configure(**settings)
        await there.client.raw("POST", "/apis/apps/v1/namespaces/argocd/deployments", body=orjson.dumps(DEPLOYMENT))
        status = orjson.dumps({"status": {"replicas": 3}})
        media = {"content-type": "application/merge-patch+json"}
        await there.client.raw("PATCH", "/apis/apps/v1/namespaces/argocd/deployments/web/status", body=status, headers=media)
        assert told in (await there.refusal(DecisionsAsk("versions", name, "", 180.0))).message


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}},
    },
}
