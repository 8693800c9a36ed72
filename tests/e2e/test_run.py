"""`shipway run` from the outside: one process, known only by its flags, its log, its HTTP face and what it writes."""

import asyncio
import hashlib
import hmac
import re
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from msgspec import Struct

from shipway.api.kinds import (
    APP_PROJECTS,
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    ROLLOUTS,
    SECRETS,
)
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.base.clock import SystemClock, rfc3339_micro
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, name_of, spec_of, status_of
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.e2e.running import (
    Running,
    alive,
    app_is,
    application,
    descendants_of,
    ended,
    shipway_run,
    synced_to,
    versions,
)
from tests.unit.adapters.repository import WorkingCopy
from tests.waiting import eventually

CLOCK = SystemClock()
STATEFUL_SETS = Resource("apps", "v1", "StatefulSet", "statefulsets")
ROOT = Path(__file__).parent.parent.parent


class Place(Struct, frozen=True):
    """A cluster over HTTPS, a Git server with the repository `shop`, and a folder of our own."""

    cluster: EmbeddedCluster
    git: GitServer
    copy: WorkingCopy
    home: Path

    @property
    def client(self) -> Client:
        return self.cluster.client

    def run(self, *flags: str, listen: str = "127.0.0.1:0"):
        return shipway_run(self.cluster.kubeconfig, self.home, *flags, listen=listen)

    async def ended(self, *flags: str, listen: str = "127.0.0.1:0") -> tuple[int, str]:
        return await ended(self.cluster.kubeconfig, self.home, *flags, listen=listen)

    async def push(self, files: dict[str, str | bytes | None]) -> str:
        """A commit on the branch `main` of the repository."""
        commit = await asyncio.to_thread(self.copy.commit, files)
        await asyncio.to_thread(self.copy.push)
        return commit

    async def head(self) -> str:
        return await asyncio.to_thread(self.copy.git, "rev-parse", "HEAD")

    async def deliver_app(self, name: str = "shop") -> None:
        await self.client.create(APPLICATIONS, application(name, self.copy.url, "deploy"))


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place, None]:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(embedded_cluster(tmp_path / "cluster", CLOCK))
        git = GitServer(tmp_path / "repositories")
        await git.start()
        stack.push_async_callback(git.stop)
        copy = WorkingCopy(tmp_path / "copy", git.create("shop"))
        there = Place(cluster, git, copy, tmp_path / "shipway")
        for name in ("argocd", "shop"):
            await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await there.push({"deploy/banner.yaml": config_map("one")})
        yield there


