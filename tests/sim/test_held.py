"""After a rollout threw a version out, Git wants N+1 and the cluster stays at N, on purpose: nothing loops, and it is said.

The faults are off here; what is played is a long time in which everybody looks again and again.
"""

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, APPLICATIONS, HTTP_ROUTES, REPLICA_SETS, ROLLOUTS
from shipway.demo.story import is_promoted, runs_image
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.kube.runtime.waiting import One, wait_until
from tests.sim.cluster_world import Cluster
from tests.sim.gitops_world import application
from tests.sim.test_faults import Shipway, becomes, becomes_healthy, canary_weight, push, shop, world

RECONCILES = 100


@pytest.mark.proves("004-20", "rollouts:held-at-n")
def test_a_version_that_was_thrown_out_stays_out_and_nobody_writes() -> None:
    async def story() -> None:
        async with world(0) as (there, shipway):
            shipway.transport.calm()
            await thrown_out(there, shipway)
            sentence = await said(there)
            assert sentence.startswith(
                f"shop is Degraded: Git wants v3 (commit {shipway.repository.head[:7]}), but the canary was "
            )
            assert sentence.endswith("; all traffic is on v1. Fix the cause and push, or revert the commit.")
            await still_held(there)
            before = shipway.reached.writes  # labels: annotations of a Rollout belong on its ReplicaSet too
            for number in range(RECONCILES):
                touch = {"metadata": {"labels": {"seen-by": f"somebody-{number}"}}}
                await there.user.patch(ROLLOUTS, "shop", "web", touch)
                await there.user.patch(APPLICATIONS, "argocd", "shop", touch)
                shipway.pushed()
                await there.clock.sleep(10)
            assert shipway.reached.writes == before
            assert await said(there) == sentence
            await sync_by_hand(there)
            await still_held(there)
            await push(shipway, shop("v4"))
            await becomes(there, lambda obj: is_promoted(obj, "v4"))
            await becomes_healthy(there)

    run_in_virtual_time(story())


async def thrown_out(there: Cluster, shipway: Shipway) -> None:
    """v1 is live, v3 is what Git wants, and its own metric has thrown it out."""
    await there.user.create(APPLICATIONS, application())
    await becomes_healthy(there)
    await push(shipway, shop("v3"))
    await becomes(there, lambda obj: runs_image(obj, "v3") and bool(dig(obj, "status", "abort")))
    await there.clock.sleep(300)


async def still_held(there: Cluster) -> None:
    """Git at N+1, the cluster at N, both of them Degraded and said to be in sync."""
    user = there.user
    app, web = await user.get(APPLICATIONS, "argocd", "shop"), await user.get(ROLLOUTS, "shop", "web")
    assert (dig(app, "status", "health", "status"), dig(app, "status", "sync", "status")) == ("Degraded", "Synced")
    assert dig(web, "status", "phase") == "Degraded"
    assert dig(web, "spec", "template", "spec", "containers", 0, "image") == "shop/web:v3"
    serving = {
        dig(found, "spec", "template", "spec", "containers", 0, "image"): dig(found, "spec", "replicas")
        for found in (await user.list(REPLICA_SETS, "shop")).items
        if labels_of(found).get("app") == "web"
    }
    assert serving == {"shop/web:v1": 3, "shop/web:v3": 0}
    assert canary_weight(await user.get(HTTP_ROUTES, "shop", "web")) == 0


async def sync_by_hand(there: Cluster) -> None:
    """Somebody syncs: it succeeds, and the Rollout is not written."""
    before = (await there.user.get(ROLLOUTS, "shop", "web"))["metadata"]["resourceVersion"]
    operation = {"operation": {"initiatedBy": {"username": "somebody"}, "sync": {}}}
    await there.user.patch(APPLICATIONS, "argocd", "shop", operation)

    def is_done(app: Obj | None) -> bool:
        return app is not None and "operation" not in app

    app = await wait_until(there.user, One(APPLICATIONS, "argocd", "shop"), is_done, seconds=60)
    assert dig(app, "status", "operationState", "phase") == "Succeeded"
    await there.clock.sleep(60)
    assert (await there.user.get(ROLLOUTS, "shop", "web"))["metadata"]["resourceVersion"] == before


async def said(there: Cluster) -> str:
    user = there.user
    children = [await user.get(ROLLOUTS, "shop", "web")]
    for kind in (REPLICA_SETS, ANALYSIS_RUNS):
        children += (await user.list(kind, "shop")).items
    return why(await user.get(APPLICATIONS, "argocd", "shop"), children)
