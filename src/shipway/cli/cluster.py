"""`shipway cluster`: the clusters that Applications may go to, as Argo CD's Secrets describe them, and whether they answer.

Whether a cluster answers is tried from here, with the login that the engine uses. What is printed holds no token and no key.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import App, Parameter
from msgspec import Struct

from shipway.api.clusters import HERE, Cluster, cluster_secret, normalized, parse_cluster
from shipway.api.kinds import SECRETS
from shipway.assembly.clusters import PROBE_SECONDS, probe
from shipway.assembly.destinations import applications_at, cluster_secrets, connected_to
from shipway.assembly.joining import Joining, described, join, wanted_there
from shipway.base.errors import Conflict, InvalidInput, NotFound, ShipwayError
from shipway.base.names import is_object_name
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, print_table
from shipway.cli.process import configure_logs
from shipway.cli.session import MANAGER, Place, Session, connected
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import ClusterConfig, load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.reach import Reach
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.kube.objects.yaml import dump

app = App(name="cluster", version_flags=(), help="Clusters: where Applications may go to, and whether they answer.")

AT_ONCE = 8
HEADINGS = ("SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT")
Status = Literal["Successful", "Failed"]
Texts = Annotated[tuple[str, ...], Parameter(show_default=False, negative="")]


class State(Struct, frozen=True):
    """A cluster and what came of asking it for its version and its namespaces."""

    cluster: Cluster
    status: Status
    message: str = ""
    version: str = ""


@Parameter(name="*")
@dataclass(frozen=True)
class AddFlags:
    """How it joins. The names are those of `argocd cluster add` where it has them."""

    name: Annotated[str, Parameter(show_default=False)] = ""
    "What Applications call it; the name of the context otherwise."
    project: Annotated[str, Parameter(show_default=False)] = ""
    "The AppProject that it is for."
    label: Texts = ()
    "A label of the Secret, like env=prod, for generators to select by; may be given again."
    annotation: Texts = ()
    "An annotation of the Secret; may be given again."
    managed_namespace: Texts = ()
    "A namespace of the cluster that is to be managed; may be given again. Without, all of them are."
    cluster_resources: Annotated[bool, Parameter(negative="")] = False
    "With --managed-namespace: objects that have no namespace are to be managed too."
    system_namespace: str = "kube-system"
    "Where the service account lives on the cluster."
    admin: Annotated[bool, Parameter(negative="")] = False
    "All rights on everything, as Argo CD takes them: for Applications with RBAC objects, definitions or webhooks."
    upsert: Annotated[bool, Parameter(negative="")] = False
    "Replace the Secret that is there."
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False
    "Do it; without, what would be made is printed for review and nothing is written."


@app.command(name="list")
async def list_command(*, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List clusters and whether they answer. Exit code 1: one of them does not.

    Parameters
    ----------
    output
        table, json, yaml or name.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await list_clusters(session, output)


@app.command(name="get")
async def get_command(which: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show one cluster and whether it answers. Exit code 1: it does not.

    Parameters
    ----------
    which
        Its server or its name.
    output
        table, json, yaml or name.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_cluster(session, which, output)


@app.command(name="add")
async def add_command(context: str, /, *, flags: AddFlags | None = None, place: Place | None = None) -> int:
    """Make a service account with the least rights on the cluster of a context, and the Secret that describes the cluster.

    Parameters
    ----------
    context
        A context of the kubeconfig whose user may do that there.
    """
    configure_logs(quiet=True)
    config = load_kubeconfig(place.kubeconfig if place else None, context)
    there = Client(HttpTransport(config), user_agent=MANAGER, manager=MANAGER)
    try:
        async with connected(place) as session:
            return await add_cluster(session, config, there, flags or AddFlags())
    finally:
        await there.close()


@app.command(name=("rm", "remove"))
async def rm_command(
    which: str, /, *, force: Annotated[bool, Parameter(negative="")] = False, place: Place | None = None
) -> int:
    """Delete the Secret of a cluster. On the cluster nothing changes.

    Parameters
    ----------
    which
        Its server or its name.
    force
        Also while Applications go there: they turn Unknown, and what they deployed stays.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await remove_cluster(session, which, force=force)


async def list_clusters(session: Session, output: Output = "table") -> int:
    states = await _states(session, await known_clusters(session))
    _print(states, output, {"apiVersion": "shipway.dev/v1alpha1", "kind": "ClusterList", "items": list(map(_document, states))})
    return 1 if any(state.status == "Failed" for state in states) else 0


async def show_cluster(session: Session, which: str, output: Output = "table") -> int:
    (state,) = await _states(session, [await named_cluster(session, which)])
    _print([state], output, _document(state))
    return 1 if state.status == "Failed" else 0


async def add_cluster(session: Session, config: ClusterConfig, there: Client, flags: AddFlags) -> int:
    joining = Joining(flags.system_namespace, flags.admin, _reach(flags))
    labels, annotations = _pairs("--label", flags.label), _pairs("--annotation", flags.annotation)
    name = flags.name or config.context
    taken = [one for one in await known_clusters(session) if one.name == name and one.server != config.server]
    if taken:
        raise Conflict(f"{taken[0].server} is called {name} already: say another --name", reason="NameTaken")
    if not flags.yes:
        cluster = described(config, name, "(the token)", flags.project, joining.reach)
        shown = cluster_secret(session.application_namespace, cluster, labels, {})
        print_lines(_review(config, joining, shown))
        return 0
    cluster = described(config, name, await join(there, session.clock, joining), flags.project, joining.reach)
    state = await _state(session, cluster)
    if state.status == "Failed":
        print(f"error: with the new account: {state.message}. No Secret was written.", file=sys.stderr)
        return 1
    secret = cluster_secret(session.application_namespace, cluster, labels, annotations)
    await _write(session, secret, upsert=flags.upsert)
    print_lines([f"secret/{name_of(secret)} written for {cluster.server} ({name}, {state.version})"])
    return 0


