"""A server that refuses one thing, as a cluster does whose rules do not grant it."""

import orjson

from shipway.kube.objects.wire import Request, Response, Transport


class Forbidding:
    """Stands before `server` and refuses requests by their method and by what their path ends with."""

    def __init__(self, server: Transport, method: str, ending: str) -> None:
        self._server = server
        self._method = method
        self._ending = ending

    async def send(self, request: Request) -> Response:
        if request.method == self._method and request.path.endswith(self._ending):
            plural = request.path.rpartition("/")[2]
            said = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"{plural} is forbidden"}
            return Response(403, {"content-type": "application/json"}, orjson.dumps(said))
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""
