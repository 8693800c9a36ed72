"""Steps that are Experiments, over `decide`: what is made, what ends the step, what ends the Experiment, who gets traffic."""

from contextlib import suppress
from typing import Any

import pytest

from shipway.api.kinds import ANALYSIS_TEMPLATES, EXPERIMENTS, HTTP_ROUTES, REPLICA_SETS, ROLLOUTS, SERVICES, TRAFFIC_SPLITS
from shipway.api.route_variants import read_variants
from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import copy_obj, labels_of, name_of
from shipway.rollouts import actions
from shipway.rollouts.rollout.experiments import SETTLING
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.unit.rollouts.rollout.sandbox import NS, Crash, Sandbox, deployed, plain, rollout, service, template

TRIAL: Obj = {
    "experiment": {
        "duration": "5m",
        "templates": [
            {"name": "old", "specRef": "stable"},
            {"name": "new", "specRef": "canary", "replicas": 3, "metadata": {"labels": {"trial": "new"}}},
        ],
        "analyses": [
            {
                "name": "errors",
                "templateName": "errors",
                "requiredForCompletion": True,
                "args": [
                    {"name": "old", "valueFrom": {"podTemplateHashValue": "Stable"}},
                    {"name": "new", "value": "{{templates.new.podTemplateHash}}"},
                ],
            }
        ],
    }
}
PAUSE: Obj = {"pause": {}}


def on_trial(*steps: Obj, **more: Any) -> Sandbox:
    """A Rollout whose update has come to the Experiment of its first step."""
    world = deployed(plain(*(steps or (TRIAL, PAUSE)), **more))
    world.set_image("shop/web:v2")
    world.settle()
    return world


def experiments(world: Sandbox) -> dict[str, Obj]:
    return {name_of(one): one for one in world.list(EXPERIMENTS)}


def current(world: Sandbox) -> Obj:
    return experiments(world)[world.status["canary"]["currentExperiment"]]


def report(world: Sandbox, phase: str, message: str = "", **status: Any) -> None:
    world.put(EXPERIMENTS, {**current(world), "status": {"phase": phase, "message": message, **status}})
    world.settle()


@pytest.mark.compat("rollouts:step.experiment")
def test_a_step_makes_one_experiment_of_the_two_versions() -> None:
    world = on_trial()
    (made,) = experiments(world).values()
    new_hash, stable_hash = world.status["currentPodHash"], world.status["stableRS"]
    assert name_of(made) == f"web-{new_hash}-2-0" == world.status["canary"]["currentExperiment"]
    assert labels_of(made)[HASH_LABEL] == new_hash
    assert made["metadata"]["annotations"] == {"rollout.argoproj.io/revision": "2"}
    assert made["metadata"]["ownerReferences"][0]["name"] == "web"
    old, new = made["spec"].pop("templates")
    assert (old["selector"], new["selector"]) == (
        {"matchLabels": {"app": "web"}},
        {"matchLabels": {"app": "web", "trial": "new"}},
    )
    assert new["template"] == {
        "metadata": {"labels": {"app": "web", "trial": "new"}},
        "spec": {"containers": [{"name": "web", "image": "shop/web:v2"}]},
    }
    assert old["template"]["spec"]["containers"][0]["image"] == "shop/web:v1"
    assert ("replicas" in old, new["replicas"], "service" in new) == (False, 3, False)
    args = [{"name": "old", "value": stable_hash}, TRIAL["experiment"]["analyses"][0]["args"][1]]
    analysis = {"name": "errors", "templateName": "errors", "requiredForCompletion": True, "args": args}
    assert made["spec"] == {"progressDeadlineSeconds": 600, "duration": "5m", "analyses": [analysis]}
    assert world.status["currentStepIndex"] == 0
    assert world.reasons.count("ExperimentCreated") == 1


