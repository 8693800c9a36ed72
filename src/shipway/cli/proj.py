"""`shipway proj`: AppProjects, in the words of `argocd proj`. Everything goes through the Kubernetes API.

Commands that change one rule are rows of a table here: what they do is in `proj_rules`, what is shown in `proj_view`. A project
that the engine would not accept is never written.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.base.errors import Conflict, InvalidInput
from shipway.cli import proj_rules, proj_view
from shipway.cli.files import parsed
from shipway.cli.output import (
    AllFlag,
    Output,
    OutputFlag,
    kubectl_name,
    paint_for,
    print_done,
    print_found,
    print_lines,
    print_object,
)
from shipway.cli.proj_rules import Edit
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Place, Session, connected, look_up
from shipway.gitops.project import DEFAULT
from shipway.kube.objects import yaml
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, spec_of

app = App(name="proj", version_flags=(), help="Projects: what their Applications may deploy, from where, to where and when.")
app.command("shipway.cli.proj_windows:app", name="windows", help="Sync windows: when the project's Applications may be synced.")
Texts = Annotated[tuple[str, ...], Parameter(show_default=False, negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class ProjectFlags:
    """The rules of a project; for `set` only what is given changes."""

    description: Annotated[str, Parameter(show_default=False)] = ""
    "What it is for."
    src: Annotated[tuple[str, ...], Parameter(name=["--src", "-s"], show_default=False, negative="")] = ()
    "A repository that may be deployed from (glob); may be given again."
    dest: Annotated[tuple[str, ...], Parameter(name=["--dest", "-d"], show_default=False, negative="")] = ()
    "A cluster and namespace that may be deployed to, like https://kubernetes.default.svc,shop; may be given again."
    source_namespaces: Texts = ()
    "A namespace whose Applications may use it; may be given again."
    allow_cluster_resource: Texts = ()
    "A cluster-scoped kind, like rbac.authorization.k8s.io/ClusterRole; may be given again."
    deny_cluster_resource: Texts = ()
    "The same, denied."
    allow_namespaced_resource: Texts = ()
    "A namespaced kind, like apps/Deployment: then no others are allowed."
    deny_namespaced_resource: Texts = ()
    "The same, denied."


@Parameter(name="*")
@dataclass(frozen=True)
class CreateFlags:
    """How it is created."""

    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None
    "A file with the AppProject; - is standard input. Other flags count over what it says."
    upsert: Annotated[bool, Parameter(negative="")] = False
    "Change one that is there already."


@app.command(name="list")
async def list_command(*, all_namespaces: AllFlag = False, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List projects.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_projects(session, output, all_namespaces=all_namespaces)


@app.command(name="get")
async def get_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show one project: its rules, and what is wrong with them.

    Parameters
    ----------
    name
        The project.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await show_project(session, name, output)


@app.command(name="create")
async def create_command(
    name: Annotated[str, Parameter(show_default=False)] = "",
    /,
    *,
    rules: ProjectFlags | None = None,
    flags: CreateFlags | None = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Create a project.

    Parameters
    ----------
    name
        Its name; in a file it stands already.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await create_project(session, name, rules or ProjectFlags(), flags or CreateFlags(), output)


@app.command(name="set")
async def set_command(
    name: str, /, *, rules: ProjectFlags | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Give a project other rules: a list that is given takes the place of the one that is there.

    Parameters
    ----------
    name
        The project.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await change(session, name, proj_rules.stating(stated(rules or ProjectFlags())), output)


@app.command(name="delete")
async def delete_command(name: str, /, *, place: Place | None = None) -> int:
    """Delete a project that no Application uses any more.

    Parameters
    ----------
    name
        The project.
    """
    async with connected(place) as session:
        return await delete_project(session, name)


@app.command(name="add-destination")
async def add_destination_command(
    name: str, server: str, namespace: str, /, *, by_name: Annotated[bool, Parameter(name="--name", negative="")] = False,
    place: Place | None = None,
) -> int:  # fmt: skip
    """Allow a project to deploy to a cluster and namespace (globs; a leading ! denies).

    Parameters
    ----------
    name
        The project.
    server
        The cluster's URL; with --name its name.
    namespace
        The namespace.
    by_name
        SERVER is the name of a cluster.
    """
    destination = {"name" if by_name else "server": server, "namespace": namespace}
    async with connected(place) as session:
        return await change(session, name, proj_rules.with_destination(destination))


@app.command(name="remove-destination")
async def remove_destination_command(name: str, server: str, namespace: str, /, *, place: Place | None = None) -> int:
    """Take a destination away from a project.

    Parameters
    ----------
    name
        The project.
    server
        The cluster's URL or name, as `proj get` shows it.
    namespace
        The namespace.
    """
    async with connected(place) as session:
        return await change(session, name, proj_rules.without_destination(server, namespace))


def _one_value(edit: Callable[[str], Edit]) -> Callable[..., Awaitable[int]]:
    async def command(name: str, value: str, /, *, place: Place | None = None) -> int:
        async with connected(place) as session:
            return await change(session, name, edit(value))

    return command


def _one_kind(edit: Callable[[str, str, str], Edit], level: str) -> Callable[..., Awaitable[int]]:
    async def command(name: str, group: str, kind: str, /, *, place: Place | None = None) -> int:
        async with connected(place) as session:
            return await change(session, name, edit(level, group, kind))

    return command


_RULES: dict[str, tuple[Callable[..., Awaitable[int]], str]] = {
    "add-source": (
        _one_value(proj_rules.with_source),
        "Allow a project to deploy from a repository (glob; a leading ! denies).",
    ),
    "remove-source": (_one_value(proj_rules.without_source), "Take a repository away from a project."),
    "add-source-namespace": (
        _one_value(proj_rules.with_source_namespace),
        "Let Applications of a namespace (glob) use the project.",
    ),
    "remove-source-namespace": (_one_value(proj_rules.without_source_namespace), "No longer let them."),
    "allow-cluster-resource": (
        _one_kind(proj_rules.allowing, proj_rules.CLUSTER),
        'Allow a cluster-scoped kind, given as GROUP KIND ("" for the core group).',
    ),
    "deny-cluster-resource": (_one_kind(proj_rules.denying, proj_rules.CLUSTER), "Deny a cluster-scoped kind."),
    "allow-namespace-resource": (_one_kind(proj_rules.allowing, proj_rules.NAMESPACED), "Allow a namespaced kind."),
    "deny-namespace-resource": (_one_kind(proj_rules.denying, proj_rules.NAMESPACED), "Deny a namespaced kind."),
}
for _name, (_command, _help) in _RULES.items():
    app.command(_command, name=_name, help=_help)

role = App(name="role", version_flags=(), help="Roles: who may do what in the project.")
app.command(role)


@role.command(name="list")
async def role_list_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List the roles of a project.

    Parameters
    ----------
    name
        The project.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_roles(session, name, output)


async def list_projects(session: Session, output: Output = "table", *, all_namespaces: bool = False) -> int:
    namespace = "" if all_namespaces else session.application_namespace
    found = await session.client.list(APP_PROJECTS, namespace)
    print_found(found.items, proj_view.columns(session.clock.now()), output, what="AppProjects", namespace=namespace)
    return 0


async def show_project(session: Session, name: str, output: Output = "table") -> int:
    project = await find_project(session, name)
    if output == "table":
        print_lines(proj_view.overview(project, session.clock.now(), paint_for(sys.stdout)))
    else:
        print_object(project, output)
    return 0


async def create_project(session: Session, name: str, rules: ProjectFlags, flags: CreateFlags, output: Output = "table") -> int:
    """Writes it. Raises Conflict where one of that name is there and differs."""
    written = _document(flags.file) if flags.file else {}
    named = name or name_of(written)
    if not named:
        raise InvalidInput("say the project's name: shipway proj create NAME, or a file that names it")
    kept = {key: value for key, value in metadata(written).items() if key in ("labels", "annotations", "finalizers")}
    project = {
        "apiVersion": APP_PROJECTS.api_version,
        "kind": APP_PROJECTS.kind,
        "metadata": {**kept, "name": named, "namespace": session.application_namespace},
        "spec": {**spec_of(written), **stated(rules)},
    }
    _check(project)
    try:
        print_done(await session.client.create(APP_PROJECTS, project), "created", output)
        return 0
    except Conflict:
        there = await find_project(session, named)
    if not flags.upsert and spec_of(there) != project["spec"]:
        raise Conflict(f"AppProject {named} is there already and differs: --upsert changes it", reason="AlreadyExists")
    return await change(session, named, lambda _: project["spec"], output)


async def delete_project(session: Session, name: str) -> int:
    """Raises InvalidInput while it is in use."""
    project = await find_project(session, name)
    if name == DEFAULT:
        raise InvalidInput("the project default is that of Applications that name none: it cannot be deleted")
    applications = (await session.client.list(APPLICATIONS, session.application_namespace)).items
    users = sorted(name_of(one) for one in applications if spec_of(one).get("project") == name)
    if users:
        raise InvalidInput(f"project {name} is used by {', '.join(users[:5])}{' and others' if len(users) > 5 else ''}")
    await session.client.delete(APP_PROJECTS, session.application_namespace, name)
    print(f"{kubectl_name(project)} deleted")
    return 0


async def list_roles(session: Session, name: str, output: Output = "table") -> int:
    project = await find_project(session, name)
    roles: list[Obj] = spec_of(project).get("roles") or []
    proj_view.print_part(proj_view.ROLE_HEADINGS, proj_view.role_rows(project), "ProjectRoles", roles, output)
    return 0


async def change(session: Session, name: str, edit: Edit, output: Output = "table") -> int:
    """Writes what `edit` makes of the rules, onto the version that it was made from.

    Raises InvalidInput for rules that the engine would not accept.
    """

    async def write(project: Obj) -> tuple[Obj, str]:
        patch = merge_diff(spec_of(project), edit(spec_of(project)))
        if not patch:
            return project, "unchanged"
        _check({**project, "spec": edit(spec_of(project))})
        return await send(session.client, APP_PROJECTS, project, {"spec": patch}, {}), "configured"

    written, verb = await unbeaten(name, lambda: find_project(session, name), write)
    print_done(written, verb, output)
    return 0


async def find_project(session: Session, name: str) -> Obj:
    """The project. Raises NotFound saying where it was looked for."""
    return await look_up(session, APP_PROJECTS, session.application_namespace, name, "shipway proj list")


def stated(flags: ProjectFlags) -> Obj:
    """The fields of the spec that the flags state."""
    fields: Obj = {
        "description": flags.description,
        "sourceRepos": list(flags.src),
        "destinations": [proj_rules.read_destination(one) for one in flags.dest],
        "sourceNamespaces": list(flags.source_namespaces),
        "clusterResourceWhitelist": proj_rules.read_kinds("--allow-cluster-resource", flags.allow_cluster_resource),
        "clusterResourceBlacklist": proj_rules.read_kinds("--deny-cluster-resource", flags.deny_cluster_resource),
        "namespaceResourceWhitelist": proj_rules.read_kinds("--allow-namespaced-resource", flags.allow_namespaced_resource),
        "namespaceResourceBlacklist": proj_rules.read_kinds("--deny-namespaced-resource", flags.deny_namespaced_resource),
    }
    return {key: value for key, value in fields.items() if value}


def _check(project: Obj) -> None:
    if wrong := proj_view.wrong_with(project):
        raise InvalidInput("; ".join(wrong), reason="InvalidSpecError")


def _document(file: Path) -> Obj:
    found = parsed(file, yaml.load)
    if not isinstance(found, dict) or found.get("kind") != "AppProject":
        raise InvalidInput(f"{file}: there is no AppProject in it")
    return found
