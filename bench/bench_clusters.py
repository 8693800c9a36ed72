"""Twenty clusters of a hundred applications: first sync, a commit, and the same while one of the clusters hangs.

`CLUSTERS=20 PER_CLUSTER=100 make bench NAME=clusters`. The Applications live in an embedded cluster; the others are API servers
of their own over HTTPS (19 in one process, one in another, which is stopped to hang: connections stay open, nothing answers).
Everything shares one machine, so seconds include the work of all servers; `cpu_seconds` are the engine's alone.
"""

import asyncio
import base64
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from msgspec import Struct

from bench.applications import (
    CLOCK,
    NAMESPACE,
    Engines,
    Monorepo,
    application,
    config_map_says,
    first_sync,
    is_synced,
    stage,
)
from shipway.api.clusters import Cluster, cluster_secret
from shipway.api.kinds import APPLICATIONS, NAMESPACES, SECRETS
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.views import dig

CLUSTERS = int(os.environ.get("CLUSTERS", "20"))
PER_CLUSTER = int(os.environ.get("PER_CLUSTER", "100"))
APPS = CLUSTERS * PER_CLUSTER
HANGS = CLUSTERS - 1
COMMITS = 15


class Member(Struct, frozen=True):
    """One of the clusters; `process` serves it."""

    config: ClusterConfig
    client: Client
    process: asyncio.subprocess.Process


async def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        home = Path(folder)
        async with (
            served(home / "most", CLUSTERS - 1) as most,
            served(home / "one", 1) as one,
            stage("embedded", home, APPS) as (client, repo, engines, git),
        ):
            members = [*most, *one]
            figures = {
                "clusters": float(CLUSTERS),
                "apps": float(APPS),
                **await all_joined(client, engines, members, git.url("mono")),
            }
            say(figures)
            figures |= await restart(repo, engines, members, git, "restart")
            figures |= await commits(repo, engines, members, "commit")
            members[HANGS].process.send_signal(signal.SIGSTOP)
            try:
                figures |= await commits(repo, engines, members, "hanging_commit")
                say(figures)
                figures |= await told(client, engines)
                figures |= await restart(repo, engines, members, git, "hanging_restart")
            finally:
                members[HANGS].process.send_signal(signal.SIGCONT)
            return figures | await recovered(client, repo)


async def all_joined(client: Client, engines: Engines, members: Sequence[Member], url: str) -> dict[str, float]:
    for number, member in enumerate(members):
        await member.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        cluster = Cluster(member.config.server, f"c-{number:02d}", secret=f"cluster-{number:02d}", config=member.config)
        await client.create(SECRETS, cluster_secret("argocd", cluster, {}, {}))
    apps = [application(number, url) for number in range(APPS)]
    for number, app in enumerate(apps):
        app["spec"]["destination"] = {"name": f"c-{cluster_of(number):02d}", "namespace": NAMESPACE}
    return await first_sync(client, engines, apps)


async def commits(repo: Monorepo, engines: Engines, members: Sequence[Member], name: str) -> dict[str, float]:
    """From the end of `git push` to the object being live, each on another of the clusters that answer. Before each comes one
    for the last cluster, which may hang."""
    await CLOCK.sleep(10)
    before, took = engines.usage().cpu, []
    for number in range(COMMITS):
        app, text = number * CLUSTERS + number % HANGS, f"{name}-{number}"
        await repo.change(number * CLUSTERS + HANGS, text)
        async with asyncio.TaskGroup() as group:
            group.create_task(config_map_says(members[cluster_of(app)].client, app, text))
            await repo.change(app, text)
            pushed = CLOCK.now()
        took.append(CLOCK.now() - pushed)
        await CLOCK.sleep(0.5)
    took.sort()
    cpu = (engines.usage().cpu - before) / COMMITS
    return {
        f"{name}_live_p50_seconds": median(took),
        f"{name}_live_max_seconds": took[-1],
        f"{name}_cpu_seconds": cpu,
    }


async def told(client: Client, engines: Engines) -> dict[str, float]:
    """Until every application of the cluster that hangs says so, and how many of the others say anything."""
    while True:
        apps = (await client.list(APPLICATIONS, "argocd")).items
        unknown = [number_of(app) for app in apps if dig(app, "status", "sync", "status") == "Unknown"]
        if sum(cluster_of(number) == HANGS for number in unknown) == PER_CLUSTER:
            break
        await CLOCK.sleep(0.5)
    others = sum(cluster_of(number) != HANGS for number in unknown)
    return {"hanging_others_unknown": others, "hanging_mb": engines.usage().mb}


async def restart(repo: Monorepo, engines: Engines, members: Sequence[Member], git: GitServer, name: str) -> dict[str, float]:
    """A fresh process, until a commit to one of the clusters that answer is live."""
    await engines.stop()
    began = CLOCK.now()
    await engines.start()
    git.notify(f"{engines.url}/api/webhook", "not configured")
    await repo.change(1, name)
    await config_map_says(members[cluster_of(1)].client, 1, name)
    return {f"{name}_live_seconds": CLOCK.now() - began}


async def recovered(client: Client, repo: Monorepo) -> dict[str, float]:
    """From the moment the cluster goes on until all of its applications are Synced again."""
    began = CLOCK.now()
    while True:
        apps = (await client.list(APPLICATIONS, "argocd")).items
        if all(is_synced(app) for app in apps):
            return {"recovery_seconds": CLOCK.now() - began}
        await CLOCK.sleep(0.5)


def cluster_of(number: int) -> int:
    return number % CLUSTERS


def number_of(app: dict[str, dict[str, str]]) -> int:
    return int(app["metadata"]["name"].removeprefix("app-"))


@asynccontextmanager
async def served(home: Path, count: int) -> AsyncIterator[list[Member]]:
    """So many clusters in a process of their own."""
    home.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        log = stack.enter_context((home / "log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.member_process", str(home), str(count), stdout=log, stderr=log
        )
        stack.push_async_callback(_end, process)
        while not (home / "members.json").exists():
            if process.returncode is not None:
                raise SystemExit((home / "log").read_text()[-2000:])
            await CLOCK.sleep(0.02)
        members: list[Member] = []
        for said in json.loads((home / "members.json").read_text()):
            config = ClusterConfig(said["server"], ca_data=base64.b64decode(said["ca"]), token=said["token"])
            client = Client(HttpTransport(config), manager="bench")
            stack.push_async_callback(client.close)
            members.append(Member(config, client, process))
        yield members


async def _end(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


def say(figures: dict[str, float]) -> None:
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}), file=sys.stderr, flush=True)