def _reach(flags: AddFlags) -> Reach:
    for name in flags.managed_namespace:
        if not is_object_name(name):
            raise InvalidInput(f"--managed-namespace {name!r} is not the name of a namespace")
    if flags.cluster_resources and not flags.managed_namespace:
        raise InvalidInput("--cluster-resources goes with --managed-namespace: without, everything is managed anyway")
    return Reach(tuple(sorted(set(flags.managed_namespace))), flags.cluster_resources)


async def remove_cluster(session: Session, which: str, *, force: bool = False) -> int:
    cluster = await named_cluster(session, which)
    if not cluster.secret:
        raise InvalidInput(f"{which} is the cluster that the Applications live in: no Secret describes it")
    users = [name_of(one) for one in await applications_at(session.client, session.application_namespace, cluster)]
    if users and not force:
        named = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
        told = (
            f"{len(users)} Applications go to {which} ({named}): --force removes it all the same, and leaves what they deployed"
        )
        raise Conflict(told, reason="InUse")
    await session.client.delete(SECRETS, session.application_namespace, cluster.secret)
    print_lines([f"secret/{cluster.secret} deleted"])
    return 0


async def known_clusters(session: Session) -> list[Cluster]:
    """By name; the cluster that the Applications live in is there without a Secret too."""
    found = [parse_cluster(one) for one in await cluster_secrets(session.client, session.application_namespace)]
    here = [] if any(one.key == "" for one in found) else [HERE]
    return sorted([*here, *found], key=lambda one: (one.name, one.server))


async def named_cluster(session: Session, which: str) -> Cluster:
    """Raises NotFound, and InvalidInput where two are called so."""
    found = [one for one in await known_clusters(session) if which == one.name or normalized(which) == one.server]
    if not found:
        where = session.application_namespace
        raise NotFound(f"cluster {which} not found in namespace {where}: `shipway cluster list` shows them all")
    if len(found) > 1:
        raise InvalidInput(
            f"{which} is the name of {len(found)} clusters ({', '.join(one.server for one in found)}): say the server"
        )
    return found[0]


async def _states(session: Session, clusters: Sequence[Cluster]) -> list[State]:
    """Asks all of them, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def state_of(one: Cluster) -> State:
        async with gate:
            return await _state(session, one)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(state_of(one)) for one in clusters]
    return [task.result() for task in tasks]


async def _state(session: Session, cluster: Cluster) -> State:
    notes = "; ".join(cluster.notes)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return State(cluster, "Successful", notes, await _version(session, cluster))
    except TimeoutError:
        return State(cluster, "Failed", f"it did not answer within {PROBE_SECONDS:.0f} s")
    except ShipwayError as error:
        return State(cluster, "Failed", error.message)


async def _version(session: Session, cluster: Cluster) -> str:
    if cluster.key == "":
        return (await probe(session.client)).version
    async with connected_to(cluster, session.clock, MANAGER) as there:
        return (await probe(there, cluster.reach)).version


async def _write(session: Session, secret: Obj, *, upsert: bool) -> None:
    try:
        await session.client.create(SECRETS, secret)
    except Conflict:
        if not upsert:
            raise Conflict(f"Secret {name_of(secret)} is there already: --upsert replaces it", reason="AlreadyExists") from None
        body = {"metadata": {key: secret["metadata"][key] for key in ("labels", "annotations")}, "data": secret["data"]}
        await session.client.patch(SECRETS, secret["metadata"]["namespace"], name_of(secret), body)


def _review(config: ClusterConfig, joining: Joining, secret: Obj) -> list[str]:
    plain = {**secret, "data": {key: "(hidden)" for key in secret["data"]}}
    made = "".join(f"---\n{dump(obj)}" for _, obj in wanted_there(joining))
    return [
        f"# On {config.server} (context {config.context}):",
        *made.splitlines(),
        "# Beside the Applications:",
        "---",
        *dump(plain).splitlines(),
        "# Nothing was written: --yes does it.",
    ]


def _pairs(flag: str, written: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in written]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise InvalidInput(f'{flag} "{key}" is not key=value: write it like {flag} env=prod')
    return {key: value for key, _, value in pairs}


def _print(states: Sequence[State], output: Output, document: Obj) -> None:
    if output == "table":
        print_table(HEADINGS, [_row(state) for state in states])
    elif output == "name":
        print_lines([state.cluster.server for state in states])
    else:
        sys.stdout.write(object_text(document, output))


def _row(state: State) -> tuple[str, ...]:
    one = state.cluster
    count = len(one.reach.namespaces)
    server = f"{one.server} ({count} namespaces)" if count else one.server
    return (server, one.name, state.version, state.status, state.message, one.project)


def _document(state: State) -> Obj:
    """Field names as in Argo CD's API; of the login only which kind it is."""
    one, config = state.cluster, state.cluster.config
    ways = {"bearerToken": config.token, "username": config.username, "exec": config.plugin} if config else {}
    login = next((name for name, value in ways.items() if value), "certificate" if config and config.client_cert_data else "")
    return {
        "server": one.server,
        "name": one.name,
        "project": one.project,
        "namespaces": list(one.reach.namespaces),
        "clusterResources": one.reach.cluster_resources,
        "secret": one.secret,
        "login": login,
        "serverVersion": state.version,
        "notes": list(one.notes),
        "connectionState": {"status": state.status, "message": state.message},
    }
