"""The one protocol between the controller and its workers: length-prefixed JSON over pipes.

    request   {"engine": "package.module:function", "payload": ...}
    reply     {"ok": ...}  or  {"error": {"class", "reason", "message"}, "retire": bool}

An engine is a plain function, payload in, result out, both JSON. It refuses by raising an error of `base.errors`, which
arrives on the other side as the same error. `retire` asks for a fresh process (the engine ran out of memory).
"""

from typing import Any

import orjson

from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound, ShipwayError, Unavailable

PREFIX = 4
MAX_FRAME = 64 << 20
"""Bytes of one request or reply; a frame beyond it is refused, not read."""

OUT_OF_MEMORY = (
    "the worker ran out of memory and ended; other work went on. Look for a very large expansion in the sources, or raise the "
    "memory limit"
)

_CLASSES: dict[str, type[ShipwayError]] = {c.__name__: c for c in (InvalidInput, Denied, Conflict, NotFound, Unavailable)}


def pack(message: Any) -> bytes:
    """One frame. Raises `InvalidInput` when it is larger than MAX_FRAME."""
    body = orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
    if len(body) > MAX_FRAME:
        raise InvalidInput(f"the result is {len(body) >> 20} MiB, more than {MAX_FRAME >> 20} MiB", reason="RenderTooLarge")
    return len(body).to_bytes(PREFIX, "big") + body


def error_reply(error: BaseException) -> dict[str, Any]:
    """The reply that carries what an engine raised."""
    if isinstance(error, MemoryError):
        return {"error": _error("InvalidInput", "RenderOutOfMemory", OUT_OF_MEMORY), "retire": True}
    if isinstance(error, ShipwayError) and type(error).__name__ in _CLASSES:
        retire = error.reason == "RenderOutOfMemory"
        return {"error": _error(type(error).__name__, error.reason, error.message), "retire": retire}
    return {"error": _error("InvalidInput", "RenderFailed", f"{type(error).__name__}: {error}"), "retire": True}


def raised(error: dict[str, str]) -> ShipwayError:
    """The error of a reply as an exception again."""
    return _CLASSES[error["class"]](error["message"], reason=error["reason"])


def _error(kind: str, reason: str, message: str) -> dict[str, str]:
    return {"class": kind, "reason": reason, "message": message}
