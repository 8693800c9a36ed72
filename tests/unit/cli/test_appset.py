"""`shipway appset`: what is shown, and the cores against an embedded API server."""

from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import APPLICATION_SETS
from shipway.base.clock import rfc3339
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.cli.appset import create_sets, delete_set, list_sets, overview, read_sets, show_set
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import NOW

MANIFEST = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: fleet}
spec:
  generators: [{list: {elements: [{name: blue}]}}]
  template: {metadata: {name: "{{name}}"}, spec: {}}
"""
OVERVIEW = """\
Name:         fleet
Namespace:    argocd
Generators:   list, git
Policy:       sync
Age:          60s
ErrorOccurred:          all is well
ResourcesUpToDate:      green: no generator gives it any more

NAME    SYNC        HEALTH
blue    Synced      Healthy
green   OutOfSync
"""


def appset(**status: Any) -> Obj:
    rows = [{"name": "blue", "status": "Synced", "health": {"status": "Healthy"}}, {"name": "green", "status": "OutOfSync"}]
    conditions = [
        {"type": "ErrorOccurred", "status": "False", "reason": "ApplicationSetUpToDate", "message": "all is well"},
        {
            "type": "ResourcesUpToDate",
            "status": "False",
            "reason": "AwaitingConfirmation",
            "message": "green: no generator gives it any more",
        },
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "fleet", "namespace": "argocd", "creationTimestamp": rfc3339(NOW - 60)},
        "spec": {"generators": [{"list": {}, "selector": {}}, {"git": {}}], "template": {"metadata": {}, "spec": {}}},
        "status": {"resources": rows, "conditions": conditions, **status},
    }


def test_a_set_alone() -> None:
    assert overview(appset(), NOW) == OVERVIEW.splitlines()


async def test_a_list_says_how_many_there_are_and_what_waits(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await list_sets(shop.session) == 0
    assert "no ApplicationSets found in namespace argocd" in capsys.readouterr().err
    await shop.create(APPLICATION_SETS, appset())
    await list_sets(shop.session, all_namespaces=True)
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAMESPACE", "NAME", "APPLICATIONS", "SYNCED", "HEALTHY", "STATUS", "AGE"]
    assert row.split()[:6] == ["argocd", "fleet", "2", "1/2", "1/2", "AwaitingConfirmation"]
    assert await show_set(shop.session, "fleet", "name") == 0
    assert capsys.readouterr().out == "applicationset.argoproj.io/fleet\n"
    with pytest.raises(NotFound, match="shipway appset list -A"):
        await show_set(shop.session, "other")


async def test_sets_of_a_file_are_created_once_and_altered_when_asked(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(MANIFEST)
    await create_sets(shop.session, file)
    assert (await shop.client.get(APPLICATION_SETS, "argocd", "fleet"))["spec"]["generators"]
    with pytest.raises(Conflict, match="--upsert alters it"):
        await create_sets(shop.session, file)
    file.write_text(MANIFEST.replace("blue", "red"))
    await create_sets(shop.session, file, upsert=True)
    there = await shop.client.get(APPLICATION_SETS, "argocd", "fleet")
    assert there["spec"]["generators"][0]["list"]["elements"] == [{"name": "red"}]
    await delete_set(shop.session, "fleet")
    assert capsys.readouterr().out.splitlines() == [
        "applicationset.argoproj.io/fleet created",
        "applicationset.argoproj.io/fleet applied",
        "applicationset.argoproj.io/fleet deleted",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no ApplicationSet in it"),
        ("kind: Application\nmetadata: {name: a}", "expected ApplicationSets with a name, found Application"),
        ("- a", "expected ApplicationSets with a name, found list"),
        (MANIFEST.replace("[{list: {elements: [{name: blue}]}}]", "x"), "spec.generators: expected `array`, got `str`"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=told):
        read_sets(tmp_path / "x.yaml", "argocd")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_sets(tmp_path / "none.yaml", "argocd")
