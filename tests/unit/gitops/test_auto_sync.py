"""Automated sync: when there is an operation, and when there is none for good reason."""

from typing import Any

import pytest
from msgspec import convert

from shipway.api.application import ApplicationSpec
from shipway.base.clock import Instant, rfc3339
from shipway.gitops.auto_sync import USUAL, AutoSync, Wanted, auto_sync
from shipway.gitops.comparison import Comparison, Item, Live
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import Drift
from shipway.gitops.pinned import Pinned
from shipway.gitops.timing import Healing
from shipway.kube.objects.resource import Obj, Ref, Resource

NOW = Instant(1_790_000_000.0)
MAPS = Resource("", "v1", "ConfigMap", "configmaps")
OBJ: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
REF = Ref("", "ConfigMap", "shop", "a")
DIFFERS = Item(REF, Desired(REF, OBJ, MAPS), Live(OBJ, MAPS), drifts=(Drift("data.x", "kubectl-edit"),))
SYNCED = Item(REF, Desired(REF, OBJ, MAPS), Live(OBJ, MAPS), state="Synced")
EXTRA = Item(REF, None, Live(OBJ, MAPS))


def run(*items: Item, policy: Any = None, last: Any = None, is_newest: bool = True, pace: Healing = USUAL) -> AutoSync:
    spec = convert({"syncPolicy": {"automated": {} if policy is None else policy}}, ApplicationSpec)
    status: Obj = {"status": {"operationState": last}} if last else {}
    wanted = Wanted(Pinned(({},), ("c0ffee",)), "digest", is_newest)
    return auto_sync(status, spec, Comparison(items), wanted, NOW, pace)


def ended(phase: str = "Succeeded", content: str = "digest", heals: int = 0, ago: float = 60.0) -> Obj:
    sync: Obj = {"revision": "c0ffee", **({"autoHealAttemptsCount": heals} if heals else {})}
    info = [{"name": "shipway.dev/content", "value": content}]
    operation = {"sync": sync, "info": info}
    return {"phase": phase, "message": "why", "finishedAt": rfc3339(NOW - ago), "operation": operation}


@pytest.mark.compat("argocd:retry.limit")
def test_new_content_is_synced_whole() -> None:
    operation = run(DIFFERS, last=ended(content="older")).operation
    assert operation == {"sync": {"revision": "c0ffee"}, "initiatedBy": {"automated": True}, "retry": {"limit": 5}}


@pytest.mark.compat("argocd:operation.sync.resources", "argocd:operation.sync.autoHealAttemptsCount", "argocd:operation.info")
def test_a_self_heal_names_its_objects_and_who_changed_them() -> None:
    operation = run(DIFFERS, policy={"selfHeal": True}, last=ended()).operation
    assert operation is not None
    assert operation["sync"] == {
        "revision": "c0ffee",
        "resources": [{"kind": "ConfigMap", "name": "a", "namespace": "shop"}],
        "autoHealAttemptsCount": 1,
    }
    assert operation["info"] == [{"name": "Drift", "value": "ConfigMap shop/a: data.x changed by kubectl-edit"}]


@pytest.mark.parametrize(
    ("items", "policy", "last"),
    [
        ([SYNCED], {"selfHeal": True}, ended()),
        ([DIFFERS], {"enabled": False}, None),
        ([DIFFERS], {}, ended()),
        ([EXTRA], {}, ended(content="older")),
    ],
    ids=["in sync", "switched off", "no self-heal", "only prunes, and pruning is off"],
)
@pytest.mark.compat("argocd:automated.enabled")
def test_nothing_is_done(items: list[Item], policy: Obj, last: Obj | None) -> None:
    assert run(*items, policy=policy, last=last) == AutoSync()


def test_the_same_content_is_never_tried_again_after_a_failure() -> None:
    result = run(DIFFERS, policy={"selfHeal": True}, last=ended("Failed"))
    assert result.operation is None
    assert result.condition == ("SyncError", "Failed last sync attempt to c0ffee: why")


@pytest.mark.compat("argocd:automated.allowEmpty")
def test_everything_is_never_pruned_unless_that_is_allowed() -> None:
    refused = run(EXTRA, policy={"prune": True})
    assert refused.condition == ("SyncError", "Skipping sync attempt to c0ffee: auto-sync will wipe out all resources")
    allowed = run(EXTRA, policy={"prune": True, "allowEmpty": True}).operation
    assert allowed is not None
    assert allowed["sync"]["prune"] is True


@pytest.mark.parametrize(("heals", "wait"), [(1, 2.0), (2, 6.0), (3, 18.0), (9, 300.0)])
@pytest.mark.compat("argocd:automated.selfHeal", "argocd:operation.sync.autoHealAttemptsCount")
def test_each_further_heal_waits_three_times_as_long(heals: int, wait: float) -> None:
    just_now = run(DIFFERS, policy={"selfHeal": True}, last=ended(heals=heals, ago=0.0))
    assert (just_now.operation, just_now.wake) == (None, NOW + wait)
    later = run(DIFFERS, policy={"selfHeal": True}, last=ended(heals=heals, ago=wait)).operation
    assert later is not None
    assert later["sync"]["autoHealAttemptsCount"] == heals + 1


@pytest.mark.parametrize(
    ("pace", "heals", "wait"),
    [
        (Healing(first=5.0, factor=2.0), 3, 20.0),
        (Healing(longest=30.0), 9, 30.0),
        (Healing(first=7.0, factor=1.0), 9, 7.0),
        (Healing(factor=2147483647.0, longest=20.0), 2000, 20.0),
    ],
)
@pytest.mark.compat("argocd:params.self.heal")
def test_heals_are_as_far_apart_as_is_said(pace: Healing, heals: int, wait: float) -> None:
    assert run(DIFFERS, policy={"selfHeal": True}, last=ended(heals=heals, ago=0.0), pace=pace).wake == NOW + wait


def test_after_a_quiet_time_healing_starts_afresh() -> None:
    operation = run(DIFFERS, policy={"selfHeal": True}, last=ended(heals=5, ago=400.0)).operation
    assert operation is not None
    assert operation["sync"]["autoHealAttemptsCount"] == 1


def test_while_git_cannot_be_reached_it_only_heals_and_prunes_nothing() -> None:
    assert run(DIFFERS, policy={"selfHeal": True}, last=ended(content="older"), is_newest=False).operation is None
    healed = run(DIFFERS, EXTRA, policy={"selfHeal": True, "prune": True}, last=ended(), is_newest=False).operation
    assert healed is not None
    assert len(healed["sync"]["resources"]) == 1
    assert "prune" not in healed["sync"]
