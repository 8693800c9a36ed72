"""Taking a backup of what Git does not hold, and putting it back: what is there stays unless it is said otherwise."""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, NAMESPACES, SECRETS
from shipway.assembly.installation import create_missing
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import NotFound
from shipway.gitops.backup import ORDER, Backup, is_login, is_setting, kept
from shipway.kube.client.client import Client
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of

Done = Literal["created", "replaced", "unchanged", "there"]
Tell = Callable[[int, int], None]
"""Told how many objects are done, of how many."""


class Put(Struct, frozen=True):
    """What became of one object. `there`: another one of its name is there, and was left as it is."""

    obj: Obj
    done: Done


class Taken(Struct, frozen=True):
    """The backup, with nothing sealed in it; the Secrets that belong to it, and its Applications as they are."""

    backup: Backup
    secrets: list[Obj]
    applications: list[Obj]


async def taken(client: Client, namespace: str, now: Instant, *, everywhere: bool = False) -> Taken:
    """What there is to back up. `everywhere`: Applications and sets of all namespaces.

    Raises NotFound for a namespace in which there is nothing."""
    objects, applications = list[Obj](), list[Obj]()
    for resource in (CONFIG_MAPS, APP_PROJECTS, APPLICATIONS, APPLICATION_SETS):
        where = "" if everywhere and resource in (APPLICATIONS, APPLICATION_SETS) else namespace
        found = await _listed(client, resource, where)
        applications += found if resource == APPLICATIONS else ()
        objects += [kept(one, resource) for one in found if resource != CONFIG_MAPS or is_setting(one)]
    if not objects:
        raise NotFound(f"nothing to back up in namespace {namespace}: say with -n where the Applications are")
    secrets = [kept(one, SECRETS) for one in await _listed(client, SECRETS, namespace) if is_login(one)]
    return Taken(Backup(namespace, rfc3339(now), tuple(objects)), secrets, applications)


async def _listed(client: Client, resource: Resource, namespace: str) -> list[Obj]:
    """In the order of their names, so that two backups can be compared."""
    try:
        found = (await client.list(resource, namespace)).items
    except NotFound:  # a cluster without that kind has none of it
        return []
    return sorted(found, key=lambda one: (namespace_of(one), name_of(one)))


async def put_back(
    client: Client, objects: Sequence[Obj], tell: Tell, *, overwrites: bool = False, only_says: bool = False
) -> list[Put]:
    """In the order in which they need each other. Safe to repeat: what is there is left, or with `overwrites` made as it was.

    Raises what the client raises; what was put back by then is there."""
    ordered = sorted(objects, key=lambda one: [resource.kind for resource in ORDER].index(one["kind"]))
    if not only_says:
        for name in sorted({namespace_of(one) for one in objects}):
            await create_missing(client, NAMESPACES, {"metadata": {"name": name}})
    done: list[Put] = []
    for obj in ordered:
        done.append(Put(obj, await _put(client, obj, overwrites=overwrites, only_says=only_says)))
        tell(len(done), len(ordered))
    return done


async def _put(client: Client, obj: Obj, *, overwrites: bool, only_says: bool) -> Done:
    resource = next(one for one in ORDER if one.kind == obj["kind"])
    try:
        there = await client.get(resource, namespace_of(obj), name_of(obj))
    except NotFound:
        if not only_says:
            await client.create(resource, obj)
        return "created"
    change = merge_diff(kept(there, resource), obj)
    if not change:
        return "unchanged"
    if not overwrites:
        return "there"
    if not only_says:
        guard = {"metadata": {**change.get("metadata", {}), "resourceVersion": resource_version_of(there)}}
        await client.patch(resource, namespace_of(obj), name_of(obj), {**change, **guard})
    return "replaced"
