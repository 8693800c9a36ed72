"""Phases, waves, hooks and kinds: in which order objects are applied."""

from typing import Any

import pytest

from shipway.gitops import order
from shipway.gitops.comparison import Item, Live
from shipway.gitops.desired import Desired
from shipway.gitops.sync.tasks import build_tasks
from shipway.kube.objects.resource import Obj, Resource, ref_of

ANY = Resource("", "v1", "Any", "anys")


def obj(kind: str, name: str = "a", api_version: str = "v1", **annotations: Any) -> Obj:
    named = {key.replace("__", "/").replace("_", "-"): value for key, value in annotations.items()}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop", "annotations": named}}


def wanted(found: Obj) -> Item:
    return Item(ref_of(found), Desired(ref_of(found), found, ANY), is_hook=order.is_hook(found))


def left(found: Obj) -> Item:
    return Item(ref_of(found), None, Live(found, ANY))


def names(*items: Item, **options: str) -> list[str]:
    return [f"{task.phase}/{task.wave} {task.kind} {task.ref.kind}/{task.ref.name}" for task in build_tasks(items, options)]


@pytest.mark.parametrize(
    ("annotations", "types", "phases"),
    [
        ({}, (), ("Sync",)),
        ({"argocd.argoproj.io/hook": "PreSync, PostSync"}, ("PreSync", "PostSync"), ("PreSync", "PostSync")),
        ({"helm.sh/hook": "pre-install,pre-upgrade"}, ("PreSync",), ("PreSync",)),
        ({"helm.sh/hook": "post-upgrade"}, ("PostSync",), ("PostSync",)),
        ({"helm.sh/hook": "crd-install"}, (), ("Sync",)),
        ({"helm.sh/hook": "test"}, ("test",), ()),
        ({"helm.sh/hook": "pre-install", "argocd.argoproj.io/hook": "Sync"}, ("Sync",), ("Sync",)),
        ({"argocd.argoproj.io/hook": "Skip"}, ("Skip",), ()),
    ],
)
@pytest.mark.compat("argocd:helm.skipTests", "argocd:hook.Skip", "argocd:hook.helm")
def test_hooks_are_read_from_both_annotations(annotations: Any, types: Any, phases: Any) -> None:
    found: Obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": annotations}}
    assert order.hook_types(found) == types
    assert order.phases_of(found) == phases
    assert order.is_skipped(found) == (bool(types) and not phases)


@pytest.mark.parametrize(
    ("annotations", "wave"),
    [
        ({}, 0),
        ({"argocd.argoproj.io/sync-wave": "-3"}, -3),
        ({"helm.sh/hook-weight": "5"}, 5),
        ({"argocd.argoproj.io/sync-wave": "x"}, 0),
        ({"argocd.argoproj.io/sync-wave": "1", "helm.sh/hook-weight": "5"}, 1),
    ],
)
@pytest.mark.compat("argocd:hook.helm")
def test_the_wave_of_an_object(annotations: Any, wave: int) -> None:
    assert order.wave_of({"metadata": {"annotations": annotations}}) == wave


@pytest.mark.compat("argocd:wave")
def test_objects_are_ordered_by_wave_then_kind_then_name() -> None:
    items = [
        wanted(obj("Deployment", api_version="apps/v1")),
        wanted(obj("Widget", api_version="x/v1")),
        wanted(obj("ConfigMap", "b")),
        wanted(obj("ConfigMap", "a")),
        wanted(obj("Service", argocd_argoproj_io__sync_wave="-1") | {"kind": "Service"}),
        wanted(obj("Secret")),
    ]
    early = items[4]
    early.obj["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "-1"}
    assert names(*items) == [
        "Sync/-1 apply Service/a",
        "Sync/0 apply Secret/a",
        "Sync/0 apply ConfigMap/a",
        "Sync/0 apply ConfigMap/b",
        "Sync/0 apply Deployment/a",
        "Sync/0 apply Widget/a",
    ]


@pytest.mark.compat("argocd:wave")
def test_a_namespace_and_a_crd_are_pulled_ahead_of_what_needs_them() -> None:
    namespace: Obj = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "annotations": {"argocd.argoproj.io/sync-wave": "5"}},
    }
    crd: Obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.x"},
        "spec": {"group": "x", "names": {"kind": "Widget"}},
    }
    widget = obj("Widget", api_version="x/v1")
    widget["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "-2"}
    assert names(wanted(namespace), wanted(crd), wanted(widget)) == [
        "Sync/-2 apply CustomResourceDefinition/widgets.x",
        "Sync/-2 apply Namespace/shop",
        "Sync/-2 apply Widget/a",
    ]


@pytest.mark.compat("argocd:option.PruneLast", "argocd:wave.prune")
def test_prunes_come_first_in_their_wave_and_their_waves_are_mirrored() -> None:
    first, last = obj("ConfigMap", "first"), obj("ConfigMap", "last")
    first["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "1"}
    last["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "2"}
    kept = obj("Secret")
    kept["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "1"}
    assert names(left(first), left(last), wanted(kept)) == [
        "Sync/1 prune ConfigMap/last",
        "Sync/1 apply Secret/a",
        "Sync/2 prune ConfigMap/first",
    ]
    assert names(left(first), wanted(kept), PruneLast="true") == ["Sync/1 apply Secret/a", "Sync/2 prune ConfigMap/first"]


@pytest.mark.compat("argocd:hook.several")
def test_a_hook_of_several_types_is_a_task_in_each_phase() -> None:
    hook = obj("Job", api_version="batch/v1")
    hook["metadata"]["annotations"] = {"argocd.argoproj.io/hook": "PreSync,PostSync"}
    assert names(wanted(hook), wanted(obj("Secret"))) == [
        "PreSync/0 hook Job/a",
        "Sync/0 apply Secret/a",
        "PostSync/0 hook Job/a",
    ]
