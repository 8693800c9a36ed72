"""Verification rules on a real API server in memory, with the real shell and analyses, in virtual time."""

from typing import Any

import pytest

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    ROLLOUTS,
    VERIFICATION_RULES,
)
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of, status_of
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.rollouts.rollout.names import ENVIRONMENT, RULE_LABEL, STALE
from tests.sim.rollouts_world import NS, World, errors_template, rollout, simulate
from tests.sim.test_rollout_faults import run_history

STEPS: tuple[Obj, ...] = ({"setWeight": 20}, {"pause": {"duration": "20s"}}, {"setWeight": 60})
SERVICES = ("basket", "catalog", "mail", "payment", "search", "stock", "web")


def rule(name: str = "org", template: str = "errors", **spec: Any) -> Obj:
    return {
        "apiVersion": VERIFICATION_RULES.api_version,
        "kind": VERIFICATION_RULES.kind,
        "metadata": {"name": name},
        "spec": {"templates": [{"templateName": template}], **spec},
    }


def measured(name: str, **more: Any) -> Obj:
    """The template `errors` by another name."""
    return merge_patch(errors_template(), {"metadata": {"name": name}, "spec": more})


def catalog(image: str) -> Obj:
    labels = {"app": "catalog"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "catalog", "image": image}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "catalog", "namespace": NS}, "spec": spec}


async def runs(world: World, of: str = "web") -> dict[str, Obj]:
    """The runs of rules for a Rollout, by their name after the hash."""
    found = [one for one in (await world.user.list(ANALYSIS_RUNS, NS)).items if labels_of(one).get(RULE_LABEL)]
    return {name_of(one).split("-", 2)[2]: one for one in found if name_of(one).startswith(f"{of}-")}


async def run_is(world: World, name: str, phase: str, of: str = "web") -> Obj:
    for _ in range(600):
        run = (await runs(world, of)).get(name)
        if run is not None and status_of(run).get("phase") == phase:
            return run
        await world.clock.sleep(0.1)
    raise AssertionError(f"{name} was never {phase}: {await runs(world, of)}")


def test_a_bad_version_is_thrown_out_by_a_rule_that_its_manifest_does_not_know() -> None:
    async def story(world: World) -> None:
        await world.user.create(VERIFICATION_RULES, rule())
        await world.user.create(ROLLOUTS, rollout(*STEPS))
        await world.phase("Healthy")
        assert await runs(world) == {}
        world.errors = 0.3
        await world.set_image("shop/web:v2")
        found = await world.phase("Degraded", "RolloutAborted")
        assert await world.weights() == (0, 100)
        assert found["status"]["message"].startswith(
            "RolloutAborted: Rollout aborted update to revision 2: Verification rule 'org' analysis phase error/failed: "
            'Metric "errors" assessed Failed'
        )
        world.errors = 0.0
        await world.set_image("shop/web:v3")
        await world.phase("Healthy")
        assert status_of((await runs(world))["3-org-canary"])["phase"] == "Successful"

    simulate(story)


@pytest.mark.proves("000-08")
def test_a_verdict_beside_a_changed_service_is_stale_and_not_a_failure() -> None:
    async def story(world: World) -> None:
        await world.user.create(VERIFICATION_RULES, rule())
        await world.user.create(DEPLOYMENTS, catalog("shop/catalog:1"))
        await world.user.create(ROLLOUTS, rollout(*STEPS))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        run = await run_is(world, "2-org-canary", "Running")
        assert "deployment/catalog" in annotations_of(run)[ENVIRONMENT]
        world.errors = 0.3
        await world.user.patch(DEPLOYMENTS, NS, "catalog", {"spec": catalog("shop/catalog:2")["spec"]})
        await run_is(world, "2-org-canary", "Failed")
        world.errors = 0.0
        await run_is(world, "2-org-canary.1", "Running")
        old = (await runs(world))["2-org-canary"]
        changed = "deployment/catalog: shop/catalog:1 -> shop/catalog:2"
        assert annotations_of(old)[STALE] == changed
        done = await world.phase("Healthy")
        events = [one for one in (await world.user.list(EVENTS, NS)).items if one["reason"] == "StaleEnvironment"]
        assert [changed in one["message"] for one in events] == [True]
        assert "RolloutAborted" not in await world.reasons()
        assert done["status"]["stableRS"] == done["status"]["currentPodHash"]

    simulate(story)


@pytest.mark.proves("000-39")
def test_an_update_whose_required_rule_is_absent_waits_and_begins_by_itself_when_it_comes() -> None:
    async def story(world: World) -> None:
        await world.user.create(VERIFICATION_RULES, rule(template="contract", at=["BeforePromotion"]))
        await world.user.create(ROLLOUTS, rollout(*STEPS))
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        await world.set_image("shop/web:v2")
        await world.phase("Degraded", "verification rule 'org' cannot judge it: AnalysisTemplate 'contract' not found")
        await world.user.patch(ROLLOUTS, NS, "web", {"spec": {"replicas": 3}})
        await world.clock.sleep(5)
        assert await world.sizes() == {v1: 3}
        assert await world.weights() == (0, 100)
        before = world.clock.now()
        once = {**errors_template()["spec"]["metrics"][0], "interval": None, "name": "contract"}
        await world.user.create(
            ANALYSIS_TEMPLATES, measured("contract", metrics=[{key: value for key, value in once.items() if value}])
        )
        await world.phase("Progressing")
        assert world.clock.now() - before < 1.0
        await world.phase("Healthy")
        assert status_of((await runs(world))["2-org-before"])["phase"] == "Successful"

    simulate(story)


