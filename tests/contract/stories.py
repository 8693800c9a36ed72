"""The built-in controllers do what Kubernetes' own do: rollouts, jobs, sets, endpoints, budgets, cascades, namespaces."""

from typing import Any

import pytest

from shipway.api.kinds import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
)
from shipway.base.errors import Unavailable
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, metadata, name_of, spec_of, status_of
from shipway.localcluster.controllers.kinds import POD_DISRUPTION_BUDGETS
from tests.contract.both_clusters import (
    CLOCK,
    Target,
    conditions,
    counts,
    masked,
    new_image,
    owners,
    template,
    workload,
)


async def deployment_facts(target: Target) -> Obj:
    d = await target.get(DEPLOYMENTS, "web")
    sets = await target.all(REPLICA_SETS)
    pods = await target.all(PODS)
    return {
        "counts": counts(d),
        "conditions": conditions(d),
        "annotations": annotations_of(d),
        "sets": [
            {
                "name": name_of(rs) == f"web-{labels_of(rs)['pod-template-hash']}",
                "annotations": annotations_of(rs),
                "owners": owners(rs),
                "labels": sorted(labels_of(rs)),
                "selector": sorted(spec_of(rs)["selector"]["matchLabels"]),
                "replicas": spec_of(rs)["replicas"],
                "counts": {key: value for key, value in counts(rs).items() if key != "observedGeneration"},
            }
            for rs in sorted(sets, key=lambda rs: annotations_of(rs)["deployment.kubernetes.io/revision"])
        ],
        "pods": sorted(
            [
                {
                    "name": masked(name_of(pod)),
                    "generateName": masked(metadata(pod)["generateName"] + "xxxxx"),
                    "owners": owners(pod),
                    "labels": sorted(labels_of(pod)),
                    "node": spec_of(pod)["nodeName"],
                }
                for pod in pods
            ],
            key=str,
        ),
    }


async def a_deployment_is_rolled_out_and_back(target: Target) -> Any:
    facts = []
    made = workload("web", replicas=4)
    made["metadata"]["annotations"] = {"team": "shop"}
    await target.create(DEPLOYMENTS, made)
    await target.rolled_out()
    facts.append(await deployment_facts(target))
    await target.patch(DEPLOYMENTS, "web", new_image("slow:1"), type="strategic")
    await target.rolled_out()
    facts.append(await deployment_facts(target))
    await target.patch(DEPLOYMENTS, "web", new_image("slow:0"), type="strategic")
    await target.rolled_out()
    facts.append(await deployment_facts(target))
    await target.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}})
    await target.rolled_out()
    facts.append(await deployment_facts(target))
    facts.append([e for e in await target.events("ReplicaSet", 2) if e[1] == "SuccessfulCreate"])
    return facts


