"""`pods/log`: asked of the node through the `LogSource` that the server was given."""

from shipway.base.clock import parse_rfc3339
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend, LogQuery
from shipway.localcluster.apiserver.options import Query
from shipway.localcluster.apiserver.problems import Refused, bad_request
from shipway.localcluster.apiserver.routes import Target

_TEXT = {"content-type": "text/plain"}


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    pod = backend.read(target.kind, target.namespace, target.name)
    query = _query(backend, pod, Query(request.query))
    if not spec_of(pod).get("nodeName"):
        return Response(200, _TEXT)
    if backend.log_source is None:
        raise Refused(503, "ServiceUnavailable", "no node serves logs: start the cluster with a node")
    try:
        stream = backend.log_source.logs(target.namespace, target.name, query)
        if query.follow:
            return Response(200, {**_TEXT, "transfer-encoding": "chunked"}, stream=stream)
        return Response(200, _TEXT, b"".join([chunk async for chunk in stream]))
    except (NotFound, InvalidInput) as error:
        raise bad_request(error.message) from None


def _query(backend: Backend, pod: Obj, query: Query) -> LogQuery:
    since = query.number("sinceSeconds")
    if since is None and (text := query.text("sinceTime")):
        since = max(0, int(backend.clock.now() - parse_rfc3339(text)))
    return LogQuery(
        container=_container(pod, query.text("container")),
        follow=query.flag("follow"),
        previous=query.flag("previous"),
        timestamps=query.flag("timestamps"),
        tail_lines=query.number("tailLines"),
        since_seconds=since,
        limit_bytes=query.number("limitBytes"),
    )


def _container(pod: Obj, wanted: str) -> str:
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
