"""The built-in controllers in the corners: adoption, suspension, partitions, named ports, percentages, what fits nowhere."""

import json
from typing import Any

from shipway.api.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
)
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, metadata, name_of, spec_of, status_of
from shipway.localcluster.controllers.kinds import ENDPOINTS, POD_DISRUPTION_BUDGETS
from tests.contract.both_clusters import (
    SELECTS_NODE,
    Target,
    conditions,
    counts,
    new_image,
    owners,
    template,
    workload,
)


async def sizes(target: Target) -> list[int]:
    """Replicas of the sets, by revision."""
    sets = await target.all(REPLICA_SETS)
    by_revision = sorted(sets, key=lambda rs: annotations_of(rs)["deployment.kubernetes.io/revision"])
    return [spec_of(rs)["replicas"] for rs in by_revision]


async def scaling_is_shared_out_in_the_middle_of_a_rollout(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", replicas=8))
    await target.rolled_out()
    await target.patch(DEPLOYMENTS, "web", new_image("never"), type="strategic")
    facts = []

    async def has_sizes(wanted: list[int]) -> bool:
        return await sizes(target) == wanted

    await target.until(lambda: has_sizes([6, 4]))
    for replicas, wanted in ((16, [12, 8]), (4, [3, 2]), (5, [4, 3])):
        await target.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}})
        await target.until(lambda wanted=wanted: has_sizes(wanted))
        sets = await target.all(REPLICA_SETS)
        notes = [{k: v for k, v in annotations_of(rs).items() if k.endswith("-replicas")} for rs in sets]
        facts.append([await sizes(target), sorted(notes, key=str)])
    return facts


async def pods_are_adopted_and_let_go(target: Target) -> Any:
    bare = {"metadata": {"name": "bare", "labels": {"app": "web"}}, "spec": template("slow:0")["spec"]}
    await target.create(PODS, bare)

    await target.create(SERVICES, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})

    async def is_heard_of() -> bool:
        """Controllers of one process share what they know of pods: what is in an EndpointSlice, all of them have seen."""
        slices = await target.all(ENDPOINT_SLICES, "kubernetes.io/service-name=web")
        return any(e["conditions"]["ready"] for piece in slices for e in piece["endpoints"] or ())

    await target.until(is_heard_of)  # a controller that has not heard of the pod yet makes two of its own
    await target.create(REPLICA_SETS, workload("web", replicas=2))

    async def are_available() -> Obj | None:
        found = await target.get(REPLICA_SETS, "web")
        said = [status_of(found).get(key) for key in ("replicas", "readyReplicas", "availableReplicas")]
        return found if said == [2, 2, 2] else None

    await target.until(are_available)
    adopted = owners(await target.get(PODS, "bare"))
    await target.patch(PODS, "bare", {"metadata": {"labels": {"app": "other"}}})

    async def is_replaced() -> bool:
        """By one that is ready: what the set says of itself may still be from before."""
        pods = await target.all(PODS)
        return len(pods) == 3 and all(status_of(pod).get("phase") == "Running" for pod in pods)

    await target.until(is_replaced)
    released = owners(await target.get(PODS, "bare"))
    await target.client.delete(PODS, target.namespace, "bare")
    replaced = await target.until(are_available)
    return [adopted, released, counts(replaced), await target.events("ReplicaSet", 1)]


async def a_deployment_adopts_a_set(target: Target) -> Any:
    made = workload("web", replicas=2)
    await target.create(DEPLOYMENTS, made)
    await target.rolled_out()
    await target.client.delete(DEPLOYMENTS, target.namespace, "web", propagation="Orphan")
    await target.until(lambda: target.is_gone(DEPLOYMENTS, "web"))
    before = [metadata(pod)["uid"] for pod in await target.all(PODS)]
    (left,) = await target.all(REPLICA_SETS)
    await target.patch(REPLICA_SETS, name_of(left), {"spec": {"minReadySeconds": 1}})
    # Who has not heard that nobody owns the set makes another.
    await target.until(lambda: target.is_observed(REPLICA_SETS, name_of(left)))
    await target.create(DEPLOYMENTS, made)
    await target.rolled_out()
    sets, pods = await target.all(REPLICA_SETS), await target.all(PODS)
    return [len(sets), owners(sets[0]), [metadata(pod)["uid"] for pod in pods] == before]