@pytest.mark.compat("rollouts:step.experiment")
@pytest.mark.parametrize(
    ("phase", "step", "rollout_phase", "message"),
    [
        ("Running", 0, "Progressing", ""),
        ("Successful", 1, "Paused", "CanaryPauseStep"),
        ("Failed", 0, "Degraded", "RolloutAborted: Rollout aborted update to revision 2: too many errors"),
        ("Error", 0, "Degraded", "RolloutAborted: Rollout aborted update to revision 2: too many errors"),
        ("Inconclusive", 0, "Paused", "InconclusiveExperiment"),
    ],
)
def test_its_phase_decides_about_the_step(phase: str, step: int, rollout_phase: str, message: str) -> None:
    world = on_trial()
    report(world, phase, "too many errors")
    assert world.status["currentStepIndex"] == step
    assert (world.status["phase"], world.status["message"]) == (rollout_phase, message or world.status["message"])
    assert bool(world.status["canary"].get("currentExperiment")) == (phase in ("Running", "Inconclusive"))
    assert len(experiments(world)) == 1


def test_one_without_a_message_is_named_in_the_abort() -> None:
    world = on_trial()
    name = name_of(current(world))
    report(world, "Failed")
    assert world.status["message"].endswith(f"revision 2: Experiment '{name}' ended as Failed")


@pytest.mark.parametrize("how", ["abort", "promote", "promote_full", "new image", "other steps"])
def test_one_that_is_not_wanted_any_more_is_terminated(how: str) -> None:
    world = on_trial()
    report(world, "Running")
    name = name_of(current(world))
    if how == "new image":
        world.set_image("shop/web:v3")
    elif how == "other steps":
        world.edit(strategy={"canary": {"steps": [PAUSE]}})
    else:
        world.patch_status(**getattr(actions, how)(world.rollout).status)
    world.settle()
    assert experiments(world)[name]["spec"].get("terminate") is True
    assert world.status["canary"].get("currentExperiment", "") != name


def test_a_retry_and_a_resumed_doubt_start_a_new_one() -> None:
    world = on_trial()
    base = name_of(current(world))
    report(world, "Failed")
    world.patch_status(abort=False)
    world.settle()
    assert world.status["canary"]["currentExperiment"] == f"{base}-1"
    report(world, "Inconclusive")
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.status["canary"]["currentExperiment"] == f"{base}-2"
    report(world, "Inconclusive")
    promoted = actions.promote(world.rollout)
    world.patch_status(**promoted.status)
    world.settle()
    assert world.status["currentStepIndex"] == 1
    assert len(experiments(world)) == 3


def test_an_experiment_made_before_a_crash_is_found_again_though_the_server_has_completed_it() -> None:
    world = on_trial()
    (made,) = experiments(world).values()
    completed = copy_obj(made)
    for variant in completed["spec"]["templates"]:
        variant["template"]["spec"]["containers"][0]["resources"] = {}
    world.put(EXPERIMENTS, completed)
    world.patch_status(canary={"currentExperiment": None})
    world.settle()
    assert list(experiments(world)) == [name_of(made)] == [world.status["canary"]["currentExperiment"]]


def test_a_missing_template_and_a_field_that_is_not_there_are_said() -> None:
    missing = copy_obj(TRIAL)
    missing["experiment"]["analyses"][0]["templateName"] = "nowhere"
    world = on_trial(missing)
    assert "spec.strategy.canary.steps[0].experiment.analyses[0].templateName" in world.status["message"]
    assert "AnalysisTemplate 'nowhere' not found" in world.status["message"]
    lost = copy_obj(TRIAL)
    lost["experiment"]["analyses"][0]["args"] = [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "status.nowhere"}}}]
    world = on_trial(lost)
    assert "the Experiment of step 1 cannot be made: invalid path status.nowhere" in world.status["message"]


class Meshed(Sandbox):
    """A cluster that serves TrafficSplits, beside HTTPRoutes."""

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return TRAFFIC_SPLITS if kind == TRAFFIC_SPLITS.kind else super().resource_for(group, kind, cluster)


