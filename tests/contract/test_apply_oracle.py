"""Server-side apply and managedFields: our pure functions come to what a real API server answered (see `contract_table`)."""

from typing import Any

import pytest

from shipway.kube.objects.field_sets import uncovered
from tests.contract.apply_cases import CASES
from tests.contract.apply_oracle import body_of, masked, replay, schema_of
from tests.contract.apply_writes import Case
from tests.contract.contract_table import golden


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_recorded(case: Case) -> None:
    live: dict[str, Any] | None = None
    answers = golden()[f"apply/{case.name}"]
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
    for write, recorded in zip(case.writes, golden()[f"apply/{case.name}"], strict=True):
        if write.verb == "apply" and recorded["status"] == 200:
            entries = recorded["object"]["metadata"].get("managedFields", [])
            own = [e for e in entries if e["manager"] == write.manager and e["operation"] == "Apply"]
            fields = own[0]["fieldsV1"] if own else {}
            ignored = {"spec"} if write.subresource == "status" else set()
            stated = {key: value for key, value in body_of(case, write).items() if key not in ignored}
            assert uncovered(fields, stated, schema_of(case.kind)) == [], write


def test_masks_are_stable() -> None:
    obj = {"metadata": {"uid": "u", "managedFields": [{"manager": "b", "operation": "Apply", "time": "x"}]}}
    assert masked(obj) == masked(masked(obj))
