"""exec, attach, cp and port-forward with the clients that people have, on both clusters."""

import asyncio
import io
import json
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from msgspec import Struct

from tests.clients.programs import Cluster, Program, said_by, started

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: main
    image: builtin/echo:v1
    ports: [{name: http, containerPort: 8080}]
    env: [{name: GREETING, value: hello}, {name: DRAIN_MS, value: "0"}]
    readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
"""
PRETENDED = POD.replace("builtin/echo:v1", "nginx:1.27").replace("{name: web}", "{name: pretended}")

on_both = pytest.mark.parametrize(
    ("cluster", "kubectl"),
    [("embedded", "kubectl"), ("embedded", "kubectl-1.34"), ("real", "kubectl"), ("real", "kubectl-1.34")],
    indirect=True,
)
on_clusters = pytest.mark.parametrize(("cluster", "kubectl"), [("embedded", "kubectl"), ("real", "kubectl")], indirect=True)


@pytest.fixture
def kubectl(request: pytest.FixtureRequest, client_program: Callable[[str], Program]) -> Program:
    return client_program(request.param)


async def made(kubectl: Program, manifest: str = POD, name: str = "web") -> None:
    await kubectl.ok("apply", "-f", "-", stdin=manifest)
    await kubectl.ok("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


@on_both
async def test_a_command_runs_in_the_surroundings_of_the_pod(kubectl: Program) -> None:
    await made(kubectl)
    assert await kubectl.ok("exec", "web", "--", "sh", "-c", "echo $GREETING from $POD_NAME") == "hello from web\n"
    said = await kubectl("exec", "web", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (said.code, said.out) == (3, "out\n")
    assert said.err == "err\ncommand terminated with exit code 3\n"
    sent = "".join(f"line {number}\n" for number in range(30_000))
    assert await kubectl.ok("exec", "-i", "web", "--", "cat", stdin=sent) == sent
    missing = await kubectl("exec", "web", "--", "no-such-program")
    assert (missing.code, 'exec: "no-such-program": executable file not found' in missing.err) == (127, True)
    assert (await kubectl("exec", "web", "--", "sh", "-c", "kill -TERM $$")).code == 143


@on_clusters
async def test_a_terminal_has_a_size_and_reads_what_is_typed(kubectl: Program) -> None:
    await made(kubectl)
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    try:
        command = (kubectl.path, "--namespace", kubectl.namespace, "exec", "-it", "web", "--", "sh")
        process = await asyncio.create_subprocess_exec(
            *command, stdin=slave, stdout=slave, stderr=slave, env=kubectl.environment, start_new_session=True
        )
        os.write(master, b"stty size; test -t 0 && echo a-$((40 + 2))-terminal; exit 5\n")
        shown = await _until(master, "a-42-terminal")
        assert re.search(r"\d+ \d+", shown)
        async with asyncio.timeout(60):
            assert await process.wait() == 5
    finally:
        os.close(slave)
        os.close(master)


async def _until(descriptor: int, text: str) -> str:
    shown = ""
    async with asyncio.timeout(60):
        while text not in shown:
            try:
                shown += os.read(descriptor, 65536).decode()
            except BlockingIOError:
                await asyncio.sleep(0.01)
    return shown


@on_clusters
async def test_a_command_ends_with_its_client(kubectl: Program) -> None:
    await made(kubectl)
    command = (kubectl.path, "--namespace", kubectl.namespace, "exec", "web", "--", "sh", "-c", "echo $$; exec sleep 600")
    async with started(*command, env=kubectl.environment) as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            pid = int(await process.stdout.readline())
        assert Path(f"/proc/{pid}").exists() or sys.platform != "linux"
    async with asyncio.timeout(60):
        while _is_alive(pid):
            await asyncio.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@on_both
async def test_files_are_copied_both_ways(kubectl: Program, tmp_path: Path) -> None:
    await made(kubectl)
    folder = tmp_path / "sent"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("one\n")
    (folder / "deep" / "two.bin").write_bytes(os.urandom(300_000))
    await kubectl.ok("cp", str(folder), "web:/tmp/there")
    await kubectl.ok("cp", "web:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back" / "one.txt").read_text() == "one\n"
    assert (tmp_path / "back" / "deep" / "two.bin").read_bytes() == (folder / "deep" / "two.bin").read_bytes()
    assert not Path("/tmp/there").exists(), "the copy is in the pod's own directory"
    await kubectl.ok("cp", str(folder / "one.txt"), "web:plain.txt")
    assert await kubectl.ok("exec", "web", "--", "cat", "plain.txt") == "one\n"


@on_both
async def test_ports_are_forwarded(kubectl: Program) -> None:
    await made(kubectl)
    command = (kubectl.path, "--namespace", kubectl.namespace, "port-forward", "pod/web", ":8080")
    async with started(*command, env=kubectl.environment) as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        port = re.search(r"127\.0\.0\.1:(\d+) -> 8080", line)
        assert port is not None, line
        url = f"http://127.0.0.1:{port[1]}/"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            bodies = await asyncio.gather(*(_get(session, url) for _ in range(20)))
            assert {body["version"] for body in bodies} == {"v1"}
            async with session.post(url, data=io.BytesIO(os.urandom(2_000_000))) as answer:
                assert (await answer.json())["pod"] == "web"


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    async with session.get(url, headers={"Connection": "close"}) as answer:
        return await answer.json()


@on_clusters
async def test_attach_shows_the_output_from_now_on(kubectl: Program) -> None:
    """The pod says a last word seconds after the first: kubectl does not tell when it is attached."""
    slowly = POD.replace('DRAIN_MS, value: "0"', 'DRAIN_MS, value: "4000"')
    await made(kubectl, slowly.replace("GracePeriodSeconds: 2", "GracePeriodSeconds: 30"))
    command = (kubectl.path, "--namespace", kubectl.namespace, "attach", "web")
    async with started(*command, env=kubectl.environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(60):
            await process.stderr.readline()  # "If you don't see a command prompt …"
        deleting = asyncio.create_task(kubectl.ok("delete", "pod", "web"))
        async with asyncio.timeout(60):
            assert b"drained" in await process.stdout.read()
        await deleting


@on_both
async def test_a_simulated_pod_says_that_it_is_one(kubectl: Program) -> None:
    await made(kubectl, PRETENDED, "pretended")
    said = await kubectl.fails("exec", "pretended", "--", "ls")
    assert "is simulated: there is no process to run a command in" in said
    forwarding = await kubectl.fails("port-forward", "pod/pretended", ":8080")
    assert "a simulated pod has no process" in forwarding
    (row,) = (await kubectl.ok("get", "pods", "--no-headers")).splitlines()
    assert row.split()[:3] == ["pretended", "1/1", "Simulated"]
    described = await kubectl.ok("describe", "pod", "pretended")
    for text in (
        "shipway.dev/runtime: simulated",
        "Reason:",
        "Simulating container main",
        "Image ID:       simulated://nginx:1.27",
    ):
        assert text in described
    assert "nginx:1.27 is simulated" in await kubectl.ok("logs", "pretended")


@on_clusters
async def test_logs_of_a_pod(kubectl: Program) -> None:
    await made(kubectl)
    assert "echo v1 serving on http://127." in await kubectl.ok("logs", "web", "--tail=1")
    assert await kubectl.ok("logs", "web", "--tail=0") == ""
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z echo v1", await kubectl.ok("logs", "web", "--timestamps"))
    assert "echo v1" in await kubectl.ok("logs", "web", "--since=1h")
    assert "previous terminated container" in await kubectl.fails("logs", "web", "--previous")
    command = (kubectl.path, "--namespace", kubectl.namespace, "logs", "-f", "web")
    async with started(*command, env=kubectl.environment) as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert b"echo v1" in await process.stdout.readline()
            deleted = await kubectl.ok("delete", "pod", "web")
            assert (await process.stdout.read()).endswith(b"drained\n")
    assert "deleted" in deleted


@on_clusters
async def test_logs_of_the_run_before(kubectl: Program) -> None:
    broken = POD.replace("image: builtin/echo:v1", "image: builtin/echo:v1\n    args: [--no-such-option]")
    await kubectl.ok("apply", "-f", "-", stdin=broken)
    restarted = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=2"
    await kubectl.ok("wait", f"--for={restarted}", "pod/web", "--timeout=60s")
    assert "unrecognized arguments: --no-such-option" in await kubectl.ok("logs", "web", "--previous")


class Script(Struct, frozen=True):
    """A program of the official Python client."""

    text: str


PYTHON = """
import json, sys
from kubernetes import client, config
from kubernetes.stream import portforward, stream

