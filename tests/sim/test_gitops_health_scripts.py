"""Health checks that a team wrote in `argocd-cm`, in virtual time with the real sandbox."""

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import World, application, condition_types, simulate


def in_state(state: str) -> Obj:
    return config() | {"data": {"state": state}}


READY_BY_DATA = """
if obj.data.state == "up" then return {status = "Healthy"} end
if obj.data.state == "down" then return {status = "Degraded", message = "it is " .. obj.data.state} end
return {status = "Progressing"}
"""


def settings(**data: str) -> Obj:
    named = {f"resource.customizations.health.{kind}": script for kind, script in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": named}


async def health(there: World) -> str:
    await there.settle()
    return dig(await there.app(), "status", "health", "status", default="")


@pytest.mark.proves("gitops:lua-health-live")
@pytest.mark.compat("argocd:status.health", "argocd:cm.resource.customizations.health")
def test_a_teams_script_judges_a_kind_that_we_know_nothing_of() -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings(ConfigMap=READY_BY_DATA))
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert await health(there) == "Progressing"
        await there.push([in_state("up"), service()])
        assert await health(there) == "Healthy"
        await there.push([in_state("down"), service()])
        assert await health(there) == "Degraded"

    simulate(story, [in_state("starting"), service()])


def test_changed_settings_judge_every_application_again_and_their_going_too() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert await health(there) == "Healthy"
        await there.user.create(CONFIG_MAPS, settings(ConfigMap=READY_BY_DATA))
        assert await health(there) == "Degraded"
        await there.user.delete(CONFIG_MAPS, "argocd", "argocd-cm")
        assert await health(there) == "Healthy"

    simulate(story, [in_state("down"), service()])


@pytest.mark.parametrize("script", ["while true do end", "return nil + 1", "return {status = 'Fine'}", "retur"])
@pytest.mark.compat("argocd:cm.resource.customizations.health")
def test_a_script_that_fails_makes_its_object_unknown_and_nothing_else(script: str) -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings(Service=script))
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        assert await health(there) == "Unknown"
        assert dig(app, "status", "operationState", "phase") == "Succeeded"

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:status.conditions")
def test_settings_that_cannot_be_read_are_a_condition() -> None:
    async def story(there: World) -> None:
        broken = settings() | {"data": {"resource.customizations": "a: ["}}
        await there.user.create(CONFIG_MAPS, broken)
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        assert condition_types(app) == {"UnknownError"}
        await there.user.delete(CONFIG_MAPS, "argocd", "argocd-cm")
        await there.settle()
        assert condition_types(await there.app()) == set()

    simulate(story, [config(), service()])
