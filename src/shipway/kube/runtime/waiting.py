"""Waiting for an object to become something, by watching it (nobody polls, nobody sleeps)."""

import asyncio
from collections.abc import Callable

from shipway.base.errors import Conflict, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource


class TookTooLong(ShipwayError):
    """The object did not become what was waited for in the time given."""

    default_reason = "TookTooLong"


async def wait_until(
    client: Client,
    resource: Resource,
    namespace: str,
    name: str,
    is_so: Callable[[Obj | None], bool],
    *,
    seconds: float = 60.0,
) -> Obj | None:
    """The object as soon as `is_so` holds for it (None stands for "it does not exist"). Raises TookTooLong in the end."""
    last: list[Obj | None] = [None]
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await _follow(client, resource, namespace, name, is_so, last)
                except Conflict:
                    continue
    except TimeoutError:
        status = (last[0] or {}).get("status")
        raise TookTooLong(
            f"{resource.kind} {namespace}/{name} did not get there within {seconds:.0f} s; last seen status: {status}"
        ) from None


async def _follow(
    client: Client,
    resource: Resource,
    namespace: str,
    name: str,
    is_so: Callable[[Obj | None], bool],
    last: list[Obj | None],
) -> Obj | None:
    by_name = f"metadata.name={name}"
    while True:
        listing = await client.list(resource, namespace, field_selector=by_name)
        last[0] = listing.items[0] if listing.items else None
        if is_so(last[0]):
            return last[0]
        events = client.watch(resource, namespace, resource_version=listing.resource_version, field_selector=by_name)
        try:
            async for event in events:
                if event.type == "BOOKMARK":
                    continue
                last[0] = None if event.type == "DELETED" else event.obj
                if is_so(last[0]):
                    return last[0]
        finally:
            await events.aclose()
