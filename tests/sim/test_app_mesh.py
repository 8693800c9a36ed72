"""Canaries in App Mesh: a pod finds its VirtualNode when it is born, and no share leads to a VirtualNode without pods."""

from contextlib import suppress

import pytest

from shipway.api.kinds import APP_MESH_NODES, APP_MESH_ROUTERS, APP_MESH_SERVICES, PODS, ROLLOUTS
from shipway.base.errors import NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, name_of
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim.rollouts_world import NS, World, simulate
from tests.sim.test_routers import APP_MESH, install, mesh_hashes, mesh_objects, mesh_shares, routed

NODES = ("web-stable", "web-canary")


async def begun(world: World, *steps: Obj) -> None:
    await install(world.user, world.clock)
    for resource, obj in mesh_objects():
        await world.user.create(resource, obj)
    await world.user.create(ROLLOUTS, routed({"appMesh": APP_MESH}, *steps))


class Mesh:
    """What of the mesh stands at every write: which hash each VirtualNode selects, and what share it has."""

    def __init__(self, world: World) -> None:
        self.hashes: dict[str, str] = {}
        self.canary_share = 0
        self.homeless: list[str] = []
        self.lost: list[str] = []
        self._alive: dict[str, str] = {}
        world.engine.follow(APP_MESH_NODES, self._node)
        world.engine.follow(APP_MESH_ROUTERS, self._router)
        world.cluster.follow(PODS, self._pod)

    def _node(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.hashes[name_of(new)] = new["spec"]["podSelector"]["matchLabels"].get(HASH_LABEL, "")
            self._look()

    def _router(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.canary_share = new["spec"]["routes"][0]["httpRoute"]["action"]["weightedTargets"][0]["weight"]
            self._look()

    def _pod(self, old: Obj | None, new: Obj | None) -> None:
        if new is None:
            self._alive.pop(name_of(old or {}), None)
            return
        pod_hash = labels_of(new)[HASH_LABEL]
        if old is None and pod_hash not in self.hashes.values():
            self.homeless.append(name_of(new))
        self._alive[name_of(new)] = pod_hash

    def _look(self) -> None:
        if self.canary_share and self.hashes.get("web-canary") not in self._alive.values():
            self.lost.append(f"{self.canary_share} % to {self.hashes.get('web-canary')}")


@pytest.mark.compat("rollouts:router.appMesh")
def test_a_canary_walks_its_steps_and_is_promoted() -> None:
    async def story(world: World) -> None:
        await begun(world, {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}})
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        await world.clock.sleep(2)
        assert await mesh_hashes(world.user) == ("canary-hash", v1)
        mesh = Mesh(world)
        await world.clock.sleep(1)
        await world.set_image("shop/web:v2")
        v2 = (await world.phase("Paused"))["status"]["currentPodHash"]
        assert await mesh_hashes(world.user) == (v2, v1)
        assert await mesh_shares(world.user) == (20, 80)
        await world.patch_status(pauseConditions=None)
        await world.until(lambda found: found["status"]["currentStepIndex"] == 3)
        assert await mesh_shares(world.user) == (60, 40)
        await world.phase("Paused")
        await world.patch_status(pauseConditions=None)
        await world.phase("Healthy")
        await world.clock.sleep(2)
        assert await mesh_shares(world.user) == (0, 100)
        assert await mesh_hashes(world.user) == ("canary-hash", v2)
        assert (mesh.homeless, mesh.lost) == ([], [])
        before = await world.user.get(APP_MESH_ROUTERS, NS, "web")
        await world.clock.sleep(600)
        assert await world.user.get(APP_MESH_ROUTERS, NS, "web") == before
        assert not any("TrafficRouteRestored" in line for line in await world.told())

    simulate(story)


def test_a_third_version_takes_over_a_canary_that_has_a_share_and_an_abort_gives_all_back() -> None:
    async def story(world: World) -> None:
        await begun(world, {"setWeight": 50}, {"pause": {}})
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        await world.clock.sleep(2)
        mesh = Mesh(world)
        await world.set_image("shop/web:v2")
        v2 = (await world.phase("Paused"))["status"]["currentPodHash"]
        await world.set_image("shop/web:v3")
        await world.until(lambda found: found["status"]["currentPodHash"] not in (v1, v2))
        v3 = (await world.phase("Paused"))["status"]["currentPodHash"]
        assert await mesh_hashes(world.user) == (v3, v1)
        await world.patch_status(abort=True)
        await world.phase("Degraded", "RolloutAborted")
        await world.clock.sleep(120)
        assert await mesh_shares(world.user) == (0, 100)
        assert (mesh.homeless, mesh.lost) == ([], [])
        assert not any("TrafficRouteRestored" in line for line in await world.told())

    simulate(story)


def test_a_mesh_that_is_not_there_is_told_and_recovered_from() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, routed({"appMesh": APP_MESH}, {"setWeight": 20}))
        await world.phase("Degraded", "this cluster does not serve VirtualNode: install App Mesh's CRDs")
        await install(world.user, world.clock)
        for resource, obj in mesh_objects():
            await world.phase("Degraded", f'{resource.kind} "')
            await world.user.create(resource, obj)
        await world.phase("Healthy")
        bare = {"spec": {"provider": {"virtualRouter": None}}}
        await world.user.patch(APP_MESH_SERVICES, NS, "web", bare)
        await world.phase("Degraded", "Virtual-service is not associated with virtual-router")

    simulate(story)


@pytest.mark.compat("rollouts:router.appMesh")
def test_hashes_and_shares_edited_by_hand_are_written_again() -> None:
    async def story(world: World) -> None:
        await begun(world, {"setWeight": 20}, {"pause": {}})
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        good = await mesh_hashes(world.user)
        label = f"/spec/podSelector/matchLabels/{HASH_LABEL}"
        for name in NODES:
            with suppress(NotFound):
                ops = [{"op": "replace", "path": label, "value": "x"}]
                await world.user.patch(APP_MESH_NODES, NS, name, ops, type="json")
            await world.clock.sleep(2)
            assert await mesh_hashes(world.user) == good
            line = f"TrafficRouteRestored: VirtualNode shop/{name} no longer says what the Rollout wants: written again"
            assert line in await world.told()

    simulate(story)
