"""Several live Deployments become Rollouts by one command, under requests that must not fail, whatever happens on the way."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import DEPLOYMENTS, PODS, ROLLOUTS, SERVICES
from shipway.cli.probe import Target, probing
from shipway.cli.rollout_migrate import migrate_deployments
from shipway.cli.rollout_migration import MigrateFlags
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import CLOCK, Place

FLEET = {"team": "shop"}
NAMES = ("cart", "pay", "search", "web")
STRATEGY = """
canary:
  stableService: "{name}"
  canaryService: "{name}-canary"
  steps: [{setWeight: 50}, {pause: {duration: 1s}}]
"""


def deployment(name: str, replicas: int = 1, image: str = "builtin/echo:v1") -> Obj:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    container = {"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe}
    container["env"] = [{"name": "DRAIN_MS", "value": "4000"}]  # how late the gateway may hear of an end on a slow machine
    labels = {"app": name}
    return {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "metadata": {"name": name, "namespace": "shop", "labels": FLEET},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str, app: str) -> Obj:
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


async def furnished(client: Client, *names: str) -> None:
    for name in names:
        await client.create(SERVICES, service(name, name))
        await client.create(SERVICES, service(f"{name}-canary", name))
        await client.create(DEPLOYMENTS, deployment(name))
    for name in names:
        await has(client, name, lambda obj: dig(obj, "status", "availableReplicas") == 1, DEPLOYMENTS)


async def has(client: Client, name: str, condition: Callable[[Obj], Any], resource: Any = ROLLOUTS) -> Obj:
    found = await wait_until(client, One(resource, "shop", name), lambda obj: obj and condition(obj), seconds=60)
    assert found is not None
    return found


def image_of(obj: Obj) -> str:
    return dig(obj, "spec", "template", "spec", "containers", 0, "image")


async def edited(client: Client) -> None:
    """While they migrate: a new image for one, as soon as its Rollout is there, and another pod for the next."""
    await has(client, "pay", lambda obj: True)
    container = {"name": "web", "image": "builtin/echo:v2"}
    await client.patch(
        DEPLOYMENTS, "shop", "pay", {"spec": {"template": {"spec": {"containers": [container]}}}}, type="strategic"
    )
    await has(client, "search", lambda obj: True)
    await client.patch(DEPLOYMENTS, "shop", "search", {"spec": {"replicas": 2}})


@pytest.mark.proves("001-33", "004-14", "004-15", "rehearsal:migration")
async def test_several_migrate_while_they_are_edited_and_no_request_fails(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, session = place.client, Session(place.client, CLOCK, "shop", "default")
    strategy = tmp_path / "strategy.yaml"
    strategy.write_text(STRATEGY)
    async with place.run() as running:
        await running.ready()
        await furnished(client, *NAMES)
        await client.create(DEPLOYMENTS, deployment("idle", replicas=0))
        flags = MigrateFlags(strategy=strategy, timeout=90, at_once=2)
        everyone = [Target(f"{place.cluster.gateway_url}/", f"{name}.shop.localhost") for name in NAMES]
        async with probing(everyone, 50.0, CLOCK) as probed:
            first = asyncio.create_task(migrate_deployments(session, [*NAMES, "idle", "ghost"], flags))
            await has(client, "cart", lambda obj: True)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            capsys.readouterr()

            async with asyncio.TaskGroup() as group:
                group.create_task(edited(client))
                again = group.create_task(migrate_deployments(session, [*NAMES, "idle", "ghost"], flags))
            said = capsys.readouterr()
            assert again.result() == 1, said
            assert said.out.splitlines() == [
                "4 of 6 are Rollouts now, 2 are not",
                "NAME    EXIT CODE   WHY",
                "ghost   4           Deployment ghost not found in namespace shop",
                "idle    1           Deployment idle has no pods: scale it up, or create the Rollout yourself",
            ]
            grown = "search: Rollout search: 1 -> 2 pods, as the Deployment was scaled up meanwhile"
            assert grown in said.err.splitlines()
            assert "search: Deployment search steps aside: 2 -> 0 pods" in said.err.splitlines()
            for name in NAMES:
                await has(client, name, lambda obj: dig(obj, "status", "phase") == "Healthy")
                assert dig(await client.get(DEPLOYMENTS, "shop", name), "spec", "replicas") == 0

            assert dig(await client.get(ROLLOUTS, "shop", "search"), "spec", "replicas") == 2
            assert image_of(await client.get(DEPLOYMENTS, "shop", "pay")) == "builtin/echo:v2"
            versions = await versions_of(client, "pay")
            assert versions == {"builtin/echo:v2"}
            assert await versions_of(client, "cart") == {"builtin/echo:v1"}

            flags = MigrateFlags(back=True, timeout=90, at_once=4)
            assert await migrate_deployments(session, NAMES, flags) == 0
            assert capsys.readouterr().out == "4 of 4 are Deployments alone now\n"
        assert probed.total > 100, "too few requests to say anything"
        assert (probed.failed, probed.first) == (0, "")


async def versions_of(client: Client, name: str) -> set[str]:
    pods = (await client.list(PODS, "shop", label_selector=f"app={name}")).items
    return {dig(pod, "spec", "containers", 0, "image") for pod in pods if not dig(pod, "metadata", "deletionTimestamp")}
