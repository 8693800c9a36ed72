"""`make peers PEER=argo_cd [ARGS="TestHookSkip …"]`: the end-to-end suite of Argo CD, unchanged, with Shipway as controller.

Argo CD's own API server, repo-server and command stand beside, since the suite creates Applications and starts syncs by them;
what reconciles Applications and ApplicationSets is one `shipway run`, which is the API server's cache as well. All of it works
on the real control plane of `make kube`, with our node playing the kubelet. Needs Go and redis-server; not part of `make test`.
What we cannot pass is left out, with its reason in `argo_cd.yaml`. PEERS_LOGS names a folder that keeps what everybody said.
The last line is JSON: {"passed", "failed", "left_out"}; the exit code is 1 when a test failed.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from tests.fetch_clients import TOOLS
from tests.kube.control_plane import ControlPlane, built_binary
from tests.peers.examples import git_with_examples
from tests.peers.remotes import remotes
from tests.peers.suite import BIN, HERE, built, played, report, running
from tests.ports import free_port, listens
from tests.waiting import comes_to

SPACE = "argocd-e2e"
OTHER_SPACES = "argocd-e2e-external,argocd-e2e-external-2"
CONFIG, REDIS = Path("/tmp/argo-e2e/app/config"), 6379
"""Fixed in the suite, as what `remotes` serves is: it plays on a machine that has none of these, once at a time."""
RESULT = re.compile(r"^--- (PASS|FAIL|SKIP): (\w+)", re.MULTILINE)
GOREMAN = """#!/bin/sh
# In the place of the suite's process manager: everything runs, and nothing is restarted.
[ "$2" = status ] || exit 0
for name in controller applicationset-controller repo-server api-server redis notification ui; do echo "*$name"; done
"""
FLAGS = {
    "applicationsetcontroller.allowed.scm.providers": ",".join(f"http://127.0.0.1:{port}" for port in range(8341, 8345)),
    "applicationsetcontroller.enable.tokenref.strict.mode": "true",
    "applicationsetcontroller.namespaces": OTHER_SPACES,
}
"""What the suite gives the controller of ApplicationSets in its environment."""


@dataclass(frozen=True)
class Peer:
    """Argo CD's sources (`home`, with `dist/argocd` and `test/e2e/e2e.test` built in them) and the ports of what runs of it."""

    home: Path
    redis: int
    repo_server: int
    api_server: int
    cache: int
    """Where Shipway answers the API server in place of Redis."""

    @property
    def program(self) -> Path:
        """Argo CD's executable: its name says which of its programs it is."""
        return self.home / "dist/argocd"

    def environment(self, kubeconfig: Path, programs: Path) -> dict[str, str]:
        """Of everything that runs of Argo CD; `programs` are found before those of the machine."""
        return {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{programs}:{self.home}/dist:{self.home}/hack:{BIN}:{os.environ['PATH']}",
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_SSH_DATA_PATH": str(CONFIG / "ssh"),
            "ARGOCD_TLS_DATA_PATH": str(CONFIG / "tls"),
            "ARGOCD_GPG_DATA_PATH": str(CONFIG / "gpg/source"),
            "ARGOCD_GNUPGHOME": str(CONFIG / "gpg/keys"),
            "ARGOCD_GPG_ENABLED": "true",
            "ARGOCD_SERVER": f"127.0.0.1:{self.api_server}",
            "ARGOCD_E2E_TEST": "true",
            "ARGOCD_HYDRATOR_ENABLED": "true",
            "ARGOCD_APPLICATION_NAMESPACES": OTHER_SPACES,
            "ARGOCD_CONFIG_DIR": str(programs / "config"),
            "REDIS_PASSWORD": "",
            "NO_PROXY": "*",
        }

    def commands(self) -> Mapping[str, list[str | Path]]:
        """What stands beside the engine, by the name of its log."""
        redis = f"127.0.0.1:{self.redis}"
        cache = f"127.0.0.1:{self.cache}"
        server = ["--redis", cache, "--repo-server", f"127.0.0.1:{self.repo_server}", "--insecure", "--disable-auth=false"]
        ports = ["--port", str(self.api_server), "--metrics-port", str(free_port())]
        return {
            "redis": ["redis-server", "--save", "", "--appendonly", "no", "--port", str(self.redis)],
            "argocd-repo-server": [
                self.program,
                "--redis",
                redis,
                "--port",
                str(self.repo_server),
                "--metrics-port",
                str(free_port()),
            ],
            "argocd-server": [self.program, *server, *ports, "--application-namespaces", OTHER_SPACES],
        }


