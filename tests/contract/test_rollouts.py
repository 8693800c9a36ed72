"""Canaries on a real API server, with the real ReplicaSet controller: what the simulations prove holds there too.

The same world as in the simulations, in real time: pods are played (there is no node), and so is the metric server.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shipway.api.crds import load_router_crds
from shipway.api.kinds import APP_MESH_ROUTERS, CRDS, HTTP_ROUTES, MAPPINGS, NAMESPACES, ROLLOUTS
from shipway.base.clock import SystemClock
from shipway.base.errors import Conflict
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.views import annotations_of, dig
from shipway.kube.objects.wire import Transport
from shipway.rollouts import actions
from tests.kube.installation import Audited, granted, granting
from tests.sim.rollouts_world import NS, World, furnished, rollout, running
from tests.sim.test_experiments import GATEWAY, is_cleared, nothing_in_the_route, on_trial, trial_step
from tests.sim.test_routers import everywhere, is_gone, mesh_shares, paused_behind_many
from tests.sim.test_routers_left import change, edit
from tests.waiting import comes_to

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

BACKGROUND = {"templates": [{"templateName": "errors"}], "startingStep": 1}


@asynccontextmanager
async def world(plane: Any, account: Path) -> AsyncGenerator[World, None]:
    """The engine works with the rights of its account; users, pods and metrics are the test's."""
    engine = HttpTransport(load_kubeconfig(account))
    async with world_of(plane, engine) as there:
        yield there


@asynccontextmanager
async def world_of(plane: Any, engine: Transport) -> AsyncGenerator[World, None]:
    transport = HttpTransport(load_kubeconfig(plane.kubeconfig, None))
    there = World(transport, SystemClock(), lambda server, clock: engine)
    try:
        await furnished(there)
        async with running(there):
            yield there
    finally:
        await there.user.delete(NAMESPACES, "", NS)
        while not await is_gone(there.user, NAMESPACES, NS, namespace=""):
            await there.clock.sleep(0.2)
        await engine.close()
        await transport.close()


async def test_a_good_version_is_promoted_and_a_bad_one_thrown_out(real_control_plane: Any, shipway_account: Path) -> None:
    async with world(real_control_plane, shipway_account) as there:
        pause = {"pause": {"duration": "8s"}}  # long enough for a slow machine to look what it came to
        steps = ({"setWeight": 5}, pause, {"setWeight": 30}, pause, {"setWeight": 100})
        await there.user.create(ROLLOUTS, rollout(*steps, analysis=BACKGROUND, scaleDownDelaySeconds=1))
        v1 = (await there.phase("Healthy"))["status"]["stableRS"]
        await there.set_image("shop/web:v2")
        await there.phase("Paused", "CanaryPauseStep")
        assert await there.weights() == (5, 95)
        await there.until(lambda found: found["status"].get("currentStepIndex") == 3)
        assert await there.weights() == (30, 70)
        v2 = (await there.phase("Healthy"))["status"]["stableRS"]
        assert v2 != v1
        await back_on_stable(there)

        there.errors = 0.3
        await there.set_image("shop/web:v3")
        found = await there.phase("Degraded", "RolloutAborted")
        await back_on_stable(there)
        assert found["status"]["stableRS"] == v2
        there.errors = 0.0
        await there.set_image("shop/web:v2")
        await there.phase("Healthy")

        ops = [{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 90}]
        old = {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}
        with pytest.raises(Conflict):  # the guard of the engine's own patches
            await there.user.patch(HTTP_ROUTES, NS, "web", [old, *ops], type="json")
        await there.user.patch(HTTP_ROUTES, NS, "web", ops, type="json")
        await back_on_stable(there)
        await rests(there)


async def back_on_stable(there: World) -> None:
    """A promotion is reported when both Services lead to the new version; the weights follow."""
    await comes_to((0, 100), there.weights)


async def rests(there: World) -> None:
    """Nothing is written any more, and no revision was made for nothing."""

    async def written_meanwhile() -> bool:
        before = (await there.rollout())["metadata"]["resourceVersion"]
        await there.clock.sleep(5)
        return (await there.rollout())["metadata"]["resourceVersion"] != before

    await comes_to(False, written_meanwhile)
    assert len(await there.sizes()) == 3


async def test_variants_of_an_experiment_come_and_go_in_a_route(real_control_plane: Any, shipway_account: Path) -> None:
    """With the rights of the engine, the schema of the Gateway API and the real garbage collector."""
    async with world(real_control_plane, shipway_account) as there:
        await on_trial(there, trial_step(analyses=[]), GATEWAY)
        await there.patch_status(**actions.abort(await there.rollout()).status)
        await there.phase("Degraded")
        await nothing_in_the_route(there)
        await there.patch_status(**actions.retry(await there.rollout()).status)
        await there.until(lambda found: dig(found, "status", "canary", "weights", "additional"))
        await there.user.delete(ROLLOUTS, NS, "web")
        await is_cleared(there)


ROUTERS = tuple(f"routers/{name}.yaml" for name in ("ambassador", "apisix", "appmesh", "smi", "traefik"))


@pytest.mark.compat("rollouts:router.ambassador", "rollouts:router.appMesh")
@pytest.mark.proves("deploy:least-rights")
async def test_many_routers_follow_one_canary_with_the_least_rights(real_control_plane: Any, shipway_account: Path) -> None:
    """Each router's file grants what its story needs, and no more."""
    audited = Audited(HttpTransport(load_kubeconfig(shipway_account)))
    async with (
        granting(real_control_plane.kubeconfig, shipway_account, *ROUTERS),
        world_of(real_control_plane, audited) as there,
    ):
        await paused_behind_many(there)
        assert await everywhere(there.user) == [30] * 6
        await edit(there.user, MAPPINGS, "web-canary", "/spec/weight", 90)
        await edit(there.user, APP_MESH_ROUTERS, "web", "/spec/routes/0/httpRoute/action/weightedTargets/1/weight", 1)
        await comes_to([30] * 6, lambda: everywhere(there.user))
        gone = ("nginx", "smi", "apisix", "ambassador", "appMesh", "managedRoutes")
        await change(there, trafficRouting=dict.fromkeys(gone))
        await there.until(lambda found: "nginx" not in annotations_of(found)["shipway.dev/reaches"])
        await comes_to(True, lambda: is_gone(there.user, MAPPINGS, "web-canary"))
        await comes_to((0, 100), lambda: mesh_shares(there.user))
        for crd in load_router_crds():
            await there.user.delete(CRDS, "", crd["metadata"]["name"])
    assert audited.refused == []
    wanted = granted(*ROUTERS)
    groups = {one.group for one in wanted}
    assert {one for one in audited.used if one.group in groups} == wanted