async def a_deployment_is_recreated_paused_and_resumed(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", replicas=2, strategy={"type": "Recreate"}))
    await target.rolled_out()
    first = await target.events("Deployment", 1)
    await target.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    await target.patch(DEPLOYMENTS, "web", new_image("slow:1"), type="strategic")

    async def is_paused() -> bool:
        d = await target.get(DEPLOYMENTS, "web")
        reasons = [c[2] for c in conditions(d)]
        return "DeploymentPaused" in reasons and status_of(d)["observedGeneration"] == metadata(d)["generation"]

    await target.until(is_paused)
    paused = await deployment_facts(target)
    await target.patch(DEPLOYMENTS, "web", {"spec": {"paused": None}})
    await target.rolled_out()
    return [first, paused, await deployment_facts(target), await target.events("Deployment", 2)]


async def a_deployment_gets_stuck(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", "never", replicas=2, progressDeadlineSeconds=3))

    async def is_stuck() -> bool:
        """Told so of all its pods, which the scheduler has bound."""
        d = await target.get(DEPLOYMENTS, "web")
        told = "ProgressDeadlineExceeded" in [c[2] for c in conditions(d)] and status_of(d).get("updatedReplicas") == 2
        return told and all(spec_of(pod).get("nodeName") for pod in await target.all(PODS))

    await target.until(is_stuck)
    return await deployment_facts(target)


async def a_service_has_endpoints(target: Target) -> Any:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "grpc", "port": 90, "targetPort": "absent"}]
    made = {"metadata": {"name": "web", "labels": {"team": "shop"}}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    await target.create(SERVICES, made)
    facts = []

    async def slices() -> list[Obj]:
        return await target.all(ENDPOINT_SLICES, "kubernetes.io/service-name=web")

    async def endpoints_are(number: int) -> bool:
        found = [e for piece in await slices() for e in piece["endpoints"] or ()]
        return bool(await slices()) and len(found) == number and all(e["conditions"]["ready"] for e in found)

    async def note() -> None:
        (piece,) = await slices()
        parts = [{k: v for k, v in e.items() if k not in ("addresses", "targetRef")} for e in piece["endpoints"] or ()]
        target_kinds = [sorted(e["targetRef"]) for e in piece["endpoints"] or ()]
        labels = labels_of(piece)
        facts.append([masked(name_of(piece)), owners(piece), labels, piece["ports"], parts, target_kinds, piece["addressType"]])

    await target.until(lambda: endpoints_are(0))
    await note()
    await target.create(DEPLOYMENTS, workload("web", replicas=2))
    await target.rolled_out()
    await target.until(lambda: endpoints_are(2))
    await note()
    return facts


async def a_job_completes(target: Target) -> Any:
    spec = {"completions": 3, "parallelism": 2, "completionMode": "Indexed", "template": template("job:0", "Never")}
    await target.create(JOBS, {"metadata": {"name": "work"}, "spec": spec})
    return await job_facts(target, "Complete")


async def a_job_fails(target: Target) -> Any:
    spec = {"backoffLimit": 0, "template": template("crash:0", "Never")}
    await target.create(JOBS, {"metadata": {"name": "work"}, "spec": spec})
    return await job_facts(target, "Failed")


async def job_facts(target: Target, kind: str) -> Any:
    async def is_over() -> Obj | None:
        found = await target.get(JOBS, "work")
        return found if any(c[0] == kind for c in conditions(found)) else None

    job = await target.until(is_over)
    await target.until(lambda: pods_let_go(target))
    pods = [
        (masked(name_of(p)), owners(p), sorted(labels_of(p)), sorted(annotations_of(p)), dig(p, "spec", "hostname"))
        for p in await target.all(PODS)
    ]
    status = {**counts(job), "completedIndexes": status_of(job).get("completedIndexes")}
    times = sorted(key for key in status_of(job) if key.endswith("Time"))
    told = await target.events("Job", {"Complete": 4, "Failed": 2}[kind])
    return [status, times, conditions(job), sorted(pods, key=str), told]


async def pods_let_go(target: Target) -> bool:
    return not any(metadata(pod).get("finalizers") for pod in await target.all(PODS))


async def a_stateful_set_is_updated(target: Target) -> Any:
    await target.create(STATEFUL_SETS, workload("db", replicas=2, serviceName="db"))

    async def is_up() -> Obj | None:
        s = await target.get(STATEFUL_SETS, "db")
        found, status = spec_of(s)["replicas"], status_of(s)
        same = status.get("observedGeneration") == metadata(s)["generation"]
        is_current = status.get("currentRevision") == status.get("updateRevision")
        return s if same and is_current and status.get("availableReplicas") == found == status.get("updatedReplicas") else None

    async def note() -> Any:
        s = await target.until(is_up)
        pods = [
            {
                "name": name_of(p),
                "owners": owners(p),
                "labels": sorted(labels_of(p)),
                "host": (dig(p, "spec", "hostname"), dig(p, "spec", "subdomain")),
                "index": labels_of(p)["apps.kubernetes.io/pod-index"],
                "is_new": labels_of(p)["controller-revision-hash"] == status_of(s)["updateRevision"],
            }
            for p in await target.all(PODS)
        ]
        return [counts(s), masked(status_of(s)["currentRevision"]), pods]

    first = await note()
    await target.patch(STATEFUL_SETS, "db", new_image("slow:1"), type="strategic")
    second = await note()
    await target.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}})
    return [first, second, await note(), await target.events("StatefulSet", 4)]


