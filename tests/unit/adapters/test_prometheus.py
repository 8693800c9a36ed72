"""What Prometheus' HTTP API answers, and what a condition sees of it."""

import math

import orjson
import pytest

from shipway.adapters.prometheus.provider import read_answer
from shipway.base.errors import InvalidInput, Unavailable


def body(kind: str, result: object, **more: object) -> bytes:
    return orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more})


@pytest.mark.parametrize(
    ("answer", "value", "text"),
    [
        (body("scalar", [1, "0.5"]), 0.5, "0.5"),
        (body("vector", [{"value": [1, "0.25"]}, {"value": [1, "3"]}]), [0.25, 3.0], "[0.25,3]"),
        (body("vector", []), [], "[]"),
        (body("scalar", [1, "+Inf"]), math.inf, "+Inf"),
        (body("scalar", [1, "-Inf"]), -math.inf, "-Inf"),
        (body("scalar", [1, "0.2916666666666667"]), 0.2916666666666667, "0.2916666666666667"),
        (body("scalar", [1, "1e-7"]), 1e-7, "0.0000001"),
        (body("scalar", [1, "1e+22"]), 1e22, "10000000000000000000000"),
    ],
)
def test_values(answer, value, text) -> None:
    sample = read_answer(answer, 200)
    assert (sample.value, sample.text) == (value, text)


def test_nan_is_kept() -> None:
    sample = read_answer(body("vector", [{"value": [1, "NaN"]}]), 200)
    assert math.isnan(sample.value[0])
    assert sample.text == "[NaN]"


def test_warnings_are_kept() -> None:
    assert read_answer(body("scalar", [1, "1"], warnings=["partial"]), 200).metadata == {"warnings": "partial"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (orjson.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}), InvalidInput),
        (orjson.dumps({"status": "error", "errorType": "timeout", "error": "slow"}), Unavailable),
        (body("matrix", []), InvalidInput),
        (b"<html>", Unavailable),
    ],
)
def test_errors(answer, error) -> None:
    with pytest.raises(error):
        read_answer(answer, 503)
