"""What the garbage collector decides around one uid, as tables."""

from typing import Any

import pytest

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES, PODS, REPLICA_SETS
from shipway.kube.runtime.decision import Decision, Delete, Patch
from shipway.localcluster.controllers.garbage.decide import decide, keys
from shipway.localcluster.controllers.garbage.observe import Dependent, Item, Observed, Owner, OwnerAsk, Uid
from tests.unit.localcluster.controllers.objects import NOW, Obj, meta, owner, pod

ASK = OwnerAsk(REPLICA_SETS, "default", "web", "web-uid")


def item(name: str = "p", *, owners: tuple[str, ...] = ("web",), blocks: bool = True, **more: Any) -> Item:
    references = [{**owner("ReplicaSet", name), "blockOwnerDeletion": blocks} for name in owners]
    return Item(PODS, pod(name, ownerReferences=references, **more))


def me(**more: Any) -> Item:
    return Item(REPLICA_SETS, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta("web", **more)})


def gone(name: str = "web", *, is_there: bool | None = False) -> Owner:
    return Owner(f"{name}-uid", is_there, ask=ASK)


def said(decision: Decision) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for action in (action for batch in decision.batches for action in batch.actions):
        assert action.uid and action.resource_version, "never without preconditions"
        if isinstance(action, Delete):
            found.append(("delete", action.name, action.propagation))
        elif isinstance(action, Patch):
            references = action.body["metadata"].get("ownerReferences", "-")
            kept = "-" if references == "-" else ",".join(ref["name"] for ref in references or [])
            finalizers = action.body["metadata"].get("finalizers", "-")
            found.append(("patch", action.name, kept, "-" if finalizers == "-" else ",".join(finalizers or [])))
    return found


@pytest.mark.parametrize(
    ("dependent", "expected"),
    [
        (Dependent(item(), (gone(),)), [("delete", "p", "Background")]),
        (Dependent(item(finalizers=["orphan"]), (gone(),)), [("delete", "p", "Orphan")]),
        (Dependent(item(finalizers=["foregroundDeletion"]), (gone(),)), [("delete", "p", "Foreground")]),
        (Dependent(item(deletionTimestamp="x"), (gone(),)), []),
        (Dependent(item(), (gone(is_there=None),)), []),
        (Dependent(item(), (gone(is_there=True),)), []),
        (Dependent(item(owners=("web", "b")), (gone(), Owner("b-uid", True))), [("patch", "p", "b", "-")]),
        (Dependent(item(owners=("web", "b")), (gone(), gone("b", is_there=None))), []),
        (Dependent(item(owners=("web", "b")), (gone(), gone("b"))), [("delete", "p", "Background")]),
        (
            Dependent(item(owners=("web", "b")), (gone(), Owner("b-uid", True, True)), has_dependents=True),
            [("delete", "p", "Foreground")],
        ),
    ],
)
def test_when_an_owner_is_missing(dependent: Dependent, expected: list[Any]) -> None:
    assert said(decide(Observed("web-uid", None, (dependent,)), NOW)) == expected


def test_the_server_is_asked_before_anything_is_deleted() -> None:
    decision = decide(Observed("web-uid", None, (Dependent(item(), (gone(is_there=None),)),)), NOW)
    assert decision.batches == () and decision.asks == (ASK,)


BLOCKING = Dependent(item("a"), (Owner("web-uid", True, True),))
FREE = Dependent(item("b", blocks=False), (Owner("web-uid", True, True),))
SHARED = Dependent(item("c", owners=("web", "b")), (Owner("web-uid", True, True), Owner("b-uid", True)))
GOING = Dependent(item("d", deletionTimestamp="x"), (Owner("web-uid", True, True),))
PARENT = Dependent(item("e"), (Owner("web-uid", True, True),), has_dependents=True)


@pytest.mark.parametrize(
    ("finalizers", "dependents", "expected"),
    [
        (["foregroundDeletion"], [], [("patch", "web", "-", "")]),
        (["x", "foregroundDeletion"], [FREE], [("patch", "web", "-", "x")]),
        (["foregroundDeletion"], [BLOCKING, FREE], [("delete", "a", "Background")]),
        (["foregroundDeletion"], [SHARED], [("patch", "c", "b", "-")]),
        (["foregroundDeletion"], [GOING], []),
        (["foregroundDeletion"], [PARENT], [("delete", "e", "Foreground")]),
        (["orphan"], [BLOCKING, SHARED], [("patch", "a", "", "-"), ("patch", "c", "b", "-")]),
        (["orphan"], [], [("patch", "web", "-", "")]),
        (["x"], [BLOCKING], []),
    ],
)
def test_when_an_owner_is_being_deleted(finalizers: list[str], dependents: list[Dependent], expected: list[Any]) -> None:
    observed = Observed("web-uid", me(deletionTimestamp="x", finalizers=finalizers), tuple(dependents))
    assert said(decide(observed, NOW)) == expected


def test_an_owner_that_stays_changes_nothing() -> None:
    assert decide(Observed("web-uid", me(), (BLOCKING,)), NOW) == Decision()


def test_all_kinds_are_watched() -> None:
    decision = decide(Observed(kinds=(NAMESPACES, CONFIG_MAPS, PODS)), NOW)
    assert [(watch.resource, watch.metadata_only) for watch in decision.watches] == [(CONFIG_MAPS, True), (PODS, True)]


def test_an_object_wakes_itself_and_its_owners() -> None:
    found: Obj = item(owners=("web", "b", "web")).obj
    assert list(keys(found)) == [Uid("p-uid"), Uid("web-uid"), Uid("b-uid")]
