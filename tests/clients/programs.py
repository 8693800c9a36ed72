"""A foreign program with a cluster to work on: what it said, and that it went well."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

PATIENCE = 120.0


class Cluster(Struct, frozen=True):
    """`is_real`: a real API server with real controllers; else the embedded cluster, whole."""

    kubeconfig: Path
    is_real: bool


class Said(Struct):
    """Exit code and output of one command."""

    code: int
    out: str
    err: str


class Program:
    """Runs one program as a user does: a kubeconfig, a namespace and a home of its own."""

    def __init__(self, path: str, cluster: Cluster, namespace: str, home: Path) -> None:
        self.path = path
        self.cluster = cluster
        self.namespace = namespace
        self.home = home

    async def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Said:
        command = (self.path, *(() if "-n" in arguments else ("--namespace", self.namespace)), *arguments)
        return await said_by(*command, env={**self.environment, **env}, stdin=stdin)

    async def ok(self, *arguments: str, stdin: str = "", **env: str) -> str:
        """The output of a command that must succeed."""
        said = await self(*arguments, stdin=stdin, **env)
        assert said.code == 0, (arguments, said.out, said.err)
        return said.out

    async def fails(self, *arguments: str, stdin: str = "") -> str:
        """What a command says that must not succeed."""
        said = await self(*arguments, stdin=stdin)
        assert said.code != 0, (arguments, said.out)
        return said.err

    async def json(self, *arguments: str) -> dict[str, Any]:
        return json.loads(await self.ok(*arguments, "-o", "json"))

    @property
    def environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig)}


async def said_by(*command: str, env: Mapping[str, str], stdin: str = "") -> Said:
    """Runs a command to its end, and kills it and its children on every path."""
    async with started(*command, env=env) as process, asyncio.timeout(PATIENCE):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def started(*command: str, env: Mapping[str, str]) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A running command in a process group of its own, gone when the block ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