GATEWAY: Obj = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web"}}}
ROUTERS: dict[str, Obj] = {"smi": {"smi": {}}, "gatewayAPI": GATEWAY}
behind_both = pytest.mark.parametrize("router", ROUTERS.values(), ids=ROUTERS)


def meshed(*steps: Obj, ports: tuple[Obj, ...] = ({"containerPort": 80},), router: Obj = ROUTERS["smi"]) -> Meshed:
    """A canary behind a router whose update has come to the first step that waits."""
    made = rollout(*steps, canary={"canaryService": "c", "stableService": "s", "trafficRouting": router})
    made["spec"]["template"]["spec"]["containers"][0]["ports"] = [*ports]
    services = ((SERVICES, service("c")), (SERVICES, service("s")))
    world = Meshed(*services, (HTTP_ROUTES, edge()), (ANALYSIS_TEMPLATES, template("errors")), (ROLLOUTS, made))
    deployed(world)
    world.set_image("shop/web:v2")
    world.settle()
    return world


def edge() -> Obj:
    spec: Obj = {"rules": [{"backendRefs": [{"name": name, "port": 80} for name in ("s", "c")]}]}
    metadata = {"name": "web", "namespace": NS}
    return {"apiVersion": HTTP_ROUTES.api_version, "kind": HTTP_ROUTES.kind, "metadata": metadata, "spec": spec}


def backends(world: Sandbox) -> dict[str, int]:
    for found in world.list(TRAFFIC_SPLITS):
        return {one["service"]: one["weight"] for one in found["spec"]["backends"]}
    return {one["name"]: one["weight"] for one in references(world)}


def references(world: Sandbox) -> list[Obj]:
    (found,) = world.list(HTTP_ROUTES)
    return found["spec"]["rules"][0]["backendRefs"]


def trying(**told: str) -> list[Obj]:
    return [{"name": name, "serviceName": service, "podTemplateHash": f"{name}-hash"} for name, service in told.items()]


SHARED: Obj = {
    "experiment": {
        "templates": [
            {"name": "old", "specRef": "stable", "weight": 15},
            {"name": "new", "specRef": "canary", "weight": 5, "service": {"name": "tried"}},
            {"name": "unseen", "specRef": "canary"},
        ]
    }
}


@pytest.mark.compat("rollouts:step.experiment")
@behind_both
@pytest.mark.parametrize(("steps", "canary"), [((SHARED, PAUSE), 0), (({"setWeight": 50}, SHARED, PAUSE), 50)])
def test_variants_have_their_share_while_the_experiment_runs(steps: tuple[Obj, ...], canary: int, router: Obj) -> None:
    world = meshed(*steps, router=router)
    made = current(world)
    assert [one.get("service") for one in made["spec"]["templates"]] == [{}, {"name": "tried"}, None]
    assert backends(world) == {"c": canary, "s": 100 - canary}
    report(world, "Running", templateStatuses=trying(old="web-old", new="tried", unseen=""))
    assert backends(world) == {"c": canary, "web-old": 15, "tried": 5, "s": 80 - canary}
    weights = world.status["canary"]["weights"]
    assert (weights["canary"]["weight"], weights["stable"]["weight"]) == (canary, 80 - canary)
    assert weights["additional"] == [
        {"weight": 15, "serviceName": "web-old", "podTemplateHash": "old-hash"},
        {"weight": 5, "serviceName": "tried", "podTemplateHash": "new-hash"},
    ]
    text = "Traffic weight updated additional: [{15 web-old old-hash} {5 tried new-hash}]"
    assert [note.message for note in world.events if note.reason == "TrafficWeightUpdated"][-1] == text
    report(world, "Successful", templateStatuses=trying(old="web-old", new="tried"))
    assert backends(world) == {"c": canary, "s": 100 - canary}
    assert "additional" not in world.status["canary"]["weights"]
    assert world.status["message"] == "CanaryPauseStep"


