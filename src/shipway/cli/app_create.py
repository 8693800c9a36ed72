"""`shipway app create`: an Application from flags or from a file, checked before it is written.

What the engine would refuse later is refused here at once: a field that cannot work, a project that does not allow it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shipway.api.application import ApplicationSpec, parse_spec
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.assembly.destinations import place_of
from shipway.assembly.projects import in_force
from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound
from shipway.cli.app_spec import SpecFlags, application_from, completed, overlaid
from shipway.cli.files import parsed, text_of
from shipway.cli.output import Output, OutputFlag, print_done
from shipway.cli.session import ARGOCD, Place, Session, connected
from shipway.gitops.application.destinations import Place as GoesTo
from shipway.gitops.project import DEFAULT, refusals
from shipway.gitops.source import check_spec
from shipway.kube.objects import yaml
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, namespace_of, resource_version_of, spec_of

ALL_THE_SAME = " (--no-validate writes it all the same)"


@Parameter(name="*")
@dataclass(frozen=True)
class CreateFlags:
    """How it is created."""

    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None
    "A file with Applications; - is standard input. Other flags count over what it says."
    upsert: Annotated[bool, Parameter(negative="")] = False
    "Change one that is there already."
    validate: bool = True
    "Ask the project whether it allows it."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Write nothing, and need no cluster: -o yaml prints the manifest, for Git."


async def create_command(
    name: Annotated[str, Parameter(show_default=False)] = "",
    /,
    *,
    spec: SpecFlags | None = None,
    flags: CreateFlags | None = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Create an Application.

    Parameters
    ----------
    name
        Its name; in a file it stands already.
    output
        table, json, yaml or name.
    """
    how = flags or CreateFlags()
    wanted = applications(name, spec or SpecFlags(), how, (place or Place()).namespace)
    if how.dry_run:
        return show_dry(wanted, output)
    async with connected(place) as session:
        return await create(session, wanted, how, output)


def applications(name: str, spec: SpecFlags, flags: CreateFlags, namespace: str = "") -> list[Obj]:
    """The Applications that are wanted, complete and checked. Raises InvalidInput."""
    stated = application_from(spec, text_of(Path(spec.values_literal_file)) if spec.values_literal_file else "")
    written = _documents(flags.file) if flags.file else [{}]
    if len(written) > 1 and (stated or name):
        raise InvalidInput(f"{flags.file} holds {len(written)} Applications: flags that change them would be a guess")
    return [_checked(_with(one, stated), name, namespace) for one in written]


def _with(written: Obj, stated: Obj) -> Obj:
    """A manifest with what flags state over it."""
    meta, spec = stated.get("metadata") or {}, stated.get("spec") or {}
    return {**written, "metadata": joined(metadata(written), meta), "spec": overlaid(spec_of(written), spec)}


def show_dry(wanted: list[Obj], output: Output) -> int:
    """Prints what would be created."""
    if output == "yaml":
        sys.stdout.write("---\n".join(yaml.dump(app) for app in wanted))
    else:
        for app in wanted:
            print_done(app, "created (dry run)", output)
    return 0


async def create(session: Session, wanted: list[Obj], flags: CreateFlags, output: Output = "table") -> int:
    """Writes them. Raises Conflict where one is there and differs, and InvalidInput where its project does not allow it."""
    for app in wanted:
        if flags.validate:
            await check_allowed(session, app, ALL_THE_SAME)
        try:
            print_done(await session.client.create(APPLICATIONS, app), "created", output)
        except Conflict:
            changed, verb = await _changed(session, app, upsert=flags.upsert)
            print_done(changed, verb, output)
    return 0


