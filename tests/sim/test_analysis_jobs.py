"""`job` metrics on the embedded cluster in virtual time: the built-in Job controller runs what the analysis starts."""

import asyncio
import random
from typing import Any

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, CRDS, JOBS
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, controller_of, labels_of, name_of, status_of, uid_of
from shipway.kube.runtime.runtime import Runtime
from shipway.rollouts.analysis.controller import AnalysisRunController
from tests.sim.cluster_world import Cluster, simulate


def job_metric(image: str = "job:1", name: str = "smoke", **fields: Any) -> Obj:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}
    job = {"metadata": {"labels": {"team": "shop"}}, "spec": {"backoffLimit": 0, "template": template}}
    return {"name": name, "provider": {"job": job}, **fields}


def run_of(*metrics: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {"name": "check", "namespace": "default"},
        "spec": {"metrics": list(metrics), **spec},
    }


class Analysis:
    """The analysis engine beside the cluster's own controllers."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = Client(cluster.server, manager="shipway")
        self.runtime = Runtime(client, [AnalysisRunController()], clock=cluster.clock, rng=random.Random(7))

    async def run(self) -> Obj:
        return await self.cluster.user.get(ANALYSIS_RUNS, "default", "check")

    async def jobs(self) -> list[Obj]:
        return (await self.cluster.user.list(JOBS, "default")).items

    async def ended(self) -> Obj:
        async def is_over() -> Obj | None:
            run = await self.run()
            return run if status_of(run).get("completedAt") else None

        return await self.cluster.until(is_over, 400)

    async def has_jobs(self, number: int) -> list[Obj]:
        async def are_there() -> list[Obj] | None:
            jobs = await self.jobs()
            return jobs or [{}] if len(jobs) == number else None

        return await self.cluster.until(are_there)


def played(run: Obj, story: Any) -> None:
    """Starts the run in a fresh cluster and lets `story` look at it."""

    async def main(cluster: Cluster) -> None:
        for crd in load_crds():
            await cluster.user.create(CRDS, crd)
        while ANALYSIS_RUNS not in await cluster.user.discover():
            await cluster.clock.sleep(0.1)
        await cluster.user.create(ANALYSIS_RUNS, run)
        analysis = Analysis(cluster)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(analysis.runtime.run())
            try:
                await story(analysis)
            finally:
                task.cancel()

    simulate(main)


@pytest.mark.compat("rollouts:provider.job")
@pytest.mark.proves("001-22")
@pytest.mark.parametrize(("image", "phase"), [("job:2", "Successful"), ("crash:2", "Failed")])
def test_a_job_decides_whatever_the_conditions_say(image: str, phase: str) -> None:
    async def story(analysis: Analysis) -> None:
        run = await analysis.ended()
        (job,) = await analysis.jobs()
        (result,) = status_of(run)["metricResults"]
        (measurement,) = result["measurements"]
        assert (status_of(run)["phase"], result["phase"], measurement["phase"]) == (phase, phase, phase)
        assert measurement["metadata"] == {"job-name": name_of(job), "job-namespace": "default"}
        assert measurement["startedAt"] < measurement["finishedAt"]
        assert name_of(job) == f"{uid_of(run)}.smoke.1"
        assert labels_of(job)["analysisrun.argoproj.io/uid"] == uid_of(run) and labels_of(job)["team"] == "shop"
        assert annotations_of(job)["analysisrun.argoproj.io/name"] == "check"
        assert annotations_of(job)["analysisrun.argoproj.io/metric-name"] == "smoke"
        assert controller_of(job)["uid"] == uid_of(run)

    played(run_of(job_metric(image, successCondition="result == 'nonsense'")), story)


def test_each_measurement_is_another_job() -> None:
    async def story(analysis: Analysis) -> None:
        run = await analysis.ended()
        result = status_of(run)["metricResults"][0]
        assert (result["count"], result["successful"]) == (3, 3)
        assert sorted(name_of(job)[-2:] for job in await analysis.jobs()) == [".1", ".2", ".3"]

    played(run_of(job_metric(count=3, interval="5s")), story)


def test_jobs_beyond_the_retention_are_deleted() -> None:
    async def story(analysis: Analysis) -> None:
        await analysis.ended()
        assert len(await analysis.jobs()) <= 3

    retention = [{"metricName": "smoke", "limit": 2}]
    played(run_of(job_metric(count=6, interval="5s"), measurementRetention=retention), story)


def test_terminating_ends_the_job_under_way() -> None:
    async def story(analysis: Analysis) -> None:
        await analysis.has_jobs(1)
        await analysis.cluster.user.patch(ANALYSIS_RUNS, "default", "check", {"spec": {"terminate": True}})
        run = await analysis.ended()
        (measurement,) = status_of(run)["metricResults"][0]["measurements"]
        assert (measurement["phase"], measurement["message"]) == ("Successful", "Metric Terminated")
        assert (status_of(run)["phase"], status_of(run)["message"]) == ("Successful", "Run Terminated")
        await analysis.has_jobs(0)

    played(run_of(job_metric("slow:1")), story)


def test_a_failed_job_ends_its_siblings_jobs() -> None:
    async def story(analysis: Analysis) -> None:
        run = await analysis.ended()
        assert status_of(run)["phase"] == "Failed"
        assert status_of(run)["message"] == 'Metric "bad" assessed Failed due to failed (1) > failureLimit (0)'
        assert status_of(run)["runSummary"] == {"count": 2, "successful": 1, "failed": 1}
        (left,) = await analysis.has_jobs(1)
        assert annotations_of(left)["analysisrun.argoproj.io/metric-name"] == "bad"

    played(run_of(job_metric("slow:1", "forever"), job_metric("crash:2", "bad")), story)


def test_a_job_deleted_by_hand_is_an_errored_measurement_and_made_again() -> None:
    async def story(analysis: Analysis) -> None:
        (job,) = await analysis.has_jobs(1)
        await analysis.cluster.clock.sleep(1.0)
        await analysis.cluster.user.delete(JOBS, "default", name_of(job))
        run = await analysis.ended()
        first, second = status_of(run)["metricResults"][0]["measurements"]
        assert (first["phase"], first["message"]) == ("Error", f'job.batch "{name_of(job)}" not found')
        assert second["phase"] == "Successful"
        assert status_of(run)["phase"] == "Successful"

    played(run_of(job_metric("job:5")), story)


def test_a_job_that_the_api_server_refuses_is_an_error_with_its_reason() -> None:
    bad = {"name": "smoke", "consecutiveErrorLimit": 0, "provider": {"job": {"spec": {"template": {"spec": {}}}}}}

    async def story(analysis: Analysis) -> None:
        run = await analysis.ended()
        assert status_of(run)["phase"] == "Error"
        assert "spec.template.spec" in status_of(run)["metricResults"][0]["measurements"][0]["message"]
        assert "spec.template.spec" in status_of(run)["message"]

    played(run_of(bad), story)
