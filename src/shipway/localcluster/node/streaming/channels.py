"""Remote commands over WebSocket messages: the first byte of each says which stream the rest belongs to.

0 stdin, 1 stdout, 2 stderr, 3 the outcome (a Status), 4 the size of the terminal as JSON; and, from v5 on, 255: the stream
named by the next byte ends. (`k8s.io/apimachinery/pkg/util/remotecommand`; v5 is KEP-4006.)
"""

from typing import Literal

import msgspec
import orjson
from msgspec import Struct

STDIN, STDOUT, STDERR, OUTCOME, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
PIECE = 32 * 1024


class TerminalSize(Struct, frozen=True):
    """In characters, spelt as client-go does."""

    width: int = msgspec.field(default=0, name="Width")
    height: int = msgspec.field(default=0, name="Height")


Said = tuple[Literal["input"], bytes] | tuple[Literal["end"], None] | tuple[Literal["size"], TerminalSize] | None


def said(message: bytes) -> Said:
    """What a client's message says; None for one that says nothing to a command."""
    if not message:
        return None
    if message[0] == STDIN:
        return "input", message[1:]
    if message[0] == CLOSE and message[1:2] == bytes([STDIN]):
        return "end", None
    if message[0] == RESIZE:
        try:
            return "size", msgspec.json.decode(message[1:], type=TerminalSize)
        except msgspec.DecodeError:
            return None
    return None


def on(channel: int, payload: bytes = b"") -> bytes:
    """A message that carries `payload` on a stream."""
    return bytes([channel]) + payload


def outcome(code: int) -> bytes:
    """The last message of a command that has ended with `code`."""
    if code == 0:
        return on(OUTCOME, orjson.dumps({"metadata": {}, "status": "Success"}))
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    }
    return on(OUTCOME, orjson.dumps(status))


def failure(message: str) -> bytes:
    """The last message of a command that could not be carried out."""
    return on(OUTCOME, orjson.dumps({"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError"}))
