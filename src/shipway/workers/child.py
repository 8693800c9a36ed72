"""The worker's side: `python -m shipway.workers.child MEMORY_BYTES PARENT_PID`, requests on stdin, replies on stdout.

A thread reads the requests, so that the end of its input, which is the end of its parent, is seen while an engine runs;
the whole process group goes then. Whatever an engine prints goes to stderr and cannot disturb the replies.
"""

import importlib
import os
import queue
import resource
import signal
import sys
import threading
from typing import Any

import orjson

from shipway.workers.lifeline import die_with_parent
from shipway.workers.protocol import MAX_FRAME, PREFIX, error_reply, pack

_MAX_FILE = 1 << 30


def main(arguments: list[str]) -> None:
    memory_bytes, parent = int(arguments[0]), int(arguments[1])
    die_with_parent(parent)
    _limit(memory_bytes)
    replies = os.dup(1)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    while True:
        reply, retire = _answer(requests.get())
        _write(replies, reply)
        if retire:
            return


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
    if sys.platform == "linux":  # elsewhere the kernel ignores or refuses it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _read_requests(requests: "queue.SimpleQueue[bytes]") -> None:
    while (frame := _read_frame()) is not None:
        requests.put(frame)
    os.killpg(0, signal.SIGKILL)


def _read_frame() -> bytes | None:
    prefix = sys.stdin.buffer.read(PREFIX)
    size = int.from_bytes(prefix, "big")
    if len(prefix) < PREFIX or size > MAX_FRAME:
        return None
    frame = sys.stdin.buffer.read(size)
    return frame if len(frame) == size else None


def _answer(frame: bytes) -> tuple[bytes, bool]:
    """The packed reply and whether this process should end after it."""
    try:
        request = orjson.loads(frame)
        return pack({"ok": _engine(request["engine"])(request["payload"])}), False
    except Exception as error:
        reply = error_reply(error)
    return pack(reply), reply["retire"]


def _engine(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(importlib.import_module(module), function)


def _write(descriptor: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main(sys.argv[1:])
