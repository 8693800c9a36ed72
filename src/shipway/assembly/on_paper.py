"""A cluster that is only on paper: what files say is there, in an API server in memory that ends with the command.

Commands that read settings, projects and logins from a cluster read them from files the same way.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from shipway.api.crds import load_crds
from shipway.api.kinds import APP_PROJECTS, CONFIG_MAPS, CRDS, NAMESPACES, SECRETS
from shipway.assembly.installation import create_missing
from shipway.base.clock import Clock
from shipway.base.ids import RandomIds
from shipway.gitops.backup import kept
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata
from shipway.localcluster.apiserver.server import ApiServer

_KINDS = {(kind.api_version, kind.kind): kind for kind in (APP_PROJECTS, CONFIG_MAPS, SECRETS)}


@asynccontextmanager
async def cluster_on_paper(objects: Sequence[Obj], namespace: str, clock: Clock) -> AsyncIterator[Client]:
    """The AppProjects, ConfigMaps and Secrets among `objects`, all in one namespace. Raises InvalidInput for one that no
    cluster would take."""
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    try:
        client = Client(server, user_agent="shipway-cli", manager="shipway-cli")
        for crd in load_crds():
            if crd["spec"]["names"]["kind"] == APP_PROJECTS.kind:
                await client.create(CRDS, crd)
        await create_missing(client, NAMESPACES, {"metadata": {"name": namespace}})
        for obj in objects:
            kind = _KINDS.get((obj.get("apiVersion") or "", obj.get("kind") or ""))
            if kind is not None:
                body = kept(obj, kind)
                await create_missing(client, kind, {**body, "metadata": {**metadata(body), "namespace": namespace}})
        yield client
    finally:
        await server.close()
