"""Moves services out of a repository with everybody's configuration into repositories of their own, and proves it.

    Applications that read the repository -> services -> `moving`: what it reads, where it goes, both rendered, written if alike

Nothing is written to a cluster or pushed anywhere.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from shipway.adapters.git.urls import parse_remote, redact
from shipway.api.application import control_namespace_of
from shipway.assembly.central import at_revision, central_repository
from shipway.assembly.clusters import Clusters
from shipway.assembly.moving import Means, Moved, Mover, Wish, called
from shipway.assembly.repositories import repositories_now
from shipway.assembly.sources import Sources
from shipway.assembly.working_copies import WorkingCopySources
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound
from shipway.gitops.relocation.layout import named_values
from shipway.gitops.relocation.services import Belongs, Labels, belongs
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of

AT_ONCE = 4
Tell = Callable[[int, int], None]
"""Told how many services are done, of how many."""


async def relocate(client: Client, clock: Clock, apps: Sequence[Obj], wish: Wish, cache: Path, tell: Tell) -> tuple[Moved, ...]:
    """All Applications of one namespace that read the repository, by service; first those of which nobody can say whose they
    are. Raises InvalidInput where the wish makes no sense, NotFound where no Application reads the repository."""
    central = await central_repository(wish.central, apps, cache)
    if "{app}" not in parse_remote(wish.template).address:
        raise InvalidInput(f"{redact(wish.template)} is one repository for all: put {{app}} where the name of the service goes")
    concerned = [at_revision(app, central, wish.at) for app in apps if central.concerns(app)]
    if not concerned:
        raise NotFound(f"no Application reads {central.url}: spell it as their sources do, or name its working copy")
    services, refused = _services(concerned, wish.labels)
    named = {service: frozenset(file for _, app in pairs for file in named_values(app)) for service, pairs in services.items()}
    async with _opened(client, clock, control_namespace_of(concerned[0]), cache) as (sources, clusters):
        here = sources if central.copy is None else WorkingCopySources(sources, central.copy, central.place)
        mover = Mover(Means(client, clock, sources, here, clusters, cache), central, wish)
        places, done = asyncio.Semaphore(AT_ONCE), 0

        async def moved_one(service: str) -> list[Moved]:
            nonlocal done
            others = frozenset[str]().union(*(files for other, files in named.items() if other != service))
            async with places:
                found = await mover.move(service, services[service], others)
            done += 1
            tell(done, len(services))
            return found

        tell(0, len(services))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(moved_one(service)) for service in sorted(services)]
    return (*refused, *(one for task in tasks for one in task.result()))


def _services(apps: Sequence[Obj], labels: Labels) -> tuple[dict[str, list[tuple[Belongs, Obj]]], list[Moved]]:
    """The Applications by service, and those of which nobody can say whose they are."""
    services: dict[str, list[tuple[Belongs, Obj]]] = {}
    refused: list[Moved] = []
    for app in sorted(apps, key=lambda app: (name_of(app), namespace_of(app))):
        try:
            found = belongs(app, labels)
        except InvalidInput as error:
            refused.append(Moved(called(app), None, error.message))
            continue
        services.setdefault(found.service, []).append((found, app))
    return services, refused


@asynccontextmanager
async def _opened(client: Client, clock: Clock, namespace: str, cache: Path) -> AsyncIterator[tuple[Sources, Clusters]]:
    async with (
        repositories_now(client, clock, namespace) as repositories,
        aclosing(Clusters(client, clock, namespace)) as clusters,
        Sources.open(cache, clock, repositories) as sources,
        asyncio.TaskGroup() as group,
    ):
        watching = group.create_task(clusters.run())
        try:
            yield sources, clusters
        finally:
            watching.cancel()