async def _changed(session: Session, app: Obj, *, upsert: bool) -> tuple[Obj, str]:
    """One that is there already, as it is wanted. Labels and annotations that are not spoken of stay."""
    there = await session.client.get(APPLICATIONS, namespace_of(app), name_of(app))
    patch = merge_diff({"spec": there.get("spec") or {}}, {"spec": app["spec"]})
    stated = {key: metadata(app).get(key) for key in ("labels", "annotations", "finalizers") if metadata(app).get(key)}
    meta = merge_diff(metadata(there), joined(metadata(there), stated))
    if not patch and not meta:
        return there, "unchanged"
    if not upsert:
        raise Conflict(f"Application {name_of(app)} is there already and differs: --upsert changes it", reason="AlreadyExists")
    body = {**patch, "metadata": {**meta, "resourceVersion": resource_version_of(there)}}
    return await session.client.patch(APPLICATIONS, namespace_of(app), name_of(app), body), "configured"


def joined(there: Obj, stated: Obj) -> Obj:
    """Maps over what is there, finalizers added to those that are there."""
    found: Obj = dict(there)
    for key, value in stated.items():
        old: Any = there.get(key)
        found[key] = {**(old or {}), **value} if isinstance(value, dict) else list(dict.fromkeys([*(old or []), *value]))
    return found


async def check_allowed(session: Session, app: Obj, hint: str = "") -> None:
    """Raises InvalidInput where the project is not there or does not allow the application; `hint`: what else can be done.

    Whoever may not read what belongs to the project cannot know that it does not allow something: that is said, not refused."""
    spec = parse_spec(app)
    project = await _project(session, spec.project)
    if project is None and spec.project != DEFAULT:  # the engine makes the default one, and it allows everything
        told = f"AppProject {spec.project} does not exist: `shipway proj list` shows those that do"
        raise InvalidInput(f"{told}{hint}", reason="InvalidSpecError")
    place = await _place(session, app)
    if place.problem:
        raise InvalidInput(f"{place.problem}{hint}", reason="InvalidSpecError")
    told = place.told_in(spec)
    seen = await in_force(session.client, project) if project is not None else None
    if seen is None or not (found := refusals(seen.spec, spec.project, told, place.owner)):
        return
    if seen.is_whole:
        raise InvalidInput(f"{'; '.join(found)}{hint}", reason="InvalidSpecError")
    print(
        f"{'; '.join(found)}, unless Secrets of the project, which you may not read, permit it: Shipway decides",
        file=sys.stderr,
    )


async def _place(session: Session, app: Obj) -> GoesTo:
    """The Application's cluster; as the Application itself calls it where the Secrets of clusters may not be read."""
    try:
        return await place_of(session.client, app)
    except Denied:
        return GoesTo(None)


async def _project(session: Session, name: str) -> Obj | None:
    """Beside the Application, or (one of further namespaces) where projects usually are."""
    for namespace in dict.fromkeys((session.application_namespace, ARGOCD)):
        try:
            return await session.client.get(APP_PROJECTS, namespace, name)
        except NotFound:
            continue
    return None


def _checked(app: Obj, name: str, namespace: str) -> Obj:
    named = name or name_of(app)
    if not named:
        raise InvalidInput("say the Application's name: shipway app create NAME, or a file that names it")
    whole = completed(app, named, namespace or namespace_of(app) or ARGOCD)
    spec: ApplicationSpec = parse_spec(whole)
    if not any(spec_of(whole).get(field) for field in ("source", "sources", "sourceHydrator")):
        raise InvalidInput("say where its manifests are: --repo and --path, or --repo and --helm-chart")
    check_spec(spec)
    return whole


def _documents(file: Path) -> list[Obj]:
    """The Applications of a file. Raises InvalidInput naming what else is in it."""
    found = [one for one in parsed(file, yaml.load_all) if one is not None]
    for index, one in enumerate(found):
        if not isinstance(one, dict) or one.get("kind") != "Application":
            kind = one.get("kind") if isinstance(one, dict) else type(one).__name__
            raise InvalidInput(f"{file}: document {index + 1} is no Application but {kind}")
    if not found:
        raise InvalidInput(f"{file}: there is no Application in it")
    return found
