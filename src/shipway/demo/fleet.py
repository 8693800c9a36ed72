"""The fleet story: one ApplicationSet fills three clusters; one is lost, rebuilt empty at its address, and filled again.

Like the canary story it is a script over the public API. The clusters join as `shipway cluster add` has them join, with an
account of their own, which is lost with the cluster.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from shipway.api.clusters import Cluster, cluster_secret
from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, SECRETS
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.assembly.destinations import applications_at
from shipway.assembly.joining import Joining, described, join
from shipway.assembly.restoring import Restoration, proved
from shipway.assembly.supervise import UpSettings, up
from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import ShipwayError
from shipway.demo.repository import SampleShop
from shipway.demo.stage import DemoSettings, git_server, start_afresh
from shipway.demo.story import ARGOCD, PATIENCE, is_synced_and_healthy
from shipway.demo.timeline import Timeline
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.yaml import load_all
from shipway.kube.runtime.waiting import TookTooLong

MEMBERS = ("east", "north", "west")
LOST = "west"
SERVICES = 4
RESTORE_PATIENCE = 120.0
"""Seconds that the lost cluster is given to be whole again."""


class FleetFindings(Struct):
    """What the story observed."""

    apps: int = 0
    objects: int = 0
    others_disturbed: int = 0
    restored_s: float | None = None
    objects_restored: int = 0


async def perform_fleet(settings: DemoSettings, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Plays the story from its beginning and returns the report that `tell` was given."""
    clock = SystemClock()
    start_afresh(settings.home)
    for name in MEMBERS:
        shutil.rmtree(settings.home / name, ignore_errors=True)
    timeline = Timeline(clock)
    timeline.say("starting an embedded Kubernetes and Shipway")
    async with (
        up(UpSettings(settings.home), clock) as running,
        git_server(settings.home, running) as git,
        AsyncExitStack() as stack,
    ):
        shop = SampleShop(settings.home / "shop", git.create("fleet"), os.environ.get("PATH", os.defpath))
        await shop.create(layout="fleet_repository")
        story = FleetStory(running.cluster.client, shop, settings.home, stack, clock, timeline)
        report = await _play(story, timeline)
        tell(report)
        if settings.stays:
            timeline.say(f"everything stays up; kubeconfig: {running.cluster.kubeconfig}; Ctrl-C ends it")
            await asyncio.get_running_loop().create_future()
    return report


async def _play(story: "FleetStory", timeline: Timeline) -> dict[str, Any]:
    error = ""
    try:
        await story.play()
    except ShipwayError as failure:
        error = failure.message
        timeline.say(error, "bad")
    return report_of(story.findings, timeline.seconds, error)


def report_of(findings: FleetFindings, seconds: float, error: str = "") -> dict[str, Any]:
    """The story's JSON; its keys are a contract. `ok` only if all of it was observed."""
    is_whole = (
        findings.apps == len(MEMBERS) * SERVICES
        and findings.restored_s is not None
        and findings.objects_restored == findings.objects > 0
        and findings.others_disturbed == 0
    )
    report = {
        "ok": not error and is_whole,
        "story": "fleet",
        "seconds": round(seconds, 1),
        "clusters": len(MEMBERS),
        "apps": findings.apps,
        "lost": LOST,
        "objects": findings.objects,
        "objects_restored": findings.objects_restored,
        "others_disturbed": findings.others_disturbed,
        "restored_s": findings.restored_s,
    }
    return {**report, "error": error} if error else report


