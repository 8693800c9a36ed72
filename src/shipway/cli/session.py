"""A connection to the user's cluster, opened for one command. The flags are kubectl's.

Every command is two functions: one that cyclopts calls with flags, which opens a `Session` here and closes it again, and its
core, which is given the session. Tests give the core a session over the embedded API server.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct

from shipway.assembly.destinations import destination
from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource

MANAGER = "shipway-cli"
"""The field manager of what a person does by command."""
ARGOCD = "argocd"
"""Where Applications live unless -n says otherwise, as in Argo CD."""


@Parameter(name="*")
@dataclass(frozen=True)
class Place:
    """Which cluster, and where in it."""

    namespace: Annotated[str, Parameter(name=["--namespace", "-n"], show_default=False)] = ""
    "The namespace; Applications are looked for in argocd otherwise, Rollouts in the namespace of the context."
    context: Annotated[str, Parameter(show_default=False)] = ""
    "The context of the kubeconfig; its current one otherwise."
    kubeconfig: Path | None = None
    "The kubeconfig file; KUBECONFIG, ~/.kube/config or the service account of the pod otherwise."


class Session(Struct, frozen=True):
    """An open client. `asked_namespace` is the -n flag ("" without), `context_namespace` what the kubeconfig says."""

    client: Client
    clock: Clock
    asked_namespace: str = ""
    context_namespace: str = "default"

    @property
    def application_namespace(self) -> str:
        return self.asked_namespace or ARGOCD

    @property
    def workload_namespace(self) -> str:
        return self.asked_namespace or self.context_namespace


@asynccontextmanager
async def connected(place: Place | None) -> AsyncIterator[Session]:
    """Opens the client and closes it again. Raises InvalidInput when the kubeconfig cannot be used."""
    flags = place or Place()
    config = load_kubeconfig(flags.kubeconfig, flags.context or None)
    client = Client(HttpTransport(config), user_agent=MANAGER, manager=MANAGER)
    try:
        yield Session(client, SystemClock(), flags.namespace, config.namespace)
    finally:
        await client.close()


def at_destination(session: Session, application: Obj) -> AbstractAsyncContextManager[Client]:
    """A client of the cluster that the Application's objects live in. Raises InvalidInput where that is none, Denied where its
    Secret may not be read."""
    return destination(session.client, session.clock, application)


async def look_up(session: Session, resource: Resource, namespace: str, name: str, listing: str) -> Obj:
    """The object. Raises NotFound saying where it was looked for, and that the command `listing` shows them all."""
    try:
        return await session.client.get(resource, namespace, name)
    except NotFound as error:
        raise not_found(resource, namespace, name, listing, error.reason) from None


def not_found(resource: Resource, namespace: str, name: str, listing: str, reason: str) -> NotFound:
    return NotFound(f"{resource.kind} {name} not found in namespace {namespace}: `{listing}` shows them all", reason=reason)
