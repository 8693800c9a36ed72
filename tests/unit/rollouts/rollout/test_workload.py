"""Rollouts that take their template from another object, and how a Deployment steps aside for one."""

import pytest

from shipway.api.kinds import DEPLOYMENTS, POD_TEMPLATES, REPLICA_SETS, ROLLOUTS
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import annotations_of, dig, generation_of, name_of
from tests.unit.rollouts.rollout.sandbox import NS, Sandbox, rollout

TEMPLATE = rollout()["spec"]["template"]


def referring(kind: Resource, scale_down: str = "", **spec: object) -> Obj:
    """The Rollout `web` without template and selector, for the workload `old`."""
    ref = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": "old",
        **({"scaleDown": scale_down} if scale_down else {}),
    }
    return merge_patch(rollout({"setWeight": 50}), {"spec": {"workloadRef": ref, "template": None, "selector": None, **spec}})


def workload(kind: Resource, replicas: int = 4) -> Obj:
    meta = {"name": "old", "namespace": NS}
    if kind == POD_TEMPLATES:
        return {"metadata": meta, "template": TEMPLATE}
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": meta, "spec": {"replicas": replicas, "selector": selector, "template": TEMPLATE}}


def taking_over(scale_down: str) -> Sandbox:
    return Sandbox((DEPLOYMENTS, workload(DEPLOYMENTS)), (ROLLOUTS, referring(DEPLOYMENTS, scale_down)))


def size(world: Sandbox) -> int:
    return dig(world.objs[Ref("apps", "Deployment", NS, "old")], "spec", "replicas")


@pytest.mark.compat("rollouts:spec.workloadRef")
@pytest.mark.parametrize("kind", [DEPLOYMENTS, POD_TEMPLATES])
def test_the_template_is_the_workloads_and_its_change_is_an_update(kind: Resource) -> None:
    world = Sandbox((kind, workload(kind)), (ROLLOUTS, referring(kind)))
    world.settle()
    assert world.status["phase"] == "Healthy"
    first = world.status["stableRS"]
    assert annotations_of(world.rollout)["rollout.argoproj.io/workload-generation"] == "1"
    assert world.status["workloadObservedGeneration"] == "1"
    assert "template" not in world.rollout["spec"]
    (created,) = world.list(REPLICA_SETS)
    assert "rollout.argoproj.io/workload-generation" not in annotations_of(created)

    before = world.objs[Ref(*kind.group_kind, NS, "old")]
    template = merge_patch(TEMPLATE, {"spec": {"containers": [{"name": "web", "image": "shop/web:v2"}]}})
    where = {"template": template} if kind == POD_TEMPLATES else {"spec": {"template": template}}
    world.put(kind, merge_patch(before, where))
    world.settle()
    assert world.status["workloadObservedGeneration"] == str(generation_of(world.objs[Ref(*kind.group_kind, NS, "old")]))
    assert world.status["stableRS"] != first
    assert len(world.replica_sets()) == 2


def test_a_replica_set_that_no_rollout_owns_is_a_workload() -> None:
    world = Sandbox((REPLICA_SETS, merge_patch(workload(REPLICA_SETS), {"metadata": {"labels": {}}})))
    world.put(ROLLOUTS, referring(REPLICA_SETS))
    world.reconcile()
    assert [name_of(rs).startswith("web-") for rs in world.list(REPLICA_SETS)] == [False, True]


@pytest.mark.compat("rollouts:spec.workloadRef")
def test_a_deployment_steps_aside_as_it_is_told() -> None:
    sizes: dict[str, list[int]] = {}
    for scale_down in ("", "never", "onsuccess", "progressively"):
        world = taking_over(scale_down)
        seen = sizes.setdefault(scale_down, [])

        def look(at: Sandbox, seen: list[int] = seen) -> None:
            ready = sum(dig(rs, "status", "readyReplicas", default=0) for rs in at.list(REPLICA_SETS))
            assert size(at) + ready >= 4
            seen.append(size(at))

        world.on_write = look
        world.settle()
    assert {key: (max(seen), seen[-1]) for key, seen in sizes.items()} == {
        "": (4, 4),
        "never": (4, 4),
        "onsuccess": (4, 0),
        "progressively": (4, 0),
    }


def test_a_deployment_gets_its_pods_back_when_those_of_the_first_revision_fail() -> None:
    world = taking_over("progressively")
    world.settle()
    world.healthy[world.status["stableRS"]] = False
    world.play_pods()
    world.settle()
    assert size(world) == 4


def test_a_deployment_is_nobodys_to_scale_after_the_first_revision() -> None:
    world = taking_over("onsuccess")
    world.settle()
    template = merge_patch(TEMPLATE, {"spec": {"containers": [{"name": "web", "image": "shop/web:v2"}]}})
    old = world.objs[Ref("apps", "Deployment", NS, "old")]
    world.put(DEPLOYMENTS, merge_patch(old, {"spec": {"template": template, "replicas": 2}}))
    world.settle()
    assert (world.status["phase"], size(world)) == ("Healthy", 2)


@pytest.mark.parametrize(
    ("spec", "there", "message"),
    [
        ({}, False, 'The Rollout "web" is invalid: spec.workloadRef: deployments.apps "old" not found'),
        ({"selector": {"matchLabels": {"app": "db"}}}, True, "`selector` does not match template `labels`"),
    ],
)
def test_what_cannot_be_resolved_is_said_and_the_workload_is_watched(spec: Obj, there: bool, message: str) -> None:
    world = Sandbox((ROLLOUTS, referring(DEPLOYMENTS, **spec)))
    if there:
        world.put(DEPLOYMENTS, workload(DEPLOYMENTS))
    decision = world.reconcile()
    assert message in world.status["message"]
    assert decision is not None and [watch.resource for watch in decision.watches] == [DEPLOYMENTS]
    assert not list(world.list(REPLICA_SETS))