async def a_daemon_runs(target: Target) -> Any:
    await target.create(DAEMON_SETS, workload("db"))

    async def is_up() -> Obj | None:
        found = await target.get(DAEMON_SETS, "db")
        status = status_of(found)
        same = status.get("observedGeneration") == metadata(found)["generation"]
        return found if same and status.get("numberAvailable") == 1 == status.get("updatedNumberScheduled") else None

    async def note() -> Any:
        found = await target.until(is_up)
        pods = [
            (masked(name_of(p)), owners(p), sorted(labels_of(p)), spec_of(p)["affinity"], spec_of(p)["tolerations"])
            for p in await target.all(PODS)
        ]
        return [counts(found), pods]

    first = await note()
    await target.patch(DAEMON_SETS, "db", new_image("slow:1"), type="strategic")
    return [first, await note(), await target.events("DaemonSet", 2)]


async def a_budget_is_kept(target: Target) -> Any:
    """The pod that takes the place of the evicted one never becomes ready, so the second eviction may come when it likes."""
    await target.create(REPLICA_SETS, workload("web", replicas=3))
    await target.until(lambda: all_available(target, 3))
    await target.patch(REPLICA_SETS, "web", new_image("never"), type="strategic")
    await target.until(lambda: target.is_observed(REPLICA_SETS, "web"))
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    await target.create(POD_DISRUPTION_BUDGETS, {"metadata": {"name": "web"}, "spec": spec})

    async def is_counted() -> Obj | None:
        found = await target.get(POD_DISRUPTION_BUDGETS, "web")
        return found if status_of(found).get("disruptionsAllowed") == 1 else None

    before = await target.until(is_counted)
    first, second, _ = await target.all(PODS)
    await target.client.evict(target.namespace, name_of(first))
    with pytest.raises(Unavailable) as refused:
        await target.client.evict(target.namespace, name_of(second))
    return [counts(before), conditions(before), refused.value.reason]


async def all_available(target: Target, number: int) -> bool:
    return status_of(await target.get(REPLICA_SETS, "web")).get("availableReplicas") == number


async def owners_take_dependents_along(target: Target) -> Any:
    facts = []
    for propagation in ("Background", "Foreground", "Orphan"):
        await target.create(DEPLOYMENTS, workload("web", replicas=2))
        await target.rolled_out()
        await target.client.delete(DEPLOYMENTS, target.namespace, "web", propagation=propagation)
        await target.until(lambda: target.is_gone(DEPLOYMENTS, "web"))
        if propagation != "Orphan":
            await target.until(lambda: none_left(target))
        sets, pods = await target.all(REPLICA_SETS), await target.all(PODS)
        facts.append([propagation, [owners(rs) for rs in sets], [owners(pod) for pod in pods]])
    return facts


async def none_left(target: Target) -> bool:
    return not await target.all(REPLICA_SETS) and not await target.all(PODS)


async def a_namespace_is_emptied(target: Target) -> Any:
    await target.create(CONFIG_MAPS, {"metadata": {"name": "held", "finalizers": ["example.test/hold"]}})
    await target.create(DEPLOYMENTS, workload("web", replicas=2))
    await target.rolled_out()

    async def is_furnished() -> list[str] | None:
        names = sorted(name_of(one) for one in await target.all(CONFIG_MAPS))
        return names if len(names) == 2 else None

    there = await target.until(is_furnished)
    await target.client.delete(NAMESPACES, "", target.namespace)

    async def is_held() -> Obj | None:
        found = await target.client.get(NAMESPACES, "", target.namespace)
        said = [c for c in conditions(found) if c[0] == "NamespaceFinalizersRemaining" and c[1] == "True"]
        return found if said and await none_left(target) and len(await target.all(CONFIG_MAPS)) == 1 else None

    held = await target.until(is_held)
    await CLOCK.sleep(0.5)
    held = await target.client.get(NAMESPACES, "", target.namespace)
    await target.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}})
    await target.until(lambda: target.is_gone(NAMESPACES, target.namespace, ""))
    return [there, status_of(held)["phase"], [c[:3] for c in conditions(held)]]


STORIES = [
    a_deployment_is_rolled_out_and_back,
    a_deployment_is_recreated_paused_and_resumed,
    a_deployment_gets_stuck,
    a_service_has_endpoints,
    a_job_completes,
    a_job_fails,
    a_stateful_set_is_updated,
    a_daemon_runs,
    a_budget_is_kept,
    owners_take_dependents_along,
    a_namespace_is_emptied,
]
