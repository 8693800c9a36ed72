"""How often a Rollout is written on its way: what needs nothing but words is said in one write."""

from typing import Any

import pytest

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj
from tests.unit.rollouts.rollout.sandbox import Crash, Sandbox, deployed, plain, routed

PAUSE: Obj = {"pause": {}}


def weight(value: int) -> Obj:
    return {"setWeight": value}


class Diary:
    """Every status that the engine writes, in order."""

    def __init__(self, world: Sandbox) -> None:
        self.pages: list[Obj] = []
        self.last = copy_obj(world.status)
        world.on_write = self.look

    def look(self, world: Sandbox) -> None:
        if world.status != self.last:
            self.last = copy_obj(world.status)
            self.pages.append(self.last)

    def column(self, *names: str) -> list[tuple[Any, ...]]:
        """The pages' values of `names`, repeated ones left out."""
        rows = [tuple(page.get(name) for name in names) for page in self.pages]
        return [row for number, row in enumerate(rows) if number == 0 or rows[number - 1] != row]


def test_a_step_that_is_done_and_the_pause_after_it_are_one_write() -> None:
    world = deployed(plain(weight(25), PAUSE, weight(50), {"pause": {"duration": 2}}))
    diary = Diary(world)
    world.set_image("shop/web:v2")
    world.settle()
    assert diary.column("currentStepIndex", "phase") == [(0, "Progressing"), (1, "Paused")]
    assert [reason for reason in world.reasons if reason.startswith("Rollout")][-2:] == [
        "RolloutStepCompleted",
        "RolloutPaused",
    ]


def test_a_new_revision_and_the_beginning_of_its_update_are_one_write() -> None:
    world = deployed(plain(weight(25), PAUSE))
    diary = Diary(world)
    world.set_image("shop/web:v2")
    world.reconcile()
    (begun,) = diary.pages
    assert (begun["currentStepIndex"], begun["phase"]) == (0, "Progressing")
    assert begun["currentPodHash"] != begun["stableRS"]
    assert world.reasons == ["RolloutUpdated", "NewReplicaSetCreated", "RolloutNotCompleted"]


def test_the_first_revision_and_its_beginning_are_one_write() -> None:
    world = plain(weight(25), PAUSE)
    diary = Diary(world)
    world.reconcile()
    (begun,) = diary.pages
    assert begun["currentPodHash"]
    assert begun["observedGeneration"] == "1"


def test_nothing_is_done_before_the_step_it_belongs_to_is_written() -> None:
    world = deployed(routed(weight(25), PAUSE, weight(50), PAUSE))
    world.set_image("shop/web:v2")
    world.settle()
    world.patch_status(pauseConditions=None)
    moved: list[int] = []

    def look(there: Sandbox) -> None:
        if there.weights()[0] == 50 and not moved:
            moved.append(there.status["currentStepIndex"])

    world.on_write = look
    world.settle()
    assert moved == [2]
    assert world.status["currentStepIndex"] == 3


def test_steps_that_need_nothing_are_told_one_by_one_in_one_write() -> None:
    steps = [weight(25), weight(26), weight(27), PAUSE]
    world = deployed(plain(*steps))
    diary = Diary(world)
    world.set_image("shop/web:v2")
    world.settle()
    assert diary.column("currentStepIndex") == [(0,), (3,)]
    told = [note.message for note in world.events if note.reason == "RolloutStepCompleted"]
    assert told == [f"Rollout step {number}/4 completed (setWeight: {24 + number})" for number in (1, 2, 3)]


def test_a_new_revision_is_born_with_the_pods_of_its_first_step() -> None:
    world = deployed(routed(weight(25), PAUSE))
    stable = world.status["stableRS"]
    world.set_image("shop/web:v2")
    world.reconcile()
    canary = world.status["currentPodHash"]
    assert world.replica_sets() == {stable: 4, canary: 1}
    assert world.reasons[:4] == ["RolloutUpdated", "NewReplicaSetCreated", "RolloutNotCompleted", "ScalingReplicaSet"]
    assert world.events[3].message == f"Scaled up ReplicaSet web-{canary} (revision 2) from 0 to 1"
    assert world.status["message"] == "more replicas need to be updated"


def test_a_new_revision_of_a_paused_rollout_is_born_without_pods() -> None:
    world = deployed(routed(weight(25), PAUSE))
    world.edit(paused=True)
    world.set_image("shop/web:v2")
    world.settle()
    assert sorted(world.replica_sets().values()) == [0, 4]


def test_the_end_of_a_pause_and_the_sizes_after_it_are_one_write() -> None:
    world = deployed(plain(weight(25), PAUSE, weight(50), PAUSE))
    world.set_image("shop/web:v2")
    world.settle()
    world.events.clear()
    world.patch_status(pauseConditions=None)
    diary = Diary(world)
    before = sorted(world.replica_sets().values())
    world.reconcile()
    (page,) = diary.pages
    assert page["currentStepIndex"] == 2
    assert sorted(world.replica_sets().values()) != before
    assert world.reasons == ["RolloutStepCompleted", "ScalingReplicaSet"]


def test_nothing_is_scaled_down_before_a_promotion_is_written() -> None:
    world = deployed(plain(weight(100)))
    stable = world.status["stableRS"]
    world.set_image("shop/web:v2")
    gone: list[bool] = []

    def look(there: Sandbox) -> None:
        if there.status.get("stableRS") == stable and there.replica_sets()[stable] == 0:
            gone.append(there.status["currentStepIndex"] == 0)

    world.on_write = look
    world.settle()
    assert all(gone)


@pytest.mark.parametrize("make", [plain, routed], ids=["by pods", "routed"])
def test_a_promotion_outlives_a_process_that_dies_with_the_pods_half_scaled(make: Any) -> None:
    """The person's word is one cleared list; what follows from it is scaled before it is written."""
    world = deployed(make({"setWeight": 25}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}))
    world.set_image("shop/web:v2")
    world.settle()
    assert world.status["currentStepIndex"] == 1
    world.patch_status(pauseConditions=None)
    world.crash_after = 1
    with pytest.raises(Crash):
        for _ in range(5):
            world.reconcile()
    world.crash_after = None
    world.settle()
    assert world.status["currentStepIndex"] == 3
    assert [note.reason for note in world.events].count("RolloutPaused") == 2
