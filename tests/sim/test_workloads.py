"""The built-in controllers together, on the embedded API server in virtual time."""

import pytest

from shipway.api.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from shipway.kube.objects.views import annotations_of, condition_of, dig, labels_of, name_of, spec_of, status_of
from tests.sim.cluster_world import Cluster, deployment, node, simulate


def counts(obj: dict) -> tuple[int, ...]:
    status = status_of(obj)
    return tuple(status.get(f, 0) for f in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))


async def complete(cluster: Cluster, name: str = "web") -> dict:
    """The deployment once `kubectl rollout status` would call it done."""

    async def done() -> dict | None:
        d = await cluster.deployment(name)
        wanted = spec_of(d)["replicas"]
        seen = status_of(d).get("observedGeneration", 0) >= d["metadata"]["generation"]
        return d if seen and counts(d) == (wanted, wanted, wanted, wanted) else None

    return await cluster.until(done)


def test_a_deployment_comes_up() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment())
        d = await complete(cluster)
        assert condition_of(d, "Available")["reason"] == "MinimumReplicasAvailable"
        assert annotations_of(d)["deployment.kubernetes.io/revision"] == "1"
        (rs,) = await cluster.replica_sets()
        assert name_of(rs) == f"web-{labels_of(rs)['pod-template-hash']}"
        pods = await cluster.pods()
        assert all(name_of(p).startswith(f"{name_of(rs)}-") and spec_of(p)["nodeName"] == "node-1" for p in pods)
        assert await cluster.messages("ScalingReplicaSet") == [f"Scaled up replica set {name_of(rs)} from 0 to 3"]
        assert len(await cluster.messages("SuccessfulCreate")) == 3 == len(await cluster.messages("Scheduled"))
        await cluster.settle()
        d = await cluster.deployment()
        assert condition_of(d, "Progressing")["reason"] == "NewReplicaSetAvailable"

    simulate(story)


def test_a_rolling_update_keeps_its_promises_and_can_be_undone() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(replicas=6))
        await complete(cluster)
        container = [{"name": "c", "image": "slow:3"}]
        body = {"spec": {"template": {"spec": {"containers": container}}}}
        await cluster.user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        worst = [99, 0]

        async def done() -> bool:
            pods = await cluster.pods()
            ready = [p for p in pods if (condition_of(p, "Ready") or {}).get("status") == "True"]
            alive = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
            worst[:] = [min(worst[0], len(ready)), max(worst[1], len(alive))]
            d = await cluster.deployment()
            seen = status_of(d).get("observedGeneration", 0) >= d["metadata"]["generation"]
            return seen and counts(d) == (6, 6, 6, 6)

        await cluster.until(done)
        assert worst[0] >= 5 and worst[1] <= 8  # 6 - 25% rounded down, 6 + 25% rounded up
        sets = {annotations_of(rs)["deployment.kubernetes.io/revision"]: rs for rs in await cluster.replica_sets()}
        assert {r: spec_of(rs)["replicas"] for r, rs in sets.items()} == {"1": 0, "2": 6}

        template = spec_of(sets["1"])["template"]
        del template["metadata"]["labels"]["pod-template-hash"]
        undo = [{"op": "replace", "path": "/spec/template", "value": template}]
        await cluster.user.patch(DEPLOYMENTS, "default", "web", undo, type="json")
        d = await complete(cluster)
        assert annotations_of(d)["deployment.kubernetes.io/revision"] == "3"
        back = await cluster.user.get(REPLICA_SETS, "default", name_of(sets["1"]))
        assert annotations_of(back)["deployment.kubernetes.io/revision-history"] == "1"

    simulate(story)


def test_recreate_never_mixes_versions() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await complete(cluster)
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await cluster.user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        mixed = []

        async def done() -> bool:
            images = {spec_of(p)["containers"][0]["image"] for p in await cluster.pods()}
            mixed.append(len(images) > 1)
            return counts(await cluster.deployment()) == (3, 3, 3, 3) and images == {"slow:2"}

        await cluster.until(done)
        assert not any(mixed)

    simulate(story)


def test_a_rollout_that_does_not_progress_says_so() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(image="never", progressDeadlineSeconds=30))
        await cluster.settle(40)
        condition = condition_of(await cluster.deployment(), "Progressing")
        assert (condition["status"], condition["reason"]) == ("False", "ProgressDeadlineExceeded")

    simulate(story)


def test_a_paused_deployment_rolls_when_it_is_resumed() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment())
        await complete(cluster)
        body = {"spec": {"paused": True, "template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await cluster.user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        await cluster.settle()
        assert len(await cluster.replica_sets()) == 1
        assert condition_of(await cluster.deployment(), "Progressing")["reason"] == "DeploymentPaused"
        await cluster.user.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 5}})
        await cluster.settle()
        assert len(await cluster.pods()) == 5
        await cluster.user.patch(DEPLOYMENTS, "default", "web", {"spec": {"paused": None}})
        await complete(cluster)
        assert len(await cluster.replica_sets()) == 2

    simulate(story)


def test_history_is_cleaned_up() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(revisionHistoryLimit=1))
        for version in ("slow:2", "slow:3", "slow:1.5"):
            await complete(cluster)
            body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": version}]}}}}
            await cluster.user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        await complete(cluster)
        await cluster.settle()
        assert len(await cluster.replica_sets()) == 2

    simulate(story)


