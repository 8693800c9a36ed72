"""Which file a value of an application's chart comes from: the layers of each of its Helm sources, as the engine reads them."""

import asyncio
from pathlib import Path

import orjson
from msgspec import Struct

from shipway.adapters.helm.layers import Layer, layers
from shipway.adapters.render.choice import choose
from shipway.api.snapshot import RenderJob
from shipway.api.sources import RenderRequest
from shipway.assembly.onlooking import look
from shipway.assembly.repositories import repositories_now
from shipway.assembly.sources import Sources
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import namespace_of, status_of


class Layered(Struct, frozen=True):
    """One Helm source (`number` counts all sources from 1) and its layers, from the weakest to the strongest."""

    number: int
    layers: tuple[Layer, ...]


async def layered(client: Client, application: Obj, cache: Path) -> tuple[Layered, ...]:
    """The layers of each Helm source. Raises what the engine would report of the sources."""
    observed = await look(client, application, cache)
    clock, namespace = SystemClock(), status_of(application).get("controllerNamespace") or namespace_of(application)
    found: list[Layered] = []
    async with (
        repositories_now(client, clock, namespace) as repositories,
        Sources.open(cache, clock, repositories) as sources,
    ):
        for number, request in enumerate(observed.target.requests if observed.target else (), 1):
            if request is not None and (told := await asyncio.to_thread(_layers, sources, request)):
                found.append(Layered(number, told))
    return tuple(found)


def _layers(sources: Sources, request: RenderRequest) -> tuple[Layer, ...]:
    snapshot = sources.snapshot(request.repo_url, request.trees)
    choice = choose(snapshot, orjson.loads(request.source), request.app_name)
    if choice.source_type != "Helm":
        return ()
    lent = {one.name: sources.snapshot(one.repo_url, one.trees) for one in request.lent}
    job = RenderJob(choice.path, choice.options, request.app_name, request.namespace, request.build_env, lent=lent)
    return layers(snapshot, job)
