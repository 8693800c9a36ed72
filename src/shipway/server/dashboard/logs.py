"""What a container says, for the page of Applications: from the API server through to the page, and held by neither.

Whoever may open the page has the rights of the person who started it (`guard`), and those may cover the logs of a whole
cluster. So only pods of the Application's own tree are told, as `app logs` does; whether their logs may be read the API server
decides. A page that reads slowly slows the API server's answer down, and when it goes away the request to the API server ends.
There is no way here with --blur: that page is not served then. Nothing that a container says is logged or counted by us.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp import web
from msgspec import Struct

from shipway.base.errors import InvalidInput, NotFound, ShipwayError, expected_in
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import container_names, dig, name_of, spec_of, status_of

LINES = 200
"""Told of what was said before."""
LOOK = 0.5
"""Seconds until a page that has gone while nothing was said is noticed."""


class Wanted(Struct, frozen=True):
    """A container's log: of the Application `namespace`/`name`, the pod `pod` in `pod_namespace`. `previous`: of its last run
    but one; `is_whole`: all of it as it is now, instead of its last lines and what follows."""

    namespace: str
    name: str
    pod_namespace: str
    pod: str
    container: str
    previous: bool = False
    is_whole: bool = False


ReadLog = Callable[[Wanted], AsyncGenerator[bytes, None]]
"""Chunks of any size. Raises the errors of `base.errors`, the first time it is asked or later."""


def wanted_of(request: web.Request) -> Wanted:
    """Raises InvalidInput where the address names no pod."""
    place, asked = request.match_info, request.query
    if not asked.get("pod"):
        raise InvalidInput("say whose log is wanted: ?namespace=NAMESPACE&pod=POD&container=CONTAINER")
    return Wanted(
        place["namespace"], place["name"], asked.get("namespace", ""), asked["pod"], asked.get("container", ""),
        previous=asked.get("previous") == "true", is_whole=asked.get("whole") == "true",
    )  # fmt: skip


def ensure_speaks(pod: Obj, wanted: Wanted) -> None:
    """Raises InvalidInput for a container that the pod does not have, NotFound for one that cannot have said anything yet."""
    name, known = name_of(pod), container_names(spec_of(pod))
    if wanted.container not in known:
        raise InvalidInput(f'pod {name} has no container "{wanted.container}": it has {", ".join(known)}')
    if not spec_of(pod).get("nodeName"):
        why = next((one.get("message") for one in dig(pod, "status", "conditions", default=[]) if _is_unscheduled(one)), "")
        raise NotFound(f"pod {name} has no node yet, so nothing of it has run{f': {why}' if why else ''}")
    said = _status_of(pod, wanted.container)
    waiting = dig(said, "state", "waiting")
    if waiting is not None and dig(said, "lastState", "terminated") is None and not wanted.previous:
        why = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
        raise NotFound(f"container {wanted.container} of pod {name} has not started{f': {why}' if why else ''}")


def _is_unscheduled(condition: Obj) -> bool:
    return condition.get("type") == "PodScheduled" and condition.get("status") == "False"


def _status_of(pod: Obj, container: str) -> Obj:
    fields = ("containerStatuses", "initContainerStatuses")
    found: list[Obj] = [one for field in fields for one in status_of(pod).get(field) or []]
    return next((one for one in found if one.get("name") == container), {})


async def relayed(request: web.Request, chunks: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """The log as plain text, chunk by chunk; it begins with the first one, so that what fails before is an answer of its own.

    Raises what `chunks` raises before the first, ConnectionResetError when the page has gone: `chunks` are closed by then. What
    breaks off later breaks off for the page, too: an end would look like the container's."""
    try:
        async with asyncio.TaskGroup() as group:
            relaying = group.create_task(_relay(request, chunks))
            while not (await asyncio.wait((relaying,), timeout=LOOK))[0]:
                if request.transport is None:  # a write would tell, but a container may be silent for days
                    relaying.cancel()
    except ExceptionGroup as errors:
        raise expected_in(errors) or errors from None
    if relaying.cancelled():
        raise ConnectionResetError("the page has gone")
    return relaying.result()


async def _relay(request: web.Request, chunks: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8", "X-Accel-Buffering": "no"})
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                await _write(request, response, chunk)
            await _write(request, response, b"")
    except ConnectionResetError:
        return response
    except ShipwayError:
        if not response.prepared:
            raise
        if request.transport is not None:
            request.transport.abort()
    return response


async def _write(request: web.Request, response: web.StreamResponse, chunk: bytes) -> None:
    if not response.prepared:
        await response.prepare(request)
    if chunk:
        await response.write(chunk)
