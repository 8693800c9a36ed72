"""`make peers [ARGS="TestCanarySuite …"]`: the end-to-end suite of Argo Rollouts, unchanged, with Shipway as the controller.

It runs against the real control plane of `make kube`, with our node playing the kubelet, and talks to the cluster only: it
creates Rollouts, patches them, and looks at status, pods, services, routes and events. Not part of `make test`: building it
takes ten minutes and running it half an hour. What we cannot pass is left out, with its reason in `argo_rollouts.yaml`.
The last line is JSON: {"passed", "failed", "left_out"}; the exit code is 1 when a test failed.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from shipway.api.app_mesh import GROUP as APP_MESH
from shipway.api.crds import load_crds, load_router_crds
from shipway.api.kinds import CRDS
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from tests.kube.control_plane import ControlPlane, built_binary
from tests.peers.suite import BIN, HERE, built, played, report

INSTANCE = "argo-rollouts-e2e"
SUITES = (
    "TestAnalysisSuite",
    "TestAPISIXSuite",
    "TestAppMeshSuite",
    "TestAWSSuite",
    "TestBlueGreenSuite",
    "TestCanarySuite",
    "TestExperimentSuite",
    "TestFunctionalSuite",
    "TestHeaderRoutingSuite",
    "TestIstioSuite",
    "TestMirrorRouteSuite",
    "TestRollbackSuite",
    "TestSMIIngressSuite",
    "TestSMISuite",
)
METRICS_AT = "127.0.0.1:8090"
"""Where the suite looks for metrics."""
POD_DELAY_SECONDS = "1"
"""The suite's own lever: pods as slow as real ones, so that it sees the states between two."""
AT_ONCE = (
    "TestCanarySuite/TestCanaryDynamicStableScale",
    "TestCanarySuite/TestCanaryScaleDownOnAbort",
    "TestCanarySuite/TestReduceWeightAndHonorMaxUnavailable",
    "TestFunctionalSuite/TestNeverScaleDown",
    "TestFunctionalSuite/TestRolloutRestart",
    "TestFunctionalSuite/TestScaleDownOnSuccess",
    "TestFunctionalSuite/TestScaleDownProgressively",
    "TestFunctionalSuite/TestScaleDownProgressivelyCompleted",
    "TestFunctionalSuite/TestScaleDownProgressivelyCompletedCanary",
    "TestFunctionalSuite/TestWorkloadRef",
    "TestFunctionalSuite/TestWorkloadRefTemplate",
    "TestRollbackSuite/TestRollbackAnalysisOutsideWindow",
)
"""Tests that fall over that lever: it looks for containers in Rollouts that have none of their own (workloadRef), changes the
hash that they name, makes one more revision, or has pods come and go in other seconds than they count on."""
_RESULT = re.compile(r"^\s+--- (PASS|FAIL|SKIP): (\w+/\w+)", re.MULTILINE)


@asynccontextmanager
async def stage(binary: Path, home: Path, manifests: Path) -> AsyncGenerator[Path, None]:
    """A cluster with a node and a `shipway run` for the suite's Rollouts; yields its kubeconfig."""
    async with ControlPlane.start(binary, home) as plane:
        client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig)))
        mesh = [crd for crd in load_router_crds() if crd["spec"]["group"] == APP_MESH]
        for crd in (*load_crds(), *mesh, yaml.safe_load((HERE / "mesh.yaml").read_text())):
            await client.create(CRDS, crd)
        others = ["apply", "--server-side", "--kubeconfig", plane.kubeconfig, "-f", manifests / "crds"]
        await asyncio.to_thread(subprocess.run, [BIN / "kubectl", *others], check=True, stdout=subprocess.DEVNULL)
        await client.patch(CRDS, "", "trafficsplits.split.smi-spec.io", await _oldest_version(client))
        run = ["run", "--kubeconfig", plane.kubeconfig, "--engines", "rollouts", "--instance-id", INSTANCE]
        async with Node(client, name="peers", home=home / "node", clock=SystemClock(), addresses=AddressBook()):
            engine = await asyncio.create_subprocess_exec(BIN / "shipway", *run, "--listen", METRICS_AT, stderr=DEVNULL)
            try:
                yield plane.kubeconfig
            finally:
                engine.terminate()
                await engine.wait()
        await client.transport.close()


async def _oldest_version(client: Client) -> dict[str, Any]:
    """TrafficSplits as v1alpha1 only: the suite looks at no other, and skips itself where that is not served."""
    crd = await client.get(CRDS, "", "trafficsplits.split.smi-spec.io")
    versions = [{**version, "served": False} for version in crd["spec"]["versions"]]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    oldest = {"name": "v1alpha1", "served": True, "storage": False, "schema": {"openAPIV3Schema": schema}}
    return {"spec": {"versions": [*versions, oldest]}}


async def chosen(
    suites: str, left_out: Iterable[str], kubeconfig: Path, manifests: Path, pod_delay: str = POD_DELAY_SECONDS
) -> dict[str, str]:
    """The result of each test by its full name."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "E2E_INSTANCE_ID": INSTANCE,
        "E2E_POD_DELAY": pod_delay,
        "E2E_WAIT_TIMEOUT": "60",
    }
    skip = "|".join(f"^{name.replace('/', '$/^')}$" for name in left_out)
    command = [manifests / "e2e.test", "-test.v", "-test.run", suites.replace(" ", "|"), "-test.skip", skip]
    return await played(command, manifests, environment, _RESULT)


def is_chosen(test: str, suites: str) -> bool:
    """Whether `go test -run` would choose it: each part of the pattern is looked for in that part of the name."""
    return any(
        all(re.search(pattern, part) for pattern, part in zip(one.split("/"), test.split("/"), strict=False))
        for one in suites.split(" ")
    )


async def main(suites: str) -> int:
    binary = built_binary()
    if binary is None:
        print("the real control plane is not built: run `make kube`", file=sys.stderr)
        return 2
    manifests = await asyncio.to_thread(built, "argo-rollouts suite")
    left_out: dict[str, str] = yaml.safe_load((HERE / "argo_rollouts.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        async with stage(binary, Path(folder), manifests) as kubeconfig:
            found = await chosen(suites, (*left_out, *AT_ONCE), kubeconfig, manifests)
            if at_once := "|".join(f"^{name.replace('/', '$/^')}$" for name in AT_ONCE if is_chosen(name, suites)):
                found |= await chosen(at_once, left_out, kubeconfig, manifests, pod_delay="0")
    return report(found, left_out)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(" ".join(sys.argv[1:] or SUITES))))
