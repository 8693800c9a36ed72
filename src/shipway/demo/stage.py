"""Builds the stage for a story (Shipway, a Git server, users), plays it, and reports what was observed.

Nothing on the stage is a stub: pods are processes, requests are HTTP, pushes are git pushes, and the engines are the
production process that knows the cluster by its kubeconfig only.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from shipway.api.kinds import SECRETS
from shipway.assembly.installation import create_missing
from shipway.assembly.supervise import Up, UpSettings, up
from shipway.base.clock import SystemClock
from shipway.base.errors import ShipwayError
from shipway.demo.git_server import GitServer
from shipway.demo.load import NOBODY, Load, LoadReport
from shipway.demo.repository import SampleShop
from shipway.demo.story import ARGOCD, CanaryStory, Findings
from shipway.demo.timeline import Timeline
from shipway.kube.client.client import Client

HOST = "shop.localhost"
RATE = 100.0
"""Requests per second; the story needs at least 50, and 200 of them within the few seconds of a bad step."""
SHARE_TOLERANCE_PCT = 2.0


class DemoSettings(Struct, frozen=True):
    """`stays`: leave everything running after the story, until cancelled."""

    home: Path
    stays: bool = False


async def perform(settings: DemoSettings, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Plays the story from its beginning and returns the report that `tell` was given."""
    clock = SystemClock()
    start_afresh(settings.home)
    timeline = Timeline(clock)
    timeline.say("starting an embedded Kubernetes and Shipway")
    async with up(UpSettings(settings.home), clock) as running, git_server(settings.home, running) as git:
        timeline.say(f"Kubernetes is up: kubectl --kubeconfig {running.cluster.kubeconfig} get pods -A", "done")
        load = Load(urlsplit(running.cluster.gateway_url).port or 80, host=HOST, clock=clock, rate=RATE)
        shop = SampleShop(settings.home / "shop", git.create("shop"), os.environ.get("PATH", os.defpath))
        await shop.create(running.cluster.gateway_url)
        story = CanaryStory(running.cluster.client, shop, load, clock, timeline)
        report = await _play(story, load, timeline)
        tell(report)
        if settings.stays:
            timeline.say(f"everything stays up; kubeconfig: {running.cluster.kubeconfig}; Ctrl-C ends it")
            await asyncio.get_running_loop().create_future()
    return report


async def _play(story: CanaryStory, load: Load, timeline: Timeline) -> dict[str, Any]:
    error = ""
    async with asyncio.TaskGroup() as group:
        users: list[asyncio.Task[None]] = []
        try:
            await story.play(lambda: users.append(group.create_task(load.run())))
        except ShipwayError as failure:
            error = failure.message
            timeline.say(error, "bad")
        for task in users:
            task.cancel()
    changes = [change.at for change in story.findings.weights]
    return report_of(story.findings, load.report(bad="v3", changes=changes), timeline.seconds, error)


def report_of(findings: Findings, load: LoadReport, seconds: float, error: str = "") -> dict[str, Any]:
    """The story's JSON; its keys are a contract. `ok` only if all of it was observed."""
    requests = {version: {"total": count.total, "failed": count.failed} for version, count in load.requests.items()}
    report = {
        "ok": False,
        "story": "canary",
        "seconds": round(seconds, 1),
        "apps_synced": findings.apps_synced,
        "promoted": findings.promoted,
        "aborted": findings.aborted,
        "push_to_canary_s": findings.push_to_canary_s,
        "bad_to_stable_s": findings.bad_to_stable_s,
        "requests": requests,
        "bad_share_max_pct": load.bad_share_max_pct,
        "bad_step_weight_pct": findings.bad_step_weight_pct,
        "healed": int(findings.healed),
        "pruned": int(findings.pruned),
        "drift_manager": findings.drift_manager,
        "why": findings.why,
    }
    report["ok"] = not error and _all_observed(report)
    return {**report, "error": error} if error else report


def _all_observed(report: dict[str, Any]) -> bool:
    requests = report["requests"]
    share, weight = report["bad_share_max_pct"], report["bad_step_weight_pct"]
    return (
        report["apps_synced"] == 3
        and report["promoted"] == ["v2"]
        and report["aborted"] == ["v3"]
        and all(requests.get(version, {}).get("failed") == 0 for version in ("v1", "v2"))
        and NOBODY not in requests
        and requests.get("v3", {}).get("failed", 0) > 0
        and bool(weight)
        and (share is None or share <= weight + SHARE_TOLERANCE_PCT)
        and bool(report["healed"] and report["pruned"] and report["drift_manager"] and report["why"])
    )


def start_afresh(home: Path) -> None:
    """A second run starts its story from the beginning: the demo's home holds nothing that anybody else owns."""
    for name in ("cluster.db", "cluster.db-wal", "cluster.db-shm", "repositories", "shop", "cache", "node", "engines.log"):
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def git_server(home: Path, running: Up) -> AsyncIterator[GitServer]:
    """A Git server over HTTP that tells the engines of every push, signed as a forge signs it."""
    git = GitServer(home / "repositories")
    await git.start()
    try:
        secret = secrets.token_hex(16)
        await _configure_webhook(running.cluster.client, secret)
        git.notify(f"{running.engines_url}/api/webhook", secret)
        yield git
    finally:
        await git.stop()


async def _configure_webhook(client: Client, secret: str) -> None:
    """As an Argo CD user does: the forge's secret stands in `argocd-secret`."""
    meta = {"namespace": ARGOCD, "name": "argocd-secret"}
    await create_missing(client, SECRETS, {"metadata": meta, "stringData": {"webhook.github.secret": secret}})
