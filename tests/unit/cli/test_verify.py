"""`shipway verify coverage` against an embedded API server."""

import orjson
import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_TEMPLATES, CRDS, DEPLOYMENTS, ROLLOUTS
from shipway.cli.verify import show_coverage
from shipway.kube.objects.resource import Obj
from shipway.rollouts.coverage import EXEMPT
from tests.unit.cli.conftest import Shop

POD: Obj = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
METRIC: Obj = {
    "name": "errors",
    "provider": {"prometheus": {"address": "http://p", "query": "q"}},
    "successCondition": "result < 1",
}
JUDGED: list[Obj] = [{"setWeight": 20}, {"analysis": {"templates": [{"templateName": "errors"}]}}]


async def define_templates(shop: Shop) -> None:
    """With the template that `JUDGED` names."""
    for crd in load_crds():
        if crd["metadata"]["name"].startswith(("analysistemplates.", "clusteranalysistemplates.")):
            await shop.client.create(CRDS, crd)
    head: Obj = {"apiVersion": ANALYSIS_TEMPLATES.api_version, "kind": "AnalysisTemplate"}
    await shop.create(
        ANALYSIS_TEMPLATES, {**head, "metadata": {"namespace": "shop", "name": "errors"}, "spec": {"metrics": [METRIC]}}
    )


def rollout(name: str, steps: list[Obj], team: str = "shop", **annotations: str) -> Obj:
    meta = {"namespace": "shop", "name": name, "labels": {"team": team}, "annotations": annotations}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": POD, "strategy": {"canary": {"steps": steps}}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": meta, "spec": spec}


def deployment(name: str) -> Obj:
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": POD}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": name}, "spec": spec}


@pytest.mark.proves("verify:coverage")
async def test_what_nothing_judges_is_listed_and_fails(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    await shop.create(ROLLOUTS, rollout("web", JUDGED))
    await shop.create(ROLLOUTS, rollout("batch", [{"setWeight": 50}], **{EXEMPT: "no traffic"}))
    await shop.create(ROLLOUTS, rollout("cart", [{"setWeight": 50}]))
    await shop.create(DEPLOYMENTS, deployment("mail"))
    assert await show_coverage(shop.session) == 1
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[1:4] for row in rows] == [
        ["Rollout", "batch", "exempt"],
        ["Rollout", "cart", "unverified"],
        ["Deployment", "mail", "unverified"],
        ["Rollout", "web", "verified"],
    ]
    assert await show_coverage(shop.session, output="name") == 1
    assert capsys.readouterr().out.splitlines() == ["rollout/cart", "deployment/mail"]


async def test_a_selector_chooses_and_all_judged_is_a_success(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    await shop.create(ROLLOUTS, rollout("web", JUDGED))
    await shop.create(ROLLOUTS, rollout("cart", [], team="cart"))
    assert await show_coverage(shop.at("argocd"), all_namespaces=True, selector="team=shop", output="json") == 0
    document = orjson.loads(capsys.readouterr().out)
    assert [(item["name"], item["state"], item["canary"]) for item in document["items"]] == [("web", "verified", ["errors"])]


async def test_nothing_at_all_leaves_the_pipe_clean(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    assert await show_coverage(shop.at("argocd")) == 0
    out, err = capsys.readouterr()
    assert (out, "no Rollouts or Deployments found in namespace argocd" in err) == ("", True)
