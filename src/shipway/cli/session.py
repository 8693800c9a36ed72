"""A connection to the user's cluster, opened for one command: the flags are kubectl's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct

from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport


@Parameter(name="*")
@dataclass(frozen=True)
class Cluster:
    """Which cluster, and where in it."""

    kubeconfig: Path | None = None
    "The kubeconfig to use; KUBECONFIG or ~/.kube/config otherwise."
    context: str | None = None
    "The context of the kubeconfig; its current one otherwise."
    namespace: Annotated[str | None, Parameter(name=["--namespace", "-n"])] = None
    "The namespace to look in."


class Session(Struct, frozen=True):
    """An open client, and the namespace that the flags or the context name ("" when neither does)."""

    client: Client
    namespace: str


@asynccontextmanager
async def connected(cluster: Cluster | None) -> AsyncIterator[Session]:
    """Opens the client and closes it again."""
    flags = cluster or Cluster()
    config = load_kubeconfig(flags.kubeconfig, flags.context)
    client = Client(HttpTransport(config), user_agent="shipway-cli", manager="shipway-cli")
    try:
        yield Session(client, flags.namespace or config.namespace)
    finally:
        await client.close()
