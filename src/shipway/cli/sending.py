"""Sends what an act writes to one object: its status first, as Argo's clients do, and only onto the version that was read."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from shipway.base.errors import Conflict
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of

Done = TypeVar("Done")
TRIES = 5
"""Its controller may write the object between our look and our patch."""


async def send(client: Client, resource: Resource, obj: Obj, root: Obj, status: Obj) -> Obj:
    """The object afterwards. Only the first patch is guarded: once it is in, the act has begun, and to make the patches anew
    would be to act twice. Raises Conflict where the object was written since it was read."""
    if status and not resource.status_subresource:
        root, status = {**root, "status": status}, {}
    current, guard = obj, {"resourceVersion": resource_version_of(obj)}
    for body, subresource in ((({"status": status} if status else {}), "status"), (root, "")):
        if not body:
            continue
        sent = {**body, "metadata": {**(body.get("metadata") or {}), **guard}} if guard else body
        current = await client.patch(resource, namespace_of(obj), name_of(obj), sent, subresource=subresource)
        guard = {}
    return current


async def unbeaten(
    subject: str, look: Callable[[], Awaitable[Obj]], write: Callable[[Obj], Awaitable[Done]], seen: Obj | None = None
) -> Done:
    """What `write` makes of the object, of a fresh look at it where somebody else wrote it meanwhile.

    `seen`: the first look, if it was taken already. Raises Conflict, naming the subject, where it is beaten every time.
    """
    for _ in range(TRIES):
        try:
            return await write(seen or await look())
        except Conflict:
            seen = None
    raise Conflict(f"{subject} is being written all the time: try again")
