"""Where the values of an application's charts come from, and what asks for them: the layers and the templates of each of its
Helm sources, as the engine reads them.
"""

import asyncio
import posixpath
from pathlib import Path

import orjson
from msgspec import Struct

from shipway.adapters.helm.layers import Layer, layers
from shipway.adapters.helm.use import Use, use_of
from shipway.adapters.render.choice import choose
from shipway.api.application import control_namespace_of
from shipway.api.snapshot import RenderJob
from shipway.api.sources import RenderRequest
from shipway.assembly.onlooking import look
from shipway.assembly.repositories import repositories_now
from shipway.assembly.sources import Sources
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj


class Layered(Struct, frozen=True):
    """One Helm source (`number` counts all sources from 1) and its layers, from the weakest to the strongest."""

    number: int
    layers: tuple[Layer, ...]
    use: Use
    has_defaults: bool
    """The first layer is the chart's own."""


async def layered(client: Client, application: Obj, cache: Path) -> tuple[Layered, ...]:
    """The layers of each Helm source. Raises what the engine would report of the sources."""
    return (await written(client, application, cache))[1]


async def written(client: Client, application: Obj, cache: Path) -> tuple[tuple[Obj, ...], tuple[Layered, ...]]:
    """What its sources give, and the layers of each Helm source. Raises what the engine would report of the sources."""
    observed = await look(client, application, cache)
    objects = tuple(one.obj for one in observed.target.prepared.objects) if observed.target else ()
    clock, namespace = SystemClock(), control_namespace_of(application)
    found: list[Layered] = []
    async with (
        repositories_now(client, clock, namespace) as repositories,
        Sources.open(cache, clock, repositories) as sources,
    ):
        for number, request in enumerate(observed.target.requests if observed.target else (), 1):
            if request is not None and (told := await asyncio.to_thread(_layered, sources, request, number)):
                found.append(told)
    return objects, tuple(found)


def _layered(sources: Sources, request: RenderRequest, number: int) -> Layered | None:
    snapshot = sources.snapshot(request.repo_url, request.trees)
    choice = choose(snapshot, orjson.loads(request.source), request.app_name)
    if choice.source_type != "Helm":
        return None
    lent = {one.name: sources.snapshot(one.repo_url, one.trees) for one in request.lent}
    job = RenderJob(choice.path, choice.options, request.app_name, request.namespace, request.build_env, lent=lent)
    found, own = layers(snapshot, job), posixpath.join(choice.path, "values.yaml")
    return Layered(number, found, use_of(snapshot, choice.path), has_defaults=snapshot.kind(own) == "file") if found else None
