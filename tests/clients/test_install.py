"""docs/install.md, command by command, on a real control plane; and `shipway run` with the account that it installs."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.yaml import load_all
from shipway.kube.runtime.waiting import One, wait_until
from tests.clients.own_clusters import real_cluster
from tests.clients.pages import ROOT, sections
from tests.clients.programs import said_by
from tests.e2e.places import config_map
from tests.e2e.running import app_is, application, shipway_run, synced_to
from tests.kube.installation import token_of, until_granted, write_config
from tests.repository import ENVIRONMENT, WorkingCopy
from tests.waiting import comes_to


@pytest.mark.proves("deploy:install-page-runs")
async def test_the_page_works_as_written(program: Callable[[str], str], tmp_path: Path) -> None:
    async with the_page(program, tmp_path) as (client, kubeconfig, blocks):
        await blocks.follow("Install")
        await delivers(client, await account_of(client, kubeconfig, tmp_path), tmp_path)
        for title in ("See that it works", "Upgrade", "Uninstall"):
            await blocks.follow(title)
        assert "shipway" not in await blocks.run("kubectl get clusterrole,clusterrolebinding -o name")
        assert await client.get(CONFIG_MAPS, "installed", "banner"), "what was deployed stays"


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.proves("deploy:chart-installs")
async def test_the_chart_works_as_written(helm: str, program: Callable[[str], str], tmp_path: Path) -> None:
    """Two replicas share the work with the rights that it grants, and the second goes on when the first is killed."""
    async with the_page(program, tmp_path, helm) as (client, kubeconfig, blocks):
        await blocks.follow("With Helm", first=1)
        account = await account_of(client, kubeconfig, tmp_path)
        await blocks.follow("With Helm", first=2, after=1)
        assert (await client.get(DEPLOYMENTS, "argocd", "shipway"))["spec"]["replicas"] == 2
        await blocks.follow("See that it works")
        async with shipway_run(account, tmp_path / "other", "--share") as other:
            await delivers(client, account, tmp_path, "--share")
            await other.ready()
            assert await other.end() == 0
            assert "orbidden" not in other.said
        await blocks.follow("With Helm", after=2)

        async def is_left() -> bool:
            left = "kubectl get clusterrole,clusterrolebinding -o name; kubectl -n argocd get all"
            return "shipway" in await blocks.run(left)

        await comes_to(False, is_left)  # pods go after what made them


@pytest.mark.proves("002-32")
async def test_shipway_delivers_itself(program: Callable[[str], str], tmp_path: Path) -> None:
    """Its pods are the test's processes: one is killed in the moment in which its Deployment wants another image."""
    async with the_page(program, tmp_path) as (client, kubeconfig, blocks):
        await blocks.follow("Install")
        account = await account_of(client, kubeconfig, tmp_path)
        server = GitServer(tmp_path / "repositories")
        await server.start()
        blocks.move(WorkingCopy(tmp_path / "platform", server.create("platform")))
        overlay, application, upgrade, undo = blocks.of("Shipway from Git")
        await blocks.run(overlay)
        await blocks.run("cp -r ../deploy . && git add -A && git commit -qm Platform && git push -q origin main")
        installed = await client.get(DEPLOYMENTS, "argocd", "shipway")
        async with shipway_run(account, tmp_path / "first") as first:
            await first.ready()
            await blocks.run(application)
            await app_is(client, "shipway", synced_to(blocks.copy.git("rev-parse", "HEAD")), seconds=90)
            taken = await client.get(DEPLOYMENTS, "argocd", "shipway")
            for field in ("uid", "generation"):
                assert taken["metadata"][field] == installed["metadata"][field]
            assert taken["spec"] == installed["spec"]
            await blocks.run(upgrade)
            await blocks.run("kubectl -n argocd annotate application shipway argocd.argoproj.io/refresh=normal")
            await wait_until(client, DEPLOYED, lambda obj: image_of(obj).endswith(":0.2.0"), seconds=90)
            first.process.kill()
        async with shipway_run(account, tmp_path / "second") as second:
            await second.ready()
            app = await app_is(client, "shipway", synced_to(blocks.copy.git("rev-parse", "HEAD")), seconds=90)
            assert dig(app, "status", "operationState", "phase") == "Succeeded"
            upgraded = await client.get(DEPLOYMENTS, "argocd", "shipway")
            assert upgraded["metadata"]["generation"] == installed["metadata"]["generation"] + 1, "it was applied once"
            await blocks.run(undo)
            await app_is(client, "shipway", lambda app: dig(app, "status", "sync", "status") == "OutOfSync", seconds=90)
            assert "orbidden" not in second.said
        async with shipway_run(account, tmp_path / "third") as third:
            await third.ready()
            await app_is(client, "shipway", lambda app: dig(app, "status", "sync", "status") == "OutOfSync", seconds=90)
            assert image_of(await client.get(DEPLOYMENTS, "argocd", "shipway")).endswith(":0.1.0"), (
                "what a person gave back stays"
            )
        await server.stop()


DEPLOYED = One(DEPLOYMENTS, "argocd", "shipway")


