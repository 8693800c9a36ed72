"""From the folder of declarations to an answer: what a process opens, and what it asks of a metric plugin."""

import random
from pathlib import Path

import aiohttp
import orjson
import pytest

from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.metrics import MeasureRequest, SecretRef
from shipway.api.plugins import NO_PLUGINS, StepReply
from shipway.assembly.measuring import MetricServers
from shipway.assembly.rollout_plugins import open_plugins, step_resolver
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.rollout.plugin_calls import StepAsk

DECLARED = """\
apiVersion: shipway.dev/v1alpha1
kind: StepPlugin
metadata: {name: acme/ticket}
spec: {command: [sh, -c, "echo '{\\"phase\\": \\"Successful\\"}'"]}
---
apiVersion: shipway.dev/v1alpha1
kind: MetricPlugin
metadata: {name: acme/rows}
spec: {command: [./rows.sh]}
"""
ROWS = """#!/bin/sh
request=$(cat)
case "$request" in
  *'"op":"run"'*'"config":{"login":"hunter2"}'*) echo '{"value": 0.5, "message": "as hunter2"}' ;;
  *) echo "no login in $request" >&2; exit 3 ;;
esac
"""


def ask(config: object, *secrets: SecretRef) -> MeasureAsk:
    provider = orjson.dumps({"plugin": {"acme/rows": config}})
    return MeasureAsk("u1", "rows", 1, MeasureRequest("shop", provider, secrets))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins.yaml").write_text(DECLARED)
    (tmp_path / "rows.sh").write_text(ROWS)
    (tmp_path / "rows.sh").chmod(0o755)
    return tmp_path


async def test_steps_and_metrics_are_answered_and_secrets_stay_inside(folder: Path, tmp_path: Path) -> None:
    clock = SystemClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
    client = Client(server, manager="test")
    await client.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await client.create(SECRETS, {"metadata": {"namespace": "shop", "name": "db"}, "stringData": {"password": "hunter2"}})
    login = SecretRef("login", "db", "password")
    async with aiohttp.ClientSession() as session, open_plugins(folder, tmp_path / "cache", clock) as plugins:
        assert await step_resolver(plugins)(StepAsk("acme/ticket", "run", b"{}")) == StepReply("Successful")
        servers = MetricServers(client, session)
        with pytest.raises(InvalidInput, match="this process runs none"):
            await servers.measure(ask({}))
        servers.plugins = plugins
        sample = await servers.measure(ask({"login": "{{args.login}}"}, login))
        assert (sample.value, sample.message) == (0.5, "as *****")
        with pytest.raises(InvalidInput) as caught:
            await servers.measure(ask({"other": "{{args.login}}"}, login))
        assert "failed with status 3: no login in" in caught.value.message and "hunter2" not in caught.value.message
    await server.close()


async def test_without_a_folder_nothing_is_declared_and_a_bad_one_names_the_file(folder: Path, tmp_path: Path) -> None:
    async with open_plugins(None, tmp_path, SystemClock()) as plugins:
        assert plugins.declared == NO_PLUGINS
    (folder / "plugins.yaml").write_text(DECLARED.replace("command", "comand"))
    with pytest.raises(InvalidInput, match=r"plugins\.yaml: spec\.comand is not known"):
        async with open_plugins(folder, tmp_path, SystemClock()):
            pass
