"""Runs the table on one server or both and holds the answers against the recorded ones of a real server."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct
from msgspec.structs import replace as with_fields

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.apply_oracle import difference
from tests.contract.both_clusters import Story, embedded_stage, play, real_stage
from tests.contract.contract_table import GROUPS, Entry, prepare
from tests.contract.servers import ApiServerAlone, Embedded, Real, Server, admin_session
from tests.kube.control_plane import ControlPlane

_STORIES_AT_ONCE = 4
KNOWN = Path(__file__).parent / "known-differences.yaml"


class Verdict(Struct, frozen=True):
    """What came of one case. `wrong` is the first difference from the recorded answer, empty if there is none;
    `known`: that there is one is written down."""

    id: str
    answer: Any
    wrong: str = ""
    known: bool = False


Tell = Callable[[Verdict], None]


def known_differences() -> dict[str, str]:
    """Reasons by id: cases that the embedded server is known to answer otherwise."""
    return {entry["id"]: entry["reason"] for entry in yaml.safe_load(KNOWN.read_text()) or ()}


@asynccontextmanager
async def embedded_server() -> AsyncGenerator[Server, None]:
    """An embedded API server that is ready for the table."""
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    await prepare(Embedded(server))
    yield Embedded(server)
    await server.close()


@asynccontextmanager
async def real_server(binary: Path, folder: Path) -> AsyncGenerator[Server, None]:
    """A real one without controllers, ready for the table."""
    async with ApiServerAlone.start(binary, folder) as plane, admin_session(plane) as session:
        real = Real(session, plane.url)
        await prepare(real)
        yield real


async def judge_embedded(entries: Sequence[Entry], recorded: dict[str, Any], tell: Tell) -> None:
    """Tells the verdict of each case as it is known."""
    known = known_differences()

    def told(verdict: Verdict) -> None:
        tell(with_fields(verdict, known=bool(verdict.wrong) and verdict.id in known))

    async with embedded_server() as server:
        await _ask(server, entries, recorded, told)
    async with embedded_stage() as client:
        await _play(client, entries, recorded, told)


async def judge_real(entries: Sequence[Entry], recorded: dict[str, Any], tell: Tell, binary: Path, folder: Path) -> None:
    """The same of a real server: one without controllers for the questions, a whole control plane for the stories."""
    if any(entry.ask for entry in entries):
        async with real_server(binary, folder / "alone") as server:
            await _ask(server, entries, recorded, tell)
    if any(entry.story for entry in entries):
        async with ControlPlane.start(binary, folder / "whole") as plane, real_stage(plane) as client:
            await _play(client, entries, recorded, tell)


async def _ask(server: Server, entries: Sequence[Entry], recorded: dict[str, Any], tell: Tell) -> None:
    for entry in entries:
        if entry.ask is not None:
            tell(await _judge(entry, entry.ask(server), recorded))


async def _play(client: Client, entries: Sequence[Entry], recorded: dict[str, Any], tell: Tell) -> None:
    """Several stories at once, for they mostly wait."""
    at_once = asyncio.Semaphore(_STORIES_AT_ONCE)

    async def one(entry: Entry, story: Story) -> None:
        async with at_once:
            tell(await _judge(entry, play(story, client), recorded))

    async with asyncio.TaskGroup() as group:
        for entry in entries:
            if entry.story is not None:
                group.create_task(one(entry, entry.story))


async def _judge(entry: Entry, answering: Awaitable[Any], recorded: dict[str, Any]) -> Verdict:
    try:
        answer = json.loads(json.dumps(await answering))
    except Exception as error:  # a case that cannot be run is a failed one, and the others go on
        return Verdict(entry.id, None, f"{type(error).__name__}: {error}")
    if entry.id not in recorded:
        return Verdict(entry.id, answer, "nothing is recorded: run `make contract TARGET=real ARGS=--record`")
    return Verdict(entry.id, answer, difference(answer, recorded[entry.id]))


def counted(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """`passed`, `failed` and `known`: those that differ as they are known to."""
    found = Counter("passed" if not v.wrong else "known" if v.known else "failed" for v in verdicts)
    return {name: found[name] for name in ("passed", "failed", "known")}


def by_group(verdicts: Mapping[str, Sequence[Verdict]]) -> list[str]:
    """A line for every group that has cases, a column for every target."""
    lines = [f"{'':<43}" + "".join(f"{target:>30}" for target in verdicts)]
    for group, title in GROUPS.items():
        found = [[v for v in some if v.id.startswith(f"{group}/")] for some in verdicts.values()]
        if any(found):
            counts = [counted(some) for some in found]
            lines.append(
                f"{title:<43}" + "".join(f"{n['passed']:>7} passed{n['failed']:>3} failed{n['known']:>2} known" for n in counts)
            )
    return lines
