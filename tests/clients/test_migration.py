"""docs/migrate-from-argo-cd.md, command by command, on both clusters: what runs is taken over as it runs, and given back."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, STATEFUL_SETS
from shipway.assembly.installation import install_crds
from shipway.demo.git_server import GitServer
from shipway.gitops.adoption import FORMER
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig, name_of, status_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.clients.own_clusters import own_embedded_cluster, real_cluster
from tests.clients.pages import sections
from tests.clients.programs import said_by
from tests.e2e.running import application, environment, shipway_run
from tests.repository import ENVIRONMENT, WorkingCopy

EXAMPLE = Path(__file__).parent / "migration"
CLUSTERS = {"embedded": own_embedded_cluster, "real": real_cluster}
PAGE = sections("migrate-from-argo-cd.md")
ON_THE_WAY = (
    "Side by side",
    "Application by Application",
    "What kubectl applied",
    "What Helm installed",
    "See that nothing happened",
)
MARKS = {"argocd.argoproj.io/tracking-id", "shipway.dev/tracking"}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Reader:
    """Who follows the page: a shell in a clone of the repository, with kubectl, Helm, Git and `shipway` at hand."""

    def __init__(self, client: Client, kubeconfig: Path, copy: WorkingCopy, home: Path, programs: list[str]) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self.copy = copy
        self.home = home
        path = ":".join([*dict.fromkeys(str(Path(program).parent) for program in programs), os.environ["PATH"]])
        self._environment = {**ENVIRONMENT, **environment(home), "PATH": path, "KUBECONFIG": str(kubeconfig)}

    async def follow(self, title: str) -> str:
        """Carries out the commands of a section; what they said."""
        assert PAGE[title]
        return "".join([await self.run(block) for block in PAGE[title]])

    async def run(self, block: str) -> str:
        commands = f"cd {self.copy.path}\nGIT={self.copy.url}\n{block}"
        said = await said_by("/bin/sh", "-euc", commands, env=self._environment)
        assert said.code == 0, (block, said.out, said.err)
        return said.out

    async def deployment(self, name: str) -> Obj:
        return await self.client.get(DEPLOYMENTS, "shop", name)

    async def rolled_out(self, *names: str) -> None:
        for name in names:
            one = One(DEPLOYMENTS, "shop", name)
            await wait_until(self.client, one, lambda obj: obj is not None and is_available(obj), seconds=90)

    async def pods(self) -> dict[str, str]:
        """Their uids by name."""
        found = (await self.client.list(PODS, "shop")).items
        assert all(one["restartCount"] == 0 for pod in found for one in status_of(pod).get("containerStatuses", []))
        return {name_of(pod): pod["metadata"]["uid"] for pod in found}


def is_available(obj: Obj) -> bool:
    status, wanted = status_of(obj), obj["spec"]["replicas"]
    is_seen = status.get("observedGeneration") == obj["metadata"]["generation"]
    return is_seen and status.get("availableReplicas") == status.get("updatedReplicas") == status.get("replicas") == wanted


@asynccontextmanager
async def reader(cluster: str, home: Path, program: Callable[[str], str]) -> AsyncGenerator[Reader, None]:
    """With Argo CD's Application `pay` and what it applied, and stand-ins for the two engines' own workloads."""
    async with AsyncExitStack() as stack:
        client, kubeconfig = await stack.enter_async_context(CLUSTERS[cluster](home))
        git = GitServer(home / "repositories")
        await git.start()
        stack.push_async_callback(git.stop)
        copy = WorkingCopy(home / "copy", git.create("shop"))
        shutil.copytree(EXAMPLE, copy.path, dirs_exist_ok=True)
        copy.commit({})
        await asyncio.to_thread(copy.push)
        for name in ("argocd", "shop"):
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await install_crds(client)
        there = Reader(client, kubeconfig, copy, home, [program("kubectl"), program("helm"), program("shipway")])
        await create_argo_cd(there)
        yield there


async def create_argo_cd(there: Reader) -> None:
    """Its controller, its settings (looking every 2 s), the Application `pay`, and `pay` as it applied it."""
    settings = {"timeout.reconciliation": "2s", "timeout.reconciliation.jitter": "0s"}
    body: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    await there.client.create(CONFIG_MAPS, {**body, "data": settings})
    await create_workload(there.client, STATEFUL_SETS, "argocd-application-controller", serviceName="x")
    pay = application("pay", there.copy.url, "pay")
    while APPLICATIONS not in await there.client.discover():
        await asyncio.sleep(0.1)
    await there.client.create(APPLICATIONS, pay)
    tracked = "kubectl annotate --local -f pay/pay.yaml -o yaml argocd.argoproj.io/tracking-id=pay:apps/Deployment:shop/pay"
    await there.run(f"{tracked} | kubectl apply -n shop --field-manager=argocd-controller -f -")


async def create_workload(client: Client, resource: Resource, name: str, **more: str) -> None:
    labels = {"app.kubernetes.io/name": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **more}
    meta = {"name": name, "namespace": "argocd", "labels": labels}
    await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec})


def theirs(obj: Obj) -> list[Obj]:
    """What each tool of before still owns of the metadata; whole entries where it owns more than metadata."""
    entries = [one for one in obj["metadata"]["managedFields"] if one["manager"] in FORMER and not one.get("subresource")]
    return [entry["fieldsV1"].get("f:metadata", {}) if set(entry["fieldsV1"]) == {"f:metadata"} else entry for entry in entries]


def changes_in(said: str) -> set[str]:
    """The fields that `shipway app diff` shows as added or removed, but for the maps that hold them."""
    changed = re.findall(r"^[+-] +(\S+): ?(.*)$", said, re.M)
    return {name for name, value in changed if name not in ("annotations", "labels") or value}


@pytest.mark.proves("000-19", "gitops:migration-page-runs")
@pytest.mark.parametrize("cluster", ["embedded", "real"])
async def test_the_page_works_as_written(cluster: str, program: Callable[[str], str], tmp_path: Path) -> None:
    async with reader(cluster, tmp_path, program) as there:
        await there.run(PAGE["What this page starts from"][1])
        await there.rolled_out("pay", "web", "cart")
        await there.run(PAGE["What this page starts from"][2])
        pods = await there.pods()
        assert len(pods) == 5
        await create_workload(there.client, DEPLOYMENTS, "shipway")
        async with shipway_run(there.kubeconfig, tmp_path) as running:
            await running.ready()
            assert "argocd/pay" in await there.follow(ON_THE_WAY[0])
            assert "status" not in await there.client.get(APPLICATIONS, "argocd", "pay"), "no team has let it in yet"
            for title in ON_THE_WAY[1:]:
                assert changes_in(await there.follow(title)) <= MARKS
            assert await there.pods() == pods, "nothing was restarted"
            for name in ("web", "cart"):
                assert all(set(found) == {"f:annotations"} for found in theirs(await there.deployment(name)))
            await there.follow("From now on")
            for name in ("pay", "web", "cart"):
                one = One(DEPLOYMENTS, "shop", name)
                await wait_until(there.client, one, lambda obj: "minReadySeconds" not in (obj or {})["spec"], seconds=60)
            assert await there.pods() == pods
            assert not any([theirs(await there.deployment(name)) for name in ("pay", "web", "cart")])
            await there.follow("When you are sure")
            assert await there.run("helm list -n shop -q") == ""
            assert await running.end() == 0


@pytest.mark.proves("gitops:migration-way-back")
@pytest.mark.parametrize("cluster", ["embedded", "real"])
async def test_the_way_back_works_as_written(cluster: str, program: Callable[[str], str], tmp_path: Path) -> None:
    async with reader(cluster, tmp_path, program) as there:
        await there.run(PAGE["What this page starts from"][1])
        await there.rolled_out("pay", "web", "cart")
        await there.run(PAGE["What this page starts from"][2])
        await create_workload(there.client, DEPLOYMENTS, "shipway")
        async with shipway_run(there.kubeconfig, tmp_path) as running:
            await running.ready()
            for title in ON_THE_WAY[1:]:
                await there.follow(title)
            pods, before = await there.pods(), [await there.deployment(name) for name in ("pay", "web", "cart")]
            hold, *back = PAGE["The way back"]
            await there.run(hold)
            assert await running.end() == 0
        for block in back:
            await there.run(block)
        assert await there.pods() == pods
        after = [await there.deployment(name) for name in ("pay", "web", "cart")]
        assert [one["spec"] for one in after] == [one["spec"] for one in before]
        assert [one["metadata"]["generation"] for one in after] == [one["metadata"]["generation"] for one in before]
        assert not any("shipway.dev/applied" in annotations_of(one) for one in after)
        assert LAST_APPLIED in annotations_of(after[1])
        # The old tools know again what goes when it goes from the manifest.
        await there.run("sed -i '/minReadySeconds/d' web/web.yaml cart/templates/cart.yaml")
        await there.run("kubectl apply -n shop -f web && helm upgrade cart ./cart -n shop")
        assert "minReadySeconds" not in (await there.deployment("web"))["spec"]
        assert "minReadySeconds" not in (await there.deployment("cart"))["spec"]
        release = json.loads(await there.run("helm list -n shop -o json"))
        assert dig(release, 0, "status") == "deployed"