@behind_both
def test_variants_get_their_share_when_gateways_have_had_time_to_learn_where_they_are(router: Obj) -> None:
    world = meshed(SHARED, PAUSE, router=router)
    report(world, "Running", availableAt=rfc3339(world.now), templateStatuses=trying(old="web-old", new="tried"))
    world.wait(SETTLING - 1)
    decision = world.reconcile()
    assert decision is not None
    assert decision.wake == world.now + 1
    assert backends(world) == {"c": 0, "s": 100}
    world.wait(1)
    world.settle()
    assert backends(world) == {"c": 0, "web-old": 15, "tried": 5, "s": 80}


def test_a_variant_that_cannot_be_reached_gets_no_weight_but_a_word() -> None:
    world = meshed(SHARED, PAUSE, ports=())
    assert (world.status["phase"], experiments(world)) == ("Degraded", {})
    assert world.status["message"].endswith(
        "the Experiment of step 1 cannot be made: template 'old' has a weight, and no container of its pods names a port: "
        "add containerPort to the pods' template, or take the weight away"
    )


@behind_both
def test_an_experiment_that_somebody_deletes_leaves_no_share_and_is_made_again(router: Obj) -> None:
    world = meshed(SHARED, PAUSE, router=router)
    report(world, "Running", templateStatuses=trying(old="web-old", new="tried"))
    name = name_of(current(world))
    del world.objs[Ref(*EXPERIMENTS.group_kind, NS, name)]
    world.settle()
    assert backends(world) == {"c": 0, "s": 100}
    assert list(experiments(world)) == [name]


@pytest.mark.parametrize("how", ["abort", "promote", "promote_full", "new image", "other steps"])
def test_a_share_ends_in_the_route_with_whoever_ends_the_experiment(how: str) -> None:
    world = tried()
    if how == "new image":
        world.set_image("shop/web:v3")
    elif how == "other steps":
        world.edit(strategy={"canary": {"steps": [PAUSE]}})
    else:
        world.patch_status(**getattr(actions, how)(world.rollout).status)
    world.settle()
    assert set(backends(world)) == {"s", "c"}
    assert read_variants(next(iter(world.list(HTTP_ROUTES)))) == {}
    assert "additional" not in world.status["canary"]["weights"]


def tried(*, ports: tuple[Obj, ...] = ({"containerPort": 80},)) -> Meshed:
    """A canary behind an HTTPRoute in the middle of its Experiment."""
    world = meshed(SHARED, PAUSE, ports=ports, router=GATEWAY)
    report(world, "Running", templateStatuses=trying(old=f"{name_of(current(world))}-old", new="tried"))
    assert set(backends(world)) == {"s", "c", f"{name_of(current(world))}-old", "tried"}
    return world


@pytest.mark.parametrize(
    ("target", "ports", "entered"),
    [
        (None, ({"containerPort": 80},), 80),
        ("web", ({"containerPort": 9000}, {"containerPort": 8080, "name": "web"}), 8080),
        (9000, ({"containerPort": 8080, "name": "http"}, {"containerPort": 9000}), 9000),
        ("nowhere", ({"containerPort": 9000}, {"containerPort": 8080, "name": "http"}), 8080),
        (None, ({"containerPort": 9000}, {"containerPort": 8080}), 9000),
    ],
)
def test_a_variant_is_entered_where_the_port_of_stable_leads(target: object, ports: tuple[Obj, ...], entered: int) -> None:
    world = meshed(SHARED, PAUSE, ports=ports, router=GATEWAY)
    port = {"port": 80, **({"targetPort": target} if target else {})}
    world.put(SERVICES, {**world.objs[Ref(*SERVICES.group_kind, NS, "s")], "spec": {**service("s")["spec"], "ports": [port]}})
    report(world, "Running", templateStatuses=trying(old=f"{name_of(current(world))}-old", new="tried"))
    assert [one["port"] for one in references(world)] == [80, 80, entered, entered]


