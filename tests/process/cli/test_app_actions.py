"""A team's own actions from `argocd-cm`, run by the command line in the worker for scripts."""

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS
from shipway.base.errors import InvalidInput, NotYet
from shipway.cli.app_actions import RunFlags, Which, list_actions, run_action
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT
from tests.unit.cli.test_app_tree import row, settings, workload

PAINTING = """\
discovery.lua: |
  return {paint = {params = {{name = "colour", default = "blue"}}}, copy = {}, dream = {}}
definitions:
- name: paint
  action.lua: |
    obj.data.colour = actionParams["colour"]
    return obj
- name: copy
  action.lua: |
    local made = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = obj.metadata.name .. "-copy"}, data = obj.data}
    return {{operation = "create", resource = made}}
- name: dream
  action.lua: |
    while true do end
"""
WALL = Which(kind="ConfigMap")
PLAIN = RunFlags()


@pytest.fixture
async def delivered(shop: Shop) -> Shop:
    wall: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "wall", "namespace": "shop"},
        "data": {"size": "9"},
    }
    await shop.create(APP_PROJECTS, PROJECT)
    await shop.create(CONFIG_MAPS, wall)
    await shop.create(CONFIG_MAPS, settings(**{"resource.customizations.actions.ConfigMap": PAINTING}))
    await shop.create(APPLICATIONS, application(resources=[row("ConfigMap", "wall")]))
    return shop


@pytest.mark.compat("argocd:cm.resource.customizations.actions")
@pytest.mark.proves("gitops:lua-actions")
async def test_a_teams_actions_are_listed_and_run(delivered: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await list_actions(delivered.session, "shop", WALL, "name")
    assert capsys.readouterr().out.split() == ["copy", "dream", "paint"]
    assert await run_action(delivered.session, "shop", "paint", WALL, RunFlags(("colour=red",))) == 0
    assert await run_action(delivered.session, "shop", "copy", WALL, PLAIN) == 0
    assert capsys.readouterr().out == "configmap/wall\nconfigmap/wall-copy\n"
    for name in ("wall", "wall-copy"):
        assert (await delivered.client.get(CONFIG_MAPS, "shop", name))["data"] == {"size": "9", "colour": "red"}


async def test_a_script_that_never_ends_writes_nothing(delivered: Shop) -> None:
    with pytest.raises(InvalidInput, match="ran for more than 1 s"):
        await run_action(delivered.session, "shop", "dream", WALL, PLAIN)


OWN_RESTART = """\
discovery.lua: |
  return {restart = {}, wave = {disabled = true}}
definitions:
- name: restart
  action.lua: |
    obj.metadata.annotations = {restarted = "by the team"}
    return obj
"""


@pytest.mark.compat("argocd:cm.resource.customizations.actions")
@pytest.mark.parametrize(
    ("merges", "known"),
    [("", ["restart", "wave"]), ("mergeBuiltinActions: true\n", ["pause", "restart", "resume", "scale", "wave"])],
    ids=["instead of ours", "beside ours"],
)
async def test_a_teams_actions_come_before_ours(
    shop: Shop, capsys: pytest.CaptureFixture[str], merges: str, known: list[str]
) -> None:
    deployment = await shop.create(DEPLOYMENTS, workload("Deployment", "api", {"app": "api"}))
    await shop.create(CONFIG_MAPS, settings(**{"resource.customizations.actions.apps_Deployment": f"{merges}{OWN_RESTART}"}))
    await shop.create(APPLICATIONS, application(resources=[row("Deployment", "api", "apps")]))
    await list_actions(shop.session, "shop", Which(), "name")
    assert capsys.readouterr().out.split() == known
    await run_action(shop.session, "shop", "restart", Which(kind="Deployment"), PLAIN)
    api = await shop.client.get(DEPLOYMENTS, "shop", "api")
    assert api["metadata"]["annotations"] == {"restarted": "by the team"}
    assert api["spec"] == deployment["spec"]
    with pytest.raises(NotYet, match="wave cannot be done"):
        await run_action(shop.session, "shop", "wave", Which(kind="Deployment"), PLAIN)
