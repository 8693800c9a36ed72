"""The story of `bench_rollouts` twice in one run: told by Argo Rollouts 1.9.1 as it is published, and by Shipway.

Two hundred Rollouts are created, updated and aborted all at once, each time on a new control plane. Times depend on the machine
and on what else it does; what is wanted is their ratio, ours to theirs. The original runs without its limits of requests a
second, which would make it several times slower. Needs `make kube` and, to build the original once, Go 1.26; without them there
is no figure.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from bench.bench_rollouts import SPACE, moved, on_a_control_plane, shipway
from tests.peers.suite import built

NO_LIMITS = ["--qps", "5000", "--burst", "10000"]


def argo_rollouts(binary: str, kubeconfig: Path) -> list[str]:
    """The command of the original for one namespace."""
    return [binary, "--kubeconfig", str(kubeconfig), "--namespace", SPACE, "--namespaced", "--leader-elect=false", *NO_LIMITS]


async def run() -> dict[str, float]:
    try:
        binary = str(await asyncio.to_thread(built, "argo-rollouts controller"))
    except subprocess.CalledProcessError:
        return {}
    figures: dict[str, float] = {}
    for name, engine in (("argo", lambda kubeconfig: argo_rollouts(binary, kubeconfig)), ("shipway", shipway)):
        print(f"200 Rollouts with {name} …", file=sys.stderr)
        found = await on_a_control_plane(engine, moved)
        figures |= {f"{name}_{figure}": value for figure, value in found.items()}
    shared = [figure.removeprefix("argo_") for figure in figures if figure.startswith("argo_")]
    return figures | {f"ratio_{name}": figures[f"shipway_{name}"] / figures[f"argo_{name}"] for name in shared}
