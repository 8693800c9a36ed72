"""`shipway app orphans`: what lies in the namespace of an Application and belongs to none, and one command to settle it."""

import sys
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct

from shipway.api.application import control_namespace_of, parse_project, parse_spec
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, SECRETS
from shipway.assembly.namespace_metadata import namespace_metadata
from shipway.assembly.resource_tree import settings_of
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.app import find_app
from shipway.cli.app_view import sources_of
from shipway.cli.output import Output, OutputFlag, age, kubectl_name, object_text, print_lines, print_table
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.gitops.manifest import manifest_of
from shipway.gitops.orphans import HELM_RELEASE, Orphan, orphans, rule_for
from shipway.gitops.pinned import path_of, target_of
from shipway.gitops.project import DEFAULT
from shipway.gitops.scope import read_scope
from shipway.gitops.tracking import instance_name
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of, resource_version_of, status_of, uid_of
from shipway.kube.runtime.controller import key_of

NameFlag = Annotated[str, Parameter(show_default=False)]


async def orphans_command(
    name: str,
    /,
    *,
    adopt: NameFlag = "",
    ignore: NameFlag = "",
    delete: NameFlag = "",
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """List what lies in the namespace of the Application and belongs to no Application, and who made it.

    Parameters
    ----------
    name
        The Application.
    adopt
        Print the manifest of this one, like configmap/settings, for the folder in Git: the next sync takes it over.
    ignore
        Write this one, like configmap/settings, into the project's orphanedResources.ignore.
    delete
        Delete this one, like configmap/settings.
    output
        table, json, yaml or name.
    """
    if sum(map(bool, (adopt, ignore, delete))) > 1:
        raise InvalidInput("--adopt, --ignore and --delete exclude each other: say what is to become of it")
    async with connected(place) as session:
        return await show_orphans(session, name, output, Fate(adopt, ignore, delete))


class Fate(Struct, frozen=True):
    """What is to become of one orphan; at most one of them names it."""

    adopt: str = ""
    ignore: str = ""
    delete: str = ""


UNDECIDED = Fate()


async def show_orphans(session: Session, name: str, output: Output = "table", fate: Fate = UNDECIDED) -> int:
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
        kinds: dict[str, Resource] = {uid_of(obj): resource for resource, obj in contents.objects}
        if fate.ignore:
            return await _ignore(session, project, _one(found, fate.ignore, name))
        if fate.adopt:
            one = _one(found, fate.adopt, name)
            return await _adopt(there, application, one, kinds[uid_of(one.obj)], output)
        if fate.delete:
            one = _one(found, fate.delete, name)
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


async def _adopt(there: Client, application: Obj, orphan: Orphan, resource: Resource, output: Output) -> int:
    """Prints what to commit. Nothing is written to the cluster: what is not in Git would be pruned by the next sync."""
    name = kubectl_name(orphan.obj)
    if resource.group_kind == SECRETS.group_kind:
        raise InvalidInput(
            f"{name} holds values that do not belong in Git: bring it by what your team has for secrets (SealedSecrets, "
            "External Secrets, SOPS), or say --ignore"
        )
    live = await there.get(resource, orphan.ref.namespace, orphan.ref.name)
    manifest = manifest_of(live, parse_spec(application).destination.namespace)
    sys.stdout.write(object_text(manifest, "json" if output == "json" else "yaml"))
    for line in advice_on_adoption(application, orphan):
        print(line, file=sys.stderr)
    return 0


def advice_on_adoption(application: Obj, orphan: Orphan) -> list[str]:
    """Where the manifest goes, and who else may still think that the object is his."""
    source = next((one for one in sources_of(application) if one.get("path")), sources_of(application)[0])
    where = f"{path_of(source)} of {source.get('repoURL', '')} at {target_of(source)}"
    kinds = {str(status_of(application).get("sourceType") or ""), *(status_of(application).get("sourceTypes") or ())}
    how = f"commit it to {where}"
    if "Kustomize" in kinds:
        how += " and name it under `resources` of its kustomization.yaml"
    elif "Helm" in kinds:
        how += " below templates/ (braces like {{ are Helm's there)"
    lines = [f"# {kubectl_name(orphan.obj)}: {how}; the next sync takes it over as it is"]
    if release := annotations_of(orphan.obj).get(HELM_RELEASE):
        lines.append(f"# Helm release {release} may still list it: `helm uninstall {release}` would delete it")
    return lines


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
