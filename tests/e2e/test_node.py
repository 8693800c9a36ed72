"""The node against the embedded API server: pods run, are reported, restart, and end; and nothing is left behind."""

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager

import pytest

from shipway.api.kinds import CONFIG_MAPS, EVENTS, LEASES, NODES, PODS
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.views import condition_of, dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node, Tuning
from shipway.localcluster.node.pid_files import started_at
from shipway.localcluster.node.probes import Probe, knock
from tests.contract.pod_cases import CASES, is_ready, pod, state, told, waiting_reason
from tests.waiting import eventually

CLOCK = SystemClock()
FAST = Tuning(renew_seconds=0.05, backoff_scale=0.01)


@pytest.fixture
async def cluster(tmp_path):
    """A client of an empty cluster, and a way to run a node in it."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    client = Client(server)

    @asynccontextmanager
    async def run_node(mode=None, tuning=FAST):
        addresses = AddressBook(mode)
        async with Node(client, name="local", home=tmp_path, clock=CLOCK, addresses=addresses, tuning=tuning) as node:
            server.attach_logs(node.logs)
            yield node, addresses

    yield client, run_node
    await server.close()


async def pod_that(client, is_so, name="web", seconds=60.0):
    return await wait_until(client, One(PODS, "default", name), lambda obj: obj is not None and is_so(obj), seconds=seconds)


def pid_of(obj):
    return int(obj["status"]["containerStatuses"][0]["containerID"].removeprefix("process://"))


async def reasons(client):
    return {event["reason"] for event in (await client.list(EVENTS)).items}


async def test_a_node_registers_and_stays_alive(cluster):
    client, run_node = cluster
    async with run_node():
        node = await client.get(NODES, "", "local")
        assert condition_of(node, "Ready")["status"] == "True"
        assert {"type": "InternalIP", "address": "127.0.0.1"} in node["status"]["addresses"]
        lease = await client.get(LEASES, "kube-node-lease", "local")
        assert lease["spec"]["holderIdentity"] == "local"
        before = lease["spec"]["renewTime"]
        await wait_until(client, One(LEASES, "kube-node-lease", "local"), lambda obj: obj["spec"]["renewTime"] > before)


@pytest.mark.parametrize("mode", ["loopback", "ports"])
async def test_a_real_process_serves_is_ready_and_goes(cluster, mode):
    client, run_node = cluster
    async with run_node(mode) as (_, addresses):
        await client.create(
            PODS, pod(container={"readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}})
        )
        found = await pod_that(client, is_ready)
        pid, ip = pid_of(found), found["status"]["podIP"]
        assert ip.startswith("10.244.")
        assert found["metadata"]["annotations"]["shipway.dev/runtime"] == "process"
        where = addresses.resolve(ip, 8080)
        assert (where[0] == "127.0.0.1") is (mode == "ports")
        assert (await knock(Probe("http", path="/version"), where))[0]
        await client.delete(PODS, "default", "web")
        await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        assert started_at(pid) is None
        await eventually(lambda: mode == "loopback" or addresses.resolve(ip, 8080) is None)


async def test_what_is_not_on_the_list_is_simulated_and_says_so(cluster):
    client, run_node = cluster
    async with run_node():
        await client.create(PODS, pod(image="nginx:1.27"))
        found = await pod_that(client, is_ready)
        assert found["status"]["containerStatuses"][0]["imageID"] == "simulated://nginx:1.27"
        assert found["metadata"]["annotations"]["shipway.dev/runtime"] == "simulated"
        log = b"".join([chunk async for chunk in client.logs("default", "web")])
        assert b"nginx:1.27 is simulated" in log
        await client.delete(PODS, "default", "web")
        await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        await told(client, "Simulated", "Killing")


async def test_logs_of_a_real_process(cluster):
    client, run_node = cluster
    async with run_node():
        await client.create(PODS, pod())
        await pod_that(client, is_ready)
        async for chunk in client.logs("default", "web", follow=True):
            assert b"echo v1 serving on http://127." in chunk
            break


@pytest.mark.parametrize("case", CASES, ids=[case.why for case in CASES])
async def test_what_becomes_of_a_pod(cluster, case):
    client, run_node = cluster
    async with run_node():
        await case.play(client, "default", "local")


async def test_a_missing_config_map_holds_back_until_it_is_there(cluster):
    client, run_node = cluster
    env = [{"name": "ERROR_PER_TEN", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "errors"}}}]
    async with run_node() as (_, addresses):
        await client.create(PODS, pod(container={"env": env}))
        found = await pod_that(client, lambda obj: waiting_reason(obj) == "CreateContainerConfigError")
        assert state(found)["waiting"]["message"].startswith('configmap "settings" not found')
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}}
        await client.create(CONFIG_MAPS, settings | {"data": {"errors": "10"}})
        found = await pod_that(client, is_ready)
        assert not (await knock(Probe("http"), addresses.resolve(found["status"]["podIP"], 8080)))[0]


async def test_a_readiness_gate_is_honoured(cluster):
    client, run_node = cluster
    async with run_node():
        await client.create(PODS, pod(image="nginx", readinessGates=[{"conditionType": "example.com/gate"}]))
        found = await pod_that(client, lambda obj: dig(condition_of(obj, "ContainersReady"), "status") == "True")
        assert not is_ready(found)
        gate = {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}
        await client.patch(PODS, "default", "web", gate, type="strategic", subresource="status")
        found = await pod_that(client, is_ready)
        assert condition_of(found, "example.com/gate")["status"] == "True"


async def test_a_changed_image_restarts_the_container(cluster):
    client, run_node = cluster
    async with run_node():
        await client.create(PODS, pod())
        first = pid_of(await pod_that(client, is_ready))
        patch = {"spec": {"containers": [{"name": "web", "image": "builtin/echo:v2"}]}}
        await client.patch(PODS, "default", "web", patch, type="strategic")
        await pod_that(client, lambda obj: is_ready(obj) and pid_of(obj) != first)


async def test_a_forced_removal_kills_at_once(cluster):
    client, run_node = cluster
    async with run_node() as (_node, _):
        await client.create(PODS, pod(container={"env": [{"name": "DRAIN_MS", "value": "60000"}]}))
        pid = pid_of(await pod_that(client, is_ready))
        await client.delete(PODS, "default", "web", grace_seconds=0)
        await eventually(lambda: started_at(pid) is None)


async def test_a_node_that_stops_leaves_nothing_and_one_that_starts_takes_over(cluster):
    client, run_node = cluster
    async with run_node():
        await client.create(PODS, pod("real"))
        await client.create(PODS, pod("pretended", "nginx"))
        real = await pod_that(client, is_ready, "real")
        pretended = await pod_that(client, is_ready, "pretended")
    assert started_at(pid_of(real)) is None
    async with run_node():
        again = await pod_that(client, lambda obj: is_ready(obj) and pid_of(obj) != pid_of(real), "real")
        status = again["status"]["containerStatuses"][0]
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        still = await client.get(PODS, "default", "pretended")
        assert still["status"]["containerStatuses"] == pretended["status"]["containerStatuses"]
        assert again["status"]["podIP"] == real["status"]["podIP"]
        await client.delete(PODS, "default", "pretended")
        await wait_until(client, One(PODS, "default", "pretended"), lambda obj: obj is None)


async def test_a_hundred_pods_are_ready_soon(cluster):
    client, run_node = cluster
    async with run_node():
        begun = time.process_time()
        for number in range(100):
            await client.create(PODS, pod(f"p{number}", "nginx"))
        for number in range(100):
            await pod_that(client, is_ready, f"p{number}")
        assert time.process_time() - begun < 10, "of this process, which is the node and the API server"


# A shell that runs the tests in the background has SIGINT ignored, and so would this process.
WHOLE_CLUSTER = """
import asyncio, signal, sys
from pathlib import Path
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node, Tuning

