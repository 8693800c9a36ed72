"""The built-in controllers do what Kubernetes' own do: each story is played on both, and the facts it leaves must be equal.

On the real control plane kube-controller-manager and kube-scheduler work; here ours do. Pods are let run by the same rules on
both. Facts leave out what may differ: uids, times, versions, generated suffixes, addresses.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from shipway.base.clock import SystemClock, rfc3339
from shipway.base.errors import NotFound, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig, labels_of, metadata, name_of, spec_of, status_of
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from shipway.localcluster.controllers.kinds import DAEMON_SETS, POD_DISRUPTION_BUDGETS, STATEFUL_SETS
from tests.kube.control_plane import ControlPlane
from tests.sim.cluster_world import NodeRules

pytestmark = pytest.mark.timeout(180)

CLOCK = SystemClock()
NODE = "contract-node"
SELECTS_NODE = {"contract": "yes"}


class Target:
    """One of the two, with a namespace of its own."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, resource: Resource, obj: Obj) -> Obj:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        return await self.client.create(resource, {**body, "metadata": {"namespace": self.namespace, **obj["metadata"]}})

    async def get(self, resource: Resource, name: str) -> Obj:
        return await self.client.get(resource, self.namespace, name)

    async def all(self, resource: Resource, selector: str = "") -> list[Obj]:
        return sorted((await self.client.list(resource, self.namespace, label_selector=selector)).items, key=name_of)

    async def patch(self, resource: Resource, name: str, body: Any, **how: Any) -> None:
        await self.client.patch(resource, self.namespace, name, body, **how)

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
        deadline = CLOCK.now() + seconds
        while CLOCK.now() < deadline:
            if found := await condition():
                return found
            await CLOCK.sleep(0.1)
        raise AssertionError("never came true")

    async def is_gone(self, resource: Resource, name: str, namespace: str | None = None) -> bool:
        try:
            await self.client.get(resource, self.namespace if namespace is None else namespace, name)
        except NotFound:
            return True
        return False

    async def events(self, kind: str) -> list[tuple[str, ...]]:
        """(type, reason, message) of the events about objects of a kind, told once each."""
        found = [e for e in await self.all(EVENTS) if e["involvedObject"]["kind"] == kind]
        return sorted({(e["type"], e["reason"], masked(e["message"])) for e in found})

    async def rolled_out(self, name: str = "web") -> Obj:
        async def done() -> Obj | None:
            d = await self.get(DEPLOYMENTS, name)
            s, wanted = status_of(d), spec_of(d)["replicas"]
            same = s.get("observedGeneration") == metadata(d)["generation"]
            counts = (s.get("replicas"), s.get("updatedReplicas"), s.get("availableReplicas"))
            progress = next((c for c in s.get("conditions") or () if c["type"] == "Progressing"), {})
            return d if same and counts == (wanted,) * 3 and progress.get("reason") == "NewReplicaSetAvailable" else None

        return await self.until(done)


@asynccontextmanager
async def playing(client: Client, namespace: str, controllers: list[Any], resolvers: Any) -> AsyncGenerator[Target, None]:
    """A node and a namespace, and the controllers that run in this process."""
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": SELECTS_NODE}})
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "200"}
    now = rfc3339(CLOCK.now())
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now}
    status = {"allocatable": amounts, "capacity": amounts, "conditions": [{**ready, "lastTransitionTime": now}]}
    await client.patch(NODES, "", NODE, {"status": status}, subresource="status")
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    target = Target(client, namespace)
    async with asyncio.TaskGroup() as group:
        runtime = Runtime(client, [*controllers, NodeRules(NODE)], clock=CLOCK, resolvers=resolvers)
        running = group.create_task(runtime.run())

        async def is_ready() -> bool:
            taints = spec_of(await client.get(NODES, "", NODE)).get("taints")
            return not taints and not await target.is_gone(SERVICE_ACCOUNTS, "default")

        await target.until(is_ready)
        try:
            yield target
        finally:
            if not await target.is_gone(NAMESPACES, namespace, ""):
                await client.delete(NAMESPACES, "", namespace)
            await target.until(lambda: target.is_gone(NAMESPACES, namespace, ""))
            await client.delete(NODES, "", NODE)
            running.cancel()


