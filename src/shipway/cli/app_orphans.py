"""`shipway app orphans`: what lies in the namespace of an Application and belongs to none, and one command to settle it."""

import sys
from typing import Annotated

from cyclopts import Parameter

from shipway.api.application import control_namespace_of, parse_project, parse_spec
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.assembly.namespace_metadata import namespace_metadata
from shipway.assembly.resource_tree import settings_of
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.app import find_app
from shipway.cli.output import Output, OutputFlag, age, kubectl_name, object_text, print_lines, print_table
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.gitops.orphans import Orphan, orphans, rule_for
from shipway.gitops.project import DEFAULT
from shipway.gitops.scope import read_scope
from shipway.gitops.tracking import instance_name
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.controller import key_of

NameFlag = Annotated[str, Parameter(show_default=False)]


async def orphans_command(
    name: str,
    /,
    *,
    ignore: NameFlag = "",
    delete: NameFlag = "",
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """List what lies in the namespace of the Application and belongs to no Application, and who made it. To adopt one, put its
    manifest into Git: the next sync takes it over.

    Parameters
    ----------
    name
        The Application.
    ignore
        Write this one, like configmap/settings, into the project's orphanedResources.ignore.
    delete
        Delete this one, like configmap/settings.
    output
        table, json, yaml or name.
    """
    if ignore and delete:
        raise InvalidInput("--ignore and --delete exclude each other: say what is to become of it")
    async with connected(place) as session:
        return await show_orphans(session, name, output, ignore=ignore, delete=delete)


async def show_orphans(session: Session, name: str, output: Output = "table", *, ignore: str = "", delete: str = "") -> int:
    application = await find_app(session, name)
    project = await _project(session, application)
    spec, rules = parse_spec(application), parse_project(project)
    if not spec.destination.namespace:
        raise InvalidInput(f"Application {name} has no spec.destination.namespace: there is nowhere to look for orphans")
    scope = read_scope(await settings_of(session.client, application))
    async with at_destination(session, application) as there:
        contents = await namespace_metadata(there, spec.destination.namespace)
        known = await _instances(session, application)
        found = orphans((obj for _, obj in contents.objects), spec, rules, scope, known)
        if contents.unseen:
            print(f"not looked at, since you may not list them: {', '.join(contents.unseen)}", file=sys.stderr)
        if ignore:
            return await _ignore(session, project, _one(found, ignore, name))
        if delete:
            one = _one(found, delete, name)
            kinds: dict[str, Resource] = {uid_of(obj): resource for resource, obj in contents.objects}
            await there.delete(kinds[uid_of(one.obj)], one.ref.namespace, one.ref.name, uid=uid_of(one.obj))
            print(f"{kubectl_name(one.obj)} is being deleted", file=sys.stderr)
            return 0
    _show(session, found, output)
    return 0


def _show(session: Session, found: tuple[Orphan, ...], output: Output) -> None:
    if output == "table":
        rows = [(kubectl_name(one.obj), age(one.obj, session.clock.now()), one.maker or "nobody says") for one in found]
        print_table(("NAME", "AGE", "MADE BY"), rows)
    elif output == "name":
        print_lines([kubectl_name(one.obj) for one in found])
    else:
        items = [{**rule_for(one.ref), "namespace": one.ref.namespace, "madeBy": one.maker} for one in found]
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "OrphanedResources", "items": items}
        sys.stdout.write(object_text(document, output))


def _one(found: tuple[Orphan, ...], text: str, app: str) -> Orphan:
    fits = [one for one in found if text in (kubectl_name(one.obj), f"{one.ref.kind.lower()}/{one.ref.name}")]
    if not fits:
        raise NotFound(f"{text} is no orphan: `shipway app orphans {app}` lists them")
    if len(fits) > 1:
        raise InvalidInput(f"{text} may be {' or '.join(kubectl_name(one.obj) for one in fits)}: say which")
    return fits[0]


async def _ignore(session: Session, project: Obj, orphan: Orphan) -> int:
    rules = [*dig(project, "spec", "orphanedResources", "ignore", default=[]), rule_for(orphan.ref)]
    body = {
        "metadata": {"resourceVersion": resource_version_of(project)},
        "spec": {"orphanedResources": {"ignore": rules}},
    }
    await session.client.patch(APP_PROJECTS, namespace_of(project), name_of(project), body)
    print(f"{kubectl_name(orphan.obj)} is ignored in all Applications of project {name_of(project)}", file=sys.stderr)
    return 0


async def _project(session: Session, application: Obj) -> Obj:
    return await session.client.get(APP_PROJECTS, control_namespace_of(application), parse_spec(application).project or DEFAULT)


async def _instances(session: Session, application: Obj) -> frozenset[str]:
    """What all Applications are called in tracking ids."""
    found = (await session.client.list(APPLICATIONS)).items
    where = control_namespace_of(application)
    return frozenset(instance_name(key_of(one), where) for one in found)
