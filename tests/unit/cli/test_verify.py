"""`shipway verify` against an embedded API server."""

import orjson
import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_TEMPLATES, CRDS, DEPLOYMENTS, ROLLOUTS, VERIFICATION_RULES
from shipway.cli.rollout_plan import show_plan
from shipway.cli.verify import show_coverage, show_rules
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


async def define_rules(shop: Shop, *rules: tuple[str, Obj]) -> None:
    for crd in load_crds():
        if crd["metadata"]["name"].startswith("verificationrules."):
            await shop.client.create(CRDS, crd)
    head: Obj = {"apiVersion": VERIFICATION_RULES.api_version, "kind": VERIFICATION_RULES.kind}
    for name, spec in rules:
        await shop.create(VERIFICATION_RULES, {**head, "metadata": {"name": name}, "spec": spec})


ERRORS: Obj = {"selector": {"matchLabels": {"team": "shop"}}, "templates": [{"templateName": "errors"}]}


@pytest.mark.proves("001-25")
async def test_rules_are_listed_with_whom_they_judge_and_whom_they_leave_out(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await define_templates(shop)
    await define_rules(shop, ("org", ERRORS), ("contract", {**ERRORS, "templates": [{"templateName": "gone"}]}))
    await shop.create(ROLLOUTS, rollout("web", []))
    await shop.create(ROLLOUTS, rollout("batch", [], **{EXEMPT: "no traffic"}))
    await shop.create(ROLLOUTS, rollout("own", JUDGED))
    await shop.create(ROLLOUTS, rollout("cart", [], team="cart"))
    assert await show_rules(shop.session, output="json") == 1
    document = orjson.loads(capsys.readouterr().out)
    assert [(item["rollout"], item["rule"], item["state"], item["why"]) for item in document["items"]] == [
        ("batch", "contract", "exempt", "no traffic"),
        ("batch", "org", "exempt", "no traffic"),
        ("cart", "", "unruled", ""),
        ("own", "contract", "missing", "AnalysisTemplate 'gone' not found: create it beside the Rollout"),
        ("own", "org", "overridden", "it runs these templates itself"),
        ("web", "contract", "missing", "AnalysisTemplate 'gone' not found: create it beside the Rollout"),
        ("web", "org", "judges", ""),
    ]
    assert await show_rules(shop.session, selector="team=cart", output="name") == 0
    assert capsys.readouterr().out.splitlines() == ["rollout/cart"]


async def test_a_plan_names_the_rules_that_have_a_word_in_it(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    await shop.create(ROLLOUTS, rollout("web", [{"setWeight": 50}]))
    assert await show_plan(shop.session, "web") == 0
    assert "rule" not in capsys.readouterr().out
    gone = {**ERRORS, "templates": [{"templateName": "gone"}]}
    await define_rules(shop, ("org", {**ERRORS, "at": ["Canary", "AfterPromotion"]}), ("contract", gone))
    assert await show_plan(shop.session, "web") == 0
    missing = "AnalysisTemplate 'gone' not found: create it beside the Rollout"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"Verification rule 'contract' lets no new version begin: {missing}.",
        "Verification rule 'org' judges beside the update and while it has all traffic (errors); the promotion waits for it.",
    ]


@pytest.mark.parametrize(("templates", "state", "code"), [([], "unmet", 1), (JUDGED, "met", 0)], ids=["unmet", "met"])
async def test_a_rule_that_only_wants_a_judge_says_whether_there_is_one(
    shop: Shop, capsys: pytest.CaptureFixture[str], templates: list[Obj], state: str, code: int
) -> None:
    await define_templates(shop)
    await define_rules(shop, ("gate", {}))
    await shop.create(ROLLOUTS, rollout("web", templates))
    assert await show_rules(shop.session) == code
    assert capsys.readouterr().out.splitlines()[1].split()[:6] == ["shop", "web", "gate", "-", "-", state]


async def test_a_rule_with_a_broken_pattern_judges_nobody_and_is_told(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    await define_rules(shop, ("org", {**ERRORS, "namespaces": ["sh[op"]}))
    await shop.create(ROLLOUTS, rollout("web", []))
    assert await show_rules(shop.session) == 1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[2] for line in lines] == ["org", "-"] and "is not a valid pattern" in lines[0]


@pytest.mark.proves("000-07")
async def test_coverage_counts_rules_and_names_services_without_one(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await define_templates(shop)
    await shop.create(ROLLOUTS, rollout("web", []))
    await shop.create(ROLLOUTS, rollout("cart", [], team="cart"))
    assert await show_rules(shop.session, output="name") == 0, "a cluster without the kind"
    assert capsys.readouterr().out.splitlines() == ["rollout/cart", "rollout/web"]
    await define_rules(shop, ("org", {**ERRORS, "at": ["Canary", "AfterPromotion"]}))
    assert await show_coverage(shop.session, output="json") == 1
    items = orjson.loads(capsys.readouterr().out)["items"]
    judged = ["errors (rule org)"]
    assert [(item["name"], item["state"], item["canary"], item["postDeploy"]) for item in items] == [
        ("cart", "unverified", [], []),
        ("web", "verified", judged, judged),
    ]
