"""Everything that lies in one namespace, by its metadata only, read when somebody looks."""

import asyncio

from msgspec import Struct

from shipway.base.errors import Denied, NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource

AT_ONCE = 16
"""Requests under way."""


class Contents(Struct, frozen=True):
    """Each object with its kind. `unseen`: kinds that whoever looks may not list."""

    objects: tuple[tuple[Resource, Obj], ...]
    unseen: tuple[str, ...] = ()


async def namespace_metadata(client: Client, namespace: str) -> Contents:
    """Lists every kind at the version that the server prefers, which it names first."""
    kinds = {one.group_kind: one for one in reversed(await client.discover()) if one.namespaced}
    gate = asyncio.Semaphore(AT_ONCE)

    async def listed(resource: Resource) -> list[Obj] | None:
        async with gate:
            try:
                return list((await client.list(resource, namespace, metadata_only=True)).items)
            except NotFound:
                return []
            except Denied:
                return None

    async with asyncio.TaskGroup() as group:
        tasks = {resource: group.create_task(listed(resource)) for resource in kinds.values()}
    found = [(resource, _named(resource, obj)) for resource, task in tasks.items() for obj in task.result() or ()]
    return Contents(tuple(found), tuple(sorted(one.plural for one, task in tasks.items() if task.result() is None)))


def _named(resource: Resource, obj: Obj) -> Obj:
    """With the kind that it is of: metadata alone does not say."""
    return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
