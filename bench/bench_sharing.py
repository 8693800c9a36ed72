"""The same work by one process and by two that share it (`shipway run --share`), one after the other in one run.

`APPS=600 make bench NAME=sharing`. Each arrangement has a fresh cluster and does three things: the first sync of
all applications, one commit that changes all of them, and a restart after which all are looked at again and nothing is written.

`throughput_ratio` is by the clock. Each process may use the share CPU of a core, as a container's `limits.cpu` says it, so that
the engines are the limit and not the API server and Git, which share its cores here; CPU=0 lifts it. `capacity_ratio` is the
CPU of the one process over that of the busier of two. What both spend, since every replica watches everything, is in both.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from bench.applications import (
    CLOCK,
    NAMESPACE,
    Engines,
    Prepared,
    all_created,
    all_synced,
    application,
    prepared,
)
from bench.limits import cpu_limit
from shipway.api.kinds import CONFIG_MAPS, LEASES
from shipway.kube.client.client import Client
from shipway.kube.objects.views import annotations_of, name_of
from shipway.kube.runtime.sharing import GROUP_LABEL, KNOWN_ANNOTATION

APPS = int(os.environ.get("APPS", "600"))
TARGETS = os.environ.get("TARGETS", "real").split(",")
CPU = float(os.environ.get("CPU", "0.1"))
CONTROLLER = "gitops-application"
AT_WORK = 8
"""Applications that are there before the first sync is measured: every process has its watches, its mirror and its workers."""
QUIET_SECONDS = 3.0
"""Once no pass has ended for so long, all work is done."""
LOOK = 0.5
"""Seconds between two looks at the counters, which cost the engines some CPU too."""
PARTS = ("first_sync", "commit", "restart")


class Took(Struct, frozen=True):
    """What one piece of work took: seconds until it was done, and of each process CPU seconds, passes and megabytes."""

    seconds: float
    cpu: tuple[float, ...]
    passes: tuple[float, ...]
    mb: tuple[float, ...]


async def run() -> dict[str, float]:
    figures: dict[str, float] = {"apps": APPS}
    for target in TARGETS:
        alone = await arrangement(target, 1)
        together = await arrangement(target, 2)
        for part in PARTS:
            figures |= {f"{target}_{part}_{name}": value for name, value in compared(alone[part], together[part]).items()}
    return figures


def compared(alone: Took, together: Took) -> dict[str, float]:
    return {
        "one_seconds": alone.seconds,
        "two_seconds": together.seconds,
        "one_cpu_seconds": alone.cpu[0],
        "two_a_cpu_seconds": max(together.cpu),
        "two_b_cpu_seconds": min(together.cpu),
        "one_mb": alone.mb[0],
        "two_mb": max(together.mb),
        "busier_share": max(together.passes) / sum(together.passes),
        "passes_ratio": sum(together.passes) / alone.passes[0],
        "throughput_ratio": alone.seconds / together.seconds,
        "capacity_ratio": alone.cpu[0] / max(together.cpu),
    }


async def arrangement(target: str, replicas: int) -> dict[str, Took]:
    """The work done by so many processes."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        home = Path(folder)
        async with prepared(target, home, APPS) as ready, AsyncExitStack() as stack:
            engines: list[Engines] = []
            for number in range(replicas):
                own = home / f"replica-{number}"
                own.mkdir()
                limit = stack.enter_context(cpu_limit(CPU)) if CPU else None
                engines.append(Engines(ready.kubeconfig, own, *(["--share"] if replicas > 1 else []), limit=limit))
                stack.push_async_callback(engines[-1].stop)
            took = await works(ready, engines)
    print(json.dumps({part: rounded(one) for part, one in took.items()} | {"replicas": replicas}), file=sys.stderr, flush=True)
    return took