@asynccontextmanager
async def bare_cluster(home: Path) -> AsyncGenerator[tuple[Client, Path], None]:
    """An API server that has no custom resource definitions, and its kubeconfig."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    tls = ensure_tls(home / "tls", CLOCK.now())
    async with serve(server, tokens={"sesame": Identity("admin")}, tls=tls) as url:
        write_kubeconfig(home / "kubeconfig", server=url, token="sesame", ca_pem=tls.ca_pem())
        yield Client(server, manager="test"), home / "kubeconfig"
    await server.close()


def config_map(text: str, name: str = "banner") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{text: {text!r}}}\n"


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def push_of(forge: str, url: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """A push event as a forge delivers it, signed with `secret`."""
    push = {"ref": "refs/heads/main", "before": "a" * 40, "after": "b" * 40, "commits": []}
    if forge == "gitlab":
        body = orjson.dumps({**push, "object_kind": "push", "project": {"git_http_url": url}})
        return body, {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret}
    body = orjson.dumps({**push, "repository": {"clone_url": url}})
    if forge == "github":
        return body, {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={sign(body, secret)}"}
    return body, {"X-Gitea-Event": "push", "X-Gitea-Signature": sign(body, secret)}


async def banner_says(client: Client, text: str) -> None:
    await wait_until(client, One(CONFIG_MAPS, "shop", "banner"), lambda obj: dig(obj or {}, "data", "text") == text, seconds=30)


async def held_by(client: Client) -> str:
    return spec_of(await client.get(LEASES, "argocd", "shipway")).get("holderIdentity") or ""


# --- what it says of itself ---------------------------------------------------------------------------------------------


async def test_it_is_alive_at_once_and_ready_when_it_reconciles(place: Place) -> None:
    async with place.run() as first:
        await first.ready()
        assert (await first.get("/healthz")).text == "ok"
        async with place.run() as second:
            await second.says("listening")
            assert (await second.get("/healthz")).status == 200
            unready = await second.get("/readyz")
            assert (unready.status, unready.text) == (503, "not ready: standby, or still reading the first lists")


async def test_every_metric_is_documented_and_every_documented_one_is_there(place: Place) -> None:
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        await banner_says(place.client, "one")
        text = (await running.get("/metrics")).text
    told = {name for name, _ in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE) if not name.endswith("_created")}
    documented = set(re.findall(r"^\| `(shipway_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert told == documented
    samples = dict(re.findall(r"^(\S+) ([\d.e+-]+)$", text, re.MULTILINE))
    assert float(samples['shipway_passes_total{controller="gitops-application"}']) >= 1
    assert float(samples['shipway_queue_depth{controller="gitops-application"}']) >= 0
    assert float(samples['shipway_passes_total{controller="rollout"}']) == 0


# --- the push webhook ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("000-24")
@pytest.mark.timeout(180)
async def test_a_push_is_live_by_webhook_and_no_other_delivery_does_anything(place: Place) -> None:
    secrets = {"webhook.github.secret": "gh", "webhook.gitlab.secret": "gl", "webhook.gogs.secret": "gt"}
    body = {"metadata": {"name": "argocd-secret", "namespace": "argocd"}, "stringData": secrets}
    await place.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **body})
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        await banner_says(place.client, "one")
        url = place.copy.url

        for forge, secret in (("github", "gh"), ("gitlab", "gl"), ("gitea", "gt")):
            await place.push({"deploy/banner.yaml": config_map(forge)})
            began = CLOCK.now()
            forged = await running.post("/api/webhook", *push_of(forge, url, "guessed"))
            assert forged.status == 403
            assert "give the forge and argocd-secret the same secret" in forged.text
            assert dig(await place.client.get(CONFIG_MAPS, "shop", "banner"), "data", "text") != forge
            answer = await running.post("/api/webhook", *push_of(forge, url, secret))
            assert (answer.status, orjson.loads(answer.text)) == (200, {"refreshed": 1})
            await banner_says(place.client, forge)
            print(f"{forge}: live {CLOCK.now() - began:.2f} s after the push")

        await app_is(place.client, "shop", synced_to(await place.head()))
        before = await operations(place.client)
        for _ in range(3):
            assert (await running.post("/api/webhook", *push_of("github", url, "gh"))).status == 200
        stranger = await running.post("/api/webhook", *push_of("github", "https://git.example/other.git", "gh"))
        assert (stranger.status, orjson.loads(stranger.text)) == (200, {"refreshed": 0})
        await refused(running)
        await place.client.create(APPLICATIONS, application("late", url, "deploy", destination=elsewhere("late")))
        await app_is(place.client, "late", synced_to(await place.head()))
        assert {name: seen for name, seen in (await operations(place.client)).items() if "late" not in name} == before


def elsewhere(namespace: str) -> Obj:
    return {"server": "https://kubernetes.default.svc", "namespace": namespace}


async def operations(client: Client) -> Obj:
    """What was ever done: the operations of each application, and the versions of what they made."""
    apps = (await client.list(APPLICATIONS)).items
    done = {name_of(app): [dig(app, "status", "operationState", "startedAt"), dig(app, "status", "history")] for app in apps}
    return {**done, **await versions(client, CONFIG_MAPS)}


async def refused(running: Running) -> None:
    """What is no delivery of a forge is refused with a reason."""
    signature = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={sign(b'{', 'gh')}"}
    for body, headers, says in (
        (b"{}", {}, "not a webhook of GitHub, GitLab or Gitea"),
        (b"{", signature, "the webhook's body is not JSON"),
        (b"", {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "gl"}, "the webhook's body is not JSON"),
    ):
        answer = await running.post("/api/webhook", body, headers)
        assert 400 <= answer.status < 500
        assert says in answer.text
    assert (await running.get("/api/webhook")).status == 405


async def test_a_delivery_before_the_secret_is_known_is_not_believed(place: Place) -> None:
    """A process that only stands by answers too; what it cannot check it does not take."""
    async with place.run() as running:
        await running.ready()
        async with place.run() as standby:
            await standby.says("listening")
            answer = await standby.post("/api/webhook", *push_of("github", place.copy.url, "guessed"))
            assert answer.status in (200, 503)
            if answer.status == 200:
                assert orjson.loads(answer.text) == {"refreshed": 0}


# --- two processes, and the end of one ----------------------------------------------------------------------------------


@pytest.mark.timeout(180)
async def test_a_standby_takes_over_after_kill_9_and_makes_nothing_twice(place: Place) -> None:
    await place.deliver_app()
    async with place.run("--lease-seconds=3") as first:
        await first.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        holder = await held_by(place.client)
        async with place.run("--lease-seconds=3") as second:
            await second.says("listening")
            assert (await second.get("/readyz")).status == 503
            before = await versions(place.client, APPLICATIONS, APP_PROJECTS, CONFIG_MAPS, SECRETS, NAMESPACES, CRDS)
            began = CLOCK.now()
            await first.end(signal.SIGKILL)
            await second.ready()
            print(f"taken over {CLOCK.now() - began:.1f} s after kill -9")
            assert CLOCK.now() - began < 3 + 3
            assert await held_by(place.client) not in ("", holder)
            await place.client.delete(CONFIG_MAPS, "shop", "banner")
            await banner_says(place.client, "one")
            await app_is(place.client, "shop", synced_to(await place.head()))
            after = await versions(place.client, APP_PROJECTS, SECRETS, NAMESPACES, CRDS)
            assert {name: version for name, version in before.items() if name in after} == after


@pytest.mark.timeout(180)
async def test_a_sync_that_kill_9_cut_off_is_finished_by_the_next_process(place: Place) -> None:
    """Many objects, and the process dies while it creates them: the next one makes the rest, and nothing twice."""
    count = 150
    await place.push({f"deploy/{number}.yaml": config_map("x", f"part-{number}") for number in range(count)})
    await place.deliver_app()
    async with place.run("--lease-seconds=2") as first:
        await first.ready()
        await wait_until(place.client, One(CONFIG_MAPS, "shop", "part-1"), lambda obj: obj is not None)
        await first.end(signal.SIGKILL)
    made = await versions(place.client, CONFIG_MAPS)
    print(f"{len(made)} of {count} were there when it died")
    async with place.run("--lease-seconds=2") as second:
        await second.ready()
        app = await app_is(place.client, "shop", synced_to(await place.head()))
        after = await versions(place.client, CONFIG_MAPS)
        assert {name: after[name] for name in made} == made
        assert sum("part-" in name for name in after) == count
        assert dig(app, "status", "operationState", "phase") == "Succeeded"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_however_it_ends_it_leaves_no_process(place: Place, number: signal.Signals) -> None:
    await place.push({"deploy/kustomization.yaml": "resources: [banner.yaml]\n"})
    await place.deliver_app()
    async with place.run() as running:
        await running.ready()
        await banner_says(place.client, "one")
        workers = descendants_of(running.process.pid)
        assert workers, "Kustomize runs in a worker process"
        began = CLOCK.now()
        code = await running.end(number)
        print(f"{number.name}: ended after {CLOCK.now() - began:.2f} s with {code}")
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        await eventually(lambda: not alive(workers))
        assert ("Traceback" in running.said) is False
        if number != signal.SIGKILL:
            assert await held_by(place.client) == ""


async def test_it_ends_within_seconds_though_the_cluster_is_gone(tmp_path: Path) -> None:
    async with AsyncExitStack() as outer:
        async with bare_cluster(tmp_path) as (_, kubeconfig):
            running = await outer.enter_async_context(shipway_run(kubeconfig, tmp_path, "--install-crds"))
            await running.ready()
        assert await running.end(signal.SIGTERM) == 0
        assert "Traceback" not in running.said


# --- what it may touch --------------------------------------------------------------------------------------------------


async def test_read_only_says_what_it_would_do_and_writes_nothing(place: Place) -> None:
    await place.client.create(APP_PROJECTS, DEFAULT_PROJECT)
    await place.deliver_app()
    await place.client.create(ROLLOUTS, rollout("web"))
    everything = (NAMESPACES, SECRETS, LEASES, EVENTS, APPLICATIONS, APP_PROJECTS, ROLLOUTS, CONFIG_MAPS, CRDS)
    before = {name: version for name, version in (await versions(place.client, *everything)).items() if is_ours(name)}
    async with place.run("--read-only") as running:
        await running.ready()
        assert "argocd/shop" in await running.says("would_write")
        assert "Create apps/ReplicaSet shop/web-" in await running.says("would_do")
        passes = 'shipway_passes_total{controller="gitops-application"}'
        assert passes in (await running.get("/metrics")).text
        after = {name: version for name, version in (await versions(place.client, *everything)).items() if is_ours(name)}
        assert after == before


async def test_read_only_makes_neither_namespace_nor_definitions(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as (client, kubeconfig):
        before = await versions(client, NAMESPACES, CRDS, LEASES, SECRETS, EVENTS)
        code, said = await ended(kubeconfig, tmp_path, "--read-only", "--install-crds")
        assert (code, await versions(client, NAMESPACES, CRDS, LEASES, SECRETS, EVENTS)) == (5, before)
        assert "does not serve" in said


def is_ours(name: str) -> bool:
    """The embedded cluster writes too: its node's lease, its namespaces."""
    return any(f"/{namespace}/" in name or name == f"namespaces//{namespace}" for namespace in ("argocd", "shop"))


