"""`kubectl shipway rollout`, run by a real kubectl against the embedded cluster with the real engine, through a canary's life.

What is printed is compared with golden text: names of pods and ages differ from run to run, so they are replaced.
"""

import asyncio
import re
import stat
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, PODS
from shipway.assembly.cluster import embedded_cluster
from shipway.assembly.engines import engine_process
from shipway.assembly.installation import prepare
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.views import uid_of
from tests.waiting import comes_to

ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example/web:v1"}]}
  strategy:
    canary:
      steps: [{setWeight: 25}, {pause: {}}, {setWeight: 50}, {pause: {}}]
"""

PAUSED = """\
Name: web
Namespace: default
Status: ॥ Paused
Message: CanaryPauseStep
Strategy: Canary
Step: 1/4
SetWeight: 25
ActualWeight: 25
Images: example/web:v1 (stable)
example/web:v2 (canary)
Replicas:
Desired: 4
Current: 4
Updated: 1
Ready: 4
Available: 4

web waits at step 2 of 4 for somebody to promote it; then comes setWeight: 50.

NAME KIND STATUS AGE INFO
⟳ web Rollout ॥ Paused AGE
├──# revision:2
│ └──⧉ web-NEW ReplicaSet ✔ Healthy AGE canary
│ └──□ web-NEW-POD Pod ✔ Simulated AGE ready:1/1
└──# revision:1
└──⧉ web-OLD ReplicaSet ✔ Healthy AGE stable
├──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
├──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
└──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
"""

ABORTED = """\
NAME KIND STATUS AGE INFO
⟳ web Rollout ✖ Degraded AGE
├──# revision:2
│ └──⧉ web-NEW ReplicaSet • ScaledDown AGE canary
└──# revision:1
└──⧉ web-OLD ReplicaSet ✔ Healthy AGE stable
├──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
├──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
├──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
└──□ web-OLD-POD Pod ✔ Simulated AGE ready:1/1
"""

PROMOTED = """\
NAME KIND STATUS AGE INFO
⟳ web Rollout ✔ Healthy AGE
├──# revision:2
│ └──⧉ web-NEW ReplicaSet ✔ Healthy AGE stable
│ ├──□ web-NEW-POD Pod ✔ Simulated AGE ready:1/1
│ ├──□ web-NEW-POD Pod ✔ Simulated AGE ready:1/1
│ ├──□ web-NEW-POD Pod ✔ Simulated AGE ready:1/1
│ └──□ web-NEW-POD Pod ✔ Simulated AGE ready:1/1
└──# revision:1
└──⧉ web-OLD ReplicaSet • ScaledDown AGE
"""


class Said(Struct, frozen=True):
    """What a command answered."""

    code: int
    out: str
    err: str


class Kubectl:
    """Runs a real kubectl whose PATH holds our plugin."""

    def __init__(self, program: str, folder: Path, kubeconfig: Path, client: Client) -> None:
        self._program = program
        self._env = {"PATH": str(folder), "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
        self.client = client

    async def __call__(self, *arguments: str, stdin: str = "") -> Said:
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=self._env,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def rollout(self, *arguments: str) -> Said:
        return await self("shipway", "rollout", *arguments)

    async def page(self) -> str:
        """What is shown of the Rollout; of its pods it may be a moment late."""
        return plain((await self.rollout("get", "web")).out)

    async def tree(self) -> str:
        """The part of it with ReplicaSets and pods."""
        text = (await self.rollout("get", "web")).out
        return plain(text[text.index("NAME ") :])

    async def until(self, message: str) -> None:
        """Looks on with --watch until a line says `message`."""
        process = await asyncio.create_subprocess_exec(
            self._program, "shipway", "rollout", "get", "web", "--watch", stdout=asyncio.subprocess.PIPE, env=self._env
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                async for line in process.stdout:
                    if message in line.decode():
                        return
        finally:
            process.kill()
            await process.wait()
        raise AssertionError(f"the watch ended without {message!r}")


@pytest_asyncio.fixture
async def kubectl(program: Callable[[str], str], tmp_path: Path) -> AsyncGenerator[Kubectl, None]:
    clock = SystemClock()
    plugin = tmp_path / "bin" / "kubectl-shipway"
    plugin.parent.mkdir()
    plugin.write_text(f"#!{sys.executable}\nfrom shipway.cli.main import main\n\nmain()\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    async with embedded_cluster(tmp_path / "home", clock) as cluster:
        settings = RunSettings(kubeconfig=cluster.kubeconfig, engines=("rollouts",), cache=tmp_path / "cache")
        await prepare(cluster.client, settings)
        async with engine_process(cluster.client, clock, settings) as process, asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            running = group.create_task(process.run(ready.set))
            await asyncio.wait_for(ready.wait(), 90)
            yield Kubectl(program("kubectl"), plugin.parent, cluster.kubeconfig, cluster.client)
            running.cancel()


def plain(text: str) -> str:
    """With names for hashes and pods in the order they appear, without widths and ages."""
    hashes = re.findall(r"⧉ web-(\w+)", text)
    for pod_hash, name in zip(hashes, ("NEW", "OLD") if len(hashes) > 1 else ("OLD",), strict=False):
        text = re.sub(rf"web-{pod_hash}-\w+", f"web-{name}-POD", text).replace(f"web-{pod_hash}", f"web-{name}")
    text = re.sub(r"(?<= )\d+[smh](\d+s)?(?= |$)", "AGE", text, flags=re.MULTILINE)
    return "\n".join(" ".join(line.split()) for line in text.splitlines()) + "\n"


@pytest.mark.proves("rollouts:kubectl-plugin", "004-17", "004-19")
@pytest.mark.timeout(480)
async def test_a_canary_by_the_plugin(kubectl: Kubectl) -> None:
    assert (await kubectl("apply", "-f", "-", stdin=ROLLOUT)).code == 0
    assert await kubectl.rollout("status", "web", "--timeout=60s") == Said(0, "Healthy\n", "")

    assert (await kubectl.rollout("set", "image", "web", "web=example/web:v2")).out == "rollout 'web' image updated\n"
    await kubectl.until("Paused (CanaryPauseStep)")
    await comes_to(PAUSED, kubectl.page)

    assert (await kubectl.rollout("abort", "web")).out == "rollout 'web' aborted\n"
    await kubectl.until("Degraded (RolloutAborted: Rollout aborted update to revision 2)  step 0/4  weight 0  updated 0/4")
    await comes_to(ABORTED, kubectl.tree)
    status = await kubectl.rollout("status", "web")
    assert (status.code, status.out) == (1, "Degraded - RolloutAborted: Rollout aborted update to revision 2\n")

    assert (await kubectl.rollout("retry", "web")).out == "rollout 'web' retried\n"
    await kubectl.until("Paused (CanaryPauseStep)  step 1/4")
    assert (await kubectl.rollout("promote", "web")).out == "rollout 'web' promoted\n"
    await kubectl.until("Paused (CanaryPauseStep)  step 3/4")
    assert (await kubectl.rollout("promote", "web", "--full")).out == "rollout 'web' fully promoted\n"
    assert (await kubectl.rollout("status", "web", "--timeout=60s")).code == 0
    await comes_to(PROMOTED, kubectl.tree)

    assert (await kubectl.rollout("undo", "web")).out == "rollout 'web' rolled back\n"
    await kubectl.until("Paused (CanaryPauseStep)  step 1/4")

    async def row() -> list[str]:
        return (await kubectl.rollout("list")).out.splitlines()[1].split()[:9]

    await comes_to(["web", "Canary", "Paused", "1/4", "25", "4/4", "4", "1", "4"], row)
    assert "# revision:3" in (await kubectl.rollout("get", "web")).out


@pytest.mark.proves("rollouts:kubectl-plugin", "004-17")
@pytest.mark.timeout(480)
async def test_a_restart_by_the_plugin_replaces_every_pod(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=ROLLOUT)
    assert (await kubectl.rollout("status", "web", "--timeout=60s")).code == 0
    before = {uid_of(pod) for pod in (await kubectl.client.list(PODS, "default")).items}
    assert (await kubectl.rollout("restart", "web", "--in", "1s")).out == "rollout 'web' restarts in 1s\n"
    assert len(before) == 4
    async with asyncio.timeout(60):
        while before & {uid_of(pod) for pod in (await kubectl.client.list(PODS, "default")).items}:
            await asyncio.sleep(0.05)
    assert (await kubectl.rollout("status", "web", "--timeout=60s")).code == 0


RUN = """
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: endless, namespace: default}
spec:
  metrics:
  - name: errors
    interval: 1h
    provider: {web: {url: "http://127.0.0.1:1/errors"}}
"""


@pytest.mark.proves("rollouts:kubectl-plugin", "004-17")
@pytest.mark.timeout(480)
async def test_a_pause_by_hand_and_an_analysis_that_is_ended(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=ROLLOUT)
    assert (await kubectl.rollout("status", "web", "--timeout=60s")).code == 0
    assert (await kubectl.rollout("pause", "web")).out == "rollout 'web' paused\n"
    await kubectl.until("Paused (manually paused)")
    assert (await kubectl.rollout("promote", "web")).out == "rollout 'web' promoted\n"
    assert (await kubectl.rollout("status", "web", "--timeout=60s")) == Said(0, "Healthy\n", "")

    await kubectl("apply", "-f", "-", stdin=RUN)
    assert (await kubectl.rollout("terminate", "endless")).out == "analysisrun 'endless' terminated\n"
    async with asyncio.timeout(60):
        while (await kubectl.client.get(ANALYSIS_RUNS, "default", "endless")).get("status", {}).get("phase") != "Successful":
            await asyncio.sleep(0.05)
    missing = await kubectl.rollout("terminate", "nobody")
    assert missing.code != 0
    assert "AnalysisRun nobody not found in namespace default" in missing.err
