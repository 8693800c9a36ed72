"""The git program for everything that touches the network.

Its configuration is ours alone (no system or user configuration, a home of its own), it never prompts, a password reaches
it through the environment of an askpass script, and its whole process group is killed when it takes too long or its caller
goes away.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from shipway.adapters.git.urls import redact
from shipway.base.errors import Unavailable

_MAX_OUTPUT = 64 << 20
_STDERR_TAIL = 4096
_NOISE = ("Please make sure you have", "and the repository exists", "hint:", "warning:", "Warning: Permanently added", "@@@")
_PASSED_ON = ("TMPDIR", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_ASKPASS = """\
#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$SHIPWAY_GIT_USERNAME" ;;
*) printf '%s\\n' "$SHIPWAY_GIT_PASSWORD" ;;
esac
"""
_ALWAYS = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null", "-c", "credential.helper=")


class Credentials(Struct, frozen=True):
    """How to prove who we are to one repository. File names, where given, are local files."""

    username: str = ""
    password: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    ca_bundle: str = ""
    insecure: bool = False


class Git:
    """Runs git below `home`. `timeout_seconds` bounds one command."""

    def __init__(self, home: Path, *, timeout_seconds: float) -> None:
        self._home = home
        self._timeout_seconds = timeout_seconds
        self._askpass = home / "askpass"

    def prepare(self) -> None:
        """Create the home and the askpass script, which holds no secret."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._askpass.exists():
            self._askpass.write_text(_ASKPASS)
            self._askpass.chmod(0o700)

    async def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        credentials: Credentials = Credentials(),  # noqa: B008
        patience: float = 1.0,
    ) -> bytes:
        """What it wrote to stdout; `patience` multiplies the time limit.

        Raises `Unavailable` (GitTimeout, GitFailed, ToolMissing) with git's message, redacted.
        """
        limit = self._timeout_seconds * patience
        with tempfile.TemporaryFile("a+b") as stderr:
            process = await self._start(arguments, cwd, credentials, stderr)
            try:
                async with asyncio.timeout(limit):
                    output = await _bounded(process)
                    status = await process.wait()
            except TimeoutError:
                raise Unavailable(f"git gave no answer within {limit:g} s", reason="GitTimeout") from None
            finally:
                await _end(process)
            if status:
                raise Unavailable(redact(_last_words(stderr), credentials.password), reason="GitFailed")
            return output

    async def _start(
        self, arguments: Sequence[str], cwd: Path, credentials: Credentials, stderr: IO[bytes]
    ) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *("git", *_ALWAYS, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=cwd,
                env=self._environment(credentials),
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unavailable("git is not installed: install git 2.34 or newer", reason="ToolMissing") from None

    def _environment(self, credentials: Credentials) -> Mapping[str, str]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        known_hosts = credentials.known_hosts or str(self._home / "known_hosts")
        key = f" -i {_quoted(credentials.ssh_key)} -o IdentitiesOnly=yes" if credentials.ssh_key else ""
        check = "no" if credentials.insecure else "yes"
        ssh = f"ssh -o BatchMode=yes -o StrictHostKeyChecking={check} -o UserKnownHostsFile={_quoted(known_hosts)}{key}"
        ours = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
            "GIT_SSH_COMMAND": ssh,
            "GIT_ASKPASS": str(self._askpass) if credentials.username or credentials.password else "/bin/false",
            "SHIPWAY_GIT_USERNAME": credentials.username,
            "SHIPWAY_GIT_PASSWORD": credentials.password,
        }
        if credentials.ca_bundle:
            ours["GIT_SSL_CAINFO"] = credentials.ca_bundle
        if credentials.insecure:
            ours["GIT_SSL_NO_VERIFY"] = "1"
        return {**passed, **ours}


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


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of it is left, its children neither."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _last_words(stderr: IO[bytes]) -> str:
    """What git said last, without its notes and without line breaks."""
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - _STDERR_TAIL))
    lines = [line.strip() for line in stderr.read(_STDERR_TAIL).decode("utf-8", "replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(dict.fromkeys(telling))[:1000] or "git failed without a message"


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