def test_what_a_hand_does_to_a_share_is_told_and_undone() -> None:
    world = tried()
    before = copy_obj({"refs": references(world)})["refs"]
    route = copy_obj(next(iter(world.list(HTTP_ROUTES))))
    del route["spec"]["rules"][0]["backendRefs"][2]
    route["spec"]["rules"][0]["backendRefs"][2]["weight"] = 90
    world.put(HTTP_ROUTES, route)
    world.settle()
    assert sorted(references(world), key=str) == sorted(before, key=str)
    assert world.reasons.count("TrafficRouteRestored") == 1


@pytest.mark.parametrize("is_going", [True, False])
def test_a_rollout_that_is_deleted_leaves_no_variant_in_the_route(is_going: bool) -> None:
    world = tried()
    if is_going:
        going = copy_obj(world.rollout)
        going["metadata"] |= {"deletionTimestamp": "2026-11-21T09:00:00Z", "finalizers": ["foregroundDeletion"]}
        world.put(ROLLOUTS, going)
    else:
        del world.objs[Ref(*ROLLOUTS.group_kind, NS, "web")]
    world.reconcile()
    assert backends(world) == {"s": 80, "c": 0}
    assert read_variants(next(iter(world.list(HTTP_ROUTES)))) == {}
    assert world.reconcile() is None


def test_a_rollout_that_is_made_again_clears_what_the_one_of_before_left() -> None:
    world = tried()
    left = copy_obj(world.rollout)
    for one in (EXPERIMENTS, ROLLOUTS, REPLICA_SETS):
        for obj in tuple(world.list(one)):
            del world.objs[Ref(*one.group_kind, NS, name_of(obj))]
    left["metadata"] = {"name": "web", "namespace": NS}
    world.put(ROLLOUTS, {key: value for key, value in left.items() if key != "status"})
    world.settle()
    assert backends(world) == {"s": 100, "c": 0}


@pytest.mark.parametrize("ended", ["Successful", "Failed", "Rollout deleted"])
def test_a_process_that_dies_before_any_write_leaves_nothing(ended: str) -> None:
    """From the beginning of the share to its end, at every write in between; nothing else remembers."""
    for writes in range(12):
        world = meshed(SHARED, PAUSE, router=GATEWAY)
        name = name_of(current(world))
        running = {"phase": "Running", "templateStatuses": trying(old=f"{name}-old", new="tried")}
        world.put(EXPERIMENTS, {**current(world), "status": running})
        survive(world, writes)
        if ended == "Rollout deleted":
            del world.objs[Ref(*ROLLOUTS.group_kind, NS, "web")]
            del world.objs[Ref(*EXPERIMENTS.group_kind, NS, name)]
        else:
            world.put(EXPERIMENTS, {**experiments(world)[name], "status": {"phase": ended}})
        survive(world, writes)
        assert set(backends(world)) == {"s", "c"}
        assert read_variants(next(iter(world.list(HTTP_ROUTES)))) == {}
        assert ended == "Rollout deleted" or "additional" not in world.status["canary"]["weights"]


def survive(world: Sandbox, writes: int) -> None:
    """Passes until nothing is left to do, with a death after so many writes."""
    world.crash_after = writes
    with suppress(Crash):
        world.settle()
    world.crash_after = None
    world.settle()


@pytest.mark.parametrize(("available", "left"), [(1, {"c": 50, "s": 50}), (0, {"c": 50, "web-old": 15, "tried": 5, "s": 30})])
def test_a_share_ends_with_its_experiment_though_stable_is_short_of_pods(available: int, left: dict[str, int]) -> None:
    world = meshed({"setWeight": 50}, SHARED, PAUSE)
    report(world, "Running", templateStatuses=trying(old="web-old", new="tried"))
    stable = next(rs for rs in world.list(REPLICA_SETS) if labels_of(rs)[HASH_LABEL] == world.status["stableRS"])
    world.report(stable, 4, available)
    world.put(EXPERIMENTS, {**current(world), "status": {"phase": "Successful"}})
    world.reconcile()
    assert backends(world) == left
