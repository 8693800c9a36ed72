"""Experiments, alone and as steps, on a real API server in memory, with the real shell and controllers, in virtual time."""

import asyncio
import random
from typing import Any, get_args

import pytest

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CRDS,
    EVENTS,
    EXPERIMENTS,
    HTTP_ROUTES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    TRAFFIC_SPLITS,
)
from shipway.api.route_variants import read_variants
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.kube.client.client import Propagation
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, labels_of, name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.rollouts import actions
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim.faults import Crash, Faults, FaultyTransport
from tests.sim.rollouts_world import NS, World, rollout, simulate
from tests.sim.rollouts_world import world as furnished_world

ENDED = ("Successful", "Failed", "Error", "Inconclusive")


def variant(name: str, image: str = "shop/web:v1") -> Obj:
    container = {"name": "web", "image": image, "ports": [{"containerPort": 8080}]}
    pods = {"metadata": {"labels": {"trial": name}}, "spec": {"containers": [container]}}
    return {"name": name, "selector": {"matchLabels": {"trial": name}}, "template": pods, "service": {}}


def experiment(**spec: object) -> Obj:
    templates = [variant("old"), variant("new", "shop/web:v2")]
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": EXPERIMENTS.kind,
        "metadata": {"name": "ab", "namespace": NS},
        "spec": {"templates": templates, "scaleDownDelaySeconds": 5, **spec},
    }


async def phase(world: World, *wanted: str) -> Obj:
    for _ in range(1200):
        found = await world.user.get(EXPERIMENTS, NS, "ab")
        if dig(found, "status", "phase", default="") in wanted:
            return found
        await world.clock.sleep(0.1)
    raise AssertionError("never came true")


async def nothing_is_left(world: World) -> None:
    """Within the delay and the time that pods take, whatever made it end."""
    await world.clock.sleep(15)
    assert [name_of(pod) for pod in (await world.user.list(PODS, NS)).items if not is_deleting(pod)] == []
    assert not [one for one in (await world.user.list(SERVICES, NS)).items if name_of(one).startswith("ab-")]
    runs = (await world.user.list(ANALYSIS_RUNS, NS)).items
    assert all(dig(run, "status", "phase", default="") in ENDED for run in runs)


def comparison() -> Obj:
    """Errors of the new variant, which must not be above 5 %, and those of the old one beside them."""
    metrics = [
        {
            "name": name,
            "interval": "2s",
            "count": 3,
            "successCondition": "result <= 0.05",
            "provider": {"web": {"url": f"http://metrics.test/{{{{args.{name}}}}}", "jsonPath": "{$.share}"}},
        }
        for name in ("old", "new")
    ]
    spec = {"args": [{"name": "old"}, {"name": "new"}], "metrics": metrics}
    metadata = {"name": "comparison", "namespace": NS}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": metadata, "spec": spec}


@pytest.mark.proves("001-26")
@pytest.mark.parametrize(
    ("new", "wanted", "verdict"),
    [(0.01, "Successful", ""), (0.3, "Failed", 'Metric "new" assessed Failed due to failed (1) > failureLimit (0)')],
)
def test_two_variants_are_compared_by_their_own_figures(new: float, wanted: str, verdict: str) -> None:
    async def story(world: World) -> None:
        await world.user.create(ANALYSIS_TEMPLATES, comparison())
        args = [{"name": one, "value": f"{{{{templates.{one}.podTemplateHash}}}}"} for one in ("old", "new")]
        compare = {"name": "compare", "templateName": "comparison", "requiredForCompletion": True, "args": args}
        await world.user.create(EXPERIMENTS, experiment(duration="60s", analyses=[compare]))
        while len(sets := (await world.user.list(REPLICA_SETS, NS)).items) < 2:
            await world.clock.sleep(0.1)
        figures = {"ab-old": 0.01, "ab-new": new}
        world.errors_of = {labels_of(rs)[HASH_LABEL]: figures[name_of(rs)] for rs in sets}
        ended = await phase(world, *ENDED)
        assert ended["status"]["phase"] == wanted
        assert ended["status"].get("message", "") == verdict
        await nothing_is_left(world)

    simulate(story)


