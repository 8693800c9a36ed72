"""The control plane that the other tests take for real answers plain kubectl, and leaves nothing behind."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.running import alive
from tests.kube.control_plane import READY_TIMEOUT, ControlPlane, needed_binary
from tests.waiting import eventually

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "control-plane-test"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "example.test/web:1"}]},
        },
    },
}


async def kubectl(program: str, plane: ControlPlane, *arguments: str, body: object = None) -> str:
    process = await asyncio.create_subprocess_exec(
        program, f"--kubeconfig={plane.kubeconfig}", *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(json.dumps(body).encode() if body else None), 90)
    assert process.returncode == 0, arguments
    return out.decode()


async def test_a_deployment_gets_its_replica_set(real_control_plane: ControlPlane, program: Callable[[str], str]) -> None:
    command = program("kubectl")
    await kubectl(command, real_control_plane, "create", "namespace", "control-plane-test")
    await kubectl(command, real_control_plane, "apply", "-f", "-", body=DEPLOYMENT)
    wait = ("wait", "-n", "control-plane-test", "deployment/web", "--timeout=60s")
    await kubectl(command, real_control_plane, *wait, "--for=jsonpath={.status.observedGeneration}=1")
    found = json.loads(await kubectl(command, real_control_plane, "get", "rs,pods", "-n", "control-plane-test", "-o", "json"))
    sets = [item for item in found["items"] if item["kind"] == "ReplicaSet"]
    assert [s["metadata"]["ownerReferences"][0]["name"] for s in sets] == ["web"]
    version = json.loads(await kubectl(command, real_control_plane, "version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == "v1.36.3"
    assert real_control_plane.ready_after < READY_TIMEOUT


async def test_a_killed_test_run_leaves_no_process(tmp_path: Path) -> None:
    binary = needed_binary()
    script = (
        "import asyncio, sys; from pathlib import Path; from tests.kube.control_plane import ControlPlane\n"
        "async def main():\n"
        "    async with ControlPlane.start(Path(sys.argv[1]), Path(sys.argv[2])) as plane:\n"
        "        print(*(p.pid for p in plane.processes.values()), flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(binary), str(tmp_path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert run.stdout is not None
        pids = [int(pid) for pid in (await asyncio.wait_for(run.stdout.readline(), READY_TIMEOUT)).split()]
    finally:
        run.kill()
        await run.wait()
    assert len(pids) == 4
    await eventually(lambda: not alive(set(pids)))
