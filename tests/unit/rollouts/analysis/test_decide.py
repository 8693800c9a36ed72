"""AnalysisRuns: tables over `decide`, played forward by a tiny provider that answers what the test says."""

from typing import Any

import orjson
import pytest

from shipway.api.metrics import Sample
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Unavailable
from shipway.kube.objects.patches import merge_patch
from shipway.kube.runtime.decision import Answer, Delete
from shipway.rollouts.analysis.decide import ObservedRun, decide
from shipway.rollouts.analysis.observe import asks_of

START = Instant(1_800_000_000.0)


def run_of(*metrics: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u1", "resourceVersion": "1"},
        "spec": {"metrics": list(metrics), **spec},
    }


def metric(name: str = "errors", **fields: Any) -> dict[str, Any]:
    return {"name": name, "provider": {"web": {"url": "http://metrics/"}}, "successCondition": "result < 5", **fields}


def play(run: dict[str, Any], values: list[Any], seconds: float = 600.0) -> tuple[dict[str, Any], list[float]]:
    """Plays a run in virtual time; each measurement gets the next of `values` (an exception is the provider's error).

    Returns the final run and when each measurement was asked, in seconds from the start.
    """
    now, asked, left = START, [], iter(values)
    while now < START + seconds:
        observed = ObservedRun(run, {})
        decision = decide(observed, now)
        answers = {}
        for ask in decision.asks:
            asked.append(now - START)
            value = next(left, values[-1])
            error = value if isinstance(value, Exception) else None
            answers[ask] = Answer(value=None if error else Sample(value, str(value)), error=error, at=now)
        if answers:
            run = written(run, decision)
            decision = decide(ObservedRun(run, answers), now)
        run = written(run, decision)
        if run["status"].get("completedAt"):
            break
        now = max(now + 0.1, decision.wake or now + 0.1)
    return run, asked


def written(run: dict[str, Any], decision) -> dict[str, Any]:
    return merge_patch(run, {"status": decision.change.status}) if decision.change else run


def test_one_good_measurement_is_a_success() -> None:
    run, _ = play(run_of(metric()), [1])
    status = run["status"]
    assert status["phase"] == "Successful"
    assert status["runSummary"] == {"count": 1, "successful": 1}
    result = status["metricResults"][0]
    assert (result["count"], result["successful"], result["measurements"][0]["value"]) == (1, 1, "1")


def test_failing_more_often_than_the_limit_fails_the_run() -> None:
    run, asked = play(run_of(metric(interval="10s", count=5, failureLimit=1)), [1, 9, 1, 9, 1])
    assert run["status"]["phase"] == "Failed"
    assert run["status"]["message"] == 'Metric "errors" assessed Failed due to failed (2) > failureLimit (1)'
    assert len(asked) == 4


