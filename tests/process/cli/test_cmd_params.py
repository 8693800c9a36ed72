"""`argocd-cmd-params-cm` as `shipway run` finds it at its start: which namespaces are served, and at which pace."""

import asyncio
from pathlib import Path

import pytest

from shipway.api.cmd_params import CMD_PARAMS
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, NAMESPACES
from shipway.assembly.cmd_params import with_cmd_params
from shipway.assembly.engines import engine_process
from shipway.assembly.installation import make_applied_key
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.gitops.timing import Timing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.repository import seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

CLOCK = SystemClock()


async def say(shop: Shop, **data: str) -> None:
    meta = {"name": CMD_PARAMS, "namespace": "argocd"}
    said = {key.replace("_", "."): value for key, value in data.items()}
    await shop.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": said})


@pytest.mark.compat("argocd:params.application.namespaces")
async def test_namespaces_are_those_of_the_config_map_where_no_flag_names_any(shop: Shop) -> None:
    assert (await with_cmd_params(shop.client, RunSettings())).application_namespaces == ()
    await say(shop, application_namespaces="team-*, /^lab$/", controller_sync_timeout_seconds="900")
    found = await with_cmd_params(shop.client, RunSettings())
    assert (found.application_namespaces, found.timing) == (("team-*", "/^lab$/"), Timing(sync_timeout=900.0))
    for flag in ((), ("mine",)):
        assert (await with_cmd_params(shop.client, RunSettings(application_namespaces=flag))).application_namespaces == flag


async def test_a_process_for_rollouts_alone_reads_nothing(shop: Shop) -> None:
    await say(shop, application_namespaces="/(/")
    settings = RunSettings(engines=("rollouts",))
    assert await with_cmd_params(shop.client, settings) == settings


async def test_a_namespace_that_cannot_be_meant_ends_the_start_with_its_place(shop: Shop) -> None:
    await say(shop, application_namespaces="team-*,/(/")
    with pytest.raises(InvalidInput, match=r"^ConfigMap argocd/argocd-cmd-params-cm: application\.namespaces: .*/\(/"):
        await with_cmd_params(shop.client, RunSettings())


@pytest.mark.compat("argocd:params.application.namespaces")
async def test_applications_of_those_namespaces_are_served(shop: Shop, tmp_path: Path) -> None:
    _, url = seed(tmp_path, "web", {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"})
    await say(shop, application_namespaces="team-*")
    await make_applied_key(shop.client, "argocd")
    spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "sourceNamespaces": ["*"]}
    meta = {"name": "team", "namespace": "argocd"}
    await shop.create(
        APP_PROJECTS, {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}
    )
    for namespace in ("team-a", "lab"):
        await shop.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        app = {**application("web"), "metadata": {"name": "web", "namespace": namespace}}
        del app["status"]
        app["spec"] |= {"project": "team", "source": {"repoURL": url, "path": ".", "targetRevision": "main"}}
        await shop.create(APPLICATIONS, app)

    def is_compared(app: Obj | None) -> bool:
        return dig(app or {}, "status", "sync", "status") == "OutOfSync"

    settings = RunSettings(engines=("gitops",), cache=tmp_path / "cache", allow_local=True)
    async with engine_process(shop.client, CLOCK, settings) as process, asyncio.TaskGroup() as group:
        running = group.create_task(process.run(lambda: None))
        await wait_until(shop.client, One(APPLICATIONS, "team-a", "web"), is_compared, seconds=60)
        running.cancel()
    assert "status" not in await shop.client.get(APPLICATIONS, "lab", "web")
