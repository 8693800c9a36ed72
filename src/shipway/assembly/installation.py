"""What must be in a cluster before the engines can work in it, and the little of it that we create ourselves.

Custom resource definitions only where that was asked for, the namespace, the `default` AppProject and the installation's
key. What is there stays as it is. Where a kind is missing that an engine watches, we say so and end: waiting for it would
look like a process that hangs.
"""

import secrets
from collections.abc import Collection
from contextlib import suppress

import structlog

from shipway.api.application import default_project
from shipway.api.crds import load_crds
from shipway.api.kinds import APP_PROJECTS, CRDS, NAMESPACES, SECRETS
from shipway.assembly.settings import RunSettings
from shipway.base.errors import Conflict, NotFound, Unavailable
from shipway.gitops.settings import KEY_SECRET
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import condition_of, name_of
from shipway.kube.runtime.waiting import One, wait_until

log = structlog.get_logger()


async def prepare(client: Client, settings: RunSettings, needed: Collection[Resource] = ()) -> None:
    """Creates what is missing and may be; nothing at all where only looking is allowed.

    `needed` are the kinds that the engines watch. Raises Unavailable (NoCrds) naming those that are not served."""
    if settings.install_crds and not settings.is_read_only:
        await install_crds(client)
    await check_served(client, needed)
    if settings.is_read_only:
        return
    await create_missing(client, NAMESPACES, {"metadata": {"name": settings.namespace}})
    if "gitops" in settings.engines:
        await make_applied_key(client, settings.namespace)
        await create_missing(client, APP_PROJECTS, default_project(settings.namespace))


async def check_served(client: Client, needed: Collection[Resource]) -> None:
    """Raises Unavailable (NoCrds), naming every kind of `needed` that the API server does not serve."""
    served = {(resource.group, resource.version, resource.plural) for resource in await client.discover()}
    missing = {one for one in needed if (one.group, one.version, one.plural) not in served}
    if missing:
        names = ", ".join(sorted(f"{one.plural}.{one.group}/{one.version}" for one in missing))
        raise Unavailable(
            f"the cluster does not serve {names}: start with --install-crds, or install Argo CD's and Argo Rollouts' own CRDs",
            reason="NoCrds",
        )


async def install_crds(client: Client) -> None:
    """Creates the definitions that are not there and waits until they are served. An installed one is used as it is."""
    missing: list[str] = []
    for crd in load_crds():
        if await create_missing(client, CRDS, crd):
            missing.append(name_of(crd))
    for name in missing:
        await wait_until(client, One(CRDS, "", name), _is_established, seconds=30)
    log.info("crds_installed", created=len(missing))


async def make_applied_key(client: Client, namespace: str) -> None:
    """Makes the installation's key, once, and keeps it in a Secret."""
    meta = {"namespace": namespace, "name": KEY_SECRET}
    await create_missing(client, SECRETS, {"metadata": meta, "stringData": {"key": secrets.token_hex(32)}})


async def applied_key(client: Client, namespace: str) -> bytes:
    """The installation's key; where nothing was ever applied there is none, and any will do."""
    try:
        return secret_values(await client.get(SECRETS, namespace, KEY_SECRET))["key"].encode()
    except NotFound:
        return secrets.token_bytes(32)


def _is_established(crd: Obj | None) -> bool:
    return crd is not None and (condition_of(crd, "Established") or {}).get("status") == "True"


async def create_missing(client: Client, resource: Resource, body: Obj) -> bool:
    """Creates the object unless one of its name is there, which stays as it is. Whether it was created.

    It looks first: who may not create namespaces can still work in one that is there."""
    meta = body["metadata"]
    try:
        await client.get(resource, meta.get("namespace", ""), meta["name"])
    except NotFound:
        with suppress(Conflict):
            await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body})
            return True
    return False
