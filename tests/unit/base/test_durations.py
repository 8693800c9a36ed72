"""Durations and ages as Go and kubectl write them. The table beside this file is what Go 1.26 and apimachinery 0.36 print."""

import json
from pathlib import Path

import pytest

from shipway.base.durations import format_age, format_duration, parse_duration

GO = json.loads((Path(__file__).parent / "go_durations.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("nanoseconds", "text"), GO["format"])
def test_prints_as_go(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds / 1e9) == text


@pytest.mark.parametrize(("text", "nanoseconds"), [case for case in GO["parse"] if case[1] is not None])
def test_reads_as_go(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == pytest.approx(nanoseconds / 1e9, abs=1e-9)


@pytest.mark.parametrize("text", [case[0] for case in GO["parse"] if case[1] is None])
def test_refuses_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), GO["age"])
def test_ages_as_kubectl(seconds: int, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.9999999999, "1m0s"), (1e-10, "0s"), (-1e-10, "0s"), (-0.0, "0s"), (0.1 + 0.2, "300ms")]
)
def test_rounds_to_nanoseconds(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
