"""`shipway rollout plan` and `why`."""

import re
from pathlib import Path

import orjson
import pytest

from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.rollout_plan import plan_command, print_plans, read_rollouts, show_why
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.yaml import dump
from shipway.rollouts.budget.pinned import Pinned, pinned_text
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import family
from tests.unit.rollouts.rollout.sandbox import rollout

STEPS = ({"setWeight": 5}, {"pause": {"duration": "1m"}}, {"setWeight": 50}, {"pause": {}})
ROOT = Path(__file__).parents[3]


def written(folder: Path, *objs: dict) -> str:
    path = folder / "new.yaml"
    documents = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", **obj} for obj in objs]
    path.write_text("---\n".join(dump(document) for document in documents))
    return str(path)


@pytest.mark.proves("rollouts:plan")
async def test_the_plan_of_a_file_is_the_one_that_the_page_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, rollout(*STEPS, routed=True, replicas=10), {"kind": "Service", "metadata": {"name": "web"}})
    assert await plan_command(filename=path) == 0
    shown = capsys.readouterr().out
    assert f"```\n{shown}```" in (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.proves("rollouts:plan")
def test_a_plan_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_plans(read_rollouts(written(tmp_path, rollout(*STEPS, replicas=10))), "json")
    document = orjson.loads(capsys.readouterr().out)
    assert (document["kind"], document["metadata"]) == ("RolloutPlan", {"name": "web", "namespace": "shop"})
    assert document["steps"][0] == {
        "number": 1,
        "step": "setWeight: 5",
        "weight": 5,
        "reaches": 9.1,
        "canary": 1,
        "stable": 10,
        "waits": "until the pods are available",
    }
    assert document["back"] == {"kept": 0, "starts": 10, "ready_after": 0, "walks": True}


def test_several_rollouts_are_titled_or_picked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = rollout({"setWeight": 20})
    other["metadata"] = {"name": "api"}
    path = written(tmp_path, rollout(*STEPS), other)
    print_plans(read_rollouts(path), "table")
    assert re.findall(r"^\w+:$", capsys.readouterr().out, re.MULTILINE) == ["web:", "api:"]
    print_plans(read_rollouts(path, "api"), "name")
    assert capsys.readouterr().out == "rollout.argoproj.io/api\n"
    print_plans(read_rollouts(path), "json")
    assert orjson.loads(capsys.readouterr().out)["kind"] == "List"


async def test_what_cannot_be_planned_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Rollout nobody in"):
        read_rollouts(written(tmp_path, rollout()), "nobody")
    with pytest.raises(InvalidInput, match="cannot read"):
        read_rollouts(str(tmp_path / "not-there.yaml"))
    with pytest.raises(InvalidInput, match=r"spec\.strategy\.steps\[0\]\.setWeight: Invalid value: 101"):
        print_plans(read_rollouts(written(tmp_path, rollout({"setWeight": 101}))), "table")
    with pytest.raises(InvalidInput, match="name a Rollout"):
        await plan_command()


async def test_why_is_the_sentence_of_the_tree(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create_family(family())
    assert await show_why(shop.session, "web") == 0
    sentence = capsys.readouterr().out
    assert sentence == "web waits at step 2 of 4 for somebody to promote it; then comes setWeight: 60.\n"
    await show_why(shop.session, "web", "json")
    assert orjson.loads(capsys.readouterr().out)["why"] == sentence.rstrip()


POLICY = """
objectives: [{serviceLevelObjective: checkout}]
strategies:
  fast: {atLeast: 75%, steps: [{setWeight: 50}]}
  normal: {atLeast: 25%}
"""


def by_budget(**annotations: str) -> dict:
    found = {"shipway.dev/strategy-by-budget": POLICY, **{f"shipway.dev/{key}": text for key, text in annotations.items()}}
    return merge_patch(rollout(*STEPS, routed=True, replicas=10), {"metadata": {"annotations": found}})


def test_a_plan_by_the_error_budget_shows_every_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_plans([by_budget()], "table") == 0
    lines = [re.sub(" +", " ", line) for line in capsys.readouterr().out.splitlines()]
    fast, normal = (
        lines.index("fast, while 75% of the error budget is left:"),
        lines.index("normal, while 25% of the error budget is left:"),
    )
    assert lines[fast + 2].startswith("1 setWeight: 50 50 ")
    assert lines[normal + 2].startswith("1 setWeight: 5 5 ")
    assert (
        "With less than 25% a new version is held before its first step, until there is more or somebody promotes it." in lines
    )


def test_a_plan_by_the_error_budget_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_plans([by_budget()], "json")
    document = orjson.loads(capsys.readouterr().out)
    assert [(one["pace"], one["at_least"], len(one["steps"])) for one in document["byBudget"]] == [
        ("fast", 0.75, 2),
        ("normal", 0.25, 5),
    ]
    assert len(document["steps"]) == 5


def test_the_plan_of_a_release_under_way_is_that_of_its_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    pinned = Pinned("abc", "fast", "checkout", 0.8, steps=({"setWeight": 50},))
    made = {**by_budget(strategy=pinned_text(pinned)), "status": {"currentPodHash": "abc", "stableRS": "def"}}
    print_plans([made], "table")
    lines = [re.sub(" +", " ", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Strategy by the error budget: fast (80.0% of the error budget of checkout is left)"
    assert lines[2].startswith("1 setWeight: 50 50 ")
    print_plans([{**made, "status": {"currentPodHash": "abc", "stableRS": "abc"}}], "json")
    assert len(orjson.loads(capsys.readouterr().out)["steps"]) == 5
