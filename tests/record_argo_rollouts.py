"""Records what Argo Rollouts' own plugin says and writes:
`python -m tests.record_argo_rollouts PROGRAM > tests/golden/argo_rollouts.json`.

PROGRAM is kubectl-argo-rollouts of Argo Rollouts 1.9. Each case of `CASES` gets an embedded API server of its own, without
engines, that holds a Rollout in the middle of a canary (`tests/unit/cli/objects.py`). Written down are exit code, both streams,
when it was, and what spec and status are afterwards. `tests/unit/cli/test_argo_rollouts.py` plays the same cases with ours.
What follows by watches (get, status) is not among them: recorded like this the original never ends, and why is not known.
"""

import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, CRDS, EXPERIMENTS, NAMESPACES, ROLLOUTS
from shipway.base.clock import SystemClock
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.unit.cli.conftest import Shop, StillClock, our_definitions
from tests.unit.cli.objects import CANARY, experiment, family

STOPPED = "RolloutAborted: aborted"
ABORTED = {"abort": True, "phase": "Degraded", "message": STOPPED, "currentStepIndex": 0, "pauseConditions": None}
HEALTHY = {"phase": "Healthy", "message": None, "currentStepIndex": 4, "stableRS": CANARY, "pauseConditions": None}
MOVING = {"phase": "Progressing", "message": "more replicas need to be updated", "pauseConditions": None}


class Case(Struct, frozen=True):
    """A command line, and the state (fields of the Rollout's status) that it meets."""

    line: str
    status: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return f"{self.line} ({self.status.get('phase', 'Paused')})"


CASES = (
    *(Case(line) for line in (
        "list rollouts", "-n shop list ro -A", "list rollout --name nope", "list experiments", "list exp -A",
        "-n none list exp",
        
        "promote web", "promote web --full", "abort web", "abort web nope", "pause web",
        "retry rollout web", "retry exp ab", "undo web", "undo web --to-revision=1", "undo web --to-revision 77", "restart web",
        "set image web web=registry.example/web:v9", "set image web *=registry.example/web:v9", "set image web no=x",
        "set image nope web=x", "terminate ar web-6cf78c66c5-2", "terminate analysisrun nope",
        "terminate exp nope", "promote nope", "retry exp nope", "undo nope",
        "restart nope", "promote web --frob", "promote web -z", "frobnicate", "-n", "promote", "get", "get web",
        "list", "undo web x",
        "create", "lint", "completion", "status web -t 5", "status web -w=perhaps", "undo web --to-revision=x",
    )),
    *(Case(line, ABORTED) for line in ( "retry rollout web", "abort web", "list rollouts",
    )),
    *(Case(line, HEALTHY) for line in ("promote web", "promote web --full", "undo web")),
    *(Case(line, MOVING) for line in ("promote web", "list rollouts")),
)  # fmt: skip


async def fill(shop: Shop, case: Case) -> None:
    """The state that a case meets."""
    await shop.create_family(family(**case.status))
    await shop.create(EXPERIMENTS, experiment())


async def written(shop: Shop) -> Obj:
    """Spec and status of what a command may have changed, without times of its own."""
    found: Obj = {}
    for resource, name in ((ROLLOUTS, "web"), (EXPERIMENTS, "ab"), (ANALYSIS_RUNS, "web-6cf78c66c5-2")):
        try:
            obj = await shop.client.get(resource, "shop", name)
        except NotFound:
            continue
        found[resource.kind] = {key: obj.get(key) for key in ("spec", "status")}
    found["Rollout"]["spec"].update({"restartAt": "set"} if found["Rollout"]["spec"].get("restartAt") else {})
    if found["Rollout"]["status"].get("abort") is False:
        del found["Rollout"]["status"]["abort"]  # as good as none
    return found


async def opened() -> Shop:
    """An API server with our kinds, and the two namespaces."""
    clock = StillClock(SystemClock())
    shop = Shop(await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(7))), clock)
    for crd in our_definitions():
        await shop.client.create(CRDS, crd)
    await shop.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return shop


async def record(program: str, case: Case) -> Obj:
    """Plays one case with the program."""
    shop = await opened()
    await fill(shop, case)
    folder = Path(tempfile.mkdtemp())
    try:
        tls = ensure_tls(folder / "pki", SystemClock().now())  # over plain HTTP no client sends a token
        async with serve(shop.server, tokens={"t": Identity("admin", ("system:masters",))}, tls=tls) as url:
            write_kubeconfig(folder / "config", server=url, token="t", ca_pem=tls.ca_pem())
            config = orjson.loads((folder / "config").read_bytes())
            config["contexts"][0]["context"]["namespace"] = "shop"
            (folder / "config").write_bytes(orjson.dumps(config))
            at = SystemClock().now()
            arguments = ("--kubeconfig", str(folder / "config"), *case.line.split(" "))
            pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
            process = await asyncio.create_subprocess_exec(program, *arguments, **pipes)
            async with asyncio.timeout(10):
                out, err = await process.communicate()
        said = {"out": out.decode(), "err": err.decode().partition("Usage:")[0].strip(), "code": process.returncode}
        return {"case": case.name, "at": round(at), **said, "written": await written(shop)}
    finally:
        shutil.rmtree(folder)
        await shop.server.close()


async def main(program: str) -> None:
    """Prints the recording."""
    recorded = [await record(program, case) for case in CASES]
    sys.stdout.write("[\n" + ",\n".join(orjson.dumps(one, option=orjson.OPT_SORT_KEYS).decode() for one in recorded) + "\n]\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