async def a_job_is_suspended_and_resumed(target: Target) -> Any:
    spec = {"suspend": True, "template": template("job:0", "Never")}
    await target.create(JOBS, {"metadata": {"name": "work"}, "spec": spec})

    async def has(kind: str, value: str) -> Obj | None:
        found = await target.get(JOBS, "work")
        return found if any(c[:2] == (kind, value) for c in conditions(found)) else None

    suspended = await target.until(lambda: has("Suspended", "True"))
    pods = await target.all(PODS)
    await target.patch(JOBS, "work", {"spec": {"suspend": False}})
    done = await target.until(lambda: has("Complete", "True"))
    told = await target.events("Job", 4)
    return [counts(suspended), conditions(suspended), len(pods), conditions(done), counts(done), told]


async def a_job_takes_too_long(target: Target) -> Any:
    spec = {"activeDeadlineSeconds": 2, "ttlSecondsAfterFinished": 4, "template": template("slow:0", "Never")}
    await target.create(JOBS, {"metadata": {"name": "work"}, "spec": spec})

    async def has_failed() -> Obj | None:
        found = await target.get(JOBS, "work")
        return found if any(c[0] == "Failed" for c in conditions(found)) else None

    failed = await target.until(has_failed)
    await target.until(lambda: target.is_gone(JOBS, "work"))
    return [conditions(failed), counts(failed), len(await target.all(PODS)), await target.events("Job", 3)]


async def a_partition_holds_ordinals_back(target: Target) -> Any:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    made = workload("db", replicas=2, serviceName="db", updateStrategy=strategy, podManagementPolicy="Parallel")
    await target.create(STATEFUL_SETS, made)

    async def are_available(updated: int) -> Obj | None:
        found = await target.get(STATEFUL_SETS, "db")
        status = status_of(found)
        same = status.get("observedGeneration") == metadata(found)["generation"]
        return found if same and status.get("availableReplicas") == 2 and status.get("updatedReplicas") == updated else None

    await target.until(lambda: are_available(2))
    await target.patch(STATEFUL_SETS, "db", new_image("slow:1"), type="strategic")
    half = await target.until(lambda: are_available(1))
    images = [spec_of(pod)["containers"][0]["image"] for pod in await target.all(PODS)]
    same = status_of(half)["currentRevision"] == status_of(half)["updateRevision"]
    return [counts(half), images, same]


