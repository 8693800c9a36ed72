"""Jobs on the embedded cluster in virtual time."""

from typing import Any

import pytest

from shipway.api.kinds import JOBS, PODS
from shipway.kube.objects.views import annotations_of, condition_of, dig, name_of, spec_of, status_of
from tests.sim.cluster_world import Cluster, simulate


def job(image: str = "job:1", **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}
    meta = {"name": "work", "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template, **spec}}


async def there(cluster: Cluster) -> dict[str, Any]:
    return await cluster.user.get(JOBS, "default", "work")


async def over(cluster: Cluster, kind: str, seconds: float = 200) -> dict[str, Any]:
    async def is_over() -> dict[str, Any] | None:
        found = await there(cluster)
        return found if (condition_of(found, kind) or {}).get("status") == "True" else None

    return await cluster.until(is_over, seconds)


def test_a_job_completes() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job())
        done = await over(cluster, "Complete")
        status = status_of(done)
        assert (status["succeeded"], status.get("active"), status.get("failed")) == (1, None, None)
        assert status["startTime"] and status["completionTime"]
        assert condition_of(done, "SuccessCriteriaMet")["reason"] == "CompletionsReached"
        (pod,) = await cluster.pods()
        assert "finalizers" not in pod["metadata"] and name_of(pod).startswith("work-")
        assert await cluster.messages("Completed") == ["Job completed"]
        await cluster.settle(30)
        assert (await there(cluster))["metadata"]["resourceVersion"] == done["metadata"]["resourceVersion"]

    simulate(story)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_parallel_work_is_counted_exactly(seed: int | None) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(completions=7, parallelism=3))
        most = 0

        async def done() -> bool:
            nonlocal most
            found = await there(cluster)
            most = max(most, status_of(found).get("active", 0))
            return condition_of(found, "Complete") is not None

        await cluster.until(done)
        assert status_of(await there(cluster))["succeeded"] == 7 == len(await cluster.pods())
        assert most == 3

    simulate(story, seed=seed)


def test_an_indexed_job_does_every_index_once() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(completions=5, parallelism=2, completionMode="Indexed"))
        done = await over(cluster, "Complete")
        assert status_of(done)["completedIndexes"] == "0-4" and status_of(done)["succeeded"] == 5
        indexes = sorted(annotations_of(p)["batch.kubernetes.io/job-completion-index"] for p in await cluster.pods())
        assert indexes == ["0", "1", "2", "3", "4"]
        assert {spec_of(p)["hostname"] for p in await cluster.pods()} == {f"work-{n}" for n in range(5)}

    simulate(story)


def test_a_job_that_fails_too_often_fails_with_growing_pauses() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(image="crash:1", backoffLimit=2))
        started = cluster.clock.now()
        done = await over(cluster, "Failed")
        assert condition_of(done, "Failed")["reason"] == "BackoffLimitExceeded"
        assert status_of(done)["failed"] == 3 == len(await cluster.pods())
        assert 30 <= cluster.clock.now() - started <= 40
        assert await cluster.messages("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]

    simulate(story)


def test_a_job_that_takes_too_long_fails() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(image="slow:1", activeDeadlineSeconds=20))
        done = await over(cluster, "Failed")
        assert condition_of(done, "Failed")["reason"] == "DeadlineExceeded"
        assert await cluster.pods() == []

    simulate(story)


def test_a_suspended_job_waits_without_counting_failures() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(image="job:10"))
        await cluster.settle(3)
        await cluster.user.patch(JOBS, "default", "work", {"spec": {"suspend": True}})
        await cluster.settle()
        found = await there(cluster)
        assert condition_of(found, "Suspended")["status"] == "True" and "startTime" not in status_of(found)
        assert await cluster.pods() == [] and "failed" not in status_of(found)
        await cluster.user.patch(JOBS, "default", "work", {"spec": {"suspend": False}})
        done = await over(cluster, "Complete")
        assert condition_of(done, "Suspended")["status"] == "False"

    simulate(story)


def test_a_finished_job_goes_after_its_time() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(ttlSecondsAfterFinished=10))
        await over(cluster, "Complete")
        await cluster.settle(15)
        assert await cluster.is_gone(JOBS, "default", "work")
        assert await cluster.pods() == []

    simulate(story)


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_job_lets_its_pods_go(propagation: str) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(image="slow:1", parallelism=2, completions=2))
        await cluster.settle()
        await cluster.user.delete(JOBS, "default", "work", propagation=propagation)
        await cluster.settle(10)
        assert await cluster.is_gone(JOBS, "default", "work")
        assert await cluster.pods() == []

    simulate(story)


def test_a_pod_that_somebody_deletes_counts_as_a_failure_and_is_made_again() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(JOBS, job(image="job:5"))
        await cluster.settle(2)
        (pod,) = await cluster.pods()
        await cluster.user.delete(PODS, "default", name_of(pod))
        done = await over(cluster, "Complete")
        assert (dig(done, "status", "failed"), dig(done, "status", "succeeded")) == (1, 1)

    simulate(story)
