"""An AppProject with what it inherits and what belongs to it, for one command: as the engine sees it."""

from msgspec import Struct

from shipway.api.application import ProjectSpec, control_namespace_of, parse_project
from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS, SECRETS
from shipway.api.repositories import REPOSITORY, SECRET_TYPE
from shipway.assembly.destinations import cluster_secrets
from shipway.base.errors import Denied, NotFound
from shipway.gitops.application.scoped import owner_of, with_own
from shipway.gitops.customizations import CONFIG_MAP
from shipway.gitops.global_projects import inheriting, names_inherited, read_global_projects
from shipway.gitops.project import DEFAULT, requires_reason
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, spec_of


class InForce(Struct, frozen=True):
    """What counts for a project's applications. `is_whole`: we may read which repositories and clusters are its own."""

    spec: ProjectSpec
    is_whole: bool = True


async def in_force(client: Client, project: Obj) -> InForce:
    """What counts, as far as we may see it. Raises InvalidInput for a project that is wrong."""
    parents = [(name_of(parent), parse_project(parent)) for parent in await _parents(client, project)]
    spec = inheriting(parse_project(project), parents)
    namespace = namespace_of(project)
    try:
        repositories = (await client.list(SECRETS, namespace, label_selector=f"{SECRET_TYPE}={REPOSITORY}")).items
        secrets = [*repositories, *await cluster_secrets(client, namespace)]
    except Denied:
        return InForce(spec, is_whole=False)
    return InForce(with_own(spec, [one for one in secrets if name_of(project) in owner_of(one)]))


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