@pytest.mark.compat("rollouts:metric.limits")
@pytest.mark.proves("001-23")
@pytest.mark.parametrize(
    ("fields", "values", "phase", "measured"),
    [
        ({"interval": "1s", "count": 3}, [1, 1, 1], "Successful", 3),
        ({"interval": "1s", "count": 3, "failureLimit": 2}, [9, 9, 1], "Successful", 3),
        ({"interval": "1s", "count": 3, "failureLimit": 1}, [9, 9, 1], "Failed", 2),
        ({"failureCondition": "result > 8", "interval": "1s", "count": 3}, [6, 6, 6], "Inconclusive", 1),
        (
            {"failureCondition": "result > 8", "interval": "1s", "count": 3, "inconclusiveLimit": 1},
            [6, 1, 6],
            "Inconclusive",
            3,
        ),
        ({"failureCondition": "result > 8", "interval": "1s", "count": 3, "inconclusiveLimit": 2}, [6, 1, 6], "Successful", 3),
        ({"interval": "1s", "count": 2}, [Unavailable("down"), 1, Unavailable("down"), 1], "Successful", 4),
        ({"consecutiveErrorLimit": 1}, [Unavailable("down"), Unavailable("down")], "Error", 2),
        ({}, [Unavailable("down")] * 5, "Error", 5),
        ({"interval": "1s", "count": 9, "consecutiveSuccessLimit": 2, "failureLimit": 5}, [1, 9, 1, 1], "Successful", 4),
        ({"interval": "1s", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": 1}, [1, 9, 1], "Inconclusive", 3),
        ({"interval": "1s", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": -1}, [1, 9, 1], "Failed", 3),
        ({"successCondition": "result.x < 1"}, [{}] * 5, "Error", 5),
        ({"successCondition": "", "failureCondition": "result > 5"}, [1], "Successful", 1),
        ({"successCondition": ""}, [7], "Successful", 1),
    ],
)
def test_limits(fields, values, phase, measured) -> None:
    run, asked = play(run_of(metric(**fields)), values)
    assert (run["status"]["phase"], len(asked)) == (phase, measured)


@pytest.mark.compat("rollouts:metric.times")
def test_initial_delay_interval_and_error_retry_are_kept() -> None:
    _, asked = play(run_of(metric(initialDelay="30s", interval="1m", count=3)), [1, Unavailable("down"), 1, 1])
    assert asked == pytest.approx([30, 90, 100, 160], abs=1.0)


def test_the_first_bad_metric_ends_its_siblings() -> None:
    bad = metric("bad", initialDelay="5s", successCondition="result < 0")
    run, _ = play(run_of(metric("forever", interval="1s"), bad), [1])
    assert run["status"]["phase"] == "Failed"
    assert {r["name"]: r["phase"] for r in run["status"]["metricResults"]} == {"forever": "Successful", "bad": "Failed"}
    assert run["status"]["message"].startswith('Metric "bad" assessed Failed')


@pytest.mark.compat("rollouts:dryRun")
def test_a_dry_run_metric_never_matters() -> None:
    run, _ = play(run_of(metric("real"), metric("trial"), dryRun=[{"metricName": "trial"}]), [1, 9])
    assert run["status"]["phase"] == "Successful"
    assert run["status"]["dryRunSummary"] == {"count": 1, "failed": 1}


@pytest.mark.compat("rollouts:terminate")
def test_terminating_ends_a_run_well() -> None:
    run, asked = play(run_of(metric(interval="1s"), terminate=True), [1])
    assert (run["status"]["phase"], run["status"]["message"], asked) == ("Successful", "Run Terminated", [])


@pytest.mark.compat("rollouts:args")
def test_arguments_are_filled_in_everywhere_but_secrets_stay_out() -> None:
    run = run_of(
        metric(
            count="{{args.n}}", interval="1s", provider={"web": {"url": "http://{{args.host}}/", "headers": ["{{args.token}}"]}}
        ),
        args=[
            {"name": "n", "value": "2"},
            {"name": "host", "value": 'a"b'},
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    )
    (ask,) = asks_of(run)
    assert orjson.loads(ask.request.provider)["web"]["url"] == 'http://a"b/'
    assert "{{args.token}}" in ask.request.provider.decode()
    assert [(ref.arg, ref.name, ref.key) for ref in ask.request.secrets] == [("token", "s", "k")]
    assert len(play(run, [1, 1])[1]) == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"metrics": [metric(provider={"appInsights": {}})]},
            "Analysis spec invalid: metrics[0]: the provider 'appInsights' does not work; use one of cloudWatch, datadog, gra",
        ),
        (
            {"metrics": [metric(provider={"plugin": {"argoproj-labs/sample": {}}})]},
            "Analysis spec invalid: metrics[0]: the plugin 'argoproj-labs/sample' does not work here: declare its command as",
        ),
        (
            {"metrics": [metric(provider={"plugin": {"a/b": {}, "c/d": {}}})]},
            "Analysis spec invalid: metrics[0]: the plugin 'a/b, c/d' does not work here: name exactly one",
        ),
        (
            {"metrics": [metric(provider={"plugin": {"shipway.dev/slo": {}}})]},
            "Analysis spec invalid: metrics[0]: shipway.dev/slo: exactly one of objective and serviceLevelObjective",
        ),
        ({"metrics": [metric(provider={})]}, "Analysis spec invalid: metrics[0]: no provider specified"),
        ({"metrics": [metric(count=3)]}, "Analysis spec invalid: metrics[0]: interval must be specified when count > 1"),
        ({"metrics": []}, "Analysis spec invalid: no metrics specified"),
        ({"metrics": [metric(), metric()]}, "Analysis spec invalid: metrics[1]: duplicate name 'errors'"),
        ({"metrics": [metric(inconclusiveLimit=-1)]}, "Analysis spec invalid: metrics[0]: inconclusiveLimit must be >= 0"),
        ({"metrics": [metric(consecutiveErrorLimit=-1)]}, "Analysis spec invalid: metrics[0]: consecutiveErrorLimit must"),
        ({"metrics": [metric(interval="soon")]}, 'Analysis spec invalid: metrics[0]: time: invalid duration "soon"'),
        ({"metrics": [metric()], "args": [{"name": "x"}]}, "Unable to resolve metric arguments: args.x was not resolved"),
        (
            {"metrics": [metric(successCondition="{{args.y}}")]},
            "Unable to resolve metric arguments: failed to resolve {{args.y}}",
        ),
        (
            {"metrics": [metric()], "dryRun": [{"metricName": "nope"}]},
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
        ({"metrics": [metric()], "dryRun": [{"metricName": "("}]}, "Analysis spec invalid: metricName '(' is no regular"),
        (
            {"metrics": [metric()], "measurementRetention": [{"metricName": "nope", "limit": 3}]},
            "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_an_error_that_says_why(spec, message) -> None:
    run, asked = play({**run_of(), "spec": spec}, [1])
    assert run["status"]["phase"] == "Error"
    assert run["status"]["message"].startswith(message)
    assert asked == []


@pytest.mark.compat("rollouts:measurementRetention")
def test_measurement_retention_says_how_many_are_kept() -> None:
    rules = [{"metricName": "err.*", "limit": 20}, {"metricName": "^errors$", "limit": 3}]
    run, _ = play(run_of(metric(interval="1s", count=25), measurementRetention=rules), [1])
    assert len(run["status"]["metricResults"][0]["measurements"]) == 3


def test_a_metric_stands_in_the_status_from_its_first_measurement_on() -> None:
    run = written(run_of(metric("now"), metric("later", initialDelay="1m")), decide(ObservedRun(run_of(metric()), {}), START))
    assert run["status"]["metricResults"] == []
    late = run_of(metric(), metric("later", initialDelay="1m"))
    run, _ = play(late, [1], seconds=30)
    assert [result["name"] for result in run["status"]["metricResults"]] == ["errors"]
    assert (run["status"]["phase"], run["status"]["runSummary"]) == ("Running", {"count": 2, "successful": 1})


def test_the_resolved_query_and_what_the_server_warned_of_are_kept() -> None:
    asked = metric(provider={"prometheus": {"query": "up{app='{{args.app}}'}"}})
    run = run_of(asked, args=[{"name": "app", "value": "web"}])
    (ask,) = decide(ObservedRun(run, {}), START).asks
    answer = Answer(value=Sample(1.0, "1", {"warnings": '"slow"'}), at=START)
    (result,) = written(run, decide(ObservedRun(run, {ask: answer}), START))["status"]["metricResults"]
    assert result["metadata"] == {"ResolvedPrometheusQuery": "up{app='web'}"}
    assert result["measurements"][0]["metadata"] == {"warnings": '"slow"'}


def test_only_the_last_ten_measurements_are_kept() -> None:
    run, asked = play(run_of(metric(interval="1s", count=25)), [1])
    assert len(asked) == 25
    assert len(run["status"]["metricResults"][0]["measurements"]) == 10


@pytest.mark.compat("rollouts:ttlStrategy")
def test_a_finished_run_does_nothing_until_its_time_to_live_has_passed() -> None:
    run, _ = play(run_of(metric(), ttlStrategy={"secondsAfterCompletion": 60}), [1])
    run["status"]["completedAt"] = rfc3339(START)
    waiting = decide(ObservedRun(run, {}), START)
    assert (waiting.change, waiting.asks, waiting.batches, waiting.wake) == (None, (), (), START + 60)
    (batch,) = decide(ObservedRun(run, {}), Instant(START + 60)).batches
    assert isinstance(batch.actions[0], Delete)


def test_a_huge_value_does_not_fill_the_status() -> None:
    run = run_of(metric(successCondition="true"))
    (ask,) = decide(ObservedRun(run, {}), START).asks
    answer = Answer(value=Sample("x", "x" * 5_000_000), at=START)
    (result,) = written(run, decide(ObservedRun(run, {ask: answer}), START))["status"]["metricResults"]
    value = result["measurements"][0]["value"]
    assert len(value) < 5000
    assert value.endswith("… (4995904 characters more)")


@pytest.mark.compat("rollouts:metric.times")
def test_count_zero_is_no_count() -> None:
    assert len(play(run_of(metric(count=0)), [1])[1]) == 1
    assert len(play(run_of(metric(count=0, interval="1s")), [1], seconds=20)[1]) > 10