async def main(home, mode, orphan_seconds):
    clock = SystemClock()
    server = await ApiServer.open(path=home / "state.db", clock=clock, ids=RandomIds())
    tuning = Tuning(orphan_seconds=float(orphan_seconds))
    async with Node(Client(server), name="local", home=home, clock=clock, addresses=AddressBook(mode), tuning=tuning):
        print("up", flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@asynccontextmanager
async def api(home):
    """The state of a cluster whose process is gone."""
    server = await ApiServer.open(path=home / "state.db", clock=CLOCK, ids=RandomIds())
    try:
        yield Client(server), server
    finally:
        await server.close()


async def end_cluster(home, number, *, mode="loopback", orphan_seconds=60.0):
    """Runs a cluster until its pod is ready, ends it with a signal, and returns the pid of the pod's process."""
    async with api(home) as (client, _):
        await client.create(PODS, pod())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WHOLE_CLUSTER, home, mode, str(orphan_seconds), stdout=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.wait_for(process.stdout.readline(), 60)
        await eventually(lambda: b'"ready":true' in (home / "state.db-wal").read_bytes(), within=60)
        (file,) = (home / "node" / "local" / "pids").glob("*.pid")
        pid = json.loads(file.read_text())["pid"]
        assert started_at(pid) is not None
    finally:
        process.send_signal(number)
        await process.wait()
    return pid


async def test_a_cluster_that_is_stopped_leaves_no_process_and_comes_back(tmp_path):
    pid = await end_cluster(tmp_path, signal.SIGINT)
    assert started_at(pid) is None
    async with (
        api(tmp_path) as (client, _),
        Node(client, name="local", home=tmp_path, clock=CLOCK, addresses=AddressBook(), tuning=FAST),
    ):
        assert pid_of(await pod_that(client, lambda obj: is_ready(obj) and pid_of(obj) != pid)) is not None


async def test_a_process_whose_node_does_not_come_back_ends(tmp_path):
    pid = await end_cluster(tmp_path, signal.SIGKILL, orphan_seconds=0.3)
    await eventually(lambda: started_at(pid) is None)


@pytest.mark.parametrize("mode", ["loopback", "ports"])
@pytest.mark.proves("node:adopts-after-crash")
async def test_a_node_that_was_killed_takes_its_processes_over_again(tmp_path, mode):
    pid = await end_cluster(tmp_path, signal.SIGKILL, mode=mode)
    async with api(tmp_path) as (client, server):
        before = await client.get(PODS, "default", "web")
        where = dig(before, "metadata", "annotations", "shipway.dev/listens-at").removeprefix("http://").split(":")
        address = (where[0], int(where[1]))
        assert (await knock(Probe("http"), address))[0], "it serves while there is no node"
        async with Node(client, name="local", home=tmp_path, clock=CLOCK, addresses=AddressBook(mode), tuning=FAST) as node:
            server.attach_logs(node.logs)
            async with asyncio.timeout(60):
                while "Adopted" not in await reasons(client):
                    assert (await knock(Probe("http"), address))[0]
            after = await client.get(PODS, "default", "web")
            assert after["status"] == before["status"], "nothing has happened to the pod"
            assert (await knock(Probe("http"), address))[0]
            await client.delete(PODS, "default", "web")
            async for _ in client.logs("default", "web", follow=True):
                pass
            await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        assert started_at(pid) is None


async def test_a_process_whose_pod_went_away_meanwhile_is_ended(tmp_path):
    pid = await end_cluster(tmp_path, signal.SIGKILL)
    async with api(tmp_path) as (client, _):
        await client.delete(PODS, "default", "web", grace_seconds=0)
        assert started_at(pid) is not None
        async with Node(client, name="local", home=tmp_path, clock=CLOCK, addresses=AddressBook(), tuning=FAST):
            assert started_at(pid) is None
            assert list((tmp_path / "node/local/pids").glob("*.pid")) == []


def shell(script):
    return {"exec": {"command": ["sh", "-c", script]}}


async def test_volumes_are_files_below_the_directory_of_a_process(cluster, tmp_path):
    client, run_node = cluster
    mounts = [{"name": "config", "mountPath": "/etc/app"}, {"name": "scratch", "mountPath": "/var/scratch"}]
    hook = {"postStart": shell("cat etc/app/greeting > var/scratch/copy; echo $VOL_CONFIG > var/scratch/place")}
    web = pod(container={"volumeMounts": mounts, "lifecycle": hook})
    web["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "app"}}, {"name": "scratch", "emptyDir": {}}]
    async with run_node():
        await client.create(PODS, web)
        found = await pod_that(client, lambda obj: waiting_reason(obj) == "ContainerCreating")
        await told(client, "FailedMount")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"greeting": "hi"}}
        await client.create(CONFIG_MAPS, {**config, "metadata": {"name": "app", "namespace": "default"}})
        await pod_that(client, is_ready)
        root = tmp_path / "node" / "local" / "run" / found["metadata"]["uid"]
        assert (root / "var/scratch/copy").read_text() == "hi"
        assert (root / "var/scratch/place").read_text().strip() == str(root / "etc/app")
        await client.delete(PODS, "default", "web")
        await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        await eventually(lambda: not root.exists())