CHECK = {"name": "check", "templateName": "errors"}


@pytest.mark.compat("rollouts:experiment", "rollouts:experiment.analyses")
@pytest.mark.parametrize(
    ("spec", "errors", "wanted"),
    [
        ({"duration": "10s", "analyses": [CHECK]}, 0.0, "Successful"),
        ({"duration": "60s", "analyses": [CHECK]}, 0.3, "Failed"),
    ],
)
def test_variants_are_compared_and_taken_down(spec: Obj, errors: float, wanted: str) -> None:
    async def story(world: World) -> None:
        world.errors = errors
        await world.user.create(EXPERIMENTS, experiment(**spec))
        await phase(world, "Running")
        assert {name_of(rs) for rs in (await world.user.list(REPLICA_SETS, NS)).items} == {"ab-old", "ab-new"}
        assert {name_of(one) for one in (await world.user.list(SERVICES, NS)).items} >= {"ab-old", "ab-new"}
        ended = await phase(world, *ENDED)
        assert ended["status"]["phase"] == wanted
        await nothing_is_left(world)

    simulate(story)


def test_terminating_one_without_an_end_leaves_nothing() -> None:
    async def story(world: World) -> None:
        await world.user.create(EXPERIMENTS, experiment(analyses=[CHECK]))
        await phase(world, "Running")
        await world.clock.sleep(20)
        await world.user.patch(EXPERIMENTS, NS, "ab", {"spec": {"terminate": True}})
        assert (await phase(world, *ENDED))["status"]["phase"] == "Successful"
        await nothing_is_left(world)

    simulate(story)


def smi_crd() -> Obj:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {
        "group": TRAFFIC_SPLITS.group,
        "names": {"kind": TRAFFIC_SPLITS.kind, "plural": TRAFFIC_SPLITS.plural},
        "scope": "Namespaced",
        "versions": [{"name": TRAFFIC_SPLITS.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
    }
    name = f"{TRAFFIC_SPLITS.plural}.{TRAFFIC_SPLITS.group}"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": CRDS.kind, "metadata": {"name": name}, "spec": spec}


def trial_step(**more: Any) -> Obj:
    """Both versions side by side, the new one with a share; the comparison decides."""
    templates = [{"name": "old", "specRef": "stable"}, {"name": "new", "specRef": "canary", "weight": 20}]
    args = [{"name": one, "value": f"{{{{templates.{one}.podTemplateHash}}}}"} for one in ("old", "new")]
    compare = {"name": "compare", "templateName": "comparison", "requiredForCompletion": True, "args": args}
    return {"experiment": {"templates": templates, "analyses": [compare], "scaleDownDelaySeconds": 5, **more}}


GATEWAY: Obj = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}}}
ROUTERS: dict[str, Obj] = {"smi": {"smi": {}}, "gatewayAPI": GATEWAY}
behind_both = pytest.mark.parametrize("router", ROUTERS.values(), ids=ROUTERS)


async def backends(world: World) -> dict[str, int]:
    """What the routes say, by Service."""
    if TRAFFIC_SPLITS in await world.user.discover():
        split = await world.user.get(TRAFFIC_SPLITS, NS, "web")
        return {one["service"]: one["weight"] for one in split["spec"]["backends"]}
    route = await world.user.get(HTTP_ROUTES, NS, "web")
    return {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}


async def shares(world: World) -> dict[str, int]:
    """The same, the variants by the names of their templates."""
    return {name.rsplit("-", 1)[-1]: weight for name, weight in (await backends(world)).items()}


