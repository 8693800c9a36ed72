"""Measurements as a chart needs them."""

import pytest

from shipway.server.dashboard.measured import Bound, bounds, jobs, metric_infos, metrics, number_of, values
from tests.unit.cli.objects import analysis_run


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.95", 0.95), ("[0.95]", 0.95), ("[3]", 3.0), ("-1e3", -1000.0), ("[1,2]", None),
        ("[]", None), ("NaN", None), ("true", None),
        ("", None), (None, None), ('{"a": 1}', None), ("1e999", None),
    ],
)  # fmt: skip
def test_a_value_is_drawn_where_it_is_one_finite_number(value: object, number: float | None) -> None:
    assert number_of(value) == number


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("result[0] >= 0.95", [(">=", 0.95)]),
        ("result > 1 && result<2.5", [(">", 1.0), ("<", 2.5)]),
        ("len(result) > 0", []),
        ("default(result, 0) < 5", []),
        ("results < 5", []),
        ("result[1] < 5", []),
        ("", []),
    ],
)
def test_bounds_are_read_out_of_plain_comparisons_only(condition: str, found: list[tuple[str, float]]) -> None:
    assert bounds("success", condition) == [Bound("success", operator, number) for operator, number in found]


@pytest.mark.proves("001-28")
def test_a_run_as_series_with_bounds() -> None:
    run = analysis_run("r", "Running", successful=1, failed=1)
    run["spec"]["metrics"][0] |= {"successCondition": "result[0] < 5", "failureLimit": "2", "count": "{{args.n}}"}
    run["status"]["metricResults"][0]["measurements"] = [
        {"value": "[3]", "phase": "Successful", "startedAt": "2026-11-21T09:59:00Z", "finishedAt": "2026-11-21T09:59:01Z"},
        {"value": "[9]", "phase": "Failed", "startedAt": "2026-11-21T09:59:30Z"},
        {"phase": "Error", "metadata": {"job-name": "j"}},
    ]
    (one,) = metrics(run)
    assert [(point.number, point.phase) for point in one.points] == [(3.0, "Successful"), (9.0, "Failed"), (None, "Error")]
    assert (one.failure_limit, one.failed, one.bounds) == (2, 1, [Bound("success", "<", 5.0)])
    assert [job.object_meta["name"] for job in jobs(run)] == ["j"]
    assert [(value.value, value.started_at) for value in values(run)] == [
        ("[3]", "2026-11-21T09:59:00Z"), ("[9]", "2026-11-21T09:59:30Z"),
    ]  # fmt: skip
    assert [(info.success_condition, info.count, info.failure_limit) for info in metric_infos(run)] == [("result[0] < 5", 0, 2)]


def test_a_run_that_has_not_begun() -> None:
    run = analysis_run("r", "Pending")
    del run["status"]
    (one,) = metrics(run)
    assert (one.phase, one.points, jobs(run), values(run)) == ("Pending", [], [], [])
