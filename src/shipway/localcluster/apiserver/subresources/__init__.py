"""Subresources that are no plain part of the object: each answers its own requests. (`/status` and `/finalize` are plain
parts and go the way of every other write.)"""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.problems import Refused
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources import binding, eviction, log, scale, streams, token


class Subresource(Struct, frozen=True):
    """The methods it allows and who answers."""

    methods: tuple[str, ...]
    answer: Callable[[Backend, Target, Request], Awaitable[Response]]


async def _not_here(backend: Backend, target: Target, request: Request) -> Response:
    raise Refused(501, "NotImplemented", f"the embedded cluster does not serve {target.kind.plural}/{target.subresource}")


HANDLERS: Mapping[str, Subresource] = {
    "scale": Subresource(("GET", "PUT", "PATCH"), scale.answer),
    "eviction": Subresource(("POST",), eviction.answer),
    "binding": Subresource(("POST",), binding.answer),
    "token": Subresource(("POST",), token.answer),
    "log": Subresource(("GET",), log.answer),
    "exec": Subresource(("GET", "POST"), streams.execute),
    "attach": Subresource(("GET", "POST"), streams.attach),
    "portforward": Subresource(("GET", "POST"), streams.port_forward),
    "resize": Subresource(("GET", "PUT", "PATCH"), _not_here),
    "ephemeralcontainers": Subresource(("GET", "PUT", "PATCH"), _not_here),
}