async def test_a_pod_is_not_ready_before_its_hook_has_run_and_not_gone_before_the_other(cluster, tmp_path):
    client, run_node = cluster
    gate, bye = tmp_path / "gate", tmp_path / "bye"
    lifecycle = {"postStart": shell(f"until [ -e {gate} ]; do sleep 0.02; done"), "preStop": shell(f"echo bye > {bye}")}
    async with run_node():
        await client.create(PODS, pod(container={"lifecycle": lifecycle}))
        found = await pod_that(client, lambda obj: "running" in state(obj))
        assert not is_ready(found)
        gate.touch()
        await pod_that(client, is_ready)
        assert not bye.exists()
        await client.delete(PODS, "default", "web")
        await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        assert bye.read_text() == "bye\n"


async def test_hooks_that_fail_are_told_and_a_start_that_fails_is_made_again(cluster):
    client, run_node = cluster
    lifecycle = {"postStart": shell("exit 3"), "preStop": {"httpGet": {"path": "/", "port": 1}}}
    async with run_node():
        await client.create(PODS, pod(container={"lifecycle": lifecycle}))
        found = await pod_that(client, lambda obj: obj["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) >= 1)
        assert not is_ready(found)
        said = await told(client, "FailedPostStartHook", "FailedPreStopHook")
        assert said["FailedPostStartHook"] == "PostStartHook of container web failed: command exited with 3"
        assert said["FailedPreStopHook"].startswith("PreStopHook of container web failed: 1")