config.load_kube_config()
core, namespace = client.CoreV1Api(), sys.argv[1]
how = dict(stderr=True, stdin=False, stdout=True, tty=False)
out = stream(core.connect_get_namespaced_pod_exec, "web", namespace, command=["sh", "-c", "echo $GREETING"], **how)
talk = stream(core.connect_get_namespaced_pod_exec, "web", namespace, command=["sh", "-c", "read x; echo got $x; exit 4"],
              **{**how, "stdin": True}, _preload_content=False)
talk.write_stdin("word\\n")
talk.run_forever(timeout=30)
pipes = portforward(core.connect_get_namespaced_pod_portforward, "web", namespace, ports="8080")
socket = pipes.socket(8080)
socket.setblocking(True)
socket.sendall(b"GET /version HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n")
answer = b""
while piece := socket.recv(65536):
    answer += piece
print(json.dumps({"out": out, "talk": talk.read_stdout(), "code": talk.returncode, "answer": answer.decode()}))
"""


@on_clusters
async def test_the_official_python_client(kubectl: Program, program: Callable[[str], str], cluster: Cluster) -> None:
    await made(kubectl)
    python = program("clients/bin/python")
    said = await said_by(python, "-c", PYTHON, kubectl.namespace, env=kubectl.environment)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["out"], found["talk"], found["code"]) == ("hello\n", "got word\n", 4)
    assert found["answer"].endswith("v1\n")
