"""Metrics that plugins measure: whose verdict counts, measurements that take a while, and how those are ended."""

from typing import Any

import orjson
import pytest

from shipway.api.metrics import Sample
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import merge_patch
from shipway.kube.runtime.decision import Answer
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.analysis.decide import ObservedRun, decide

START = Instant(1_800_000_000.0)
PLUGINS = frozenset(("acme/rows",))


def run_of(*metrics: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u1", "resourceVersion": "1"},
        "spec": {"metrics": list(metrics), **spec},
    }


def rows(**fields: Any) -> dict[str, Any]:
    return {"name": "rows", "provider": {"plugin": {"acme/rows": {"table": "{{args.table}}"}}}, **fields}


TABLE = [{"name": "table", "value": "orders"}]


class Play:
    """A run, and what is asked for it."""

    def __init__(self, *metrics: dict[str, Any], **spec: Any) -> None:
        self.run, self.now = run_of(*metrics, args=TABLE, **spec), START
        self.answers: dict[MeasureAsk, Answer] = {}
        self.passes()

    def passes(self) -> None:
        """Until nothing is written any more."""
        for _ in range(20):
            decision = decide(ObservedRun(self.run, self.answers, plugins=PLUGINS), self.now)
            self.asks, self.wake = [ask for ask in decision.asks if isinstance(ask, MeasureAsk)], decision.wake
            if decision.change is None or not decision.change.status:
                return
            after = merge_patch(self.run, {"status": decision.change.status})
            if after == self.run:
                return
            self.run = after
        raise AssertionError("never rests")

    def request(self, number: int = 0) -> dict[str, Any]:
        ask = self.asks[number]
        return orjson.loads(ask.plugin_request(orjson.loads(ask.request.provider)["plugin"]["acme/rows"]))

    def answer(self, sample: Any, number: int = 0) -> None:
        error = sample if isinstance(sample, InvalidInput) else None
        self.answers[self.asks[number]] = Answer(value=None if error else sample, error=error, at=self.now)
        self.passes()

    def wait(self, seconds: float) -> None:
        self.now = Instant(self.now + seconds)
        self.passes()

    @property
    def result(self) -> dict[str, Any]:
        return self.run["status"]["metricResults"][0]

    @property
    def phase(self) -> str:
        return self.run["status"]["phase"]


@pytest.mark.compat("rollouts:provider.plugin")
def test_a_plugin_gets_its_configuration_and_an_id_for_the_measurement() -> None:
    play = Play(rows(successCondition="result < 5"))
    assert play.request() == {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "MetricPlugin",
        "op": "run",
        "id": "u1.rows.1",
        "run": {"namespace": "shop", "uid": "u1"},
        "metric": "rows",
        "number": 1,
        "config": {"table": "orders"},
        "measurement": None,
    }
    assert play.asks[0].lane == "plugin acme/rows"


@pytest.mark.compat("rollouts:provider.plugin")
@pytest.mark.parametrize(
    ("sample", "phase"),
    [
        (Sample(3, "3"), "Successful"),
        (Sample(7, "7"), "Failed"),
        (Sample(7, "7", phase="Successful"), "Successful"),
        (Sample(3, "3", phase="Failed", message="too few"), "Failed"),
        (Sample(None, "", phase="Inconclusive"), "Inconclusive"),
    ],
)
def test_the_phase_that_a_plugin_states_counts_else_the_conditions_judge_its_value(sample: Sample, phase: str) -> None:
    play = Play(rows(successCondition="result < 5"))
    play.answer(sample)
    assert play.phase == phase
    (measured,) = play.result["measurements"]
    assert (measured["phase"], measured.get("message", "")) == (phase, sample.message)


def test_an_error_is_measured_anew_after_ten_seconds() -> None:
    play = Play(rows(consecutiveErrorLimit=1))
    play.answer(InvalidInput("metric plugin acme/rows: run failed with status 3"))
    assert (play.phase, play.asks, play.wake) == ("Running", [], START + 10)
    play.wait(10)
    assert play.request()["id"] == "u1.rows.2"
    play.answer(InvalidInput("metric plugin acme/rows: run failed with status 3"))
    assert play.phase == "Error" and "failed with status 3" in play.run["status"]["message"]


@pytest.mark.compat("rollouts:provider.plugin")
def test_a_measurement_that_runs_is_resumed_with_what_is_known_of_it() -> None:
    play = Play(rows(successCondition="result < 5"))
    play.answer(Sample(None, "", {"job": "7"}, "Running", "queued", 20.0))
    known = {"phase": "Running", "startedAt": rfc3339(START), "message": "queued", "metadata": {"job": "7"}}
    assert play.result["measurements"] == [{**known, "resumeAt": rfc3339(Instant(START + 20))}]
    assert (play.phase, play.asks, play.wake, play.result.get("count")) == ("Running", [], START + 20, None)
    play.wait(20)
    said = play.request()
    assert (said["op"], said["id"], said["measurement"]) == ("resume", "u1.rows.1", play.result["measurements"][0])
    first = play.asks[0]
    play.answer(Sample(None, "", {"job": "7"}, "Running", "queued", 20.0))
    assert play.asks == []
    play.wait(20)
    assert play.asks[0] != first
    play.answer(Sample(3, "3"))
    (measured,) = play.result["measurements"]
    assert (play.phase, play.result["count"], measured["value"]) == ("Successful", 1, "3")
    assert (measured["startedAt"], measured["finishedAt"]) == (rfc3339(START), rfc3339(play.now))
    assert "resumeAt" not in measured


@pytest.mark.compat("rollouts:provider.plugin")
def test_what_runs_is_ended_with_its_run() -> None:
    play = Play(rows())
    play.answer(Sample(None, "", {"job": "7"}, "Running", resume_after=300.0))
    play.run["spec"]["terminate"] = True
    play.passes()
    said = play.request()
    assert (play.phase, said["op"], said["measurement"]["metadata"]) == ("Running", "terminate", {"job": "7"})
    play.answer(Sample(None, "", phase="Successful", message="stopped"))
    assert (play.phase, play.run["status"]["message"]) == ("Successful", "Run Terminated")
    assert play.asks == []


def test_what_runs_is_ended_when_a_sibling_fails_and_cannot_hold_the_run_up_by_an_error() -> None:
    play = Play(rows(), {"name": "bad", "provider": {"web": {"url": "http://x"}}, "failureCondition": "true"})
    play.answer(Sample(None, "", phase="Running", resume_after=300.0))
    play.answer(Sample(1, "1"))
    assert (play.phase, play.request()["op"]) == ("Running", "terminate")
    play.answer(InvalidInput("metric plugin acme/rows: terminate failed with status 1"))
    assert play.phase in ("Failed", "Error") and play.asks == []


def test_a_plugin_cannot_pass_its_measurement_off_as_a_job() -> None:
    play = Play(rows())
    play.answer(Sample(None, "", {"job-name": "x", "job-namespace": "shop"}, "Running", resume_after=5.0))
    play.wait(5)
    assert play.request()["op"] == "resume"


def test_an_undeclared_plugin_is_an_errored_run_that_says_what_to_do() -> None:
    run = run_of(rows(), args=TABLE)
    decision = decide(ObservedRun(run, {}), START)
    assert decision.change is not None and decision.change.status is not None
    assert decision.change.status["phase"] == "Error"
    assert (
        "the plugin 'acme/rows' does not work here: declare its command as a MetricPlugin" in decision.change.status["message"]
    )
    assert AnalysisRunController(plugins=None) is not None
    rehearsed = decide(ObservedRun(run, {}, plugins=None), START)
    assert len(rehearsed.asks) == 1
