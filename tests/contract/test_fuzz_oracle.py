"""Random sequences of writes give the same objects and the same ownership on the embedded API server and on a real one.

`FUZZ_SEEDS=1000 .venv/bin/pytest tests/contract/test_fuzz_oracle.py` looks further. What a seed has found becomes a case of
`api_table` or `apply_cases`.
"""

import json
import os
import random
from pathlib import Path

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.api_oracle import prepare, run
from tests.contract.fuzz import sequence, watched
from tests.contract.servers import ApiServerAlone, Embedded, Real, admin_session
from tests.contract.watch_oracle import run_until
from tests.kube.control_plane import needed_binary

SEEDS = int(os.environ.get("FUZZ_SEEDS", "60"))


async def test_both_servers_come_to_the_same(tmp_path: Path) -> None:
    binary = needed_binary()
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    embedded = Embedded(server)
    await prepare(embedded)
    async with ApiServerAlone.start(binary, tmp_path) as plane, admin_session(plane) as session:
        real = Real(session, plane.url)
        await prepare(real)
        for seed in range(SEEDS):
            case = sequence(seed)
            theirs, ours = await run(real, case), await run(embedded, case)
            for step, wanted, found in zip(case.steps, theirs, ours, strict=True):
                assert json.loads(json.dumps(found)) == json.loads(json.dumps(wanted)), (
                    f"seed {seed}: {step.method} {step.path} {json.dumps(step.body)}"
                )
    await server.close()


async def test_watchers_of_both_are_told_the_same(tmp_path: Path) -> None:
    binary = needed_binary()
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds(random.Random(1)))
    embedded = Embedded(server)
    await prepare(embedded)
    async with ApiServerAlone.start(binary, tmp_path) as plane, admin_session(plane) as session:
        real = Real(session, plane.url)
        await prepare(real)
        for seed in range(SEEDS):
            theirs, ours = await run_until(real, *watched(seed)), await run_until(embedded, *watched(seed))
            assert json.loads(json.dumps(ours)) == json.loads(json.dumps(theirs)), f"seed {seed}"
    await server.close()
