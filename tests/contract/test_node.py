"""The node agent plays kubelet for a real control plane: its scheduler binds, its controllers believe what the node reports."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from shipway.api.kinds import DEPLOYMENTS, ENDPOINT_SLICES, JOBS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, SERVICES
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.views import condition_of, dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node, Tuning
from shipway.localcluster.node.pid_files import started_at
from shipway.localcluster.node.probes import Probe, knock
from tests.contract.pod_cases import CASES

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

CLOCK = SystemClock()


@asynccontextmanager
async def real_node(plane, home, namespace):
    """A client and a node of a real cluster, with a namespace of its own."""
    client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig)))
    name = f"node-{namespace}"
    try:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        addresses = AddressBook()
        tuning = Tuning(backoff_scale=0.1)
        async with Node(client, name=name, home=home, clock=CLOCK, addresses=addresses, tuning=tuning) as node:
            await wait_until(client, One(NODES, "", name), is_schedulable)
            yield client, node, addresses
            await client.delete(NODES, "", name)
    finally:
        await client.transport.close()


def is_schedulable(node):
    return dig(condition_of(node, "Ready"), "status") == "True" and not dig(node, "spec", "taints")


def workload(kind, namespace, name, containers, **spec):
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": f"node-{namespace}"},
            "terminationGracePeriodSeconds": 3,
            "containers": containers,
            **spec.pop("pod", {}),
        },
    }
    selector = {"selector": {"matchLabels": labels}} if kind == "Deployment" else {}
    return {
        "apiVersion": "apps/v1" if kind == "Deployment" else "batch/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template, **selector, **spec},
    }


async def test_a_deployment_of_processes_and_of_simulations_becomes_available(real_control_plane, tmp_path):
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    echo = {
        "name": "web",
        "image": "builtin/echo:v2",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
    }
    async with real_node(real_control_plane, tmp_path, "node-serves") as (client, _, addresses):
        await client.create(DEPLOYMENTS, workload("Deployment", "node-serves", "real", [echo], replicas=2))
        nginx = [{"name": "web", "image": "nginx:1.27"}]
        await client.create(DEPLOYMENTS, workload("Deployment", "node-serves", "pretended", nginx, replicas=20))
        for name, count in (("real", 2), ("pretended", 20)):
            is_up = lambda obj, count=count: dig(obj, "status", "availableReplicas") == count  # noqa: E731
            await wait_until(client, One(DEPLOYMENTS, "node-serves", name), is_up)
        pods = (await client.list(PODS, "node-serves", label_selector="app=real")).items
        pids = [int(pod["status"]["containerStatuses"][0]["containerID"].removeprefix("process://")) for pod in pods]
        for pod in pods:
            where = addresses.resolve(pod["status"]["podIP"], 8080)
            assert (await knock(Probe("http", path="/version"), where))[0]
        await client.delete(NAMESPACES, "", "node-serves")
        await wait_until(client, One(NAMESPACES, "", "node-serves"), lambda obj: obj is None)
        assert [started_at(pid) for pid in pids] == [None, None]


async def test_what_becomes_of_a_pod(real_control_plane, tmp_path):
    """The cases of the embedded cluster, all at once."""
    namespace = "node-cases"
    async with real_node(real_control_plane, tmp_path, namespace) as (client, _, _):
        await wait_until(client, One(SERVICE_ACCOUNTS, namespace, "default"), bool)
        async with asyncio.TaskGroup() as tasks:
            for number, case in enumerate(CASES):
                tasks.create_task(case.play(client, namespace, f"node-{namespace}", f"web-{number}"), name=case.why)
        await client.delete(NAMESPACES, "", namespace)
        await wait_until(client, One(NAMESPACES, "", namespace), lambda obj: obj is None, seconds=90)


async def test_jobs_succeed_and_fail(real_control_plane, tmp_path):
    def task(command):
        return [{"name": "task", "image": "busybox", "command": ["sh", "-c", command]}]

    async with real_node(real_control_plane, tmp_path, "node-jobs") as (client, _, _):
        once = {"pod": {"restartPolicy": "Never"}, "backoffLimit": 0}
        await client.create(JOBS, workload("Job", "node-jobs", "good", task("sleep 0.2"), **once))
        await client.create(
            JOBS, workload("Job", "node-jobs", "bad", task("exit 3"), **{**once, "pod": {"restartPolicy": "Never"}})
        )
        for name, condition in (("good", "Complete"), ("bad", "Failed")):
            is_over = lambda obj, kind=condition: dig(condition_of(obj, kind), "status") == "True"  # noqa: E731
            await wait_until(client, One(JOBS, "node-jobs", name), is_over)
        await client.delete(NAMESPACES, "", "node-jobs")


async def test_endpoint_slices_follow_readiness(real_control_plane, tmp_path):
    echo = {"name": "web", "image": "builtin/echo:v1", "ports": [{"name": "http", "containerPort": 8080}]}
    async with real_node(real_control_plane, tmp_path, "node-slices") as (client, _, _):
        await client.create(DEPLOYMENTS, workload("Deployment", "node-slices", "web", [echo], replicas=1))
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "node-slices"}}
        await client.create(
            SERVICES, service | {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}
        )
        async with asyncio.timeout(60):
            while not [ip for ip in await ready_addresses(client) if ip.startswith("10.244.")]:
                await CLOCK.sleep(0.05)
        await client.delete(NAMESPACES, "", "node-slices")


async def ready_addresses(client):
    slices = (await client.list(ENDPOINT_SLICES, "node-slices")).items
    return [ip for s in slices for e in s.get("endpoints") or () if e["conditions"]["ready"] for ip in e["addresses"]]