async def a_service_with_named_ports(target: Target) -> Any:
    for name, number in (("one", 8080), ("two", 9090)):
        spec = template("slow:0")["spec"]
        spec["containers"][0]["ports"] = [{"name": "http", "containerPort": number}]
        await target.create(PODS, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})
    spec = template("never")["spec"]
    spec["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    await target.create(PODS, {"metadata": {"name": "unready", "labels": {"app": "web"}}, "spec": spec})
    await target.patch(PODS, "unready", {"status": {"podIP": "10.244.9.9"}}, subresource="status")
    ports = [{"name": "web", "port": 80, "targetPort": "http", "appProtocol": "http"}]
    body = {"selector": {"app": "web"}, "ports": ports, "clusterIP": "None"}
    await target.create(SERVICES, {"metadata": {"name": "web"}, "spec": body})

    def said(endpoint: Obj) -> tuple[str, str]:
        return endpoint["targetRef"]["name"], str(sorted(endpoint["conditions"].items()))

    async def slices() -> Any:
        found = await target.all(ENDPOINT_SLICES, "kubernetes.io/service-name=web")
        parts = [(piece["ports"], sorted(map(said, piece["endpoints"] or ()))) for piece in found]
        there = sum(len(part[1]) for part in parts) == 3
        return sorted(parts, key=str) if there and sum(str(part).count("('ready', True)") for part in parts) == 2 else None

    async def legacy() -> Any:
        subsets = (await target.get(ENDPOINTS, "web")).get("subsets") or []
        parts = [
            {key: sorted(a["targetRef"]["name"] for a in part.get(key) or ()) for key in ("addresses", "notReadyAddresses")}
            | {"ports": part["ports"]}
            for part in subsets
        ]
        told = [sum(len(part[key]) for part in parts) for key in ("addresses", "notReadyAddresses")]
        return sorted(parts, key=str) if told == [2, 1] else None

    facts = [await target.until(slices), await target.until(legacy)]
    facts.append(sorted({key for piece in await target.all(ENDPOINT_SLICES) for key in labels_of(piece)}))
    await target.patch(SERVICES, "web", {"spec": {"publishNotReadyAddresses": True}})

    async def all_ready() -> bool:
        found = await target.all(ENDPOINT_SLICES, "kubernetes.io/service-name=web")
        return [e["conditions"]["ready"] for piece in found for e in piece["endpoints"] or ()] == [True] * 3

    await target.until(all_ready)
    return facts


async def a_pod_that_fits_nowhere(target: Target) -> Any:
    spec = template("slow:0")["spec"]
    spec["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}
    await target.create(PODS, {"metadata": {"name": "huge", "labels": {"app": "web"}}, "spec": spec})
    elsewhere = {**template("slow:0")["spec"], "nodeSelector": {**SELECTS_NODE, "disk": "ssd"}}
    await target.create(PODS, {"metadata": {"name": "picky", "labels": {"app": "web"}}, "spec": elsewhere})

    async def is_refused(name: str) -> tuple[str, ...] | None:
        found = [c for c in conditions(await target.get(PODS, name)) if c[0] == "PodScheduled"]
        return found[0][:3] if found else None

    facts = [await target.until(lambda: is_refused("huge")), await target.until(lambda: is_refused("picky"))]
    facts.append(sorted({event[:2] for event in await target.events("Pod", 2)}))
    for name in ("huge", "picky"):
        await target.client.delete(PODS, target.namespace, name)
    await target.until(lambda: target.is_gone(PODS, "huge"))
    return facts


async def a_budget_in_percent(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", replicas=5))
    await target.rolled_out()
    facts = []
    for name, limit in (
        ("least", {"minAvailable": "50%"}),
        ("fixed", {"minAvailable": 5}),
        ("most", {"maxUnavailable": "30%"}),
    ):
        spec = {**limit, "selector": {"matchLabels": {"app": "web"}}}
        await target.create(POD_DISRUPTION_BUDGETS, {"metadata": {"name": name}, "spec": spec})

        async def is_counted(name: str = name) -> Obj | None:
            found = await target.get(POD_DISRUPTION_BUDGETS, name)
            return found if status_of(found).get("currentHealthy") == 5 else None

        found = await target.until(is_counted)
        facts.append([counts(found), conditions(found)])
    return facts


async def what_every_namespace_has_comes_back(target: Target) -> Any:
    async def is_there() -> bool:
        return not await target.is_gone(SERVICE_ACCOUNTS, "default") and not await target.is_gone(
            CONFIG_MAPS, "kube-root-ca.crt"
        )

    await target.until(is_there)
    await target.client.delete(SERVICE_ACCOUNTS, target.namespace, "default")
    await target.client.delete(CONFIG_MAPS, target.namespace, "kube-root-ca.crt")
    await target.until(is_there)
    root = await target.get(CONFIG_MAPS, "kube-root-ca.crt")
    return [sorted(root["data"]), [name_of(one) for one in await target.all(SERVICE_ACCOUNTS)]]


async def the_last_owner_takes_a_dependent_along(target: Target) -> Any:
    def reference(owner: Obj, **more: Any) -> Obj:
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": name_of(owner), "uid": metadata(owner)["uid"], **more}

    one = await target.create(CONFIG_MAPS, {"metadata": {"name": "one"}})
    two = await target.create(CONFIG_MAPS, {"metadata": {"name": "two"}})
    references = [reference(one, blockOwnerDeletion=True), reference(two)]
    await target.create(CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": references}})
    stranger = {**reference(one), "uid": "00000000-0000-0000-0000-000000000000"}
    await target.create(CONFIG_MAPS, {"metadata": {"name": "lost", "ownerReferences": [stranger]}})
    await target.until(lambda: target.is_gone(CONFIG_MAPS, "lost"))
    await target.client.delete(CONFIG_MAPS, target.namespace, "one", propagation="Foreground")
    await target.until(lambda: target.is_gone(CONFIG_MAPS, "one"))

    async def has_one_owner() -> bool:
        return len(owners(await target.get(CONFIG_MAPS, "child"))) == 1

    await target.until(has_one_owner)
    kept = owners(await target.get(CONFIG_MAPS, "child"))
    await target.client.delete(CONFIG_MAPS, target.namespace, "two")
    await target.until(lambda: target.is_gone(CONFIG_MAPS, "child"))
    return kept


async def a_node_joins(target: Target) -> Any:
    name = f"{target.namespace}-node"
    made = await target.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    await target.client.delete(NODES, "", name)
    return [{"key": taint["key"], "effect": taint["effect"]} for taint in spec_of(made).get("taints") or []]


async def a_pod_gets_its_account(target: Target) -> Any:
    pod = {"metadata": {"name": "alone"}, "spec": {"containers": [{"name": "c", "image": "none"}], "nodeName": "nowhere"}}
    spec = spec_of(await target.create(PODS, pod))
    await target.client.delete(PODS, target.namespace, "alone", grace_seconds=0)
    mounts = [mount["mountPath"] for mount in spec["containers"][0].get("volumeMounts") or []]
    return [spec.get("serviceAccountName"), len(spec.get("volumes") or []), mounts]


async def a_token_is_reviewed(target: Target) -> Any:
    async def ask(path: str, spec: Obj) -> Obj:
        kind = "TokenReview" if path.endswith("reviews") else "TokenRequest"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": kind, "spec": spec}
        headers = {"content-type": "application/json"}
        reply = await target.client.raw("POST", path, headers=headers, body=json.dumps(body).encode())
        return status_of(json.loads(reply.body))

    account = f"/api/v1/namespaces/{target.namespace}/serviceaccounts/default/token"
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = (await ask(account, {"expirationSeconds": 600}))["token"]
    good = await ask(reviews, {"token": token})
    elsewhere = await ask(reviews, {"token": token, "audiences": ["elsewhere"]})
    forged = await ask(reviews, {"token": token[:-8] + "AAAAAAAA"})
    user = good["user"]
    facts = [good["authenticated"], good["audiences"], user["username"], sorted(user["groups"]), sorted(user["extra"])]
    return [facts, elsewhere.get("authenticated"), forged.get("authenticated"), bool(forged["error"])]


STORIES = [
    scaling_is_shared_out_in_the_middle_of_a_rollout,
    pods_are_adopted_and_let_go,
    a_deployment_adopts_a_set,
    a_job_is_suspended_and_resumed,
    a_job_takes_too_long,
    a_partition_holds_ordinals_back,
    a_service_with_named_ports,
    a_pod_that_fits_nowhere,
    a_budget_in_percent,
    what_every_namespace_has_comes_back,
    the_last_owner_takes_a_dependent_along,
    a_node_joins,
    a_pod_gets_its_account,
    a_token_is_reviewed,
]
