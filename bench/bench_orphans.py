"""A thousand applications in one namespace with noisy neighbours: what it costs to look for orphans there.

`APPS=1000 WRITES=200 TARGETS=real make bench NAME=orphans`. The noise is what operators make all day: leader election by a
ConfigMap's annotation and by Leases, EndpointSlices that move, Events, and objects of kinds that no application has. The same
noise is measured with the project silent and with `orphanedResources`, in turns, so that a busy machine concerns both alike.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from bench.applications import CLOCK, NAMESPACE, Engines, application, first_sync, stage
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, ENDPOINT_SLICES, EVENTS, LEASES, SECRETS
from shipway.base.errors import ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig

APPS = int(os.environ.get("APPS", "1000"))
WRITES = int(os.environ.get("WRITES", "200"))
TARGETS = os.environ.get("TARGETS", "real").split(",")
SECONDS = float(os.environ.get("SECONDS", "30"))
"""Of one turn."""
TURNS = int(os.environ.get("TURNS", "4"))
AT_ONCE = 16
"""Writes under way: a server that cannot keep up is not buried, and `written_per_s` tells of it."""
CONTROLLER = "gitops-application"
SETTLE_SECONDS = 45.0
QUIET_SECONDS = 5.0
NOISY: dict[Resource, int] = {CONFIG_MAPS: 5, LEASES: 5, ENDPOINT_SLICES: 4, EVENTS: 4, SECRETS: 2}
"""How many of twenty writes go to which kind. ConfigMaps are watched for the applications anyway, Secrets are not."""
MORE: dict[Resource, Obj] = {
    LEASES: {"spec": {}},
    ENDPOINT_SLICES: {"addressType": "IPv4", "endpoints": []},
    EVENTS: {"involvedObject": {"namespace": NAMESPACE}, "reason": "Noise", "type": "Normal"},
}


class Turn(Struct, frozen=True):
    """What the engines used in one turn: per cent of a core; what they did; how many keys waited at most."""

    core_percent: float
    passes: float
    writes: float
    deepest_queue: float


async def run() -> dict[str, float]:
    figures: dict[str, float] = {"apps": APPS, "writes_per_s": WRITES}
    for target in TARGETS:
        with tempfile.TemporaryDirectory(prefix="shipway-bench-") as home:
            async with stage(target, Path(home), APPS) as (client, _, engines, git):
                measured = await measure(client, engines, git.url("mono"))
        figures |= {f"{target}_{name}": value for name, value in measured.items()}
    return figures


async def measure(client: Client, engines: Engines, url: str) -> dict[str, float]:
    synced = await first_sync(client, engines, [application(number, url) for number in range(APPS)])
    print(synced, file=sys.stderr)
    names = await noisy_objects(client)
    await CLOCK.sleep(SETTLE_SECONDS)
    quiet = await turn(client, engines)
    off: list[Turn] = []
    on: list[Turn] = []
    noise = Noise(client, names)
    making = asyncio.create_task(noise.run())
    began = CLOCK.now()
    for number in range(2 * TURNS):
        looks = number % 4 in (1, 2)
        told = await look_for_orphans(client, is_on=looks)
        await come_to_rest(engines)
        (on if looks else off).append(await turn(client, engines))
        print(f"orphans {'on ' if looks else 'off'} {(on if looks else off)[-1]} (told within {told:.1f} s)", file=sys.stderr)
    making.cancel()
    written = noise.written / (CLOCK.now() - began)
    return {"written_per_s": written, "quiet_core_percent": quiet.core_percent, **compared(off, on), "mb": engines.usage().mb}


def compared(off: Sequence[Turn], on: Sequence[Turn]) -> dict[str, float]:
    """Side by side. `added_core_percent` is the difference of the medians, `ratio` their quotient."""
    without, with_it = (statistics.median(one.core_percent for one in turns) for turns in (off, on))
    return {
        "off_core_percent": without,
        "on_core_percent": with_it,
        "added_core_percent": with_it - without,
        "ratio": with_it / without,
        "off_passes": sum(one.passes for one in off),
        "on_passes": sum(one.passes for one in on),
        "on_status_writes": sum(one.writes for one in on),
        "on_deepest_queue": max(one.deepest_queue for one in on),
    }


async def turn(client: Client, engines: Engines) -> Turn:
    deepest = 0.0
    passes, versions, used, began = await engines.passes(CONTROLLER), await statuses(client), engines.usage().cpu, CLOCK.now()
    while CLOCK.now() - began < SECONDS:
        await CLOCK.sleep(SECONDS / 10)
        deepest = max(deepest, await engines.queue_depth(CONTROLLER))
    used, took = engines.usage().cpu - used, CLOCK.now() - began
    changed = await statuses(client) - versions
    return Turn(100 * used / took, await engines.passes(CONTROLLER) - passes, len(changed), deepest)


async def statuses(client: Client) -> set[str]:
    """Names and versions of all Applications."""
    found = (await client.list(APPLICATIONS, "argocd", metadata_only=True)).items
    return {f"{one['metadata']['name']} {one['metadata']['resourceVersion']}" for one in found}


async def look_for_orphans(client: Client, *, is_on: bool) -> float:
    """Has the project ask for it or not, and waits until every application says so. Returns the seconds it took."""
    began = CLOCK.now()
    await client.patch(APP_PROJECTS, "argocd", "default", {"spec": {"orphanedResources": {} if is_on else None}})
    while any(has_condition(app) is not is_on for app in (await client.list(APPLICATIONS, "argocd")).items):
        await CLOCK.sleep(1.0)
    return CLOCK.now() - began


async def come_to_rest(engines: Engines) -> None:
    """Until no pass has ended for some seconds: what the switch itself costs is not what the noise costs."""
    passes, since = await engines.passes(CONTROLLER), CLOCK.now()
    while CLOCK.now() - since < QUIET_SECONDS:
        await CLOCK.sleep(1.0)
        if (now := await engines.passes(CONTROLLER)) != passes:
            passes, since = now, CLOCK.now()


def has_condition(app: Obj) -> bool:
    return any(one["type"] == "OrphanedResourceWarning" for one in dig(app, "status", "conditions", default=[]))


async def noisy_objects(client: Client) -> list[tuple[Resource, str]]:
    """Twenty objects that belong to nobody."""
    made: list[tuple[Resource, str]] = []
    for resource, count in NOISY.items():
        for number in range(count):
            meta = {"name": f"noisy-{number}", "namespace": NAMESPACE}
            obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **MORE.get(resource, {})}
            await client.create(resource, obj)
            made.append((resource, meta["name"]))
    return made


class Noise:
    """Writes that concern nobody: `WRITES` a second, each to the next object."""

    def __init__(self, client: Client, names: Sequence[tuple[Resource, str]]) -> None:
        self.written = 0
        self._room = asyncio.Semaphore(AT_ONCE)
        self._client = client
        self._names = names

    async def run(self) -> None:
        due, number = CLOCK.elapsed(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                await self._room.acquire()
                group.create_task(self._write(*self._names[number % len(self._names)], number))
                number += 1
                due = max(due + 1 / WRITES, CLOCK.elapsed() - 0.1)
                await CLOCK.sleep(max(0.0, due - CLOCK.elapsed()))

    async def _write(self, resource: Resource, name: str, number: int) -> None:
        body = {"metadata": {"annotations": {"control-plane.alpha.kubernetes.io/leader": f"renewed {number}"}}}
        try:
            with suppress(ShipwayError):
                await self._client.patch(resource, NAMESPACE, name, body)
                self.written += 1
        finally:
            self._room.release()
