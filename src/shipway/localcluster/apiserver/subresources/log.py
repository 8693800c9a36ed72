"""`pods/log`: asked of the node through the `LogSource` that the server was given."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from shipway.base.clock import parse_rfc3339
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.options import Query
from shipway.localcluster.apiserver.problems import Refused, bad_request
from shipway.localcluster.apiserver.routes import Target

_TEXT = {"content-type": "text/plain"}


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    pod = backend.read(target.kind, target.namespace, target.name)
    query = Query(request.query)
    container = named_container(pod, query.text("container"))
    if not spec_of(pod).get("nodeName"):
        return Response(200, _TEXT)
    if backend.log_source is None:
        raise Refused(503, "ServiceUnavailable", "no node serves logs: start the cluster with a node")
    read = partial(
        backend.log_source.logs,
        target.namespace,
        target.name,
        container,
        since_seconds=_since(backend, query),
        previous=query.flag("previous"),
        timestamps=query.flag("timestamps"),
        limit_bytes=query.number("limitBytes"),
    )
    tail = query.number("tailLines")
    try:
        if not query.flag("follow"):
            return Response(200, _TEXT, await _whole(read(follow=False, tail_lines=tail)))
        # A follower may wait for its first line for ever, so what is wrong with the request is found out beforehand.
        await _whole(read(follow=False, tail_lines=0))
    except (NotFound, InvalidInput) as error:
        raise bad_request(error.message) from None
    return Response(200, {**_TEXT, "transfer-encoding": "chunked"}, stream=read(follow=True, tail_lines=tail))


async def _whole(stream: AsyncGenerator[bytes, None]) -> bytes:
    async with aclosing(stream):
        return b"".join([chunk async for chunk in stream])


def _since(backend: Backend, query: Query) -> float | None:
    if text := query.text("sinceTime"):
        return max(0.0, backend.clock.now() - parse_rfc3339(text))
    return query.number("sinceSeconds")


def named_container(pod: Obj, wanted: str) -> str:
    """The container that is meant: the only one when none is named. Raises Refused(400)."""
    spec, name = spec_of(pod), pod["metadata"]["name"]
    names = [container["name"] for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]]
    main = [container["name"] for container in spec.get("containers") or []]
    if wanted:
        if wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(main) > 1:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    return main[0] if main else ""
