"""A template replayed over past releases."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.api.crds import load_crds
from shipway.base.errors import InvalidInput
from shipway.cli.analysis import backtest_command
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.validation import validate
from shipway.kube.objects.yaml import dump
from shipway.rehearsal.backtest import backtest, read_releases
from tests.unit.rehearsal.plays import template

LATE = {"step": {"at": "2m", "from": 0.01, "to": 0.2}}
RELEASES: list[dict[str, Any]] = [
    {"name": "calm", "series": {"errors": 0.01}},
    {"name": "noisy", "max_gap": "20m", "series": {"errors": [[0, 0.01], [60, 0.06], [70, 0.01]]}},
    {"name": "broken", "bad": True, "series": {"errors": 0.4}},
    {"name": "late", "bad": True, "bad_from": "2m", "series": {"errors": LATE}},
    {"name": "subtle", "bad": True, "series": {"errors": 0.049}},
]


def text(releases: list[dict[str, Any]]) -> str:
    return orjson.dumps({"releases": releases}).decode()


@pytest.mark.proves("004-13")
def test_false_aborts_misses_and_the_time_to_detect() -> None:
    strict = backtest([template()], read_releases(text(RELEASES)), 600.0)
    assert (strict.named("FALSE ABORT"), strict.named("MISSED")) == (["noisy"], ["subtle"])
    assert {one.release: one.detected_after for one in strict.verdicts if one.is_bad} == {
        "broken": 0.0,
        "late": 0.0,
        "subtle": None,
    }
    patient = backtest([template(failureLimit=2)], read_releases(text(RELEASES)), 600.0)
    assert (patient.named("FALSE ABORT"), patient.named("MISSED"), patient.time_to_detect) == ([], ["subtle"], 20.0)
    assert patient.sentence == ("0 of 2 good releases thrown out, 1 of 3 bad ones missed (subtle), detected after 20s (median)")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, releases = tmp_path / "t.yaml", tmp_path / "releases.json"
    needs = template(successCondition="result[0] <= {{args.most}}")
    needs["spec"]["args"] = [{"name": "most"}]
    file.write_text(dump(needs))
    releases.write_text(text(RELEASES))
    assert backtest_command(filename=[file], releases=releases, arg=["most=0.05"]) == 1
    assert "late      bad    caught        2m0s" in capsys.readouterr().out
    assert backtest_command(filename=[file], releases=releases, arg=["most=0.05"], output="json") == 1
    assert orjson.loads(capsys.readouterr().out)["missed"] == ["subtle"]
    releases.write_text(text(RELEASES[2:4]))
    assert backtest_command(filename=[file], releases=releases, arg=["most=0.05"]) == 0
    with pytest.raises(InvalidInput, match="write NAME=VALUE"):
        backtest_command(filename=[file], releases=releases, arg=["most"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("[]", "give {"),
        ('{"releases": [{"bad": true}]}', "give {"),
        ('{"releases": [{"name": "v1", "series": {"x": [[5, 1], [0, 1]]}}]}', "release v1: series x: point 1"),
        ('{"releases": [{"name": "v1", "bad": true, "bad_from": "soon", "series": {}}]}', "release v1: .*soon"),
    ],
)
def test_releases_that_cannot_be_read(given: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_releases(given)


def service_health(**changes: Any) -> Obj:
    """A template that any service may use: which one, and how much it may fail, are its arguments."""
    made = template(
        successCondition="result[0] <= {{args.most}}",
        provider={"prometheus": {"address": "http://prometheus.test", "query": "errors_{{args.service}}"}},
    )
    made["spec"]["args"] = [{"name": "service"}, {"name": "most", "value": "0.05"}]
    return merge_patch(made, changes)


@pytest.mark.proves("001-21")
@pytest.mark.parametrize(
    ("given", "caught"),
    [(["service=web"], True), (["service=web", "most=0.5"], False), (["service=search"], False)],
    ids=["by the default", "another bound", "another service"],
)
def test_one_template_is_tested_for_each_of_its_users_on_recorded_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], caught: bool
) -> None:
    file, releases = tmp_path / "t.yaml", tmp_path / "releases.json"
    file.write_text(dump(service_health()))
    series = {"errors_web": 0.4, "errors_search": 0.01}
    releases.write_text(text([{"name": "v2", "bad": True, "series": series}]))
    assert backtest_command(filename=[file], releases=releases, arg=given, output="json") == (0 if caught else 1)
    assert orjson.loads(capsys.readouterr().out)["missed"] == ([] if caught else ["v2"])


@pytest.mark.proves("001-21")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, None),
        ({"spec": {"args": None}}, None),
        ({"spec": {"metrics": "errors"}}, "spec.metrics"),
        ({"spec": {"args": [{"value": "0.05"}]}}, "spec.args[0].name"),
        ({"spec": {"metrics": [{"name": "errors"}]}}, "spec.metrics[0].provider"),
        ({"spec": {"metrics": [{"name": "errors", "provider": {}, "failureLimit": [1]}]}}, "spec.metrics[0].failureLimit"),
    ],
)
def test_the_schema_of_templates_says_where_one_is_wrong(changes: Obj, path: str | None) -> None:
    for kind in ("AnalysisTemplate", "ClusterAnalysisTemplate"):
        crd = next(one for one in load_crds() if one["spec"]["names"]["kind"] == kind)
        schema = crd_schema(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        found = [problem.path for problem in validate(service_health(**changes), schema)]
        assert found == ([path] if path else [])