def image_of(deployment: Obj | None) -> str:
    return dig(deployment or {}, "spec", "template", "spec", "containers", 0, "image", default="")


class Blocks:
    """The commands of the page, run in a copy of what they need."""

    copy: WorkingCopy

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._blocks = sections("install.md")

    async def follow(self, title: str, *, first: int | None = None, after: int = 0) -> None:
        """The blocks under a heading in order, or a part of them."""
        chosen = self._blocks[title][after:first]
        assert chosen, title
        for block in chosen:
            await self.run(block)

    def of(self, title: str) -> list[str]:
        return self._blocks[title]

    def move(self, copy: WorkingCopy) -> None:
        """To a repository of the reader's own."""
        self.copy, self._folder = copy, copy.path
        self._env = {**ENVIRONMENT, **self._env, "GIT": copy.url}

    async def run(self, commands: str) -> str:
        said = await said_by("/bin/sh", "-euc", f"cd {self._folder}\n{commands}", env=self._env)
        assert said.code == 0, (commands, said.out, said.err)
        return said.out


@asynccontextmanager
async def the_page(
    program: Callable[[str], str], folder: Path, helm: str = "helm"
) -> AsyncGenerator[tuple[Client, Path, Blocks], None]:
    """A real control plane of its own, and the page beside it."""
    for part in ("deploy", "src/shipway/api/crds"):
        shutil.copytree(ROOT / part, folder / part)
    (tools := folder / "tools").mkdir()
    for name, path in (("kubectl", program("kubectl")), ("helm", program(helm))):
        (tools / name).symlink_to(path)
    async with real_cluster(folder) as (client, kubeconfig):
        env = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
        yield client, kubeconfig, Blocks(folder, env)


async def account_of(client: Client, kubeconfig: Path, folder: Path) -> Path:
    """The kubeconfig of the installed account, once its rules are honoured."""
    path, admin = folder / "account.kubeconfig", load_kubeconfig(kubeconfig)
    write_config(path, server=admin.server, ca=admin.ca_data, token=await token_of(client))
    await until_granted(path)
    return path


