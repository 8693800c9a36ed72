"""What people send, and what becomes of it."""

import pytest

from shipway.api.kinds import REPLICA_SETS, ROLLOUTS
from shipway.base.clock import Instant
from shipway.base.errors import NotFound
from shipway.kube.objects.patches import json_patch, merge_patch
from shipway.rollouts import actions
from tests.unit.rollouts.rollout.sandbox import Sandbox, deployed, routed

PAUSE: dict = {"pause": {}}


def sent(world: Sandbox, patches: actions.Patches) -> None:
    world.put(ROLLOUTS, merge_patch(world.rollout, {**patches.root, **({"status": patches.status} if patches.status else {})}))
    world.settle()


def waiting() -> Sandbox:
    world = deployed(routed({"setWeight": 20}, PAUSE, {"setWeight": 60}, PAUSE))
    world.set_image("shop/web:v2")
    world.settle()
    return world


@pytest.mark.compat("rollouts:client.promote")
def test_promote_resumes_a_pause() -> None:
    world = waiting()
    patches = actions.promote(world.rollout)
    assert patches == actions.Patches(status={"pauseConditions": None})
    sent(world, patches)
    assert world.weights() == (60, 40)


def test_promote_skips_a_running_analysis() -> None:
    world = deployed(routed({"setWeight": 20}, {"analysis": {"templates": [{"templateName": "errors"}]}}, PAUSE))
    world.set_image("shop/web:v2")
    world.settle()
    sent(world, actions.promote(world.rollout))
    assert (world.status["phase"], world.status["currentStepIndex"]) == ("Paused", 2)


def test_promote_full() -> None:
    world = waiting()
    sent(world, actions.promote_full(world.rollout))
    assert world.status["phase"] == "Healthy"
    assert actions.promote_full(world.rollout).is_nothing


@pytest.mark.compat("rollouts:client.abort")
def test_abort_and_retry() -> None:
    world = waiting()
    assert actions.retry(world.rollout).is_nothing
    sent(world, actions.abort(world.rollout))
    assert world.weights() == (0, 100)
    assert actions.abort(world.rollout).is_nothing
    sent(world, actions.retry(world.rollout))
    assert world.weights() == (20, 80)


@pytest.mark.compat("rollouts:client.undo")
def test_undo_puts_the_template_of_a_revision_back() -> None:
    world = waiting()
    sent(world, actions.promote_full(world.rollout))
    ops = actions.undo(world.rollout, world.list(REPLICA_SETS))
    world.put(ROLLOUTS, json_patch(world.rollout, ops))
    assert world.rollout["spec"]["template"] == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "shop/web:v1"}]},
    }
    with pytest.raises(NotFound, match="has no revision 9"):
        actions.undo(world.rollout, world.list(REPLICA_SETS), 9)


@pytest.mark.compat("rollouts:client.undo")
def test_set_image_knows_the_containers() -> None:
    world = waiting()
    sent(world, actions.set_images(world.rollout, {"*": "shop/web:v3"}))
    assert world.rollout["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:v3"
    with pytest.raises(NotFound, match='no container "db"'):
        actions.set_images(world.rollout, {"db": "x"})


@pytest.mark.compat("rollouts:client.undo")
def test_pause_and_restart() -> None:
    world = waiting()
    assert actions.pause(world.rollout) == actions.Patches(root={"spec": {"paused": True}})
    assert actions.restart(Instant(0.0)) == actions.Patches(root={"spec": {"restartAt": "1970-01-01T00:00:00Z"}})
