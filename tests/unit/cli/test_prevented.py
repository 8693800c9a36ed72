"""`shipway report prevented` against an embedded API server."""

import orjson
import pytest

from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS, ROLLOUTS
from shipway.base.clock import Instant, rfc3339
from shipway.cli.prevented import report_prevented
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import NOW

METRIC: Obj = {"name": "errors", "successCondition": "result < 0.02", "provider": {"web": {"url": "http://x"}}}
SELECTOR: Obj = {"matchLabels": {"app": "web"}}
POD: Obj = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def rollout(name: str, team: str = "shop") -> Obj:
    meta = {"namespace": "shop", "name": name, "labels": {"team": team}}
    spec = {"selector": SELECTOR, "template": POD, "strategy": {"canary": {}}}
    head = {"apiVersion": ROLLOUTS.api_version, "kind": ROLLOUTS.kind, "metadata": meta}
    return {**head, "spec": spec, "status": {"stableRS": "good"}}


def run(owner: Obj, name: str, *, ago: float, phase: str = "Failed", values: tuple[str, ...] = ("0.31", "0.29")) -> Obj:
    begun, at = rfc3339(Instant(NOW - ago - 90)), rfc3339(Instant(NOW - ago))
    results = [
        {
            "name": "errors",
            "phase": phase,
            "measurements": [{"phase": phase, "value": one, "finishedAt": at} for one in values],
        },
        {"name": "errors", "phase": "Failed", "dryRun": True, "measurements": [{"phase": "Failed", "value": "9"}]},
    ]
    meta: Obj = {
        "namespace": "shop",
        "name": name,
        "labels": {"rollouts-pod-template-hash": "bad"},
        "annotations": {"rollout.argoproj.io/revision": "7"},
        "ownerReferences": [controller_ref(owner)],
    }
    head = {"apiVersion": ANALYSIS_RUNS.api_version, "kind": ANALYSIS_RUNS.kind, "metadata": meta}
    return {**head, "spec": {"metrics": [METRIC]}, "status": {"phase": phase, "startedAt": begun, "metricResults": results}}


async def test_what_was_thrown_out_is_listed_with_its_evidence_and_counted(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    web, cart = [await shop.create(ROLLOUTS, one) for one in (rollout("web"), rollout("cart", "mail"))]
    await shop.create(ANALYSIS_RUNS, run(web, "web-bad-7", ago=120))
    await shop.create(ANALYSIS_RUNS, run(web, "web-bad-7-smoke", ago=60, phase="Error", values=()))
    await shop.create(ANALYSIS_RUNS, run(web, "web-good-6", ago=30, phase="Successful"))
    await shop.create(ANALYSIS_RUNS, run(cart, "cart-bad-7", ago=3 * 86_400))
    assert await report_prevented(shop.session) == 0
    told = capsys.readouterr()
    _, first, second = told.out.splitlines()
    assert first.split()[:6] == ["shop", "web", "7", "2m", "ago", "90s"]
    assert first.endswith("stopped   errors: 0.31, 0.29 (wants result < 0.02); errors: Error (wants result < 0.02)")
    assert second.split()[:4] == ["shop", "cart", "7", "3d"]
    assert told.err == "2 bad versions of 2 Rollouts thrown out in the last 30d\n"
    assert await report_prevented(shop.session, 86_400, output="name") == 0
    assert capsys.readouterr().out == "rollout/web\n"
    assert await report_prevented(shop.session, selector="team=mail", output="json") == 0
    (item,) = orjson.loads(capsys.readouterr().out)["items"]
    assert (item["rollout"], item["podHash"], item["evidence"][0]["values"]) == ("cart", "bad", ["0.31", "0.29"])


async def test_a_run_of_an_experiment_speaks_for_the_rollout_that_made_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    web = await shop.create(ROLLOUTS, rollout("web"))
    meta = {
        "namespace": "shop",
        "name": "web-bad-7-1",
        "labels": {"rollouts-pod-template-hash": "bad"},
        "annotations": {"rollout.argoproj.io/revision": "7"},
        "ownerReferences": [controller_ref(web)],
    }
    templates = [{"name": "canary", "selector": SELECTOR, "template": POD}]
    head = {"apiVersion": EXPERIMENTS.api_version, "kind": EXPERIMENTS.kind, "metadata": meta}
    trial = await shop.create(EXPERIMENTS, {**head, "spec": {"templates": templates}})
    await shop.create(ANALYSIS_RUNS, run(trial, "web-bad-7-1-smoke", ago=60))
    assert await report_prevented(shop.session, output="name") == 0
    assert capsys.readouterr().out == "rollout/web\n"


async def test_nothing_prevented_is_a_count_of_nothing(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await report_prevented(shop.session, 7 * 86_400) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "0 bad versions thrown out in the last 7d\n")
