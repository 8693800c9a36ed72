"""What the process needs of a cluster, and what it believes before it has read its secrets."""

import asyncio

import pytest

from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.assembly.engines import kinds_needed
from shipway.assembly.from_git import WebhookSecrets
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from tests.waiting import eventually


@pytest.mark.parametrize(
    ("engines", "kinds"),
    [
        (("gitops",), {"Application", "AppProject"}),
        (("rollouts",), {"Rollout", "AnalysisRun", "AnalysisTemplate", "ClusterAnalysisTemplate", "Experiment"}),
    ],
)
def test_each_engine_needs_its_own_kinds(engines: tuple[str, ...], kinds: set[str]) -> None:
    needed = {resource.kind for resource in kinds_needed(RunSettings(engines=engines)) if resource.group == "argoproj.io"}
    assert needed == kinds


async def test_no_delivery_is_believed_before_the_secret_has_been_read() -> None:
    clock = SystemClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    client = Client(server, manager="test")
    secrets = WebhookSecrets(client, clock, "argocd")
    with pytest.raises(Unavailable, match="Secret argocd/argocd-secret has not been read yet: deliver again in a moment"):
        secrets.values()
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    meta = {"name": "argocd-secret", "namespace": "argocd"}
    async with asyncio.TaskGroup() as group:
        running = group.create_task(secrets.run())
        await eventually(lambda: is_known(secrets))
        assert secrets.values() == {}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"webhook.github.secret": "gh"}}
        await client.create(SECRETS, body)
        assert await eventually(secrets.values) == {"webhook.github.secret": "gh"}
        running.cancel()
    await server.close()


def is_known(secrets: WebhookSecrets) -> bool:
    try:
        secrets.values()
    except Unavailable:
        return False
    return True
