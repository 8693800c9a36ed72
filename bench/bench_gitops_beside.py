"""The story of `bench_gitops` twice in one run: told by Argo CD as it is published, and by Shipway.

`APPS=1000 make bench NAME=gitops_beside`. Both are given the same monorepo over HTTP, the same Applications, the same webhooks
and a new control plane on the same cores. Times depend on the machine and on what else it does; what is wanted is their ratio,
ours to theirs. Argo CD is its application controller, repo-server, API server (which takes webhooks) and Redis, with its limits
of requests a second lifted: with them it would be slower. Needs `make kube`, redis-server and, to build the original once, Go
1.26; without them there is no figure.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.applications import Engines, Usage, application, family_of, first_sync, stage, usage_of
from bench.applications import Process as Reconciler
from bench.bench_gitops import APPS, commits, hand_edits, say
from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from tests.peers.suite import built
from tests.ports import free_port, listens
from tests.waiting import comes_to

SPACE = "argocd"


class ArgoCd:
    """All processes of Argo CD that reconcile, by the published defaults; `home` is theirs."""

    def __init__(self, program: Path, kubeconfig: Path, home: Path) -> None:
        self._program = program
        self._kubeconfig = kubeconfig
        self._home = home
        self._processes: list[Process] = []
        self._server = free_port()
        self.url = f"http://127.0.0.1:{self._server}"

    async def start(self) -> None:
        client = Client(HttpTransport(load_kubeconfig(self._kubeconfig)))
        await furnish(client)
        await client.close()
        for name, command in self._commands().items():
            with (self._home / f"{name}.log").open("ab") as log:
                environment = self._environment() | {"ARGOCD_BINARY_NAME": name}
                one = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
            self._processes.append(one)
        await comes_to(True, lambda: listens(self._server))

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def usage(self) -> Usage:
        found = [usage_of(pid) for process in self._processes for pid in family_of(process.pid)]
        return Usage(sum(one.cpu for one in found), sum(one.mb for one in found))

    def _commands(self) -> Mapping[str, list[str | Path]]:
        redis, repo_server = free_port(), free_port()
        cache = ["--redis", f"127.0.0.1:{redis}"]
        repositories = ["--repo-server", f"127.0.0.1:{repo_server}", "--namespace", SPACE]

        def metrics() -> list[str]:
            return ["--metrics-port", str(free_port())]

        return {
            "redis": ["redis-server", "--save", "", "--appendonly", "no", "--port", str(redis)],
            "argocd-repo-server": [self._program, *cache, "--port", str(repo_server), *metrics()],
            "argocd-server": [self._program, *cache, *repositories, "--insecure", "--port", str(self._server), *metrics()],
            "argocd-application-controller": [self._program, *cache, *repositories, *metrics()],
        }

    def _environment(self) -> dict[str, str]:
        folders = {f"ARGOCD_{name}_DATA_PATH": str(self._home / name) for name in ("TLS", "SSH", "GPG")}
        return {
            **os.environ,
            **folders,
            "KUBECONFIG": str(self._kubeconfig),
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_K8S_CLIENT_QPS": "5000",
            "ARGOCD_K8S_CLIENT_BURST": "10000",
            "TMPDIR": str(self._home),
        }


async def furnish(client: Client) -> None:
    """What Argo CD needs to find in its namespace."""
    labels = {"app.kubernetes.io/part-of": "argocd"}

    def thing(kind: str, name: str, **rest: object) -> Obj:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": SPACE, "labels": labels}, **rest}

    for name in ("argocd-cm", "argocd-rbac-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"):
        await client.create(CONFIG_MAPS, thing("ConfigMap", name))
    await client.create(SECRETS, thing("Secret", "argocd-secret", stringData={"server.secretkey": "bench"}))


async def run() -> dict[str, float]:
    if not shutil.which("redis-server"):
        return {}
    try:
        program = await asyncio.to_thread(built, "argo-cd program")
    except subprocess.CalledProcessError:
        return {}
    figures: dict[str, float] = {"apps": APPS}
    for name, begin in (("argo", lambda kubeconfig, home: ArgoCd(program, kubeconfig, home)), ("shipway", Engines)):
        print(f"{APPS} Applications with {name} …", file=sys.stderr)
        figures |= {f"{name}_{figure}": value for figure, value in (await told_by(begin)).items()}
    shared = [figure.removeprefix("argo_") for figure in figures if figure.startswith("argo_")]
    return figures | {f"ratio_{name}": figures[f"shipway_{name}"] / figures[f"argo_{name}"] for name in shared}


async def told_by(begin: Callable[[Path, Path], Reconciler]) -> dict[str, float]:
    """First sync, commits and hand edits on a control plane of their own."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as home:
        async with stage("real", Path(home), APPS, begin) as (client, repo, engines, git):
            figures = await first_sync(client, engines, [application(number, git.url("mono")) for number in range(APPS)])
            say(figures)
            figures |= await commits(client, repo, engines)
            figures |= await hand_edits(client)
            say(figures)
    return figures