async def compare(story: Callable[[Target], Awaitable[Any]], plane: ControlPlane) -> None:
    """Plays the story on both and holds the facts against each other."""
    namespace = "contract-" + re.sub(r"[^a-z]+", "-", story.__name__)
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    ours = Client(server, user_agent="test")
    async with playing(ours, namespace, built_in_controllers(ca_certificate="CA"), built_in_resolvers(ours)) as target:
        embedded = await story(target)
    await server.close()
    theirs = Client(HttpTransport(load_kubeconfig(Path(plane.kubeconfig))), user_agent="test")
    try:
        async with playing(theirs, namespace, [], {}) as target:
            real = await story(target)
    finally:
        await theirs.close()
    found = list(differences(embedded, real))
    assert not found, "\n" + "\n".join(found)


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """`path: ours X, theirs Y` for every leaf that is not the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}, key=str):
            yield from differences(ours.get(key), theirs.get(key), f"{path}/{key}")
    elif isinstance(ours, list | tuple) and isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}/{place}")
    elif ours != theirs:
        yield f"{path}: ours {ours!r}, theirs {theirs!r}"


def masked(text: str) -> str:
    """Without hashes, suffixes and addresses."""
    text = re.sub(r"\b(web|work|db)-[a-z0-9]{8,10}\b", r"\1-HASH", text)
    return re.sub(r"\b(web-HASH|web|work|db)(-[0-9])?-[a-z0-9]{5}\b", r"\1\2-SUFFIX", text)


def conditions(obj: Obj) -> list[tuple[str, ...]]:
    found = status_of(obj).get("conditions") or []
    return sorted((c["type"], c["status"], c.get("reason", ""), masked(c.get("message", ""))) for c in found)


def counts(obj: Obj) -> Obj:
    return {key: value for key, value in status_of(obj).items() if isinstance(value, int)}


def owners(obj: Obj) -> list[Obj]:
    references = metadata(obj).get("ownerReferences") or []
    return [{**{k: v for k, v in ref.items() if k != "uid"}, "name": masked(ref["name"])} for ref in references]


def template(image: str, restart: str = "Always") -> Obj:
    container = {"name": "c", "image": image}
    spec = {"containers": [container], "nodeSelector": SELECTS_NODE, "restartPolicy": restart}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {**spec, "terminationGracePeriodSeconds": 1}}


def workload(name: str, image: str = "slow:0", **spec: Any) -> Obj:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": name}, "spec": {"selector": selector, "template": template(image), **spec}}


def new_image(image: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


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
    facts.append([e for e in await target.events("ReplicaSet") if e[1] == "SuccessfulCreate"])
    return facts


async def a_deployment_is_recreated_paused_and_resumed(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", replicas=2, strategy={"type": "Recreate"}))
    await target.rolled_out()
    first = await target.events("Deployment")
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
    return [first, paused, await deployment_facts(target), await target.events("Deployment")]


async def a_deployment_gets_stuck(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", "never", replicas=2, progressDeadlineSeconds=3))

    async def is_stuck() -> bool:
        return "ProgressDeadlineExceeded" in [c[2] for c in conditions(await target.get(DEPLOYMENTS, "web"))]

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
    return [status, times, conditions(job), sorted(pods, key=str), await target.events("Job")]


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
    return [first, second, await note(), await target.events("StatefulSet")]


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
    return [first, await note(), await target.events("DaemonSet")]


async def a_budget_is_kept(target: Target) -> Any:
    await target.create(DEPLOYMENTS, workload("web", "slow:4", replicas=3))
    await target.rolled_out()
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
    there = sorted(name_of(one) for one in await target.all(CONFIG_MAPS))
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


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_the_same_on_both(story: Callable[[Target], Awaitable[Any]], real_control_plane: ControlPlane) -> None:
    await compare(story, real_control_plane)
