"""`job` metrics: tables over `decide` for what only a crash, a clash or a setting brings about."""

from typing import Any

import pytest

from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Denied, Unavailable
from shipway.kube.objects.patches import merge_patch
from shipway.kube.runtime.decision import Create, Delete, Outcome
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.analysis.decide import ObservedRun, conclude, decide
from shipway.rollouts.analysis.jobs import RunJobs

NOW = Instant(1_800_000_000.0)
JOB = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "smoke"}]}}}}


def run_of(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "web-1", "uid": "u1", "resourceVersion": "1"}
    metric = {"name": "smoke", "provider": {"job": JOB}}
    return {"metadata": meta, "spec": {"metrics": [metric], **spec}, "status": status or {}}


def created(observed: ObservedRun) -> Create:
    ((action,),) = [batch.actions for batch in decide(observed, NOW).batches]
    assert isinstance(action, Create)
    return action


def made(create: Create, *conditions: str) -> dict[str, Any]:
    return {
        **create.obj,
        "metadata": {**create.obj["metadata"], "uid": "j1", "creationTimestamp": rfc3339(NOW)},
        "status": {"conditions": [{"type": kind, "status": "True"} for kind in conditions]},
    }


def test_a_job_that_a_crash_left_unwritten_is_taken_up_and_not_made_again() -> None:
    create = created(ObservedRun(run_of(), {}))
    decision = decide(ObservedRun(run_of(), {}, RunJobs(found={"u1.smoke.1": made(create)})), NOW)
    assert (decision.batches, decision.asks) == ((), ())
    (measurement,) = decision.change.status["metricResults"][0]["measurements"]
    assert measurement == {
        "phase": "Running",
        "startedAt": rfc3339(NOW),
        "metadata": {"job-name": "u1.smoke.1", "job-namespace": "shop"},
    }


def test_a_job_that_was_made_is_under_way_at_once() -> None:
    observed = ObservedRun(run_of(), {})
    create = created(observed)
    concluded = conclude(observed, (Outcome(create, result=made(create)),), NOW)
    assert concluded.change.status["metricResults"][0]["measurements"][0]["phase"] == "Running"


@pytest.mark.parametrize(
    ("error", "phase"), [(Denied("jobs.batch is forbidden"), "Error"), (Unavailable("the API server is away"), None)]
)
def test_only_a_refusal_for_good_is_an_errored_measurement(error, phase) -> None:
    observed = ObservedRun(run_of(), {})
    concluded = conclude(observed, (Outcome(created(observed), error=error),), NOW)
    if phase is None:
        assert concluded is None
    else:
        (measurement,) = concluded.change.status["metricResults"][0]["measurements"]
        assert (measurement["phase"], measurement["message"]) == (phase, error.message)


def test_jobs_of_another_namespace_have_no_owner_and_wake_the_run_all_the_same() -> None:
    create = created(ObservedRun(run_of(), {}, RunJobs(namespace="jobs")))
    assert create.obj["metadata"]["namespace"] == "jobs"
    assert "ownerReferences" not in create.obj["metadata"]
    (watch,) = [watch for watch in AnalysisRunController.watches if watch.label_selector]
    assert [str(key) for key in watch.keys(create.obj)] == ["shop/web-1"]


def test_somebody_elses_job_of_the_same_name_is_no_measurement() -> None:
    job = made(created(ObservedRun(run_of(), {})), "Complete")
    job["metadata"]["ownerReferences"] = [{"uid": "other", "controller": True}]
    decision = decide(ObservedRun(run_of(), {}, RunJobs(found={"u1.smoke.1": job})), NOW)
    assert decision.change.status["metricResults"] == []


def test_a_finished_run_ends_the_jobs_that_are_left_at_work() -> None:
    left = made(created(ObservedRun(run_of(), {})))
    over = run_of({"phase": "Failed", "completedAt": rfc3339(NOW)})
    (batch,) = decide(ObservedRun(over, {}, RunJobs(found={"u1.smoke.1": left})), NOW).batches
    assert batch.actions == (Delete(batch.actions[0].resource, "shop", "u1.smoke.1", uid="j1", propagation="Foreground"),)
    done = made(created(ObservedRun(run_of(), {})), "Complete")
    assert decide(ObservedRun(over, {}, RunJobs(found={"u1.smoke.1": done})), NOW).batches == ()


def test_terminating_survives_a_crash_after_the_job_was_deleted() -> None:
    running = decide(ObservedRun(run_of(), {}, RunJobs(found={"u1.smoke.1": made(created(ObservedRun(run_of(), {})))})), NOW)
    run = merge_patch(run_of(terminate=True), {"status": running.change.status})
    decision = decide(ObservedRun(run, {}), NOW)
    assert decision.change.status["phase"] == "Successful"
    assert decision.change.status["metricResults"][0]["measurements"][0]["message"] == "Metric Terminated"


@pytest.mark.compat("rollouts:args")
def test_a_job_cannot_be_given_a_secret() -> None:
    run = run_of(args=[{"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    run["spec"]["metrics"] = [{"name": "smoke", "provider": {"job": {"spec": {"x": "{{args.token}}"}}}}]
    status = decide(ObservedRun(run, {}), NOW).change.status
    assert status["phase"] == "Error"
    assert "a Job takes no arguments from Secrets" in status["message"]
