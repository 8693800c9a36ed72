"""Waiting for an object to become something, by watching it: nobody polls, nobody sleeps."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec import Struct

from shipway.base.errors import Conflict, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.client.watching import WatchEvent
from shipway.kube.objects.resource import Obj, Resource


class TookTooLong(ShipwayError):
    """The object did not become what was waited for in the time given."""

    default_reason = "TookTooLong"


class One(Struct, frozen=True):
    """A single object of a kind."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}".replace(" /", " ")


async def wait_until(client: Client, one: One, is_so: Callable[[Obj | None], bool], *, seconds: float = 60.0) -> Obj | None:
    """The object as soon as `is_so` holds for it (None stands for "it does not exist"). Raises TookTooLong in the end."""
    last: Obj | None = None
    try:
        async with asyncio.timeout(seconds), aclosing(follow(client, one)) as states:
            async for last in states:
                if is_so(last):
                    return last
    except TimeoutError:
        pass
    status = (last or {}).get("status")
    raise TookTooLong(f"{one} did not get there within {seconds:.0f} s; its status when last seen: {status}")


async def follow(client: Client, one: One) -> AsyncGenerator[Obj | None, None]:
    """Every state of the object from now on, for ever; None while it does not exist."""
    by_name = f"metadata.name={one.name}"
    while True:
        listing = await client.list(one.resource, one.namespace, field_selector=by_name)
        yield listing.items[0] if listing.items else None
        watch = client.watch(one.resource, one.namespace, resource_version=listing.resource_version, field_selector=by_name)
        async with aclosing(_states(watch)) as states:
            async for state in states:
                yield state


async def _states(watch: AsyncGenerator[WatchEvent, None]) -> AsyncGenerator[Obj | None, None]:
    """What a watch tells until it ends; a version that is too old to go on from is an end like any other."""
    try:
        async for event in watch:
            if event.type != "BOOKMARK":
                yield None if event.type == "DELETED" else event.obj
    except Conflict:
        return
    finally:
        await watch.aclose()