DEFAULT_PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
}


def rollout(name: str, **labels: str) -> Obj:
    selector = {"app": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": {"containers": [{"name": "c", "image": "shop/web:1"}]}},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
        },
    }


async def neighbour(client: Client, resource: Resource, name: str) -> None:
    """A controller of Argo's own that is ready."""
    labels = {"app.kubernetes.io/name": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod, "serviceName": name}
    meta = {"name": name, "namespace": "default", "labels": labels}
    await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec})
    await wait_until(
        client, One(resource, "default", name), lambda obj: status_of(obj or {}).get("readyReplicas") == 1, seconds=30
    )


async def rollouts_lease(client: Client) -> None:
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 15, "renewTime": rfc3339_micro(CLOCK.now())}
    meta = {"name": "argo-rollouts-controller-lock", "namespace": "default"}
    await client.create(LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})


@pytest.mark.parametrize("sign_of_life", ["deployment", "lease"])
async def test_beside_a_live_argo_rollouts_rollouts_are_only_reported(place: Place, sign_of_life: str) -> None:
    if sign_of_life == "deployment":
        await neighbour(place.client, DEPLOYMENTS, "argo-rollouts")
        evidence = "Deployment default/argo-rollouts is ready"
    else:
        await rollouts_lease(place.client)
        evidence = "Lease default/argo-rollouts-controller-lock is held by somebody"
    await place.client.create(ROLLOUTS, rollout("web"))
    before = await versions(place.client, ROLLOUTS)
    await place.deliver_app()
    async with place.run() as running:
        said = await running.says("live_neighbour")
        assert f"Argo Rollouts is alive ({evidence}), so the engine rollouts only reports" in said
        assert "scale that controller to 0 replicas (or delete it) and start shipway run again" in said
        await running.ready()
        await running.says("Create apps/ReplicaSet shop/web-")
        await app_is(place.client, "shop", synced_to(await place.head()))
        assert await versions(place.client, ROLLOUTS) == before