def test_a_rule_that_changes_in_the_middle_of_an_update_is_that_of_the_next() -> None:
    async def story(world: World) -> None:
        await world.user.create(VERIFICATION_RULES, rule())
        await world.user.create(ANALYSIS_TEMPLATES, measured("latency"))
        await world.user.create(ROLLOUTS, rollout(*STEPS))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await run_is(world, "2-org-canary", "Running")
        await world.user.patch(
            VERIFICATION_RULES, "", "org", {"spec": {"templates": [{"templateName": "latency"}], "at": ["Canary"]}}
        )
        await world.user.create(VERIFICATION_RULES, rule("second"))
        await world.phase("Healthy")
        assert list(await runs(world)) == ["2-org-canary"]
        await world.set_image("shop/web:v3")
        await run_is(world, "3-org-canary", "Running")
        await world.phase("Healthy")
        assert sorted(await runs(world)) == ["2-org-canary", "3-org-canary", "3-second-canary"]

    simulate(story)


@pytest.mark.proves("000-07")
def test_one_rule_judges_seven_services_and_changing_it_once_changes_all() -> None:
    async def story(world: World) -> None:
        default = measured("org-errors")
        default = {**default, "kind": CLUSTER_ANALYSIS_TEMPLATES.kind, "metadata": {"name": "org-errors"}}
        await world.user.create(CLUSTER_ANALYSIS_TEMPLATES, default)
        here = {"templates": [{"templateName": "org-errors", "clusterScope": True}]}
        await world.user.create(VERIFICATION_RULES, rule(**here, selector={"matchLabels": {"tier": "shop"}}))
        for name in SERVICES:
            await world.user.create(ROLLOUTS, small(name))
        await all_healthy(world)
        for name in SERVICES:
            await ship(world, name, "v2")
        await all_healthy(world)
        for name in SERVICES:
            assert status_of((await runs(world, name))["2-org-canary"])["phase"] == "Successful"
        await world.user.patch(CLUSTER_ANALYSIS_TEMPLATES, "", "org-errors", stricter(default))
        world.errors = 0.03
        for name in SERVICES:
            await ship(world, name, "v3")
        for name in SERVICES:
            await run_is(world, "3-org-canary", "Failed", name)

    simulate(story)


def small(name: str) -> Obj:
    """A Rollout by pod counts."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": f"shop/{name}:v1"}]}}
    strategy = {"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "10s"}}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod, "strategy": strategy}
    meta = {"name": name, "namespace": NS, "labels": {"tier": "shop"}}
    return {"apiVersion": ROLLOUTS.api_version, "kind": ROLLOUTS.kind, "metadata": meta, "spec": spec}


def stricter(template: Obj) -> Obj:
    return {"spec": {"metrics": [{**template["spec"]["metrics"][0], "successCondition": "result <= 0.01"}]}}


async def ship(world: World, name: str, version: str) -> None:
    template = small(name)["spec"]["template"]
    template["spec"]["containers"][0]["image"] = f"shop/{name}:{version}"
    await world.user.patch(ROLLOUTS, NS, name, {"spec": {"template": template}})


async def all_healthy(world: World) -> None:
    for _ in range(1200):
        found = (await world.user.list(ROLLOUTS, NS)).items
        statuses = [(one["metadata"]["generation"], status_of(one)) for one in found]
        if all(
            status.get("phase") == "Healthy" and status.get("observedGeneration") == str(generation)
            for generation, status in statuses
        ):
            return
        await world.clock.sleep(0.1)
    raise AssertionError([(name_of(one), status_of(one).get("message")) for one in found])


def test_a_cluster_without_the_kind_goes_on_as_before_and_learns_it_when_it_comes() -> None:
    async def story(world: World) -> None:
        definition = await world.user.get(CRDS, "", "verificationrules.shipway.dev")
        await world.user.delete(CRDS, "", "verificationrules.shipway.dev")
        await world.user.create(ROLLOUTS, rollout({"setWeight": 50}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.until(lambda found: found["status"]["stableRS"] != found["status"]["currentPodHash"])
        await world.phase("Healthy")
        fresh = {**definition, "metadata": {"name": name_of(definition)}, "status": None}
        await world.user.create(CRDS, {key: value for key, value in fresh.items() if value is not None})
        while VERIFICATION_RULES not in await world.user.discover():
            await world.clock.sleep(0.1)
        await world.user.create(VERIFICATION_RULES, rule())
        await world.clock.sleep(2)
        await world.set_image("shop/web:v3")
        await run_is(world, "3-org-canary", "Running")

    simulate(story)


@pytest.mark.parametrize("seed", range(10))
def test_under_faults_a_ruled_history_ends_too(seed: int) -> None:
    once = measured("once", metrics=[{**errors_template()["spec"]["metrics"][0], "count": 2}])
    everywhere = rule(template="once", at=["Canary", "BeforePromotion", "AfterPromotion"])
    run_in_virtual_time(run_history(seed, (ANALYSIS_TEMPLATES, once), (VERIFICATION_RULES, everywhere)))
