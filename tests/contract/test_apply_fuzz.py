"""Sixty random histories, told to a real API server and to the embedded one: the same objects, owners and refusals.

A failing seed becomes a case of `apply_cases`.
"""

import pytest

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.apply_fuzz import random_case
from tests.contract.apply_oracle import answer, difference, prepare, sending
from tests.contract.servers import Embedded, Real, admin_session
from tests.kube.control_plane import ControlPlane

SEEDS = range(60)


@pytest.mark.asyncio(loop_scope="session")
async def test_both_servers_tell_the_same_history(real_control_plane: ControlPlane) -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    wrong: list[str] = []
    async with admin_session(real_control_plane) as session:
        real, embedded = sending(Real(session, real_control_plane.url)), sending(Embedded(server))
        await prepare(real)
        await prepare(embedded)
        for seed in SEEDS:
            case = random_case(seed)
            for number, write in enumerate(case.writes):
                theirs, ours = await answer(real, case, write), await answer(embedded, case, write)
                if theirs != ours:
                    wrong.append(f"seed {seed}, {case.kind}, write {number}: {difference(ours, theirs)}")
                    break
    await server.close()
    assert wrong == []
