"""Measurements that go on at the metric server (Kayenta): begun once, asked for later, by whichever process is there."""

from typing import Any

import orjson
import pytest

from shipway.api.metrics import Sample
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Unavailable
from shipway.kube.objects.patches import merge_patch
from shipway.kube.runtime.decision import Answer
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.decide import ObservedRun, decide
from shipway.rollouts.analysis.observe import asks_of

START = Instant(1_800_000_000.0)
BEGUN = Sample(None, "", {"canaryExecutionId": "01X"}, phase="Running", resume_after=15.0)
Run = dict[str, Any]


def run_of(*metrics: Run, **spec: Any) -> Run:
    meta = {"namespace": "shop", "name": "web-1", "uid": "u1", "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"metrics": list(metrics), **spec}}


def kayenta(name: str = "score", **fields: Any) -> Run:
    return {"name": name, "provider": {"kayenta": {"address": "http://kayenta"}}, **fields}


def asked(run: Run, now: Instant) -> MeasureAsk:
    (ask,) = decide(ObservedRun(run, {}), now).asks
    assert isinstance(ask, MeasureAsk)
    assert ask in asks_of(run)
    return ask


def told(run: Run, answer: Any, now: Instant) -> Run:
    """The run after the answer to what it asks now."""
    error = answer if isinstance(answer, Exception) else None
    answers = {asked(run, now): Answer(value=None if error else answer, error=error, at=now)}
    change = decide(ObservedRun(run, answers), now).change
    assert change is not None
    return merge_patch(run, {"status": change.status})


def measurements(run: Run) -> list[Run]:
    return run["status"]["metricResults"][0]["measurements"]


@pytest.mark.compat("rollouts:provider.kayenta")
def test_what_was_begun_stands_in_the_measurement_and_is_asked_for_when_it_is_time() -> None:
    run = told(run_of(kayenta()), BEGUN, START)
    (begun,) = measurements(run)
    assert begun == {
        "phase": "Running",
        "startedAt": rfc3339(START),
        "metadata": {"canaryExecutionId": "01X"},
        "resumeAt": rfc3339(START + 15),
    }
    assert run["status"]["phase"] == "Running"
    waiting = decide(ObservedRun(run, {}), Instant(START + 14))
    assert (waiting.asks, waiting.wake) == ((), START + 15)
    ask = asked(run, Instant(START + 15))
    assert (ask.request.op, orjson.loads(ask.request.measurement)) == ("resume", begun)


def test_what_goes_on_is_asked_again_and_counts_once() -> None:
    run = told(run_of(kayenta()), BEGUN, START)
    first = asked(run, Instant(START + 15))
    run = told(run, BEGUN, Instant(START + 15))
    assert [one["resumeAt"] for one in measurements(run)] == [rfc3339(START + 30)]
    assert asked(run, Instant(START + 30)) != first
    run = told(run, Sample(90, "90", phase="Successful"), Instant(START + 31))
    (ended,) = measurements(run)
    assert (ended["phase"], ended["value"]) == ("Successful", "90")
    assert (ended["startedAt"], ended["finishedAt"]) == (rfc3339(START), rfc3339(START + 31))
    assert ended["metadata"] == {"canaryExecutionId": "01X"}
    assert run["status"]["phase"] == "Successful"
    assert run["status"]["metricResults"][0]["count"] == 1


@pytest.mark.parametrize(
    ("answer", "phase", "message"),
    [
        (Sample(90, "90", phase="Successful"), "Successful", ""),
        (
            Sample(80, "80", phase="Inconclusive"),
            "Inconclusive",
            'Metric "score" assessed Inconclusive due to inconclusive (1)',
        ),
        (Sample(10, "10", phase="Failed"), "Failed", 'Metric "score" assessed Failed due to failed (1) > failureLimit (0)'),
        (Unavailable("down"), "Error", 'Metric "score" assessed Error due to consecutiveErrors (1)'),
    ],
)
def test_the_verdict_is_that_of_the_server_whatever_a_condition_says(answer: Any, phase: str, message: str) -> None:
    metric = kayenta(successCondition="result == 'never'", consecutiveErrorLimit=0)
    run = told(run_of(metric), BEGUN, START)
    run = told(run, answer, Instant(START + 15))
    assert run["status"]["phase"] == phase
    assert run["status"].get("message", "").startswith(message)


def test_one_that_cannot_be_begun_is_an_errored_measurement_and_is_begun_again() -> None:
    run = told(run_of(kayenta()), Unavailable("down"), START)
    assert measurements(run)[0]["phase"] == "Error"
    ask = asked(run, Instant(START + 10))
    assert (ask.number, ask.request.op) == (2, "run")


def test_one_that_errs_while_it_goes_on_is_begun_again() -> None:
    run = told(run_of(kayenta()), BEGUN, START)
    run = told(run, Unavailable("down"), Instant(START + 15))
    (ended,) = measurements(run)
    assert (ended["phase"], ended["message"]) == ("Error", "down")
    assert asked(run, Instant(START + 25)).request.op == "run"


def test_the_next_of_several_is_begun_after_the_interval() -> None:
    run = told(run_of(kayenta(interval="1m", count=2)), BEGUN, START)
    run = told(run, Sample(90, "90", phase="Successful"), Instant(START + 15))
    assert run["status"]["phase"] == "Running"
    assert decide(ObservedRun(run, {}), Instant(START + 74)).asks == ()
    ask = asked(run, Instant(START + 75))
    assert (ask.number, ask.request.op) == (2, "run")


@pytest.mark.compat("rollouts:terminate")
def test_terminating_ends_what_goes_on() -> None:
    run = told(run_of(kayenta()), BEGUN, START)
    run = {**run, "spec": {**run["spec"], "terminate": True}}
    status = decide(ObservedRun(run, {}), Instant(START + 5)).change.status  # type: ignore[union-attr]
    assert status is not None
    (ended,) = status["metricResults"][0]["measurements"]
    assert (status["phase"], ended["phase"], ended["message"]) == ("Successful", "Successful", "Metric Terminated")


def test_a_sibling_that_fails_ends_what_goes_on() -> None:
    bad = {"name": "bad", "provider": {"web": {"url": "http://m"}}, "successCondition": "result < 0", "initialDelay": "5s"}
    run = told(run_of(kayenta(), bad), BEGUN, START)
    run = told(run, Sample(1.0, "1"), Instant(START + 5))
    assert run["status"]["phase"] == "Failed"
    assert measurements(run)[0]["message"] == "Metric Terminated"


def test_a_run_that_another_controller_began_is_gone_on_with() -> None:
    """As Argo Rollouts leaves it: with the same key, and a time to resume at."""
    begun = {
        "phase": "Running",
        "startedAt": rfc3339(START),
        "metadata": {"canaryExecutionId": "01Z"},
        "resumeAt": rfc3339(START),
    }
    result = {"name": "score", "phase": "Running", "measurements": [begun]}
    run = {**run_of(kayenta()), "status": {"phase": "Running", "startedAt": rfc3339(START), "metricResults": [result]}}
    assert orjson.loads(asked(run, START).request.measurement) == begun
