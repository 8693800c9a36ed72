"""A thousand applications in one monorepo: first sync, rest, one commit, one hand edit, a restart.

`APPS=1000 TARGETS=real,embedded make bench NAME=gitops`. The set-up is the one in which Argo CD was measured: three objects
per application, the real control plane on the same two cores, a Git server over HTTP, webhooks, no annotation anywhere.

The floor is what the bare server-side applies of all these objects take on another new cluster: times depend on the machine,
and what a first sync takes beside it does not.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.applications import (
    AT_ONCE,
    CLOCK,
    NAMESPACE,
    Engines,
    Monorepo,
    Process,
    a_cluster,
    application,
    config_map_says,
    first_sync,
    manifests,
    stage,
    usage_of,
)
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, SERVICES
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import load_all

APPS = int(os.environ.get("APPS", "1000"))
TARGETS = os.environ.get("TARGETS", "real,embedded").split(",")
SETTLE_SECONDS = 45.0
"""After the last Application is Synced their events are still being written."""
REST_SECONDS = 190.0
"""Longer than the time between two polls, so that there is one in it."""
QUIET_SECONDS = 3.0
"""Once nobody has waited for a pass for so long, everything is known; the slow sweep after a commit goes on."""
LOOKS = 1.0
"""Seconds between two looks at the counters: at 5,000 applications a scrape takes 0.15 s of the engines' CPU."""
COMMITS = 20
KINDS = {"ConfigMap": CONFIG_MAPS, "Service": SERVICES, "Deployment": DEPLOYMENTS}


async def run() -> dict[str, float]:
    figures: dict[str, float] = {"apps": APPS}
    for target in TARGETS:
        with tempfile.TemporaryDirectory(prefix="shipway-bench-") as home:
            async with stage(target, Path(home), APPS) as (client, repo, engines, git):
                measured = await measure(client, repo, engines, git.url("mono"))
        with tempfile.TemporaryDirectory(prefix="shipway-bench-") as home:
            measured |= await floor(target, Path(home))
        measured["first_sync_to_floor"] = measured["first_sync_seconds"] / measured["floor_seconds"]
        figures |= {f"{target}_{name}": value for name, value in measured.items()}
    return figures


async def measure(client: Client, repo: Monorepo, engines: Engines, url: str) -> dict[str, float]:
    figures = await first_sync(client, engines, [application(number, url) for number in range(APPS)])
    figures["first_sync_passes_per_application"] = await engines.passes("gitops-application") / APPS
    say(figures)
    figures |= await at_rest(engines)
    say(figures)
    figures |= await commits(client, repo, engines)
    figures |= await hand_edits(client)
    say(figures)
    return figures | await restart(client, engines)


async def floor(target: str, home: Path) -> dict[str, float]:
    """All objects of all applications applied by this process, and nothing else."""
    objects = [obj for number in range(APPS) for obj in load_all(manifests(number))]
    room = asyncio.Semaphore(AT_ONCE)

    async def apply(client: Client, obj: Obj) -> None:
        async with room:
            placed = {**obj, "metadata": {**obj["metadata"], "namespace": NAMESPACE}}
            await client.apply(KINDS[obj["kind"]], placed, manager="bench")

    async with a_cluster(target, home) as served:
        client = Client(HttpTransport(load_kubeconfig(served.kubeconfig, None)))
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        before, began = usage_of(os.getpid()).cpu, CLOCK.now()
        async with asyncio.TaskGroup() as group:
            for obj in objects:
                group.create_task(apply(client, obj))
        figures = {"floor_seconds": CLOCK.now() - began, "floor_cpu_seconds": usage_of(os.getpid()).cpu - before}
        await client.close()
    say(figures)
    return figures


async def at_rest(engines: Engines) -> dict[str, float]:
    await CLOCK.sleep(SETTLE_SECONDS)
    before = engines.usage().cpu
    await CLOCK.sleep(REST_SECONDS)
    return {"idle_cpu_seconds_per_minute": (engines.usage().cpu - before) * 60 / REST_SECONDS}


async def commits(client: Client, repo: Monorepo, engines: Process) -> dict[str, float]:
    """From the end of `git push` to the object being live."""
    before, took = engines.usage().cpu, []
    for number in range(COMMITS):
        text = f"commit-{number}"
        app = number * (APPS // COMMITS)
        async with asyncio.TaskGroup() as group:
            group.create_task(config_map_says(client, app, text))
            await repo.change(app, text)
            pushed = CLOCK.now()
        took.append(CLOCK.now() - pushed)
        await CLOCK.sleep(1)
    cpu = (engines.usage().cpu - before) / COMMITS
    return {"commit_live_p50_seconds": p(took, 0.5), "commit_live_p95_seconds": p(took, 0.95), "commit_cpu_seconds": cpu}


async def hand_edits(client: Client) -> dict[str, float]:
    took = []
    for number in range(COMMITS):
        app = number * (APPS // COMMITS)
        name = f"app-{app:05d}"
        began = CLOCK.now()
        await client.patch(CONFIG_MAPS, NAMESPACE, name, {"data": {"text": "by hand"}}, manager="somebody")
        await config_map_says(client, app, f"commit-{number}")
        took.append(CLOCK.now() - began)
        await CLOCK.sleep(0.2)
    return {"heal_p50_seconds": p(took, 0.5), "heal_p95_seconds": p(took, 0.95)}


async def restart(client: Client, engines: Engines) -> dict[str, float]:
    """Until the engines have looked at every application again; and how many objects changed by it."""
    before = await versions(client)
    await engines.stop()
    began = CLOCK.now()
    await engines.start()
    ready = CLOCK.now() - began
    await CLOCK.sleep(LOOKS)
    passes, known = 0.0, CLOCK.now()
    while CLOCK.now() - known < QUIET_SECONDS or passes < APPS:
        await CLOCK.sleep(LOOKS)
        passes = await engines.passes("gitops-application")
        if passes < APPS or await engines.queue_depth("gitops-application"):
            known = CLOCK.now()
    used = engines.usage()
    after = await versions(client)
    changed = sum(after[name] != content for name, content in before.items())
    return {
        "restart_ready_seconds": ready,
        "restart_known_seconds": known - began,
        "restart_cpu_seconds": used.cpu,
        "restart_mb": used.mb,
        "restart_passes_per_application": passes / APPS,
        "restart_changed_objects": changed,
    }


async def versions(client: Client) -> dict[str, str]:
    """What no restart may change: of applications all but the revision, which the slow sweep after the last commit moves."""
    found: dict[str, str] = {}
    for obj in (await client.list(CONFIG_MAPS, NAMESPACE)).items:
        found[f"ConfigMap/{obj['metadata']['name']}"] = obj["metadata"]["resourceVersion"]
    for obj in (await client.list(APPLICATIONS, "argocd")).items:
        status = {**obj["status"], "reconciledAt": "", "sync": {**obj["status"]["sync"], "revision": ""}}
        found[f"Application/{obj['metadata']['name']}"] = json.dumps([obj["spec"], status], sort_keys=True)
    return found


def p(values: list[float], q: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[int(q * 100) - 1]


def say(figures: dict[str, float]) -> None:
    print({name: round(value, 3) for name, value in figures.items()}, file=sys.stderr, flush=True)
