"""Server-side apply and managedFields, judged by a real API server.

`test_as_recorded` replays its recorded answers and needs nothing; `test_real_server_still_says_so` asks it again. To record
anew after a change of the table: `UPDATE_GOLDEN=1 .venv/bin/pytest tests/contract/test_apply_oracle.py`.
"""

import json
import os
import ssl
from typing import Any

import aiohttp
import pytest

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.objects.field_sets import uncovered
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.apply_cases import CASES
from tests.contract.apply_oracle import (
    GOLDEN,
    answer,
    body_of,
    difference,
    dumps_golden,
    in_memory,
    masked,
    over_http,
    prepare,
    replay,
    schema_of,
)
from tests.contract.apply_writes import Case
from tests.kube.control_plane import ControlPlane


def golden() -> dict[str, list[Any]]:
    return json.loads(GOLDEN.read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_recorded(case: Case) -> None:
    live: dict[str, Any] | None = None
    answers = golden()[case.name]
    assert len(answers) == len(case.writes)
    for number, (write, recorded) in enumerate(zip(case.writes, answers, strict=True)):
        ours = replay(case, live, write, recorded, 1000 + number)
        if recorded["status"] == 422:
            assert ours == {"invalid": recorded["error"]}, f"write {number}"
        elif recorded["status"] >= 400:
            assert {"status": recorded["status"], **ours} == recorded, f"write {number}"
        else:
            live = ours.get("object")
            assert live, f"write {number}: {ours}"
            assert masked(live)["metadata"] == recorded["object"]["metadata"], f"write {number}"
            assert masked(live) == recorded["object"], f"write {number}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_recorded_entry_of_an_applier_covers_what_it_applied(case: Case) -> None:
    """The GitOps engine's question, asked of a real server's managedFields."""
    for write, recorded in zip(case.writes, golden()[case.name], strict=True):
        if write.verb == "apply" and recorded["status"] == 200:
            entries = recorded["object"]["metadata"].get("managedFields", [])
            own = [e for e in entries if e["manager"] == write.manager and e["operation"] == "Apply"]
            fields = own[0]["fieldsV1"] if own else {}
            ignored = {"spec"} if write.subresource == "status" else set()
            stated = {key: value for key, value in body_of(case, write).items() if key not in ignored}
            assert uncovered(fields, stated, schema_of(case.kind)) == [], write


@pytest.mark.asyncio(loop_scope="session")
async def test_real_server_still_says_so(real_control_plane: ControlPlane) -> None:
    pki = real_control_plane.folder / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        real = over_http(session, real_control_plane.url)
        await prepare(real)
        answers = {case.name: [await answer(real, case, write) for write in case.writes] for case in CASES}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(dumps_golden(answers))
    assert answers == golden()


async def test_the_embedded_server_answers_the_same() -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    embedded = in_memory(server)
    await prepare(embedded)
    wrong: list[str] = []
    for case in CASES:
        for number, (write, recorded) in enumerate(zip(case.writes, golden()[case.name], strict=True)):
            said = await answer(embedded, case, write)
            if said != recorded:
                wrong.append(f"{case.name}, write {number}: {difference(said, recorded)}")
                break
    await server.close()
    assert wrong == []


def test_masks_are_stable() -> None:
    obj = {"metadata": {"uid": "u", "managedFields": [{"manager": "b", "operation": "Apply", "time": "x"}]}}
    assert masked(obj) == masked(masked(obj))
