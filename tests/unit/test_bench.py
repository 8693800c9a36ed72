"""What the benchmark runner decides: which figures meet their targets; and that each target has its benchmark."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from tests import proof

TARGETS = json.loads((Path(bench.__file__).parent / "targets.json").read_text())


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (1.0, {"max": 1.0}, True),
        (1.1, {"max": 1.0}, False),
        (5.0, {"min": 5}, True),
        (4.9, {"min": 5}, False),
        (None, {"min": 5}, False),
        (None, {}, False),
        (3.0, {"min": 1, "max": 2}, False),
    ],
)
def test_is_met(value: float | None, target: dict[str, Any], met: bool) -> None:
    assert bench.is_met(value, target) is met


def test_a_target_that_was_not_measured_is_missed() -> None:
    found = list(bench.verdicts("one", {"seconds": 1.0}, {"one": {"events_per_s": {"min": 1}}}))
    assert found == [("seconds", 1.0, None), ("events_per_s", None, {"min": 1})]
    assert bench.line("one", *found[1]).endswith("MISSED")


def test_every_target_has_its_benchmark_and_proves_rows_that_exist() -> None:
    assert set(TARGETS) <= set(bench.names())
    proves = [row for figures in TARGETS.values() for target in figures.values() for row in target.get("proves", [])]
    assert proof.unknown_ids(proves, proof.read_rows()) == []


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["nonsense"]) == 2
    assert "list_pods" in capsys.readouterr().err
