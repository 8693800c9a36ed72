"""`shipway app actions list|run`: what can be done to an Application's objects beside syncing them.

The actions are those of Argo CD: what a team wrote in `argocd-cm` runs in the worker for scripts, the rest is built in. They
are carried out with the credentials of whoever asks.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from shipway.api.application import control_namespace_of, parse_spec
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.assembly.destinations import place_of
from shipway.assembly.projects import in_force
from shipway.assembly.resource_actions import ResourceActions
from shipway.assembly.resource_tree import Managed, live_objects, settings_of
from shipway.assembly.scripts import Scripts
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput, NotFound
from shipway.cli.app import find_app
from shipway.cli.diff_view import masked
from shipway.cli.output import Output, OutputFlag, kubectl_name, object_text, print_lines, print_object, print_table
from shipway.cli.process import configure_logs
from shipway.cli.reasons import ReasonFlag, check_reason, told
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.gitops.actions import Action
from shipway.gitops.customizations import read_customizations
from shipway.gitops.project import DEFAULT, refusal_of
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource, ref_of
from shipway.kube.objects.views import name_of, namespace_of

app = App(
    name="actions", version_flags=(), help="What can be done to its objects: restart, scale, promote, or what a team wrote."
)
HEADINGS = ("GROUP", "KIND", "NAMESPACE", "NAME", "ACTION", "DISABLED", "PARAMETERS")


@Parameter(name="*")
@dataclass(frozen=True)
class Which:
    """Which of the Application's objects."""

    kind: Annotated[str, Parameter(show_default=False)] = ""
    "Of this kind."
    group: Annotated[str, Parameter(show_default=False)] = ""
    "Of this API group."
    resource_name: Annotated[str, Parameter(show_default=False)] = ""
    "With this name."
    resource_namespace: Annotated[str, Parameter(show_default=False)] = ""
    "In this namespace."


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """How to do it."""

    param: Annotated[tuple[str, ...], Parameter(show_default=False, negative="")] = ()
    "A parameter of the action, like replicas=3; may be given again."
    every: Annotated[bool, Parameter(name="--all", negative="")] = False
    "Do it to every object that fits, not only where there is one."
    reason: ReasonFlag = ""
    "Why; it is kept in the ledger."