async def on_trial(world: World, step: Obj, router: Obj) -> str:
    """A canary that has come to its experiment: the name of it, once it runs and has its share."""
    if "smi" in router:
        await world.user.create(CRDS, smi_crd())
    await world.user.create(ANALYSIS_TEMPLATES, comparison())
    made = rollout({"setWeight": 10}, step, {"pause": {}}, trafficRouting=router)
    made["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 8080}]
    await world.user.create(ROLLOUTS, made)
    await world.phase("Healthy")
    container = {"name": "web", "image": "shop/web:v2", "ports": [{"containerPort": 8080}]}
    await world.user.patch(ROLLOUTS, NS, "web", {"spec": {"template": {"spec": {"containers": [container]}}}})
    trying = await world.until(lambda found: dig(found, "status", "canary", "weights", "additional"))
    assert await shares(world) == {"canary": 10, "new": 20, "stable": 70}
    name = trying["status"]["canary"]["currentExperiment"]
    (told,) = trying["status"]["canary"]["weights"]["additional"]
    tried = await world.user.get(SERVICES, NS, f"{name}-new")
    pod_hash = tried["spec"]["selector"][HASH_LABEL]
    assert told == {"weight": 20, "serviceName": f"{name}-new", "podTemplateHash": pod_hash}
    return name


async def said(world: World) -> list[str]:
    return [f"{event['reason']}: {event['message']}" for event in (await world.user.list(EVENTS, NS)).items]


async def nothing_in_the_route(world: World) -> None:
    """Of variants, where the route is an HTTPRoute."""
    route = await world.user.get(HTTP_ROUTES, NS, "web")
    assert {one["name"] for one in route["spec"]["rules"][0]["backendRefs"]} == {"web-stable", "web-canary"}
    assert read_variants(route) == {}


async def only_the_rollout_is_left(world: World, name: str) -> None:
    """The variants go after their delay, and had lost their share before."""
    await world.clock.sleep(15)
    sets = {name_of(rs): rs["spec"]["replicas"] for rs in (await world.user.list(REPLICA_SETS, NS)).items}
    assert {sets[f"{name}-{one}"] for one in ("old", "new")} == {0}
    assert not [one for one in (await world.user.list(SERVICES, NS)).items if name_of(one).startswith(name)]
    assert "additional" not in (await world.rollout())["status"]["canary"]["weights"]
    await nothing_in_the_route(world)


@pytest.mark.compat("rollouts:step.experiment", "rollouts:router.gatewayAPI")
@behind_both
@pytest.mark.parametrize(("errors", "phase", "left"), [(0.0, "Paused", (10, 90)), (0.3, "Degraded", (0, 100))])
def test_a_canary_goes_on_or_is_thrown_out_as_its_experiment_says(
    errors: float, phase: str, left: tuple[int, int], router: Obj
) -> None:
    async def story(world: World) -> None:
        name = await on_trial(world, trial_step(), router)
        world.errors = errors
        found = await world.phase(phase)
        assert ("assessed Failed" if phase == "Degraded" else "CanaryPauseStep") in found["status"]["message"]
        assert await shares(world) == dict(zip(("canary", "stable"), left, strict=True))
        await only_the_rollout_is_left(world, name)
        assert (await world.reasons()).count("ExperimentCreated") == 1
        moved = "TrafficWeightUpdated: Traffic weight updated "
        assert any(line.startswith(f"{moved}additional: [{{20 {name}-new ") for line in await said(world))
        ended = "from 10 to 0, additional: []" if phase == "Degraded" else "additional: []"
        assert f"{moved}{ended}" in await said(world)

    simulate(story)


@behind_both
@pytest.mark.parametrize("how", ["abort", "promote", "promote_full"])
def test_a_person_ends_an_experiment_that_has_no_end(how: str, router: Obj) -> None:
    async def story(world: World) -> None:
        name = await on_trial(world, trial_step(analyses=[]), router)
        await world.clock.sleep(30)
        await world.patch_status(**getattr(actions, how)(await world.rollout()).status)
        wanted = {"abort": "Degraded", "promote": "Paused", "promote_full": "Healthy"}
        await world.phase(wanted[how])
        assert set(await shares(world)) == {"canary", "stable"}
        ended = await world.user.get(EXPERIMENTS, NS, name)
        assert ended["spec"]["terminate"] is True
        await only_the_rollout_is_left(world, name)

    simulate(story)


async def is_cleared(world: World) -> None:
    async with asyncio.timeout(60):
        while len(await backends(world)) > 2:
            await world.clock.sleep(0.1)
    await nothing_in_the_route(world)


@pytest.mark.parametrize("how", get_args(Propagation))
def test_a_rollout_that_is_deleted_leaves_no_variant_in_the_route(how: Propagation) -> None:
    async def story(world: World) -> None:
        name = await on_trial(world, trial_step(analyses=[]), GATEWAY)
        await world.user.delete(ROLLOUTS, NS, "web", propagation=how)
        await is_cleared(world)
        if how != "Orphan":
            while [one for one in (await world.user.list(SERVICES, NS)).items if name_of(one).startswith(name)]:
                await world.clock.sleep(0.1)
        assert await shares(world) == {"canary": 10, "stable": 70}

    simulate(story)


class Mortal:
    """A transport whose user dies of its next write while `is_fatal`, and learns nothing when it is born again."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.is_fatal = False

    async def send(self, request: Request) -> Response:
        if self.is_fatal:
            raise Unavailable("nobody answers") if request.method == "GET" else Crash
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def test_an_engine_that_dies_of_the_deletion_clears_the_route_when_any_rollout_leads_it_there_again() -> None:
    engines: list[Mortal] = []

    def wrap(server: Transport, _: Clock) -> Transport:
        engines.append(Mortal(server))
        engines[-1].is_fatal = len(engines) > 1
        return engines[-1]

    async def main() -> None:
        async with furnished_world(wrap=wrap) as world:
            await on_trial(world, trial_step(analyses=[]), GATEWAY)
            engines[0].is_fatal = True
            await world.user.delete(ROLLOUTS, NS, "web")
            await world.clock.sleep(20)
            assert (len(await backends(world)), world.crashes) == (3, 1)
            other = rollout({"setWeight": 10}, {"pause": {}}, trafficRouting=GATEWAY)
            other["metadata"]["name"] = "other"
            await world.user.create(ROLLOUTS, other)
            for engine in engines:
                engine.is_fatal = False
            await is_cleared(world)

    run_in_virtual_time(main())


FAULTS = Faults(refused=0.03, answer_lost=0.03, crash=0.02, watch_dropped=0.05, watch_held_back=0.1)


async def shares_are_answered(world: World) -> None:
    """Whoever has a share of the traffic has a Service, and pods behind it."""
    for service, weight in (await backends(world)).items():
        if weight:
            found = await world.user.get(SERVICES, NS, service)
            wanted = found["spec"]["selector"][HASH_LABEL]
            pods = [pod for pod in (await world.user.list(PODS, NS)).items if labels_of(pod).get(HASH_LABEL) == wanted]
            assert any(dig(pod, "status", "phase") == "Running" and not is_deleting(pod) for pod in pods), service


@behind_both
@pytest.mark.parametrize("seed", range(6))
def test_a_step_comes_to_a_clean_end_whatever_dies_meanwhile(seed: int, router: Obj) -> None:
    rng, faulty = random.Random(seed), list[FaultyTransport]()

    def wrap(server: Transport, clock: Clock) -> Transport:
        faulty.append(FaultyTransport(server, clock, rng, FAULTS))
        return faulty[-1]

    async def main() -> None:
        async with furnished_world(wrap=wrap) as world:
            await on_trial(world, trial_step(duration="20s", analyses=[]), router)
            for _ in range(80):
                await world.clock.sleep(0.5)
                await shares_are_answered(world)
            for transport in faulty:
                transport.calm()
            await world.phase("Paused", "CanaryPauseStep")
            assert await shares(world) == {"canary": 10, "stable": 90}
            tried = (await world.user.list(EXPERIMENTS, NS)).items
            assert {one["status"]["phase"] for one in tried} == {"Successful"}
            for one in tried:
                await only_the_rollout_is_left(world, name_of(one))

    run_in_virtual_time(main())
    assert sum(transport.injected for transport in faulty) > 0
