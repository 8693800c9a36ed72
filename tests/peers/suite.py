"""What the suites of all peers have in common: a compiled Go test that is run, shown and counted."""

import asyncio
import json
import re
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def built(part: str) -> Path:
    """Where `build` put a part of a peer: "argo-rollouts suite", for example. Built once, in minutes."""
    command = [HERE / "build", *part.split()]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(said.stdout.splitlines()[-1])


@asynccontextmanager
async def running(
    name: str, command: list[str | Path], environment: Mapping[str, str], logs: Path
) -> AsyncGenerator[None, None]:
    """A process until the block ends; what it says goes to a file of its name."""
    with (logs / f"{name}.log").open("wb") as log:
        one = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=STDOUT)
    try:
        yield
    finally:
        if one.returncode is None:
            one.terminate()
        await one.wait()


async def played(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], result: re.Pattern[str]
) -> dict[str, str]:
    """PASS, FAIL or SKIP by the name of the test, as the two groups of `result` find them; what the suite says is shown."""
    suite = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=PIPE, stderr=STDOUT, limit=2**24)
    assert suite.stdout is not None
    found: dict[str, str] = {}
    async for line in suite.stdout:
        text = line.decode(errors="replace")
        print(text, end="", file=sys.stderr)
        found |= {name: outcome for outcome, name in result.findall(text)}
    await suite.wait()
    return found


def report(found: Mapping[str, str], left_out: Mapping[str, str]) -> int:
    """Prints what failed, and what was left out and why; the exit code."""
    for name, reason in left_out.items():
        print(f"left out  {name}: {reason}")
    failed = sorted(name for name, result in found.items() if result == "FAIL")
    for name in failed:
        print(f"FAIL      {name}")
    passed = sum(result == "PASS" for result in found.values())
    print(json.dumps({"passed": passed, "failed": len(failed), "left_out": len(left_out)}))
    return int(bool(failed) or not passed)