async def works(ready: Prepared, engines: Sequence[Engines]) -> dict[str, Took]:
    await all_started(ready.client, engines)
    url = ready.git.url("mono")
    await applications(ready.client, url, range(AT_WORK))
    await all_quiet(engines)
    first = await measured(engines, applications(ready.client, url, range(AT_WORK, APPS)))
    commit = await measured(engines, commit_to_all(ready, engines, url))
    for one in engines:
        await one.stop()
    began = CLOCK.now()
    await all_started(ready.client, engines)
    restart = await measured(engines, seen_again(engines), since=began)
    return {"first_sync": first, "commit": commit, "restart": restart}


async def applications(client: Client, url: str, numbers: range) -> None:
    """Until these have been created and synced, after all below them."""
    await all_created(client, [application(number, url) for number in numbers])
    await all_synced(client, numbers.stop)


async def commit_to_all(ready: Prepared, engines: Sequence[Engines], url: str) -> None:
    """Until every object says what the commit says. A webhook tells one replica only; here all of them hear of it."""
    await ready.repo.change_all(APPS, "second")
    for one in engines:
        await one.hear_of_push(url)
    listing = await ready.client.list(CONFIG_MAPS, NAMESPACE)
    live = {obj["metadata"]["name"] for obj in listing.items if says_so(obj)}
    version = listing.resource_version
    async for event in ready.client.watch(CONFIG_MAPS, NAMESPACE, resource_version=version):
        if event.type != "BOOKMARK" and says_so(event.obj):
            live.add(event.obj["metadata"]["name"])
        if len(live) == APPS:
            return


def says_so(obj: dict[str, dict[str, str]]) -> bool:
    return (obj.get("data") or {}).get("text") == "second"


async def seen_again(engines: Sequence[Engines]) -> None:
    while sum([await one.passes(CONTROLLER) for one in engines]) < APPS:
        await CLOCK.sleep(LOOK)


async def measured(engines: Sequence[Engines], work: Awaitable[None], since: float | None = None) -> Took:
    """Seconds until the work is done; CPU and passes until nothing follows from it any more. `since`: when it began, and then
    all that the processes have used counts."""
    fresh = since is not None
    cpu = [0.0 if fresh else one.usage().cpu for one in engines]
    passes = [0.0 if fresh else await one.passes(CONTROLLER) for one in engines]
    began = CLOCK.now() if since is None else since
    await work
    took = CLOCK.now() - began
    await all_quiet(engines)
    used = [one.usage() for one in engines]
    return Took(
        took,
        tuple(one.cpu - before for one, before in zip(used, cpu, strict=True)),
        tuple([await one.passes(CONTROLLER) - before for one, before in zip(engines, passes, strict=True)]),
        tuple(one.mb for one in used),
    )


async def all_quiet(engines: Sequence[Engines]) -> None:
    seen, since = -1.0, CLOCK.now()
    while CLOCK.now() - since < QUIET_SECONDS:
        await CLOCK.sleep(LOOK)
        if (now := sum([await one.passes(CONTROLLER) for one in engines])) != seen:
            seen, since = now, CLOCK.now()


async def all_started(client: Client, engines: Sequence[Engines]) -> None:
    """Until every process works; those that share do once all know one another."""
    async with asyncio.TaskGroup() as group:
        for one in engines:
            group.create_task(one.start())
    while len(engines) > 1:
        leases = (await client.list(LEASES, "argocd", label_selector=GROUP_LABEL)).items
        alive = {name_of(lease): lease for lease in leases if lease["spec"].get("holderIdentity")}
        known = [set(annotations_of(lease).get(KNOWN_ANNOTATION, "").split(",")) | {name} for name, lease in alive.items()]
        if len(alive) == len(engines) and all(names >= alive.keys() for names in known):
            return
        await CLOCK.sleep(LOOK)


def rounded(took: Took) -> dict[str, float | list[float]]:
    many = {"cpu": took.cpu, "passes": took.passes, "mb": took.mb}
    return {"seconds": round(took.seconds, 2), **{name: [round(one, 2) for one in values] for name, values in many.items()}}
