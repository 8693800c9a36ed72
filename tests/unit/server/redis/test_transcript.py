"""Everything that `argocd-server` was heard to say while its commands were used is understood: no reply is an error."""

from pathlib import Path

import orjson
import pytest

from shipway.server.redis.session import Room, Session
from shipway.server.redis.wire import Refusal
from tests.unit.server.redis.stage import StandingClock, WorkedOut

HEARD = orjson.loads((Path(__file__).parents[3] / "golden" / "argocd_server_commands.json").read_bytes())["connections"]


@pytest.mark.compat("argocd:server.keys")
async def test_what_argocd_server_says_is_understood() -> None:
    room = Room(StandingClock(), WorkedOut(**{"resources-tree|shop|1.8.3.gz": b"tree"}), "secret")
    sessions = [Session(room, lambda _: None) for _ in HEARD]
    answers: dict[str, list[object]] = {}
    for session, commands in zip(sessions, HEARD, strict=True):
        for command in commands:
            answers[" ".join(command[:2])] = await session.answer(tuple(word.encode() for word in command))
    refused = {command: replies for command, replies in answers.items() if any(isinstance(one, Refusal) for one in replies)}
    assert not refused
    assert answers["get app|resources-tree|shop|1.8.3.gz"] == [b"tree"]
    assert answers["publish new-revoked-token"] == [1]
    (scanned,) = await sessions[0].answer((b"SCAN", b"0", b"MATCH", b"revoked-token|*"))
    assert len(scanned[1]) == 1
