"""A little HTTP server in a thread of its own that takes what it is told, and a `Fetch` that reaches it in virtual time.

Virtual time would jump over an answer of the network, so the call is carried out at once, as if the network took no time.
"""

import http.client
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from msgspec import Struct

from shipway.adapters.templates import worker
from shipway.adapters.templates.engine import filled_by, job_of
from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.api.templates import Filled, Template
from shipway.base.errors import Unavailable


class Received(Struct, frozen=True):
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Receiver(ThreadingHTTPServer):
    """`answers` are the next statuses by path; 200 when there are none left."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []
        self.answers: dict[str, list[int]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, self.path, headers, body))
        waiting = self.server.answers.get(self.path, [])
        said = b'{"ok": true}'
        self.send_response(waiting.pop(0) if waiting else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was received can be looked at."""


@contextmanager
def receiver() -> Generator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def at_once(call: HttpCall) -> HttpAnswer:
    """A `Fetch` in no time."""
    place = urlsplit(call.url)
    connection = http.client.HTTPConnection(place.netloc, timeout=call.timeout)
    try:
        connection.request(call.method, place.path, call.body, dict(call.headers))
        answer = connection.getresponse()
        return HttpAnswer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
    except OSError as error:
        raise Unavailable(f"{call.purpose}: {error}") from error
    finally:
        connection.close()


class FillsHere:
    """Fills templates in this process: what the worker does, without the worker."""

    async def render(self, template: Template, entries: Sequence[bytes]) -> Sequence[Filled]:
        return filled_by(worker.render(job_of(template, entries)))