@app.command(name="list")
async def list_command(
    name: str, /, *, which: Which | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List what can be done to the Application's objects.

    Parameters
    ----------
    name
        The Application.
    output
        table, json, yaml, or name of the actions.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await list_actions(session, name, which or Which(), output)


@app.command(name="run")
async def run_command(
    name: str,
    action: str,
    /,
    *,
    which: Which | None = None,
    flags: RunFlags | None = None,
    output: OutputFlag = "name",
    place: Place | None = None,
) -> int:
    """Do something to one of the Application's objects.

    Parameters
    ----------
    name
        The Application.
    action
        What `shipway app actions list` names.
    output
        json, yaml or name of what was written.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await run_action(session, name, action, which or Which(), flags or RunFlags(), output)


async def list_actions(session: Session, name: str, which: Which, output: Output = "table") -> int:
    application = await find_app(session, name)
    async with at_destination(session, application) as there, _actions(session, application) as actions:
        targets = await _targets(there, application, which)
        found = [(target.obj, one) for target in targets for one in await actions.of(target.obj)]
    if output == "table":
        print_table(HEADINGS, [_row(obj, one) for obj, one in found])
    elif output == "name":
        print_lines(list(dict.fromkeys(one.name for _, one in found)))
    else:
        items = [_document(obj, one) for obj, one in found]
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "ApplicationActions", "items": items}
        sys.stdout.write(object_text(document, output))
    return 0


async def run_action(session: Session, name: str, action: str, which: Which, flags: RunFlags, output: Output = "name") -> int:
    """Carries out the action. Raises InvalidInput where it is not clear on which object, the project does not allow what it
    creates, or a reason is missing; nothing is written then."""
    params = read_params(flags.param)
    application = await find_app(session, name)
    await check_reason(session, application, flags.reason)
    async with at_destination(session, application) as there, _actions(session, application) as actions:
        targets = await _chosen(there, application, which, every=flags.every)
        permits = _Permits(session, application, there)
        await _tell(session, application, f"action {action}", flags.reason, targets)
        for target in targets:
            written = await _carried_out(session.clock, target, actions, (action, params), permits)
            for obj in written:
                print_object(masked(obj), "name" if output == "table" else output)
            if not written:
                print(f"{kubectl_name(target.obj)}: {action} changes nothing", file=sys.stderr)
    return 0


async def _tell(session: Session, application: Obj, verb: str, reason: str, targets: Sequence[Managed]) -> None:
    """Tells the ledger first. Whoever may change the objects but not the Application acts all the same, unless a reason was
    given or asked for: then Denied is raised."""
    what = ", ".join(f"{kubectl_name(target.obj)} in {namespace_of(target.obj)}" for target in targets)

    async def write(fresh: Obj) -> Obj:
        body: Obj = {"metadata": {"annotations": told(session, fresh, verb, reason, what)}}
        return await send(session.client, APPLICATIONS, fresh, body, {})

    try:
        await unbeaten(name_of(application), lambda: find_app(session, name_of(application)), write, seen=application)
    except Denied as error:
        if reason:
            raise
        print(f"not in the ledger, for you may not write the Application: {error.message}", file=sys.stderr)


def read_params(written: Sequence[str]) -> dict[str, str]:
    """{name: value} of `name=value`. Raises InvalidInput."""
    pairs = [one.partition("=") for one in written]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise InvalidInput(f'"{key}" is not name=value: write it like --param replicas=3')
    return {key: value for key, _, value in pairs}


async def _chosen(there: Client, application: Obj, which: Which, *, every: bool) -> list[Managed]:
    if not which.kind:
        raise InvalidInput("say the kind of the object: --kind Deployment")
    targets = await _targets(there, application, which)
    if not targets:
        raise NotFound(
            f"{name_of(application)} has no live {which.kind} that fits: see `shipway app resources {name_of(application)}`"
        )
    if len(targets) > 1 and not every:
        names = ", ".join(kubectl_name(target.obj) for target in targets)
        raise InvalidInput(f"several objects fit ({names}): say --resource-name, or --all")
    return targets


async def _targets(there: Client, application: Obj, which: Which) -> list[Managed]:
    wanted = (
        (which.kind, "kind"),
        (which.group, "group"),
        (which.resource_name, "name"),
        (which.resource_namespace, "namespace"),
    )
    return await live_objects(
        there, application, lambda ref: all(getattr(ref, field) == value for value, field in wanted if value)
    )


@asynccontextmanager
async def _actions(session: Session, application: Obj) -> AsyncIterator[ResourceActions]:
    """Opened for one command; the worker starts with the first script."""
    said = read_customizations({"data": await settings_of(session.client, application)})
    async with Scripts.open(session.clock) as scripts:
        yield ResourceActions(said, scripts)


async def _carried_out(
    clock: Clock, target: Managed, actions: ResourceActions, asked: tuple[str, dict[str, str]], permits: "_Permits"
) -> list[Obj]:
    """What was written. Made anew from a fresh look where somebody else wrote the object meanwhile."""
    action, params = asked
    place = (namespace_of(target.obj), name_of(target.obj))

    async def write(fresh: Obj) -> tuple[list[Obj], list[tuple[Resource, Obj]]]:
        effect = await actions.effect(fresh, action, params, clock.now())
        creates = [(await permits.kind_of(obj), obj) for obj in effect.creates]
        changed = await send(permits.there, target.resource, fresh, effect.root, effect.status)
        return [changed] if effect.root or effect.status else [], creates

    subject = f"{target.obj.get('kind')} {place[1]}"
    written, creates = await unbeaten(subject, lambda: permits.there.get(target.resource, *place), write, seen=target.obj)
    return [*written, *[await permits.there.create(kind, obj) for kind, obj in creates]]


class _Permits:
    """Whether the project lets an action create an object. Its rules are read when they are first needed."""

    def __init__(self, session: Session, application: Obj, there: Client) -> None:
        self._client = session.client
        self.there = there
        self._application = application
        self._served: dict[tuple[str, str], Resource] = {}

    async def kind_of(self, obj: Obj) -> Resource:
        """The kind of an object that may be created. Raises Denied naming the rule, InvalidInput for an unknown kind."""
        if not self._served:
            self._served = {one.group_kind: one for one in reversed(await self.there.discover())}
        ref, spec = ref_of(obj), parse_spec(self._application)
        resource = self._served.get((ref.group, ref.kind))
        if resource is None:
            raise InvalidInput(f"the action creates {ref}, and the cluster does not know that kind", reason="NoKind")
        name = spec.project or DEFAULT
        namespace = control_namespace_of(self._application)
        project = (await in_force(self._client, await self._client.get(APP_PROJECTS, namespace, name))).spec
        place = await place_of(self._client, self._application)
        if refusal := refusal_of(project, name, ref, resource.namespaced, place.told_in(spec).destination):
            raise Denied(f"the action creates {ref}: {refusal}")
        return resource


def _row(obj: Obj, action: Action) -> list[str]:
    ref = ref_of(obj)
    params = ", ".join(f"{one.name}={one.default}" for one in action.params)
    return [ref.group, ref.kind, ref.namespace, ref.name, action.name, "true" if action.is_disabled else "", params]


def _document(obj: Obj, action: Action) -> Obj:
    ref = ref_of(obj)
    return {
        "group": ref.group,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "resourceName": ref.name,
        "name": action.name,
        "displayName": action.display_name,
        "disabled": action.is_disabled,
        "params": [{"name": one.name, "default": one.default} for one in action.params],
    }
