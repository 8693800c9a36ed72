"""A real Kubernetes control plane on loopback, for one test run.

`tests/kube/build` (by `make kube`) makes one binary of etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
Here the four run as processes of their own process groups, on free ports, with certificates and data in a folder of the
caller. There is no node: who wants pods to run creates a Node and plays the kubelet. Nothing survives the test run: leaving
the block kills the groups, and a watchdog that waits for the end of a pipe from us kills them if we are killed ourselves.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from shipway.base.tls import trusting
from tests.kube.certificates import write_certificates
from tests.ports import free_port

READY_TIMEOUT = 90.0
_BUILD = Path(__file__).parent / "build"
_LISTENERS = ("etcd", "peer", "apiserver", "controller-manager", "scheduler")
_WATCHDOG = 'cat >/dev/null; for pid; do kill -9 "-$pid"; done'


def built_binary() -> Path | None:
    """Where `make kube` put the binary for these sources, or None when it has not been built."""
    said = subprocess.run([_BUILD, "--path"], capture_output=True, text=True, timeout=30, check=True)
    path = Path(said.stdout.splitlines()[-1])
    return path if path.exists() else None


def needed_binary() -> Path:
    """The same for a test, which is skipped without it."""
    binary = built_binary()
    if binary is None:
        pytest.skip("the real control plane is not built: run `make kube`")
    return binary


@dataclass
class ControlPlane:
    """`url` and `kubeconfig` (an administrator by client certificate) of a running API server; `ready_after` in seconds."""

    binary: Path
    folder: Path
    ports: dict[str, int]
    ready_after: float = 0.0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"https://127.0.0.1:{self.ports['apiserver']}"

    @property
    def kubeconfig(self) -> Path:
        """Valid as long as the control plane runs."""
        return self.folder / "kubeconfig"

    @classmethod
    @asynccontextmanager
    async def start(cls, binary: Path, directory: Path) -> AsyncGenerator["ControlPlane", None]:
        """A ready control plane, gone when the block ends. RuntimeError, with the end of the logs, if it does not get ready."""
        plane = cls(binary, directory / "run", {name: free_port() for name in _LISTENERS})
        try:
            await plane.bring_up()
            yield plane
        finally:
            await plane.stop()

    async def bring_up(self) -> None:
        """Starts all four and waits until the API server is ready and the default namespace has its service account."""
        begun = time.monotonic()
        write_certificates(self.folder / "pki")
        self.kubeconfig.write_text(self._kubeconfig())
        programs = self._programs()
        for name in ("etcd", "kube-apiserver"):
            self._spawn(name, programs.pop(name))
        self._spawn_watchdog()
        await self._until_ready([f"{self.url}/readyz"], begun + READY_TIMEOUT)
        for name, arguments in programs.items():  # they give up on an API server that is not healthy within 10 s
            self._spawn(name, arguments)
        self._spawn_watchdog()
        await self._until_ready(self._waits_for(), begun + READY_TIMEOUT)
        self.ready_after = time.monotonic() - begun

    async def stop(self) -> None:
        """Kills what runs; may be called twice."""
        self._end_watchdog()
        for process in reversed(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def log_of(self, name: str, lines: int = 15) -> str:
        """The end of what a program said."""
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _spawn(self, name: str, arguments: list[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.binary, name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
            )

    def _end_watchdog(self) -> None:
        if self.watchdog is not None:
            self.watchdog.kill()
            self.watchdog.communicate()
            self.watchdog = None

    def _spawn_watchdog(self) -> None:
        """For the programs that run by now; takes the place of the one before."""
        self._end_watchdog()
        command = ["/bin/sh", "-c", _WATCHDOG, "watchdog", *(str(process.pid) for process in self.processes.values())]
        self.watchdog = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    async def _until_ready(self, waiting: list[str], deadline: float) -> None:
        pki = self.folder / "pki"
        context = trusting(ca_file=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            while waiting:
                self._check_processes()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{waiting[0]} was not ready in {READY_TIMEOUT:.0f} s\n{self.log_of('kube-apiserver')}")
                if await _answers(session, waiting[0]):
                    waiting.pop(0)
                else:
                    await asyncio.sleep(0.05)

    def _waits_for(self) -> list[str]:
        """URLs that answer 200 once everything is ready."""
        account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
        return [account, f"https://127.0.0.1:{self.ports['scheduler']}/healthz"]

    def _check_processes(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is None:
                continue
            raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log_of(name)}")

    def _programs(self) -> dict[str, list[str]]:
        pki, ports = self.folder / "pki", self.ports
        client, peer = f"http://127.0.0.1:{ports['etcd']}", f"http://127.0.0.1:{ports['peer']}"
        etcd: dict[str, object] = {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
        controllers = "*,-nodeipam,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller"
        controller_manager = self._client_flags("controller-manager") | {
            "use-service-account-credentials": "false",
            "service-account-private-key-file": pki / "sa.key",
            "root-ca-file": pki / "ca.crt",
            "controllers": controllers,
            "kube-api-qps": "200",
            "kube-api-burst": "400",
            # Who plays the kubelet reports a node once: however slow the machine is, its nodes stay ready meanwhile.
            "node-monitor-grace-period": "1h",
        }
        return {
            "etcd": _flags(etcd),
            "kube-apiserver": _flags(self._apiserver_flags(client)),
            "kube-controller-manager": _flags(controller_manager),
            "kube-scheduler": _flags(self._client_flags("scheduler")),
        }

    def _apiserver_flags(self, etcd: str) -> dict[str, object]:
        pki = self.folder / "pki"
        return {
            "etcd-servers": etcd,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",  # it refuses to publish a loopback address
            "secure-port": self.ports["apiserver"],
            "tls-cert-file": pki / "server.crt",
            "tls-private-key-file": pki / "server.key",
            "client-ca-file": pki / "ca.crt",
            "service-account-key-file": pki / "sa.pub",
            "service-account-signing-key-file": pki / "sa.key",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-cluster-ip-range": "10.96.0.0/16",
            "authorization-mode": "RBAC",
            "allow-privileged": "true",
            "kubelet-client-certificate": pki / "kubelet-client.crt",
            "kubelet-client-key": pki / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "enable-priority-and-fairness": "false",
            "max-requests-inflight": "0",
            "max-mutating-requests-inflight": "0",
        }

    def _client_flags(self, port: str) -> dict[str, object]:
        pki = self.folder / "pki"
        return {
            "kubeconfig": self.kubeconfig,
            "tls-cert-file": pki / "server.crt",
            "tls-private-key-file": pki / "server.key",
            "leader-elect": "false",
            "bind-address": "127.0.0.1",
            "secure-port": self.ports[port],
        }

    def _kubeconfig(self) -> str:
        def data(name: str) -> str:
            return base64.b64encode((self.folder / "pki" / name).read_bytes()).decode()

        cluster = {"server": self.url, "certificate-authority-data": data("ca.crt")}
        user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "real", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
            "current-context": "real",
        }
        return json.dumps(config, indent=1)  # JSON is YAML


def _flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
