"""An AppProject with what it inherits, for one command: as the engine sees it."""

from shipway.api.application import ProjectSpec, control_namespace_of, parse_project
from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS
from shipway.base.errors import Denied, NotFound
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.global_projects import inheriting, names_inherited, read_global_projects
from shipway.gitops.project import DEFAULT, requires_reason
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, spec_of


async def with_inherited(client: Client, project: Obj) -> ProjectSpec:
    """What counts for the project's applications, as far as we may see it. Raises InvalidInput for a project that is wrong."""
    parents = [(name_of(parent), parse_project(parent)) for parent in await _parents(client, project)]
    return inheriting(parse_project(project), parents)


async def wants_reason(client: Client, application: Obj) -> bool:
    """Whether the Application's project, or one that it inherits from, asks a person for the reason of what is done."""
    name = spec_of(application).get("project") or DEFAULT
    project = await _found(client, APP_PROJECTS, control_namespace_of(application), name)
    return project is not None and any(map(requires_reason, [project, *await _parents(client, project)]))


async def _parents(client: Client, project: Obj) -> list[Obj]:
    settings = await _found(client, CONFIG_MAPS, namespace_of(project), CONFIG_MAP) or {}
    rules, _ = read_global_projects(settings.get("data") or {})
    found = [await _found(client, APP_PROJECTS, namespace_of(project), name) for name in names_inherited(project, rules)]
    return [one for one in found if one is not None]


async def _found(client: Client, resource: Resource, namespace: str, name: str) -> Obj | None:
    try:
        return await client.get(resource, namespace, name)
    except (NotFound, Denied):
        return None
