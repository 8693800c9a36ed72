"""Who may change what: each refusal names the commit, the path, the rule and the owners."""

import re
from pathlib import Path
from typing import Any

import pytest

from shipway.api.application import Destination, parse_project
from shipway.api.commits import Committed
from shipway.api.signatures import policy_of
from shipway.base.errors import InvalidInput
from shipway.gitops.annotations import CHANGE_RIGHTS
from shipway.gitops.change_rights import REMEDY, ChangeRights, refusals_of_changes, rights_of
from shipway.gitops.project import problems
from shipway.kube.objects import yaml

OWNERS = "* @dev\n/prod/ @acme/platform own@x\n/free/\n"
TEAMS = """
teams:
  "@dev": [Ann@x, bob@x]
  "@acme/platform": [pat@x]
"""
PRODUCTION = """
environments:
- name: production
  namespaces: ["prod-*"]
  clusters: ["in-cluster", "https://*"]
  owners: ["@acme/platform", chief@x]
"""


def rights(text: str = TEAMS) -> ChangeRights:
    project: dict[str, Any] = {"metadata": {"annotations": {"shipway.dev/change-rights": text}}}
    found = rights_of(project)
    assert found is not None
    return found


def change(*paths: str, by: str = "ann@x", more: tuple[str, ...] = ()) -> Committed:
    return Committed("abcdef0123456789", (by, *more), paths, OWNERS, "CODEOWNERS")


SHOP = Destination(name="in-cluster", namespace="shop")


@pytest.mark.parametrize(
    ("committed", "told"),
    [
        (change("web/x"), ""),
        (change("free/x", by="eve@x"), ""),
        (change("prod/x", by="own@x"), ""),
        (change("prod/x", by="eve@x", more=("pat@x",)), ""),
        (change("web/x", by="eve@x"), "changes web/x, which belongs to @dev (CODEOWNERS line 1: `* @dev`)"),
        (
            change("prod/x", "prod/y", "web/x"),
            "commit abcdef0 by ann@x changes prod/x and 1 more, which belongs to @acme/platform or own@x "
            "(CODEOWNERS line 2: `/prod/ @acme/platform own@x`)",
        ),
    ],
)
@pytest.mark.proves("002-11")
def test_one_of_the_owners_has_a_hand_in_each_change(committed: Committed, told: str) -> None:
    found = refusals_of_changes(rights(), SHOP, [committed])
    assert (not found) if not told else (told in found[0] and found[-1] == REMEDY and len(found) == 2)


@pytest.mark.parametrize(
    ("where", "committed", "is_refused"),
    [
        (SHOP, change("web/x"), False),
        (Destination(name="in-cluster", namespace="prod-eu"), change("web/x"), True),
        (Destination(server="https://far.test", namespace="prod-eu"), change("web/x"), True),
        (Destination(name="lab", namespace="prod-eu"), change("web/x"), False),
        (Destination(name="in-cluster", namespace="prod-eu"), change("web/x", more=("pat@x",)), False),
        (Destination(name="in-cluster", namespace="prod-eu"), change("web/x", more=("chief@x",)), False),
        (Destination(name="in-cluster", namespace="prod-eu"), change("CODEOWNERS"), False),
    ],
)
@pytest.mark.proves("002-11")
def test_an_environment_is_changed_by_its_owners_only(where: Destination, committed: Committed, is_refused: bool) -> None:
    found = refusals_of_changes(rights(TEAMS + PRODUCTION), where, [committed])
    told = "commit abcdef0 by ann@x changes web/x, and environment production is changed by @acme/platform or chief@x only"
    assert found == ((told, REMEDY) if is_refused else ())


@pytest.mark.proves("002-12")
def test_a_default_that_many_read_alters_no_environment_behind_the_back_of_its_owners() -> None:
    """Whatever an application reads is asked about, wherever it lies."""
    shared = change("common/values.yaml", by="ann@x")
    production = Destination(name="in-cluster", namespace="prod-eu")
    assert refusals_of_changes(rights(TEAMS + PRODUCTION), SHOP, [shared]) == ()
    (told, _) = refusals_of_changes(rights(TEAMS + PRODUCTION), production, [shared])
    assert "changes common/values.yaml, and environment production is changed by" in told


def test_codeowners_may_be_left_out() -> None:
    assert refusals_of_changes(rights("codeowners: false"), SHOP, [change("prod/x", by="eve@x")]) == ()


def test_a_team_behind_which_nobody_stands_is_named() -> None:
    (told, _) = refusals_of_changes(rights("{}"), SHOP, [change("web/x")])
    assert "belongs to @dev (no team of the project)" in told


def test_of_many_refusals_three_are_told() -> None:
    found = refusals_of_changes(rights(), SHOP, [change("web/x", by="eve@x")] * 5)
    assert len(found) == 5 and found[3:] == ("and 2 more", REMEDY)


def test_without_the_annotation_nobody_is_asked() -> None:
    assert rights_of({"metadata": {"name": "team"}}) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a", "expected `object`, got `array`"),
        ("teams: {a: b}", "teams[...]: expected `array`, got `str`"),
        ("owner: x", "object contains unknown field `owner`"),
        ("environments: [{name: p}]", "environments[0]: object missing required field `owners`"),
        ("environments: [{name: p, owners: ['@x']}]", "@x: name it under teams, with the addresses of its members"),
        ("environments: [{name: p, owners: [a@x], namespaces: ['[a']}]", "'[a' is not a valid pattern"),
        ("{", "did not find expected node content"),
    ],
)
def test_an_annotation_that_cannot_be_followed_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rights(text)
    assert caught.value.message.startswith("annotation shipway.dev/change-rights") and told in caught.value.message


def test_the_example_for_whoever_installs_is_in_order() -> None:
    text = (Path(__file__).parents[3] / "docs" / "install.md").read_text()
    (example,) = [yaml.load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if CHANGE_RIGHTS in block]
    spec = parse_project(example)
    assert problems(spec, "shop") == () and policy_of(example, spec).is_required
    found = rights_of(example)
    assert found is not None and found.codeowners and found.environments[0].owners == ("@acme/platform",)


@pytest.mark.proves("000-39")
@pytest.mark.parametrize(
    ("by", "more", "is_refused"),
    [("dev@x", (), True), ("qa@x", (), False), ("dev@x", ("qa@x",), False)],
    ids=["a-developer", "qa", "approved-by-qa"],
)
def test_a_directory_of_verification_rules_belongs_to_qa(by: str, more: tuple[str, ...], is_refused: bool) -> None:
    """Rules are files like any other: as docs/cookbook.md says, CODEOWNERS and change-rights are their approval."""
    owners = "* @dev\n/verification/ @acme/qa\n"
    teams = 'teams:\n  "@dev": [dev@x]\n  "@acme/qa": [qa@x]\n'
    changed = Committed("abcdef0123456789", (by, *more), ("verification/error-rate.yaml",), owners, "CODEOWNERS")
    refusals = refusals_of_changes(rights(teams), SHOP, [changed])
    assert bool(refusals) is is_refused
    assert not refusals or "verification/error-rate.yaml, which belongs to @acme/qa" in refusals[0]