PARTS = ("network-policy", "rbac-objects", "impersonation", "routers", "argocd-cache", "plugin-folder")
"""The components of the plain manifests, and below the values of the chart that take the same."""
EVERYTHING = (
    "networkPolicy.enabled=true,manage.rbacObjects=true,manage.impersonation=true,argocdCache.enabled=true,"
    "plugins.volume.configMap.name=shipway-plugins,"
) + ",".join(f"manage.routers.{router}=true" for router in ("ambassador", "apisix", "appmesh", "istio", "smi", "traefik"))


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.proves("deploy:chart-is-the-manifests")
async def test_the_chart_is_the_plain_manifests(helm: str, program: Callable[[str], str], tmp_path: Path) -> None:
    """With everything taken, both ways make the same objects; and the chart brings the kinds that the first step applies."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    parts = ", ".join(f"./deploy/{part}" for part in PARTS)
    (tmp_path / "kustomization.yaml").write_text(f"resources: [./deploy]\ncomponents: [{parts}]\n")
    overlay = await said_by(program("kubectl"), "kustomize", str(tmp_path), env={})
    command = (program(helm), "template", "shipway", str(ROOT / "deploy/chart"), "--namespace=argocd", "--set", EVERYTHING)
    chart = await said_by(*command, env={"HOME": str(tmp_path)})
    assert (overlay.code, chart.code) == (0, 0), (overlay.err, chart.err)
    plain = by_name(overlay.out)
    del plain["Namespace", "argocd"]  # `--create-namespace`
    templated = by_name(chart.out)
    container = templated["Deployment", "shipway"]["spec"]["template"]["spec"]["containers"][0]
    assert container.pop("imagePullPolicy") == "IfNotPresent"
    assert templated == plain
    kinds = {path.name for path in (ROOT / "src/shipway/api/crds").glob("*.yaml")}
    assert {path.name for path in (ROOT / "deploy/chart/crds").glob("*.yaml")} == kinds


async def test_the_chart_gives_the_account_the_annotations_that_it_is_told(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """By such a one EKS gives pods a role, with which CloudWatch is asked. Nothing else changes."""
    role = "arn:aws:iam::123456789012:role/shipway"
    flag = rf"serviceAccountAnnotations.eks\.amazonaws\.com/role-arn={role}"
    command = (program("helm"), "template", "shipway", str(ROOT / "deploy/chart"), "--namespace=argocd")
    plain, given = [
        by_name((await said_by(*command, *more, env={"HOME": str(tmp_path)})).out) for more in ((), ("--set", flag))
    ]
    assert given["ServiceAccount", "shipway"]["metadata"].pop("annotations") == {"eks.amazonaws.com/role-arn": role}
    assert given == plain


async def test_the_chart_takes_the_history_from_a_secret_and_lets_it_through(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """Its URL stands in no manifest. Nothing else changes."""
    command = (program("helm"), "template", "shipway", str(ROOT / "deploy/chart"), "--set=networkPolicy.enabled=true")
    flags = ("--set=history.urlSecret.name=shipway-history", "--set=history.port=6432")
    plain, given = [by_name((await said_by(*command, *more, env={"HOME": str(tmp_path)})).out) for more in ((), flags)]
    container = given["Deployment", "shipway"]["spec"]["template"]["spec"]["containers"][0]
    secret = {"secretKeyRef": {"name": "shipway-history", "key": "url"}}
    assert container["env"].pop() == {"name": "SHIPWAY_HISTORY", "valueFrom": secret}
    ports = given["NetworkPolicy", "shipway"]["spec"]["egress"][0]["ports"]
    assert ports.pop() == {"protocol": "TCP", "port": 6432}
    assert given == plain


async def test_the_chart_lets_out_the_ports_that_it_is_told(program: Callable[[str], str], tmp_path: Path) -> None:
    """Beside the usual ones, and beside the one of the history. Nothing else changes."""
    command = (program("helm"), "template", "shipway", str(ROOT / "deploy/chart"), "--set=networkPolicy.enabled=true")
    flags = ("--set=networkPolicy.ports={7999,8443}", "--set=history.urlSecret.name=shipway-history")
    plain, given = [by_name((await said_by(*command, *more, env={"HOME": str(tmp_path)})).out) for more in ((), flags)]
    was, now = [one["NetworkPolicy", "shipway"]["spec"]["egress"] for one in (plain, given)]
    assert now[0]["ports"][len(was[0]["ports"]) :] == [{"protocol": "TCP", "port": port} for port in (7999, 8443, 5432)]
    assert now[1:] == was[1:]


async def test_the_chart_opens_what_argocd_server_takes_for_its_redis(program: Callable[[str], str], tmp_path: Path) -> None:
    """To `argocd-server` and to nobody else. Nothing else changes."""
    command = (program("helm"), "template", "shipway", str(ROOT / "deploy/chart"), "--set=networkPolicy.enabled=true")
    flags = ("--set=argocdCache.enabled=true",)
    plain, given = [by_name((await said_by(*command, *more, env={"HOME": str(tmp_path)})).out) for more in ((), flags)]
    container = given["Deployment", "shipway"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"].pop() == "--argocd-cache=0.0.0.0:6379"
    assert container["ports"].pop() == {"name": "argocd-cache", "containerPort": 6379}
    served = given["Service", "shipway"]["spec"]["ports"].pop()
    assert served == {"name": "argocd-cache", "port": 6379, "targetPort": "argocd-cache"}
    assert given["NetworkPolicy", "shipway"]["spec"]["ingress"].pop() == {
        "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "argocd-server"}}}],
        "ports": [{"protocol": "TCP", "port": 6379}],
    }
    assert given == plain


@pytest.mark.parametrize(
    ("flags", "source"),
    [
        (
            "plugins.volume.configMap.name=mine",
            {"configMap": {"name": "mine", "defaultMode": 0o555}},  # so that `./program` of a declaration can be run
        ),
        (
            "plugins.volume.persistentVolumeClaim.claimName=mine",
            {"persistentVolumeClaim": {"claimName": "mine"}},
        ),
    ],
)
async def test_the_chart_mounts_the_folder_of_plugins(
    flags: str, source: Obj, program: Callable[[str], str], tmp_path: Path
) -> None:
    """From any volume. Nothing else changes."""
    command = (program("helm"), "template", "shipway", str(ROOT / "deploy/chart"))
    plain, given = [
        by_name((await said_by(*command, *more, env={"HOME": str(tmp_path)})).out) for more in ((), ("--set", flags))
    ]
    pod = given["Deployment", "shipway"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["args"].pop() == "--plugins=/etc/shipway/plugins"
    assert container["volumeMounts"].pop() == {"name": "plugins", "mountPath": "/etc/shipway/plugins", "readOnly": True}
    assert pod["volumes"].pop() == {"name": "plugins", **source}
    assert given == plain


def by_name(text: str) -> dict[tuple[str, str], Obj]:
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in load_all(text) if obj}


async def delivers(client: Client, account: Path, home: Path, *flags: str) -> None:
    """A commit goes live by a process that has the account's rights and no other."""
    server = GitServer(home / "repositories")
    await server.start()
    copy = WorkingCopy(home / "copy", server.create("shop"))
    copy.commit({"deploy/banner.yaml": config_map("one")})
    commit = copy.git("rev-parse", "HEAD")
    await asyncio.to_thread(copy.push)
    try:
        async with shipway_run(account, home, *flags) as running:
            await running.ready()
            to = {"server": "https://kubernetes.default.svc", "namespace": "installed"}
            await client.create(APPLICATIONS, application("installed", copy.url, "deploy", destination=to))
            await app_is(client, "installed", synced_to(commit), seconds=90)
            assert dig(await client.get(CONFIG_MAPS, "installed", "banner"), "data", "text") == "one"
            assert "orbidden" not in running.said
            await client.delete(APPLICATIONS, "argocd", "installed")
            await wait_until(client, One(APPLICATIONS, "argocd", "installed"), lambda app: app is None, seconds=90)
            assert await running.end() == 0
    finally:
        await server.stop()
