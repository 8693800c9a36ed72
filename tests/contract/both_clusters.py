"""Two stages for stories: each is played on both, and the facts that it leaves must be equal.

On the real control plane kube-controller-manager and kube-scheduler work; here ours do. Pods are let run by the same rules on
both. Facts leave out what may differ: uids, times, versions, generated suffixes, addresses.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from shipway.api.kinds import DEPLOYMENTS, EVENTS, NAMESPACES, NODES, SERVICE_ACCOUNTS
from shipway.base.clock import SystemClock, rfc3339
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import metadata, name_of, spec_of, status_of
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from tests.kube.control_plane import ControlPlane
from tests.sim.cluster_world import NodeRules

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

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = 120.0) -> Any:
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

    async def is_observed(self, resource: Resource, name: str) -> bool:
        """Whether its controller has heard of what the object is now, and so of all that was written to it before."""
        found = await self.get(resource, name)
        return status_of(found).get("observedGeneration") == metadata(found)["generation"]

    async def events(self, kind: str, number: int) -> list[tuple[str, ...]]:
        """(type, reason, message) of the events about objects of a kind, told once each, as soon as there are `number`
        different ones: events come after the state that they tell of."""

        async def told() -> list[tuple[str, ...]]:
            found = [e for e in await self.all(EVENTS) if e["involvedObject"]["kind"] == kind]
            listed = sorted({(e["type"], e["reason"], masked(e["message"])) for e in found})
            return listed if len(listed) >= number else []

        return await self.until(told)

    async def rolled_out(self, name: str = "web") -> Obj:
        async def done() -> Obj | None:
            d = await self.get(DEPLOYMENTS, name)
            s, wanted = status_of(d), spec_of(d)["replicas"]
            same = s.get("observedGeneration") == metadata(d)["generation"]
            counts = (s.get("replicas"), s.get("updatedReplicas"), s.get("availableReplicas"))
            progress = next((c for c in s.get("conditions") or () if c["type"] == "Progressing"), {})
            settled = same and counts == (wanted,) * 3 and not s.get("terminatingReplicas")
            return d if settled and progress.get("reason") == "NewReplicaSetAvailable" else None

        return await self.until(done)


Story = Callable[[Target], Awaitable[Any]]


@asynccontextmanager
async def stage(client: Client, controllers: list[Any], resolvers: Any) -> AsyncGenerator[None, None]:
    """A node, and the controllers that run in this process."""
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": SELECTS_NODE}})
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "200"}
    now = rfc3339(CLOCK.now())
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now}
    status = {"allocatable": amounts, "capacity": amounts, "conditions": [{**ready, "lastTransitionTime": now}]}
    await client.patch(NODES, "", NODE, {"status": status}, subresource="status")
    async with asyncio.TaskGroup() as group:
        runtime = Runtime(client, [*controllers, NodeRules(NODE)], clock=CLOCK, resolvers=resolvers)
        running = group.create_task(runtime.run())
        try:
            yield
        finally:
            running.cancel()


async def play(story: Story, client: Client) -> Any:
    """The facts that a story leaves, in a namespace of its own."""
    namespace = "contract-" + re.sub(r"[^a-z]+", "-", story.__name__)
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    target = Target(client, namespace)

    async def is_ready() -> bool:
        taints = spec_of(await client.get(NODES, "", NODE)).get("taints")
        return not taints and not await target.is_gone(SERVICE_ACCOUNTS, "default")

    await target.until(is_ready)
    try:
        return await story(target)
    finally:
        # What is left in it goes by itself; waiting for it would double the time of every story.
        if not await target.is_gone(NAMESPACES, namespace, ""):
            await client.delete(NAMESPACES, "", namespace)


@asynccontextmanager
async def embedded_stage() -> AsyncGenerator[Client, None]:
    """Of a new embedded cluster, where our controllers work."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    client = Client(server, user_agent="test")
    async with stage(client, built_in_controllers(ca_certificate="CA"), built_in_resolvers(client)):
        yield client
    await server.close()


@asynccontextmanager
async def real_stage(plane: ControlPlane) -> AsyncGenerator[Client, None]:
    """Of a real one, where Kubernetes' own do."""
    client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig)), user_agent="test")
    try:
        async with stage(client, [], {}):
            yield client
    finally:
        await client.close()


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
