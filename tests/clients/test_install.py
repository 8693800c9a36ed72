"""docs/install.md, command by command, on a real control plane; and `shipway run` with the account that it installs."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.clients.own_clusters import real_cluster
from tests.clients.pages import ROOT, sections
from tests.clients.programs import said_by
from tests.e2e.places import config_map
from tests.e2e.running import app_is, application, shipway_run, synced_to
from tests.kube.installation import token_of, until_granted, write_config
from tests.repository import WorkingCopy

pytestmark = pytest.mark.timeout(300)


@pytest.mark.proves("deploy:install-page-runs")
async def test_the_page_works_as_written(program: Callable[[str], str], tmp_path: Path) -> None:
    for folder in ("deploy", "src/shipway/api/crds"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    blocks = sections("install.md")
    async with real_cluster(tmp_path) as (client, kubeconfig):
        path = f"{Path(program('kubectl')).parent}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)}

        async def follow(title: str) -> None:
            assert blocks[title]
            for block in blocks[title]:
                said = await said_by("/bin/sh", "-euc", f"cd {tmp_path}\n{block}", env=env)
                assert said.code == 0, (block, said.out, said.err)

        await follow("Install")
        account = tmp_path / "account.kubeconfig"
        admin = load_kubeconfig(kubeconfig)
        write_config(account, server=admin.server, ca=admin.ca_data, token=await token_of(client))
        await until_granted(account)
        await delivers(client, account, tmp_path)
        await follow("See that it works")
        await follow("Upgrade")
        await follow("Uninstall")
        left = await said_by(*f"{program('kubectl')} get clusterrole,clusterrolebinding -o name".split(), env=env)
        assert "shipway" not in left.out
        assert await client.get(CONFIG_MAPS, "installed", "banner"), "what was deployed stays"


async def delivers(client: Client, account: Path, home: Path) -> None:
    """A commit goes live by a process that has the account's rights and no other."""
    server = GitServer(home / "repositories")
    await server.start()
    copy = WorkingCopy(home / "copy", server.create("shop"))
    copy.commit({"deploy/banner.yaml": config_map("one")})
    commit = copy.git("rev-parse", "HEAD")
    await asyncio.to_thread(copy.push)
    try:
        async with shipway_run(account, home) as running:
            await running.ready()
            to = {"server": "https://kubernetes.default.svc", "namespace": "installed"}
            await client.create(APPLICATIONS, application("installed", copy.url, "deploy", destination=to))
            await app_is(client, "installed", synced_to(commit), seconds=90)
            assert dig(await client.get(CONFIG_MAPS, "installed", "banner"), "data", "text") == "one"
            assert "forbidden" not in running.said
            await client.delete(APPLICATIONS, "argocd", "installed")
            await wait_until(client, One(APPLICATIONS, "argocd", "installed"), lambda app: app is None, seconds=60)
            assert await running.end() == 0
    finally:
        await server.stop()
