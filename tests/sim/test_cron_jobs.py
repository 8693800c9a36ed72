"""CronJobs on the embedded cluster in virtual time: a day of schedules in a second."""

from itertools import pairwise
from typing import Any

import pytest

from shipway.api.kinds import JOBS
from shipway.base.clock import parse_rfc3339
from shipway.kube.objects.views import annotations_of, dig, metadata, name_of, status_of
from shipway.localcluster.controllers.kinds import CRON_JOBS
from tests.sim.cluster_world import EPOCH, Cluster, simulate

HOUR = 3600.0


def cron_job(schedule: str, image: str = "job:1", **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
    template = {"metadata": {"labels": {"app": "tick"}}, "spec": {"template": {"spec": pod}, "backoffLimit": 0}}
    meta = {"name": "tick", "namespace": "default"}
    body = {"schedule": schedule, "jobTemplate": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": body}


async def jobs(cluster: Cluster) -> list[dict[str, Any]]:
    return sorted((await cluster.user.list(JOBS, "default")).items, key=name_of)


async def there(cluster: Cluster) -> dict[str, Any]:
    return await cluster.user.get(CRON_JOBS, "default", "tick")


def test_jobs_start_on_time_and_old_ones_are_forgotten() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(CRON_JOBS, cron_job("*/10 * * * *"))
        await cluster.settle(2 * HOUR)
        assert len(await cluster.messages("SuccessfulCreate")) >= 12
        found = await jobs(cluster)
        assert len(found) == 3
        for job in found:
            at = parse_rfc3339(annotations_of(job)["batch.kubernetes.io/cronjob-scheduled-timestamp"])
            assert name_of(job) == f"tick-{int(at // 60)}" and at % 600 == 0
            assert parse_rfc3339(metadata(job)["creationTimestamp"]) - at <= 1
            assert metadata(job)["ownerReferences"][0]["kind"] == "CronJob" and metadata(job)["labels"] == {"app": "tick"}
        status = status_of(await there(cluster))
        assert parse_rfc3339(status["lastScheduleTime"]) >= EPOCH + 2 * HOUR - 600
        assert status["lastSuccessfulTime"] and "active" not in status

    simulate(story)


@pytest.mark.parametrize(("policy", "most"), [("Forbid", 1), ("Allow", 3), ("Replace", 1)])
def test_what_happens_while_one_is_active(policy: str, most: int) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(CRON_JOBS, cron_job("* * * * *", "slow:1", concurrencyPolicy=policy))
        await cluster.settle(190)
        active = [job for job in await jobs(cluster) if not status_of(job).get("completionTime")]
        assert len(active) == most
        refs = dig(await there(cluster), "status", "active", default=[])
        assert sorted(ref["name"] for ref in refs) == [name_of(job) for job in active]
        newest = int((cluster.clock.now()) // 60)
        assert (name_of(active[-1]) == f"tick-{newest}") is (policy != "Forbid")

    simulate(story)


def test_a_forbidden_start_is_made_up_for_when_the_active_one_ends() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(CRON_JOBS, cron_job("* * * * *", "job:90", concurrencyPolicy="Forbid"))
        await cluster.settle(400)
        starts = [parse_rfc3339(metadata(job)["creationTimestamp"]) for job in await jobs(cluster)]
        gaps = [later - earlier for earlier, later in pairwise(starts)]
        assert gaps and all(90 <= gap <= 95 for gap in gaps)

    simulate(story)


def test_suspension_and_missed_times() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(CRON_JOBS, cron_job("*/10 * * * *", suspend=True, startingDeadlineSeconds=30))
        await cluster.settle(HOUR)
        assert await jobs(cluster) == []
        offset = (cluster.clock.now()) % 600
        await cluster.clock.sleep((600 - offset) + 100)
        await cluster.user.patch(CRON_JOBS, "default", "tick", {"spec": {"suspend": False}})
        await cluster.settle(10)
        assert await jobs(cluster) == []
        (said,) = await cluster.messages("MissSchedule")
        assert said.startswith("Missed scheduled time to start a job: 20")
        await cluster.settle(600)
        assert len(await jobs(cluster)) == 1

    simulate(story)


def test_failed_jobs_keep_their_own_history() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(CRON_JOBS, cron_job("* * * * *", "crash:1", failedJobsHistoryLimit=2))
        await cluster.settle(600)
        assert len(await jobs(cluster)) == 2
        assert "lastSuccessfulTime" not in status_of(await there(cluster))

    simulate(story)
