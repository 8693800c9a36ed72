"""The built-in controllers under faults: whatever breaks on the way, no promise is broken and the end is the same.

Crashes between any two writes, lost answers, refusals, dropped and stale watches, by a seed. A failure prints its seed; run
it alone with `pytest -k 'seed-17'`.
"""

import pytest

from shipway.api.kinds import CONFIG_MAPS, DEPLOYMENTS, ENDPOINT_SLICES, JOBS, NAMESPACES, SERVICES
from shipway.kube.objects.views import condition_of, is_deleting, name_of, spec_of, status_of
from tests.sim.cluster_world import Cluster, deployment, simulate
from tests.sim.faults import Faults
from tests.sim.test_jobs import job
from tests.sim.test_workloads import complete

SEEDS = 25
CHANCES = Faults(refused=0.03, answer_lost=0.03, crash=0.01, watch_dropped=0.05, watch_held_back=0.2)


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed-{seed}")
def test_a_rollout_a_job_and_a_namespace(seed: int) -> None:
    async def story(cluster: Cluster) -> None:
        user = cluster.user
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        }
        await user.create(SERVICES, service)
        await user.create(DEPLOYMENTS, deployment(replicas=4))
        await user.create(JOBS, job(completions=5, parallelism=2))
        await complete(cluster)
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        await rolled_out_within_limits(cluster)
        await job_is_counted(cluster)
        await user.delete(DEPLOYMENTS, "default", "web", propagation="Foreground")
        await cluster.until(lambda: cluster.is_gone(DEPLOYMENTS, "default", "web"), 600)
        cluster.faulty.calm()
        await cluster.settle(60)
        assert await cluster.replica_sets() == []
        assert [p for p in await cluster.pods() if name_of(p).startswith("web-")] == []
        slices = (await user.list(ENDPOINT_SLICES, "default", label_selector="kubernetes.io/service-name=web")).items
        assert [len(s["endpoints"] or ()) for s in slices] == [0]
        assert cluster.faulty.injected > 10, "the seed has hardly met a fault"

    simulate(story, seed=seed, faults=CHANCES)


async def rolled_out_within_limits(cluster: Cluster) -> None:
    """Never more than 4 + 25% pods of the deployment are wanted at once, never fewer than 4 - 25% are ready."""

    async def done() -> bool:
        sets = await cluster.replica_sets()
        assert sum(spec_of(rs)["replicas"] for rs in sets) <= 5
        pods = [p for p in await cluster.pods() if name_of(p).startswith("web-")]
        ready = [p for p in pods if (condition_of(p, "Ready") or {}).get("status") == "True"]
        assert len(ready) >= 3, [name_of(p) for p in pods if is_deleting(p)]
        d = await cluster.deployment()
        images = {spec_of(p)["containers"][0]["image"] for p in pods}
        return images == {"slow:2"} and status_of(d).get("availableReplicas") == 4 == len(pods)

    await cluster.until(done, 600)
    assert len(await cluster.replica_sets()) == 2


async def job_is_counted(cluster: Cluster) -> None:
    async def done() -> bool:
        return condition_of(await cluster.user.get(JOBS, "default", "work"), "Complete") is not None

    await cluster.until(done, 600)
    found = await cluster.user.get(JOBS, "default", "work")
    assert (status_of(found)["succeeded"], status_of(found).get("failed")) == (5, None)
    assert len([p for p in await cluster.pods() if name_of(p).startswith("work-")]) == 5


@pytest.mark.parametrize("seed", range(5), ids=lambda seed: f"seed-{seed}")
def test_a_namespace_goes_away(seed: int) -> None:
    async def story(cluster: Cluster) -> None:
        user = cluster.user
        await user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        made = deployment(replicas=5)
        made["metadata"]["namespace"] = "shop"
        await user.create(DEPLOYMENTS, made)
        for n in range(5):
            meta = {"name": f"c{n}", "namespace": "shop"}
            await user.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        await cluster.clock.sleep(seed)
        await user.delete(NAMESPACES, "", "shop")
        await cluster.until(lambda: cluster.is_gone(NAMESPACES, "", "shop"), 600)
        assert await cluster.pods("shop") == []

    simulate(story, seed=seed, faults=CHANCES)