async def test_beside_a_live_argo_cd_applications_are_only_reported(place: Place) -> None:
    await neighbour(place.client, STATEFUL_SETS, "argocd-application-controller")
    await place.deliver_app()
    before = await versions(place.client, APPLICATIONS)
    async with place.run() as running:
        said = await running.says("live_neighbour")
        evidence = "StatefulSet default/argocd-application-controller is ready"
        assert f"Argo CD is alive ({evidence}), so the engine gitops only reports" in said
        await running.ready()
        await running.says("would_write")
        assert await versions(place.client, APPLICATIONS) == before


async def test_an_instance_sees_only_its_rollouts(place: Place) -> None:
    label = {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}
    await place.client.create(ROLLOUTS, rollout("ours", **label))
    await place.client.create(ROLLOUTS, rollout("theirs"))
    async with place.run("--instance-id=blue") as running:
        await running.ready()
        await wait_until(
            place.client, One(ROLLOUTS, "shop", "ours"), lambda obj: status_of(obj or {}).get("phase") == "Healthy", seconds=30
        )
        assert "status" not in await place.client.get(ROLLOUTS, "shop", "theirs")


async def test_one_engine_alone(place: Place) -> None:
    await place.client.create(ROLLOUTS, rollout("web"))
    await place.deliver_app()
    async with place.run("--engines=gitops") as running:
        await running.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        assert "status" not in await place.client.get(ROLLOUTS, "shop", "web")
        assert 'controller="rollout"' not in (await running.get("/metrics")).text
    async with (
        bare_cluster(place.home / "bare") as (client, kubeconfig),
        shipway_run(kubeconfig, place.home, "--engines=rollouts", "--install-crds") as running,
    ):
        await running.ready()
        with pytest.raises(NotFound):
            await client.get(APP_PROJECTS, "argocd", "default")


