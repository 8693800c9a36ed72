"""Watches of the embedded API server, judged by a real one (see `test_api_oracle` for how to record anew)."""

import json
import os
import random
from pathlib import Path

import pytest

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.api_oracle import ApiServerAlone, dumps_golden, prepare
from tests.contract.watch_oracle import GOLDEN, Watcher, run
from tests.contract.watch_table import CASES, WatchCase
from tests.kube.control_plane import built_binary


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_as_recorded(case: WatchCase) -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    watcher = Watcher.embedded(server)
    await prepare(watcher.target)
    recorded = json.loads(GOLDEN.read_bytes())[case.name]
    events = json.loads(json.dumps(await run(watcher, case)))
    for ours, theirs in zip(events, recorded, strict=True):
        assert ours == theirs
    await server.close()


async def test_the_real_server_still_says_so(tmp_path: Path) -> None:
    binary = built_binary()
    if binary is None:
        pytest.skip("the real control plane is not built: run `make kube`")
    async with ApiServerAlone.start(binary, tmp_path) as plane, plane.session() as session:
        watcher = Watcher.real(session, plane.url)
        await prepare(watcher.target)
        answers = json.loads(json.dumps({case.name: await run(watcher, case) for case in CASES}))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(dumps_golden(answers))
    recorded = json.loads(GOLDEN.read_bytes())
    different = [name for name in answers if answers[name] != recorded.get(name)]
    assert not different, f"record anew: UPDATE_GOLDEN=1 .venv/bin/pytest {__file__}"
