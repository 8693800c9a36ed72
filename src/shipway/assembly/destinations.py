"""The cluster that one Application goes to, for whoever looks at it from outside the engine: its place, and a client there.

Whoever looks needs the rights to read the Secrets of clusters beside the Applications; nothing is read for the cluster that the
Applications live in.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shipway.api.application import control_namespace_of
from shipway.api.clusters import CLUSTER_SELECTOR, Cluster, parse_cluster
from shipway.api.kinds import APPLICATIONS, SECRETS
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput
from shipway.gitops.application.destinations import Place, destinations_of, is_home, names_of, place_among
from shipway.kube.client.client import Client
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of


async def cluster_secrets(client: Client, namespace: str) -> list[Obj]:
    """The Secrets of clusters in their order."""
    found = (await client.list(SECRETS, namespace, label_selector=CLUSTER_SELECTOR)).items
    return sorted(found, key=name_of)


async def place_of(client: Client, application: Obj) -> Place:
    """Where the application goes to. Raises Denied where the Secrets may not be read."""
    if is_home(application):
        return place_among(application, ())
    namespace = control_namespace_of(application)
    (called,) = destinations_of(application)
    secrets = [one for one in await cluster_secrets(client, namespace) if called in names_of(one)]
    return place_among(application, [parse_cluster(one) for one in secrets])


async def applications_at(client: Client, namespace: str, cluster: Cluster) -> list[Obj]:
    """The Applications, by name, that go to a cluster which a Secret of `namespace` describes."""
    called = set(names_of(await client.get(SECRETS, namespace, cluster.secret)))
    apps = (await client.list(APPLICATIONS)).items
    return sorted((one for one in apps if called.intersection(destinations_of(one))), key=name_of)


@asynccontextmanager
async def destination(client: Client, clock: Clock, application: Obj) -> AsyncIterator[Client]:
    """A client of the cluster that the application's objects live in. Raises InvalidInput where that is none."""
    place = await place_of(client, application)
    if place.cluster is not None and place.key == "":
        yield client
        return
    problem = place.problem or (place.cluster.problem if place.cluster else "")
    if problem or place.cluster is None:
        raise InvalidInput(problem, reason="UnknownCluster")
    async with connected_to(place.cluster, clock, client.manager) as there:
        yield there


@asynccontextmanager
async def connected_to(cluster: Cluster, clock: Clock, manager: str) -> AsyncIterator[Client]:
    """A client of a cluster whose Secret can be used. Raises InvalidInput where it cannot."""
    if cluster.config is None:
        raise InvalidInput(cluster.problem, reason="InvalidCluster")
    there = Client(HttpTransport(cluster.config, clock=clock), user_agent=manager, manager=manager)
    try:
        yield there
    finally:
        await there.close()
