"""Each mistake, seeded once, is found where it stands; templates without mistakes are left in peace."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.base.errors import InvalidInput
from shipway.cli.analysis import lint_command
from shipway.kube.objects.yaml import dump
from shipway.rehearsal.lint.check import Problem, Source, lint
from shipway.rehearsal.recording import read_recording
from tests.unit.rehearsal.plays import template
from tests.unit.rollouts.rollout.sandbox import rollout

RATIO = 'sum(rate(requests_total{code=~"5.."}[1m])) / sum(rate(requests_total[1m]))'
P95 = "histogram_quantile(0.95, sum(rate(request_duration_seconds_bucket[1m])) by (le))"
AVERAGE = "rate(request_duration_seconds_sum[1m]) / rate(request_duration_seconds_count[1m])"
PAUSES = ({"setWeight": 20}, {"pause": {"duration": "2m"}})


def asked(query: str, **metric: Any) -> dict[str, Any]:
    return {"provider": {"prometheus": {"address": "http://p", "query": query}}, **metric}


def problems(metric: dict[str, Any], *more: Any, series: Any = ..., scrape: float = 15.0) -> list[Problem]:
    recording = None if series is ... else read_recording(orjson.dumps({"series": series}).decode())
    text = "---\n".join(map(dump, [template(**metric), *more]))
    return lint([Source("t.yaml", text)], recording, scrape)


def used(by: str) -> dict[str, Any]:
    analysis = {"analysis": {"templates": [{"templateName": "health"}]}}
    steps = (*PAUSES, analysis) if by == "step" else PAUSES
    made = rollout(*steps, canary=analysis if by == "background" else None)
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", **made}


SEEDED: list[tuple[str, str, str, dict[str, Any], str | None]] = [
    ("always-true", "successCondition", "true for every value", {"successCondition": "result[0] >= 0"}, None),
    ("always-true", "successCondition", "no release can fail", {"successCondition": "result[0] < 5 || result[0] > 1"}, None),
    ("always-true", "failureCondition", "every release fails", {"failureCondition": "len(result) >= 0"}, None),
    ("always-true", "metrics", "no condition", {"successCondition": None}, None),
    ("never-true", "successCondition", "every release fails", {"successCondition": "result[0] < 0"}, None),
    ("never-true", "failureCondition", "fails no release", {"failureCondition": "result[0] > 5 && result[0] < 1"}, None),
    ("unit", "successCondition", "compare with 0.5", asked(P95, successCondition="result[0] < 500"), None),
    ("unit", "successCondition", "compare with 0.8", asked(AVERAGE, successCondition="result[0] < 800"), None),
    ("unit", "successCondition", "compare with 500", asked(f"1000 * {P95} * 1000", successCondition="result[0] < 0.5"), None),
    ("unit", "successCondition", "compare with 250", asked("latency_milliseconds", successCondition="result[0] < 0.25"), None),
    ("unit", "successCondition", "compare with 0.05", asked(RATIO, successCondition="result[0] < 5"), None),
    (
        "unit",
        "failureCondition",
        "compare with 5",
        {**asked(f"100 * {RATIO}", failureCondition="result[0] > 0.05"), "successCondition": None},
        None,
    ),
    ("window", "provider", "at least 1m0s", asked(RATIO.replace("1m", "20s")), None),
    (
        "always-true",
        "successCondition",
        "for every value tried",
        {"provider": {"graphite": {"query": "target=x"}}, "successCondition": "len(result) == 0 || result[0] >= 0 || true"},
        None,
    ),
    ("interval", "interval", "add a count", {"interval": "10s"}, "step"),
    ("interval", "initialDelay", "2m0s together", {"initialDelay": "3m"}, "background"),
    ("interval", "failureLimit", "no more than 3 fit", {"interval": "1m", "failureLimit": 5}, "background"),
    ("interval", "count", "count x interval takes 9m0s", {"interval": "1m", "count": 10}, "background"),
    ("invalid", "metrics", "interval must be specified when count > 1", {"interval": None, "count": 3}, None),
]


@pytest.mark.proves("004-13")
@pytest.mark.parametrize(("rule", "field", "words", "metric", "by"), SEEDED)
def test_a_seeded_mistake_is_found_at_its_line(
    rule: str, field: str, words: str, metric: dict[str, Any], by: str | None
) -> None:
    more = [used(by)] if by else []
    found = problems(metric, *more)
    assert [problem.rule for problem in found] == [rule], found
    assert words in str(found[0])
    lines = "---\n".join(map(dump, [template(**metric), *more])).splitlines()
    at = 1 + next(n for n, line in enumerate(lines) if re.match(rf"\W*{field}:", line))
    assert found[0].line in (at, at + 1 if field == "metrics" else at)


FIGURES: list[tuple[Any, str, str]] = [
    ({"other": 1}, "no-data", "the recording has no data for it"),
    ({"errors": []}, "no-data", "the recording has no data for it"),
    ({"errors": [[0, 0.01], [900, 0.01]]}, "no-data", "no data between 0s and 15m0s"),
    ({"errors": [[0, 5.0], [10, 6.0]]}, "unit", "what was recorded (usually 5.5) is 110 times 0.05"),
]


@pytest.mark.proves("004-13")
@pytest.mark.parametrize(("series", "rule", "words"), FIGURES)
def test_figures_know_more(series: Any, rule: str, words: str) -> None:
    found = problems({}, series=series)
    assert [(problem.rule, words in problem.message) for problem in found] == [(rule, True)]


GOOD: list[dict[str, Any]] = [
    {},
    asked(P95, successCondition="result[0] < 0.5"),
    asked(RATIO, successCondition="len(result) == 0 || isNaN(result[0]) || result[0] < 0.05", count=5),
    asked(f"100 * {RATIO}", successCondition="result[0] < 5"),
    {"provider": {"web": {"url": "http://x"}}, "successCondition": "result <= 0.05"},
    {"provider": {"web": {"url": "http://x"}}, "successCondition": "result.p95 < 300 && result.ok"},
    {"provider": {"graphite": {"query": "target=x"}}, "successCondition": "result[0] <= 0.05"},
    {"provider": {"influxdb": {"query": 'from(bucket: "b")'}}, "successCondition": "result[0] <= 0.05"},
    {"provider": {"wavefront": {"query": "ts(x)"}}, "successCondition": "result <= 0.05"},
    {"provider": {"newRelic": {"query": "SELECT x"}}, "successCondition": "result.successRate >= 0.95"},
    {"provider": {"skywalking": {"query": "{ x }"}}, "successCondition": "all(result.a.values, {asFloat(.value) >= 9900})"},
    {"provider": {"cloudWatch": {"metricDataQueries": []}}, "successCondition": "all(result[0].Values, {# <= 0.01})"},
    {"provider": {"kayenta": {"address": "http://k"}}, "successCondition": ""},
    {"failureCondition": "result[0] > {{args.limit}}", "successCondition": "result[0] <= {{args.limit}}"},
]


@pytest.mark.parametrize("metric", GOOD)
def test_what_is_well_is_left_in_peace(metric: dict[str, Any]) -> None:
    made = template(**metric)
    made["spec"]["args"] = [{"name": "limit"}]
    text = "---\n".join(map(dump, [made, used("background")]))
    assert lint([Source("t.yaml", text)]) == []


def test_the_command_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "templates.yaml"
    file.write_text(dump(template(successCondition="result[0] >= 0")))
    assert lint_command(filename=[file]) == 1
    assert re.match(rf"{file}:13: always-true: health/errors: `result\[0\] >= 0` is true", capsys.readouterr().out)
    assert lint_command(filename=[file], output="json") == 1
    assert orjson.loads(capsys.readouterr().out)["findings"][0]["rule"] == "always-true"
    file.write_text(dump(template()))
    assert lint_command(filename=[file]) == 0
    file.write_text("kind: ConfigMap\n")
    with pytest.raises(InvalidInput, match="no AnalysisTemplate in"):
        lint_command(filename=[file])
