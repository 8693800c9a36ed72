"""Everything that an Argo CD has, seen with our eyes before anything moves: the engine runs for a moment and only reports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from shipway.api.application import parse_project
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS
from shipway.assembly.cmd_params import cmd_params, with_cmd_params
from shipway.assembly.destinations import cluster_secrets
from shipway.assembly.engines import EngineProcess, engine_process, gitops_settings
from shipway.assembly.neighbours import Neighbour, find_neighbours
from shipway.assembly.settings import RunSettings
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound
from shipway.gitops.application.shadow import Shadow
from shipway.gitops.argocd_settings import unread, unread_flags
from shipway.gitops.customizations import CONFIG_MAP
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.runtime.controller import key_of

LOOKS = 0.1
"""Seconds between two looks at what is known by now."""
Tell = Callable[[int, int], None]
"""Told how many Applications have been compared, of how many."""


class Installation(Struct, frozen=True):
    """What was found. `late`: Applications that could not be compared in time, and what each still waits for."""

    neighbours: tuple[Neighbour, ...]
    applications: tuple[Shadow, ...]
    late: tuple[str, ...]
    refused_projects: tuple[tuple[str, str], ...]
    """Projects that cannot be read here, and why."""
    unread: tuple[str, ...]
    """Keys of `argocd-cm` and `argocd-cmd-params-cm` that would act there and do not here."""
    projects: int
    sets: int
    clusters: int

    @property
    def differs(self) -> bool:
        compared = any(one.agreement == "differs" for one in self.applications)
        return compared or bool(self.late or self.refused_projects or self.unread)


async def look_at_installation(
    client: Client, clock: Clock, namespace: str, cache: Path, seconds: float, tell: Tell
) -> Installation:
    """Writes nothing. `seconds`: how long to wait for Git and the clusters. Raises what the client raises, NotFound where no
    Application is."""
    settings = RunSettings(namespace=namespace, engines=("gitops",), is_read_only=True, cache=cache, allow_local=True)
    apps = await _served(client, await with_cmd_params(client, settings))
    if not apps:
        raise NotFound(f"no Application in namespace {namespace}: say with -n where Argo CD's are")
    projects = (await client.list(APP_PROJECTS, namespace)).items
    async with engine_process(client, clock, settings) as process, _running(process):
        shadows = await _settled(process, {str(key_of(app)) for app in apps}, clock, seconds, tell)
    known = {one.application for one in shadows if one.is_settled}
    return Installation(
        tuple(await find_neighbours(client, clock.now())),
        tuple(one for one in shadows if one.is_settled),
        tuple(sorted(str(key_of(app)) for app in apps if str(key_of(app)) not in known)),
        tuple(_refused(projects)),
        unread(await _settings(client, namespace)) + unread_flags(await cmd_params(client, namespace)),
        len(projects),
        len((await client.list(APPLICATION_SETS, namespace)).items),
        len(await cluster_secrets(client, namespace)),
    )


async def _served(client: Client, settings: RunSettings) -> list[Obj]:
    """The Applications of the installation, in its own namespace and in those that it adds."""
    if not settings.application_namespaces:
        return (await client.list(APPLICATIONS, settings.namespace)).items
    serves = gitops_settings(settings, b"").serves
    return [one for one in (await client.list(APPLICATIONS)).items if serves(namespace_of(one))]


@asynccontextmanager
async def _running(process: EngineProcess) -> AsyncIterator[None]:
    """The process at work beside the block, and ended with it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(process.run(lambda: None))
        try:
            yield
        finally:
            task.cancel()


async def _settled(process: EngineProcess, wanted: set[str], clock: Clock, seconds: float, tell: Tell) -> list[Shadow]:
    deadline, told = clock.elapsed() + seconds, -1
    while True:
        shadows = [one for one in process.shadows() if one.application in wanted]
        count = sum(one.is_settled for one in shadows)
        if count != told:
            tell(count, len(wanted))
        told = count
        if count == len(wanted) or clock.elapsed() >= deadline:
            return shadows
        await clock.sleep(LOOKS)


def _refused(projects: list[Obj]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for project in projects:
        try:
            parse_project(project)
        except InvalidInput as error:
            found.append((name_of(project), error.message))
    return found


async def _settings(client: Client, namespace: str) -> dict[str, str]:
    try:
        return (await client.get(CONFIG_MAPS, namespace, CONFIG_MAP)).get("data") or {}
    except NotFound:
        return {}