class FleetStory:
    """Plays the chapters in order; raises TookTooLong at the first that does not come true. `stack` ends the members."""

    def __init__(
        self, client: Client, shop: SampleShop, home: Path, stack: AsyncExitStack, clock: Clock, timeline: Timeline
    ) -> None:
        self._client = client
        self._shop = shop
        self._home = home
        self._stack = stack
        self._clock = clock
        self._timeline = timeline
        self._lives: dict[str, AsyncExitStack] = {}
        self._members: dict[str, EmbeddedCluster] = {}
        self._known: dict[str, Cluster] = {}
        self.findings = FleetFindings()

    async def play(self) -> None:
        self._timeline.chapter("Three clusters join, each with an account of its own")
        for name in MEMBERS:
            await self._begin(name)
        await asyncio.gather(*map(self._join, MEMBERS))
        await self._fill()
        await self._lose()
        await self._restore()

    async def _begin(self, name: str, port: int = 0) -> None:
        """An empty cluster."""
        life = await self._stack.enter_async_context(AsyncExitStack())
        member = await life.enter_async_context(embedded_cluster(self._home / name, self._clock, api_port=port))
        self._lives[name], self._members[name] = life, member

    async def _join(self, name: str) -> None:
        """The account that we have there, and the Secret that describes the cluster."""
        member = self._members[name]
        token = await join(member.client, self._clock, Joining())
        cluster = described(load_kubeconfig(member.kubeconfig), name, token, "")
        secret = cluster_secret(ARGOCD, cluster, {"env": "prod"}, {})
        await self._client.apply(SECRETS, secret, manager="shipway-demo")
        self._known[name] = cluster
        self._timeline.say(f"{name} has joined: {member.api_url}", "done")

    async def _fill(self) -> None:
        self._timeline.chapter("One ApplicationSet: every service on every cluster, each after what it depends on")
        for one in load_all(self._shop.read("argocd/set.yaml")):
            await self._client.apply(APPLICATION_SETS, one, manager="shipway-demo")
        self.findings.apps = len(await self._all(is_synced_and_healthy))
        self.findings.objects = await self._objects_of(LOST)
        self._timeline.say(f"{self.findings.apps} Applications are Synced and Healthy on {len(MEMBERS)} clusters", "done")

    async def _lose(self) -> None:
        self._timeline.chapter(f"{LOST} is lost: its machines, its data, and the account that we had there")
        port = urlsplit(self._members[LOST].api_url).port or 0
        await self._lives[LOST].aclose()
        await asyncio.to_thread(shutil.rmtree, self._home / LOST)
        others = [app for app in await self._apps() if dig(app, "spec", "destination", "name") != LOST]
        self.findings.others_disturbed = sum(not is_synced_and_healthy(app) for app in others)
        self._timeline.say(f"the {len(others)} Applications of the other clusters go on", "done")
        self._timeline.say(f"an empty cluster is built at its address, and joins (shipway cluster add {LOST} --upsert)", "move")
        await self._begin(LOST, port)
        await self._join(LOST)

    async def _restore(self) -> None:
        self._timeline.chapter(f"shipway restore --cluster {LOST}")
        began = self._clock.elapsed()
        cluster, there = self._known[LOST], self._members[LOST].client
        told = -1

        def tell(back: int, count: int, seconds: float) -> None:
            nonlocal told
            if back != told:
                self._timeline.say(f"{back} of {count} applications are back", "move")
            told = back

        try:
            async with asyncio.timeout(RESTORE_PATIENCE):
                apps = await applications_at(self._client, ARGOCD, cluster)
                await Restoration(self._client, self._clock, there, tell).run(apps)
        except TimeoutError:
            raise TookTooLong(f"{LOST} was not restored within {RESTORE_PATIENCE:.0f} s") from None
        self.findings.restored_s = round(self._clock.elapsed() - began, 1)
        self.findings.objects_restored = await self._objects_of(LOST)
        self._timeline.say(f"{self.findings.objects_restored} objects are there again, asked of the cluster itself", "done")

    async def _objects_of(self, name: str) -> int:
        """How many objects of its Applications a cluster really has."""
        standings = await proved(self._members[name].client, await applications_at(self._client, ARGOCD, self._known[name]))
        return sum(one.wanted - len(one.missing or ()) for one in standings)

    async def _apps(self) -> list[Obj]:
        return (await self._client.list(APPLICATIONS, ARGOCD)).items

    async def _all(self, is_so: Callable[[Obj | None], bool]) -> list[Obj]:
        """The Applications once each of them is so, as many as there have to be."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    listing = await self._client.list(APPLICATIONS, ARGOCD)
                    if len(listing.items) == len(MEMBERS) * SERVICES and all(map(is_so, listing.items)):
                        return listing.items
                    async for _ in self._client.watch(APPLICATIONS, ARGOCD, resource_version=listing.resource_version):
                        break
        except TimeoutError:
            raise TookTooLong(f"the Applications did not get there within {PATIENCE:.0f} s") from None
