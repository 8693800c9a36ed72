"""From an HTTP request to an upgraded connection: WebSocket, in the best subprotocol that both sides speak.

kubectl has preferred WebSocket since 1.31; the older SPDY upgrade is refused with a message. What is refused before the
upgrade is an ordinary answer, so that the client can show it.
"""

import orjson
from aiohttp import WSMsgType, web

from shipway.kube.objects.wire import Upgrade
from shipway.localcluster.apiserver.problems import status_object

LARGEST_MESSAGE = 4 * 1024 * 1024


class Socket:
    """A `Duplex` over aiohttp's WebSocket. Pings are answered on the way."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self.protocol = protocol
        self._socket = socket

    async def receive(self) -> bytes | None:
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return message.data
        return message.data.encode() if message.type is WSMsgType.TEXT else None

    async def send(self, message: bytes) -> None:
        await self._socket.send_bytes(message)


async def upgraded(request: web.Request, upgrade: Upgrade) -> web.StreamResponse:
    """Serves the connection until either side ends it."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        asked = request.headers.get("upgrade")
        what = f"it cannot be upgraded to {asked}" if asked else "Upgrade request required"
        return _refused(f"{what}: this API server speaks WebSocket here, as kubectl does from 1.31 on")
    offered = [p.strip() for p in request.headers.get("sec-websocket-protocol", "").split(",")]
    protocol = next((p for p in upgrade.protocols if p in offered), None)
    if protocol is None:
        return _refused(f"none of the subprotocols {offered} is spoken here: use {' or '.join(upgrade.protocols)}")
    socket = web.WebSocketResponse(protocols=(protocol,), max_msg_size=LARGEST_MESSAGE, compress=False)
    await socket.prepare(request)
    try:
        await upgrade.serve(Socket(socket, protocol))
    except ConnectionError:
        pass  # the client has gone
    finally:
        await socket.close()
    return socket


def _refused(message: str) -> web.Response:
    body = orjson.dumps(status_object(400, "BadRequest", message))
    return web.Response(status=400, body=body, content_type="application/json")
