"""`shipway run` from the outside: one process, known only by its log, its HTTP face and what it writes."""

import hashlib
import hmac
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from shipway.api.kinds import (
    APP_PROJECTS,
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    LEASES,
    NAMESPACES,
    SECRETS,
)
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, spec_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import CLOCK, Place, banner_says, bare_cluster, config_map
from tests.e2e.running import (
    Running,
    alive,
    app_is,
    application,
    descendants_of,
    shipway_run,
    synced_to,
    versions,
)
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent


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
    first_cells = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert told == documented
    samples = dict(re.findall(r"^(\S+) ([\d.e+-]+)$", text, re.MULTILINE))
    assert float(samples['shipway_passes_total{controller="gitops-application"}']) >= 1
    assert float(samples['shipway_queue_depth{controller="gitops-application"}']) >= 0
    assert float(samples['shipway_passes_total{controller="rollout"}']) == 0


# --- the push webhook ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("000-24")
@pytest.mark.compat("argocd:secret.webhooks")
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
            assert forged.status == 400
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
        (b"{}", {}, "not a webhook of GitHub, GitLab, Gitea, Bitbucket or Azure DevOps"),
        (b"{", signature, "the webhook's body is not JSON"),
        (b"", {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "gl"}, "the webhook's body is not JSON"),
    ):
        answer = await running.post("/api/webhook", body, headers)
        assert 400 <= answer.status < 500
        assert says in answer.text
    assert (await running.get("/api/webhook")).status == 405


# --- two processes, and the end of one ----------------------------------------------------------------------------------


async def test_a_standby_takes_over_after_kill_9_and_makes_nothing_twice(place: Place) -> None:
    await place.deliver_app()
    async with place.run("--lease-seconds=6") as first:
        await first.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        holder = await held_by(place.client)
        async with place.run("--lease-seconds=6") as second:
            await second.says("listening")
            assert (await second.get("/readyz")).status == 503
            before = await versions(place.client, APPLICATIONS, APP_PROJECTS, CONFIG_MAPS, SECRETS, NAMESPACES, CRDS)
            began = CLOCK.now()
            await first.end(signal.SIGKILL)
            await second.ready()
            print(f"taken over {CLOCK.now() - began:.1f} s after kill -9")
            assert CLOCK.now() - began < 15, "as docs/ARCHITECTURE.md says of longer leases too"
            assert await held_by(place.client) not in ("", holder)
            await place.client.delete(CONFIG_MAPS, "shop", "banner")
            await banner_says(place.client, "one")
            await app_is(place.client, "shop", synced_to(await place.head()))
            after = await versions(place.client, APP_PROJECTS, SECRETS, NAMESPACES, CRDS)
            assert {name: version for name, version in before.items() if name in after} == after


@pytest.mark.proves("kube:sharing-replicas")
async def test_replicas_that_share_all_work_and_carry_on_after_kill_9(place: Place) -> None:
    flags = ("--share", "--lease-seconds=6")
    other = shipway_run(place.cluster.kubeconfig, place.home / "another-disk", *flags)
    async with place.run(*flags) as first, other as second:
        await first.ready()
        await second.ready()
        await place.deliver_app()
        await app_is(place.client, "shop", synced_to(await place.head()))
        async with place.run("--lease-seconds=6") as alone:
            await alone.says("listening")
            assert (await alone.get("/readyz")).status == 503  # whoever does not share stands by for all who do
        for replica, text in ((first, "two"), (second, "three")):  # a webhook reaches one of them, the owner or not
            place.git.notify(f"{replica.url}/api/webhook", "")
            await place.push({"deploy/banner.yaml": config_map(text)})
            await banner_says(place.client, text)
        await first.end(signal.SIGKILL)
        await place.client.delete(CONFIG_MAPS, "shop", "banner")
        await banner_says(place.client, "three")
        await second.end(signal.SIGTERM)


@pytest.mark.proves("000-29")
@pytest.mark.parametrize("flags", [(), ("--share",)], ids=["one holds the lease", "replicas share"])
async def test_a_sync_that_kill_9_cut_off_is_finished_by_the_next_process(place: Place, flags: tuple[str, ...]) -> None:
    """Many objects, and the process dies while it creates them: the next one makes the rest, and nothing twice."""
    count = 150
    await place.push({f"deploy/{number}.yaml": config_map("x", f"part-{number}") for number in range(count)})
    await place.deliver_app()
    async with place.run("--lease-seconds=6", *flags) as first:
        await first.ready()
        await wait_until(place.client, One(CONFIG_MAPS, "shop", "part-1"), lambda obj: obj is not None)
        await first.end(signal.SIGKILL)
    made = await versions(place.client, CONFIG_MAPS)
    print(f"{len(made)} of {count} were there when it died")
    async with place.run("--lease-seconds=6", *flags) as second:
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
