"""The controller's side of one worker process: start it, ask it, kill it.

Each worker leads its own session, so killing its group takes the programs it started with it. It inherits no environment
but the few variables named here. Its stderr goes to an unlinked file: nobody has to drain it, and it explains a death.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from typing import IO, Any

import orjson

from shipway.base.endings import to_the_end
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from shipway.workers.protocol import MAX_FRAME, OUT_OF_MEMORY, PREFIX, pack, raised

_STDERR_READ = 64 << 10
_OUT_OF_MEMORY = ("out of memory", "cannot allocate memory", "MemoryError", "failed to reserve")
_GONE = (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError)


class Worker:
    """One process. After any failure of `ask` other than an engine's own refusal it is dead."""

    def __init__(self, kind: str, process: asyncio.subprocess.Process, stderr: IO[bytes]) -> None:
        self._kind = kind
        self._process = process
        self._stderr = stderr
        self.is_alive = True

    @classmethod
    async def start(cls, kind: str, memory_bytes: int) -> "Worker":
        """A fresh process with at most `memory_bytes` of address space (Linux)."""
        stderr = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - lives as long as the process
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "shipway.workers.child", str(memory_bytes), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd="/",
                env=_environment(),
                start_new_session=True,
            )
        except BaseException:
            stderr.close()
            raise
        return cls(kind, process, stderr)

    async def ask(self, engine: str, payload: Any, timeout_seconds: float) -> Any:
        """The engine's result. Raises what it refused with, or Unavailable / InvalidInput when the process had to die."""
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = orjson.loads(await self._exchange(pack({"engine": engine, "payload": payload})))
        except TimeoutError:
            await self.kill()
            raise Unavailable(
                f"{self._kind}: no result after {timeout_seconds:g} s, stopped. Look for an endless loop or a very large "
                "expansion in the templates, or raise the time limit",
                reason="RenderTimeout",
            ) from None
        except _GONE:
            await self._process.wait()
            error = self._death()
            await self.kill()
            raise error from None
        except BaseException:
            await self.kill()
            raise
        return await self._result(reply)

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    async def kill(self) -> None:
        """End the process and everything it started. Safe to repeat."""
        if self.is_alive:
            self.is_alive = False
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._stderr.close()
        await to_the_end(self._process.wait)

    async def _exchange(self, frame: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(frame)
        await self._process.stdin.drain()
        size = int.from_bytes(await self._process.stdout.readexactly(PREFIX), "big")
        if size > MAX_FRAME:
            raise InvalidInput(f"{self._kind}: a reply of {size >> 20} MiB was refused", reason="RenderTooLarge")
        return await self._process.stdout.readexactly(size)

    async def _result(self, reply: dict[str, Any]) -> Any:
        if reply.get("retire"):
            await self.kill()
        elif self._stderr.tell():
            self._stderr.truncate(0)
        if "error" in reply:
            raise raised(reply["error"])
        return reply["ok"]

    def _death(self) -> ShipwayError:
        """What a process that ended by itself died of."""
        if not self.is_alive:
            return Unavailable(f"{self._kind}: the workers were closed during the call", reason="WorkersClosed")
        code, words = self._process.returncode, self._last_words()
        if code == -signal.SIGKILL or any(sign in words for sign in _OUT_OF_MEMORY):
            return InvalidInput(f"{self._kind}: {OUT_OF_MEMORY}", reason="RenderOutOfMemory")
        lines = [line.strip() for line in words.splitlines() if line.strip()] or ["no message"]
        telling = next((line for line in lines if line.startswith(("fatal error:", "panic:"))), lines[-1])
        return Unavailable(f"{self._kind}: the worker ended with status {code}: {telling[:500]}", reason="RenderFailed")

    def _last_words(self) -> str:
        """What it wrote to stderr during this call; a Go program says why it dies first and then dumps its stacks."""
        self._stderr.seek(0)
        return self._stderr.read(_STDERR_READ).decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """All that a worker gets to see of our environment."""
    kept = {name: os.environ[name] for name in ("TMPDIR", "TZ") if name in os.environ}
    path = os.environ.get("PATH", os.defpath)
    return {**kept, "PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