# --- how it starts, or says why not -------------------------------------------------------------------------------------


async def test_it_installs_the_definitions_only_where_it_is_told(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as (client, kubeconfig):
        for engine, names in (
            ("gitops", "applications.argoproj.io/v1alpha1, appprojects.argoproj.io/v1alpha1"),
            ("rollouts", "analysisruns.argoproj.io/v1alpha1, analysistemplates.argoproj.io/v1alpha1"),
        ):
            code, said = await ended(kubeconfig, tmp_path, f"--engines={engine}")
            assert code == 5
            assert said.startswith(f"error: the cluster does not serve {names}")
            assert said.endswith("start with --install-crds, or install Argo CD's and Argo Rollouts' own CRDs")
        with pytest.raises(NotFound):
            await client.get(NAMESPACES, "", "argocd")
        async with shipway_run(kubeconfig, tmp_path, "--install-crds") as running:
            await running.ready()
        before = await versions(client, CRDS)
        async with shipway_run(kubeconfig, tmp_path, "--install-crds", "--lease-seconds=1") as running:
            await running.ready()
        assert await versions(client, CRDS) == before


@pytest.mark.asyncio(loop_scope="session")
async def test_it_installs_itself_into_a_real_kubernetes(real_control_plane, tmp_path: Path) -> None:
    kubeconfig = real_control_plane.kubeconfig
    async with shipway_run(kubeconfig, tmp_path, "--install-crds", "--namespace=shipway-run") as running:
        await running.ready()
        client = Client(HttpTransport(load_kubeconfig(kubeconfig, None)), manager="test")
        assert name_of(await client.get(APP_PROJECTS, "shipway-run", "default")) == "default"
        await client.delete(NAMESPACES, "", "shipway-run")
        await client.close()
        assert await running.end() == 0


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--engines=gitops,foo"], 2, "error: unknown engine foo: choose among gitops, rollouts"),
        (["--engines="], 2, "error: no engine to run: choose among gitops, rollouts"),
        (["--context=nowhere"], 2, "nowhere"),
        (["--no-such-flag"], 2, "--no-such-flag"),
    ],
)
async def test_flags_that_cannot_work(tmp_path: Path, flags: list[str], code: int, says: str) -> None:
    write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", token="t", ca_pem=b"")
    ended_with, said = await ended(tmp_path / "config", tmp_path, *flags)
    assert ended_with == code
    assert says in said


async def test_an_address_that_is_none(tmp_path: Path) -> None:
    code, said = await ended(tmp_path / "config", tmp_path, listen="8080")
    assert code == 2
    assert said == "error: --listen '8080' is not HOST:PORT: give for instance 127.0.0.1:8080 or 0.0.0.0:8080"


async def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    tls = ensure_tls(tmp_path / "tls", CLOCK.now())
    write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", token="t", ca_pem=tls.ca_pem())
    code, said = await ended(tmp_path / "config", tmp_path)
    assert code == 5
    assert said.startswith("error: https://127.0.0.1:1 does not answer: ")


@pytest.mark.parametrize("text", ["{", "apiVersion: v1\nkind: Config\n", "- a\n- list\n", ""])
async def test_a_broken_kubeconfig(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    code, said = await ended(tmp_path / "config", tmp_path)
    assert code == 2
    assert said.startswith("error: ")
    assert str(tmp_path / "config") in said or "kubeconfig" in said


async def test_a_port_that_is_taken(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await place.ended(listen=f"127.0.0.1:{port}")
    assert code == 2
    assert said == (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use; stop who listens there, or give another --listen"
    )
