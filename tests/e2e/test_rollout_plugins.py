"""`shipway run --plugins`: a canary step and a metric that are commands, from the folder to the status."""

from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import Place
from tests.e2e.test_run_touches import rollout

DECLARED = """\
apiVersion: shipway.dev/v1alpha1
kind: StepPlugin
metadata: {name: acme/ticket}
spec: {command: [sh, -c, "echo '{\\"phase\\": \\"Successful\\", \\"message\\": \\"approved by Ann\\"}'"]}
---
apiVersion: shipway.dev/v1alpha1
kind: MetricPlugin
metadata: {name: acme/rows}
spec: {command: [sh, -c, "echo '{\\"value\\": 7}'"]}
"""


def declared(folder: Path, text: str = DECLARED) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "plugins.yaml").write_text(text)
    return str(folder)


async def ended(place: Place, name: str, phase: str) -> Obj:
    where = One(ANALYSIS_RUNS, "shop", name)
    return await wait_until(place.client, where, lambda run: dig(run or {}, "status", "phase", default="") == phase) or {}


def run_of(name: str, **metric: Any) -> Obj:
    kind = {"apiVersion": ANALYSIS_RUNS.api_version, "kind": ANALYSIS_RUNS.kind}
    return {**kind, "metadata": {"namespace": "shop", "name": name}, "spec": {"metrics": [{"name": "rows", **metric}]}}


@pytest.mark.compat("rollouts:step.plugin", "rollouts:provider.plugin")
async def test_a_step_and_a_metric_are_done_by_commands(place: Place, tmp_path: Path) -> None:
    wanted = rollout("web")
    wanted["spec"]["strategy"]["canary"]["steps"] = [{"plugin": {"name": "acme/ticket"}}, {"pause": {}}]
    await place.client.create(ROLLOUTS, wanted)
    web = One(ROLLOUTS, "shop", "web")
    async with place.run("--engines", "rollouts", "--plugins", declared(tmp_path / "plugins")) as running:
        await running.ready()
        await wait_until(place.client, web, lambda found: dig(found or {}, "status", "phase", default="") == "Healthy")
        containers = [{"name": "c", "image": "shop/web:2"}]
        await place.client.patch(ROLLOUTS, "shop", "web", {"spec": {"template": {"spec": {"containers": containers}}}})
        paused = await wait_until(
            place.client, web, lambda found: bool(dig(found or {}, "status", "pauseConditions", default=[]))
        )
        (told,) = dig(paused or {}, "status", "canary", "stepPluginStatuses", default=[])
        assert (told["name"], told["phase"], told["message"]) == ("acme/ticket", "Successful", "approved by Ann")
        provider = {"plugin": {"acme/rows": {"table": "orders"}}}
        await place.client.create(ANALYSIS_RUNS, run_of("good", provider=provider, successCondition="result == 7"))
        await place.client.create(ANALYSIS_RUNS, run_of("bad", provider=provider, successCondition="result == 8"))
        await ended(place, "good", "Successful")
        await ended(place, "bad", "Failed")
        await place.client.create(ANALYSIS_RUNS, run_of("unknown", provider={"plugin": {"acme/none": {}}}))
        unknown = await ended(place, "unknown", "Error")
        assert "declare its command as a MetricPlugin" in unknown["status"]["message"]


async def test_a_declaration_that_cannot_work_stops_the_start(place: Place, tmp_path: Path) -> None:
    folder = declared(tmp_path / "plugins", DECLARED.replace("acme/rows", "rows"))
    code, said = await place.ended("--engines", "rollouts", "--plugins", folder)
    assert code == 2 and "plugins.yaml: metadata.name 'rows' is not ORGANISATION/NAME" in said
