"""The record of what tests prove: only passed ones, only ids that exist, nothing from older code."""

import pytest

from tests import proof

ROWS = proof.read_rows()


def test_the_table_has_all_rows() -> None:
    assert len(ROWS) == 162
    assert {row["study"] for row in ROWS.values()} == {"000", "001", "002", "003", "004"}
    assert all(row["says"] and row["acceptance"] for row in ROWS.values())


@pytest.mark.parametrize("wrong", ["000-99", "000-1", "gitops", "gitops:", "GitOps:claim", "gitops:a b", "005-01", ""])
def test_unknown_ids(wrong: str) -> None:
    assert proof.unknown_ids(["000-01", "gitops:webhook-replay", wrong], ROWS) == [wrong]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, {"new": ["000-02"]}),
        (proof.Record(code="A", passed={"old": ["000-01"]}), {"old": ["000-01"], "new": ["000-02"]}),
        (proof.Record(code="A", passed={"new": ["000-01"], "failed": ["000-03"]}), {"new": ["000-02"]}),
        (proof.Record(code="B", passed={"old": ["000-01"]}), {"new": ["000-02"]}),
    ],
    ids=["first run", "adds to earlier runs", "replaces the same tests", "forgets older code"],
)
def test_merge(record: proof.Record | None, expected: dict[str, list[str]]) -> None:
    ran = {"new": ["000-02"], "failed": ["000-03"], "proves nothing": []}
    assert proof.merge(record, "A", ran, {"new", "proves nothing"}) == proof.Record(code="A", passed=expected)


def test_summary_counts_rows_and_claims_apart() -> None:
    record = proof.Record(code="A", passed={"a": ["000-01", "gitops:x"], "b": ["000-01"]})
    proven, missing, claims = proof.summary(ROWS, record)
    assert (proven, len(missing), claims) == (["000-01"], 161, {"000-01": 2, "gitops:x": 1})
