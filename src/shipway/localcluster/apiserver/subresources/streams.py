"""`pods/exec`, `pods/attach` and `pods/portforward`: everything is checked here, then the connection is the node's."""

from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend, Streams, StreamSource
from shipway.localcluster.apiserver.options import Query
from shipway.localcluster.apiserver.problems import Refused, bad_request
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.log import named_container

_SWITCHING = 101


async def execute(backend: Backend, target: Target, request: Request) -> Response:
    pod, source = _pod(backend, target)
    query = Query(request.query)
    container, streams = named_container(pod, query.text("container")), _streams(query)
    command = [value for key, value in request.query if key == "command"]
    try:
        upgrade = source.exec(target.namespace, target.name, container, command, streams)
    except (NotFound, InvalidInput) as error:
        raise bad_request(error.message) from None
    return Response(_SWITCHING, upgrade=upgrade)


async def attach(backend: Backend, target: Target, request: Request) -> Response:
    pod, source = _pod(backend, target)
    query = Query(request.query)
    container, streams = named_container(pod, query.text("container")), _streams(query)
    try:
        upgrade = source.attach(target.namespace, target.name, container, streams)
    except (NotFound, InvalidInput) as error:
        raise bad_request(error.message) from None
    return Response(_SWITCHING, upgrade=upgrade)


async def port_forward(backend: Backend, target: Target, request: Request) -> Response:
    _, source = _pod(backend, target)
    try:
        upgrade = source.port_forward(target.namespace, target.name, ports_of(Query(request.query).text("ports")))
    except (NotFound, InvalidInput) as error:
        raise bad_request(error.message) from None
    return Response(_SWITCHING, upgrade=upgrade)


def ports_of(text: str) -> list[int]:
    """Of "8080,9090". Raises InvalidInput."""
    found = [part for part in text.split(",") if part]
    if not all(part.isdigit() and 0 < int(part) < 1 << 16 for part in found):
        raise InvalidInput(f'ports "{text}" cannot be read: give numbers from 1 to 65535', reason="BadRequest")
    return [int(part) for part in found]


def _pod(backend: Backend, target: Target) -> tuple[Obj, StreamSource]:
    pod = backend.read(target.kind, target.namespace, target.name)
    if not spec_of(pod).get("nodeName"):
        raise bad_request(f"pod {target.name} does not have a host assigned")
    if backend.stream_source is None:
        raise Refused(503, "ServiceUnavailable", "no node serves exec, attach and port-forward: start the cluster with a node")
    return pod, backend.stream_source


def _streams(query: Query) -> Streams:
    streams = Streams(query.flag("stdin"), query.flag("stdout"), query.flag("stderr"), query.flag("tty"))
    if not (streams.stdin or streams.stdout or streams.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return streams