def test_a_deleted_pod_is_replaced_and_an_extra_one_removed() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment())
        await complete(cluster)
        first = (await cluster.pods())[0]
        await cluster.user.delete(PODS, "default", name_of(first))
        await cluster.settle()
        pods = await cluster.pods()
        assert len(pods) == 3 and first["metadata"]["uid"] not in {p["metadata"]["uid"] for p in pods}
        stray = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stray", "namespace": "default", "labels": labels_of(pods[0])},
            "spec": {"containers": [{"name": "c", "image": "slow:1"}]},
        }
        await cluster.user.create(PODS, stray)
        await cluster.settle()
        assert len(await cluster.pods()) == 3

    simulate(story)


def test_a_service_follows_its_pods() -> None:
    async def story(cluster: Cluster) -> None:
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
        await cluster.user.create(SERVICES, service)
        await cluster.user.create(DEPLOYMENTS, deployment())
        await complete(cluster)
        await cluster.settle()
        slices = (await cluster.user.list(ENDPOINT_SLICES, "default", label_selector="kubernetes.io/service-name=web")).items
        assert len(slices) == 1
        assert [e["conditions"]["ready"] for e in slices[0]["endpoints"]] == [True] * 3
        assert slices[0]["ports"][0]["port"] == 8080
        await cluster.user.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 1}})
        await cluster.settle()
        again = await cluster.user.get(ENDPOINT_SLICES, "default", name_of(slices[0]))
        assert len(again["endpoints"]) == 1
        await cluster.user.delete(SERVICES, "default", "web")
        await cluster.settle()
        assert await cluster.is_gone(ENDPOINT_SLICES, "default", name_of(slices[0]))

    simulate(story)


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
def test_deletion_follows_owner_references(propagation: str) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment())
        await complete(cluster)
        await cluster.user.delete(DEPLOYMENTS, "default", "web", propagation=propagation)
        if propagation == "Foreground":
            assert "foregroundDeletion" in (await cluster.deployment())["metadata"]["finalizers"]
        await cluster.settle(10)
        assert await cluster.is_gone(DEPLOYMENTS, "default", "web")
        sets, pods = await cluster.replica_sets(), await cluster.pods()
        if propagation == "Orphan":
            assert len(sets) == 1 and len(pods) == 3
            assert not sets[0]["metadata"].get("ownerReferences")
        else:
            assert sets == [] and pods == []

    simulate(story)


def test_an_object_goes_with_the_last_of_its_owners() -> None:
    async def story(cluster: Cluster) -> None:
        def config(name: str, *owners: dict) -> dict:
            refs = [{"apiVersion": "v1", "kind": "ConfigMap", "name": name_of(o), "uid": o["metadata"]["uid"]} for o in owners]
            meta = {"name": name, "namespace": "default", "ownerReferences": refs}
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}

        one = await cluster.user.create(CONFIG_MAPS, config("one"))
        two = await cluster.user.create(CONFIG_MAPS, config("two"))
        await cluster.user.create(CONFIG_MAPS, config("child", one, two))
        await cluster.settle()
        await cluster.user.delete(CONFIG_MAPS, "default", "one")
        await cluster.settle()
        child = await cluster.user.get(CONFIG_MAPS, "default", "child")
        assert [ref["name"] for ref in child["metadata"]["ownerReferences"]] == ["two"]
        await cluster.user.delete(CONFIG_MAPS, "default", "two")
        await cluster.settle()
        assert await cluster.is_gone(CONFIG_MAPS, "default", "child")

    simulate(story)


def test_a_namespace_is_filled_and_emptied() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await cluster.settle()
        assert await cluster.user.get(SERVICE_ACCOUNTS, "shop", "default")
        root = await cluster.user.get(CONFIG_MAPS, "shop", "kube-root-ca.crt")
        assert dig(root, "data", "ca.crt") == "CA"
        made = deployment(replicas=20)
        made["metadata"]["namespace"] = "shop"
        await cluster.user.create(DEPLOYMENTS, made)
        await cluster.settle()
        assert len(await cluster.pods("shop")) == 20
        before = cluster.clock.now()
        await cluster.user.delete(NAMESPACES, "", "shop")

        async def gone() -> bool:
            return await cluster.is_gone(NAMESPACES, "", "shop")

        await cluster.until(gone)
        assert cluster.clock.now() - before <= 10
        assert await cluster.pods("shop") == []

    simulate(story)


def test_pods_that_fit_nowhere_are_told_why_and_placed_when_they_can_be() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(replicas=3))
        await cluster.settle()
        waiting = [p for p in await cluster.pods() if not spec_of(p).get("nodeName")]
        assert len(waiting) == 1
        assert condition_of(waiting[0], "PodScheduled")["message"] == "0/1 nodes are available: 1 Too many pods."
        assert await cluster.messages("FailedScheduling") == ["0/1 nodes are available: 1 Too many pods."]
        await cluster.user.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 2}})
        await cluster.settle()
        assert all(spec_of(p).get("nodeName") for p in await cluster.pods())

    simulate(story, nodes=[node(pods=2)])


@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_events_ends_the_same(seed: int) -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(DEPLOYMENTS, deployment(replicas=5))
        await cluster.clock.sleep(seed % 3)
        body = {"spec": {"replicas": 4, "template": {"spec": {"containers": [{"name": "c", "image": "slow:2"}]}}}}
        await cluster.user.patch(DEPLOYMENTS, "default", "web", body, type="strategic")
        await complete(cluster)
        await cluster.settle()
        pods = await cluster.pods()
        assert {spec_of(p)["containers"][0]["image"] for p in pods} == {"slow:2"} and len(pods) == 4

    simulate(story, seed=seed)


def test_a_namespace_that_is_deleted_before_anything_was_listed_goes_all_the_same() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        meta = {"name": "x", "namespace": "shop"}
        await cluster.user.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        await cluster.user.delete(NAMESPACES, "", "shop")
        await cluster.settle()
        assert await cluster.is_gone(NAMESPACES, "", "shop")

    simulate(story)