async def furnish(kubeconfig: Path, peer: Peer) -> None:
    """What `make start-e2e-local` of Argo CD puts into a cluster, and beside it, before its suite."""

    async def kubectl(
        *arguments: str | Path, data: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        command = [BIN / "kubectl", "--kubeconfig", kubeconfig, *arguments]
        return await asyncio.to_thread(subprocess.run, command, input=data, check=check, stdout=subprocess.PIPE)

    async def served() -> int:
        return (await kubectl("get", "applications,applicationsets,appprojects", check=False)).returncode

    for space in (SPACE, *OTHER_SPACES.split(",")):
        await kubectl("create", "namespace", space)
    await kubectl("config", "set-context", "--current", f"--namespace={SPACE}")
    manifests = await kubectl("kustomize", peer.home / "test/manifests/base")
    await kubectl("apply", "--server-side", "-f", "-", data=manifests.stdout)
    await kubectl("apply", "-f", HERE / "placementdecisions.yaml")
    meta = {"name": "argocd-cmd-params-cm", "namespace": SPACE}
    flags = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": FLAGS}
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", data=yaml.safe_dump(flags).encode())
    await comes_to(0, served)
    shutil.rmtree(CONFIG, ignore_errors=True)
    for folder in ("ssh", "tls", "plugin", "gpg/source", "gpg/keys"):
        (CONFIG / folder).mkdir(parents=True, exist_ok=True, mode=0o700)


@asynccontextmanager
async def stage(binary: Path, home: Path, peer: Peer) -> AsyncGenerator[dict[str, str], None]:
    """A cluster, a node, remotes, Shipway and what stands beside; yields the suite's environment."""
    programs = home / "programs"
    programs.mkdir()
    (programs / "goreman").write_text(GOREMAN)
    (programs / "goreman").chmod(0o755)
    (programs / "helm").symlink_to(TOOLS / "helm3")
    await asyncio.to_thread(git_with_examples, programs / "git", home / "github", peer.home / "applicationset")
    run = ["run", "--namespace", SPACE, "--application-namespaces", OTHER_SPACES, "--engines", "gitops,appsets"]
    options = ["--local-repositories", "--cache", home / "cache", "--listen", f"127.0.0.1:{free_port()}", "--install-crds"]
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(ControlPlane.start(binary, home))
        await stack.enter_async_context(remotes(peer.home / "test/fixture", home))
        await furnish(plane.kubeconfig, peer)
        client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig)))
        stack.push_async_callback(client.transport.close)
        node = Node(client, name="peers", home=home / "node", clock=SystemClock(), addresses=AddressBook())
        await stack.enter_async_context(node)
        environment = peer.environment(plane.kubeconfig, programs)
        for name, command in peer.commands().items():
            await stack.enter_async_context(running(name, command, environment | {"ARGOCD_BINARY_NAME": name}, home))
        engine = [BIN / "shipway", *run, *options, f"--argocd-cache=127.0.0.1:{peer.cache}", "--kubeconfig", plane.kubeconfig]
        await stack.enter_async_context(running("shipway", engine, environment, home))
        for port in (peer.api_server, peer.repo_server):
            await comes_to(True, lambda port=port: listens(port))
        yield environment


async def main(tests: list[str]) -> int:
    binary = built_binary()
    if binary is None:
        print("the real control plane is not built: run `make kube`", file=sys.stderr)
        return 2
    peer = Peer(await asyncio.to_thread(built, "argo-cd suite"), REDIS, *(free_port() for _ in range(3)))
    left_out: dict[str, str] = yaml.safe_load((HERE / "argo_cd.yaml").read_text()) or {}
    folder = peer.home / "test/e2e"
    chosen = ["-test.run", "|".join(tests or ["^Test"]), "-test.skip", "|".join(f"^{name}$" for name in left_out) or "^$"]
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(os.environ.get("PEERS_LOGS", temporary))
        async with stage(binary, home, peer) as environment:
            command = [folder / "e2e.test", "-test.v", "-test.timeout", "5h", *chosen]
            found = await played(command, folder, environment, RESULT)
    return report(found, left_out)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
