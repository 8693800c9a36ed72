"""An AppProject with what it inherits, for one command: as the engine sees it."""

from shipway.api.application import ProjectSpec, parse_project
from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS
from shipway.base.errors import Denied, NotFound
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.global_projects import inheriting, names_inherited, read_global_projects
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import namespace_of


async def with_inherited(client: Client, project: Obj) -> ProjectSpec:
    """What counts for the project's applications, as far as we may see it. Raises InvalidInput for a project that is wrong."""
    settings = await _found(client, CONFIG_MAPS, namespace_of(project), CONFIG_MAP) or {}
    rules, _ = read_global_projects(settings.get("data") or {})
    parents: list[tuple[str, ProjectSpec]] = []
    for name in names_inherited(project, rules):
        parent = await _found(client, APP_PROJECTS, namespace_of(project), name)
        if parent is not None:
            parents.append((name, parse_project(parent)))
    return inheriting(parse_project(project), parents)


async def _found(client: Client, resource: Resource, namespace: str, name: str) -> Obj | None:
    try:
        return await client.get(resource, namespace, name)
    except (NotFound, Denied):
        return None
