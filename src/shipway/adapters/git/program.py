"""The git program for everything that touches the network.

Its configuration is ours alone (no system or user configuration, a home of its own), it never prompts, who we are reaches
it through its environment (`login`), no file it writes is larger than allowed, and its whole process group is killed when it
takes too long or its caller goes away.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from shipway.adapters.git.login import ASKPASS, Access, environment_for
from shipway.adapters.git.urls import redact
from shipway.base.endings import to_the_end
from shipway.base.errors import Unavailable

_MAX_OUTPUT = 64 << 20
_STDERR_TAIL = 4096
_NOISE = ("Please make sure you have", "and the repository exists", "hint:", "warning:", "Warning: Permanently added", "@@@")
_PASSED_ON = ("TMPDIR", "SSH_AUTH_SOCK")
_ALWAYS = (
    "-c",
    "gc.auto=0",
    "-c",
    "core.packedGitLimit=1g",
    "-c",
    "maintenance.auto=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "credential.helper=",
)


MAX_FILE_BYTES = 16 << 30
"""A repository that keeps on sending fills no disk: the pack that git writes may not grow larger."""

MAX_MEMORY_BYTES = 4 << 30
"""Address space of one git process, where the system bounds it (Linux): refs without end are kept in memory."""

_LIMITED = 'ulimit -f "$1" && { ulimit -v "$2" 2>/dev/null || :; } && shift 2 && exec "$@"'
_NOT_FOUND = 127
NOBODY = Access()


class Git:
    """Runs git below `home`. `timeout_seconds` and `max_memory_bytes` bound one command, `max_file_bytes` every file that
    one writes."""

    def __init__(
        self,
        home: Path,
        *,
        timeout_seconds: float,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
    ) -> None:
        self._home = home
        self._timeout_seconds = timeout_seconds
        self._limits = (str(max_file_bytes // 512), str(max_memory_bytes // 1024))

    def prepare(self) -> None:
        """Create the home and the askpass script, which holds no secret; take away what a killed process left."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._home.glob("login-*"):
            shutil.rmtree(left, ignore_errors=True)
        askpass = self._home / "askpass"
        askpass.touch(0o700)
        askpass.write_text(ASKPASS)

    async def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        access: Access = NOBODY,
        patience: float = 1.0,
    ) -> bytes:
        """What it wrote to stdout; `patience` multiplies the time limit.

        Raises `Unavailable` (GitTimeout, GitFailed, ToolMissing) with git's message, redacted.
        """
        limit = self._timeout_seconds * patience
        with tempfile.TemporaryFile("a+b") as stderr, environment_for(access, self._home) as login:
            process = await self._start(arguments, cwd, {**self._environment(), **login}, stderr)
            try:
                async with asyncio.timeout(limit):
                    output = await _bounded(process)
                    status = await process.wait()
            except TimeoutError:
                raise Unavailable(f"git gave no answer within {limit:g} s", reason="GitTimeout") from None
            finally:
                await end_family(process)
            if status == _NOT_FOUND:
                raise Unavailable("git is not installed: install git 2.34 or newer", reason="ToolMissing")
            if status:
                raise Unavailable(redact(_last_words(stderr), *access.credentials.secrets), reason="GitFailed")
            return output

    async def _start(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], stderr: IO[bytes]
    ) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", _LIMITED, "git", *self._limits, "git", *_ALWAYS, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unavailable("there is no /bin/sh here: install one", reason="ToolMissing") from None

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **passed,
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        }


async def _bounded(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    parts: list[bytes] = []
    size = 0
    while chunk := await process.stdout.read(1 << 16):
        size += len(chunk)
        if size > _MAX_OUTPUT:
            raise Unavailable(f"git wrote more than {_MAX_OUTPUT >> 20} MiB", reason="GitFailed")
        parts.append(chunk)
    return b"".join(parts)


async def end_family(process: asyncio.subprocess.Process) -> None:
    """Nothing of it is left, its children neither."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await to_the_end(process.wait)


def _last_words(stderr: IO[bytes]) -> str:
    """What git said last, without its notes and without line breaks."""
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - _STDERR_TAIL))
    lines = [line.strip() for line in stderr.read(_STDERR_TAIL).decode("utf-8", "replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(dict.fromkeys(telling))[:1000] or "git failed without a message"
