"""StatefulSets, DaemonSets, disruption budgets and lost nodes on the embedded cluster in virtual time."""

from typing import Any

import pytest

from shipway.api.kinds import DAEMON_SETS, DEPLOYMENTS, NODES, PODS, STATEFUL_SETS
from shipway.base.errors import Unavailable
from shipway.kube.objects.views import condition_of, dig, labels_of, name_of, spec_of, status_of
from shipway.localcluster.controllers.kinds import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
)
from tests.sim.cluster_world import Cluster, deployment, node, simulate

LABELS = {"app": "db"}


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


def stateful_set(image: str = "slow:1", replicas: int = 3, **spec: Any) -> dict[str, Any]:
    meta = {"name": "db", "namespace": "default"}
    body = {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": LABELS}, "template": template(image)}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": {**body, **spec}}


def daemon_set(image: str = "slow:1") -> dict[str, Any]:
    meta = {"name": "db", "namespace": "default"}
    spec = {"selector": {"matchLabels": LABELS}, "template": template(image)}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}


def ready(pods: list[dict[str, Any]]) -> list[str]:
    return sorted(name_of(p) for p in pods if (condition_of(p, "Ready") or {}).get("status") == "True")


async def rolled_out(cluster: Cluster) -> dict[str, Any]:
    async def done() -> dict[str, Any] | None:
        s = await cluster.user.get(STATEFUL_SETS, "default", "db")
        status, wanted = status_of(s), spec_of(s)["replicas"]
        same = status.get("currentRevision") == status.get("updateRevision")
        seen = status.get("observedGeneration", 0) >= s["metadata"]["generation"]
        return s if seen and same and status.get("availableReplicas") == wanted == status.get("replicas") else None

    return await cluster.until(done)


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_ordinals_come_up_in_order_or_together(policy: str) -> None:
    async def story(cluster: Cluster) -> None:
        claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
        claim["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
        made = stateful_set(podManagementPolicy=policy, volumeClaimTemplates=[claim])
        await cluster.user.create(STATEFUL_SETS, made)
        most_waiting = 0

        async def up() -> bool:
            nonlocal most_waiting
            pods = await cluster.pods()
            most_waiting = max(most_waiting, len(pods) - len(ready(pods)))
            return ready(pods) == ["db-0", "db-1", "db-2"]

        await cluster.until(up)
        assert most_waiting == (1 if policy == "OrderedReady" else 3)
        claims = (await cluster.user.list(PERSISTENT_VOLUME_CLAIMS, "default")).items
        assert sorted(map(name_of, claims)) == ["data-db-0", "data-db-1", "data-db-2"]
        first = await cluster.user.get(PODS, "default", "db-0")
        assert (spec_of(first)["hostname"], spec_of(first)["subdomain"]) == ("db-0", "db")
        assert any(dig(v, "persistentVolumeClaim", "claimName") == "data-db-0" for v in spec_of(first)["volumes"])
        await cluster.user.patch(STATEFUL_SETS, "default", "db", {"spec": {"replicas": 1}})
        await cluster.settle(10)
        assert ready(await cluster.pods()) == ["db-0"]

    simulate(story)


def test_a_partition_holds_lower_ordinals_back() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(STATEFUL_SETS, stateful_set())
        await rolled_out(cluster)
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        body = {"spec": {"updateStrategy": strategy, "template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await cluster.user.patch(STATEFUL_SETS, "default", "db", body, type="strategic")
        await cluster.settle(20)
        await cluster.user.delete(PODS, "default", "db-0")
        await cluster.settle(10)

        async def images() -> dict[str, str]:
            return {name_of(p): spec_of(p)["containers"][0]["image"] for p in await cluster.pods()}

        assert await images() == {"db-0": "slow:1", "db-1": "slow:1", "db-2": "slow:2"}
        body = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
        await cluster.user.patch(STATEFUL_SETS, "default", "db", body)
        s = await rolled_out(cluster)
        assert set((await images()).values()) == {"slow:2"}
        assert status_of(s)["updatedReplicas"] == 3
        assert len((await cluster.user.list(CONTROLLER_REVISIONS, "default")).items) == 2

    simulate(story)


def test_a_daemon_runs_on_every_node_that_takes_it_and_is_updated_one_by_one() -> None:
    async def story(cluster: Cluster) -> None:
        tainted = {"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}
        await cluster.user.patch(NODES, "", "c", tainted)
        await cluster.user.create(DAEMON_SETS, daemon_set())

        async def all_ready(updated: int) -> bool:
            status = status_of(await cluster.user.get(DAEMON_SETS, "default", "db"))
            return status.get("numberReady") == status.get("updatedNumberScheduled") == updated

        await cluster.until(lambda: all_ready(2))
        assert sorted(spec_of(p)["nodeName"] for p in await cluster.pods()) == ["a", "b"]
        await cluster.user.patch(NODES, "", "c", {"spec": {"taints": None}})
        await cluster.until(lambda: all_ready(3))
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await cluster.user.patch(DAEMON_SETS, "default", "db", body, type="strategic")
        fewest = 3

        async def updated() -> bool:
            nonlocal fewest
            pods = await cluster.pods()
            fewest = min(fewest, len(ready(pods)))
            return {spec_of(p)["containers"][0]["image"] for p in pods} == {"slow:2"} and len(ready(pods)) == 3

        await cluster.until(updated)
        assert fewest == 2

    simulate(story, nodes=[node("a"), node("b"), node("c")])


def test_a_budget_allows_evictions_one_at_a_time() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(image="slow:3"))
        budget = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        }
        await cluster.user.create(POD_DISRUPTION_BUDGETS, budget)
        await cluster.settle(10)
        status = status_of(await cluster.user.get(POD_DISRUPTION_BUDGETS, "default", "web"))
        expected = {"currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3, "disruptionsAllowed": 1}
        assert {key: status[key] for key in expected} == expected
        first, second, _ = await cluster.pods()
        await cluster.user.evict("default", name_of(first))
        with pytest.raises(Unavailable) as caught:
            await cluster.user.evict("default", name_of(second))
        assert caught.value.reason == "DisruptionBudget"
        await cluster.settle(10)
        await cluster.user.evict("default", name_of(second))

    simulate(story)


def test_pods_of_a_lost_node_are_removed_and_made_elsewhere() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(replicas=4))
        await cluster.settle()
        assert {spec_of(p)["nodeName"] for p in await cluster.pods()} == {"a", "b"}
        await cluster.user.delete(NODES, "", "a")
        await cluster.settle(40)
        assert [spec_of(p)["nodeName"] for p in await cluster.pods()] == ["b"] * 4
        assert len({labels_of(p)["pod-template-hash"] for p in await cluster.pods()}) == 1

    simulate(story, nodes=[node("a"), node("b")])
