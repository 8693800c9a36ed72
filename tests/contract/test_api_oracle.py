"""The embedded API server, judged by a real one.

`test_as_recorded` replays the recorded answers and needs nothing; `test_the_real_server_still_says_so` asks a real API server
again. To record anew after a change of the table: `UPDATE_GOLDEN=1 .venv/bin/pytest tests/contract/test_api_oracle.py`.
"""

import json
import os
import random
from pathlib import Path

import pytest

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.api_oracle import GOLDEN, ApiServerAlone, Embedded, Real, dumps_golden, prepare, run
from tests.contract.api_table import CASES
from tests.contract.api_table.steps import Case
from tests.kube.control_plane import built_binary


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_as_recorded(case: Case) -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    target = Embedded(server)
    await prepare(target)
    recorded = json.loads(GOLDEN.read_bytes())[case.name]
    answers = json.loads(json.dumps(await run(target, case)))
    for step, ours, theirs in zip(case.steps, answers, recorded, strict=True):
        assert ours == theirs, f"{step.method} {step.path}"
    await server.close()


async def test_the_real_server_still_says_so(tmp_path: Path) -> None:
    binary = built_binary()
    if binary is None:
        pytest.skip("the real control plane is not built: run `make kube`")
    async with ApiServerAlone.start(binary, tmp_path) as plane, plane.session() as session:
        real = Real(session, plane.url)
        await prepare(real)
        answers = json.loads(json.dumps({case.name: await run(real, case) for case in CASES}))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(dumps_golden(answers))
    recorded = json.loads(GOLDEN.read_bytes())
    different = [name for name in answers if answers[name] != recorded.get(name)]
    assert not different, f"record anew: UPDATE_GOLDEN=1 .venv/bin/pytest {__file__}"
