"""A Deployment that another tool applied is adopted without a change of its annotations, until Git changes it."""

import pytest

from shipway.gitops.adoption import takeover
from shipway.gitops.ownership import judge, to_apply
from shipway.gitops.quiet import is_quiet
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj, labels_of
from tests.little_server import LittleServer
from tests.unit.gitops.test_ownership import DEPLOYMENT, SETTINGS, context, wanted

KUBECTL = "kubectl-client-side-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING_ID = "argocd.argoproj.io/tracking-id"


def applied_by_kubectl(**annotations: str) -> LittleServer:
    server, plain = LittleServer(), copy_obj(wanted().obj)
    plain["metadata"]["annotations"] = {LAST_APPLIED: "{}", **annotations}
    server.create(plain, KUBECTL)
    return server


def sync(server: LittleServer, desired_replicas: int = 3) -> Obj:
    """As a sync does: the takeover where one is due, then the apply."""
    desired = wanted(desired_replicas)
    assert server.live is not None
    quietly = is_quiet(to_apply(desired, server.live, (), context(server)))
    patch = takeover(server.live, DEPLOYMENT, SETTINGS.manager, leaves_annotations=quietly)
    if patch is not None:
        server.live = json_patch(server.live, patch.body)
    server.apply(to_apply(desired, server.live, (), context(server)), SETTINGS.manager)
    return server.live


def managers(live: Obj) -> set[str]:
    return {entry["manager"] for entry in live["metadata"]["managedFields"]}


@pytest.mark.compat("argocd:resource.tracking-id")
def test_no_annotation_changes_and_the_object_is_known_as_ours() -> None:
    server = applied_by_kubectl(note="by hand")
    before = annotations_of(server.live or {})
    live = sync(server)
    assert annotations_of(live) == before
    assert tuple(tracked_by(live)) == ("shop",)
    assert judge(wanted(), live, (), context(server)).verdict == "Synced"
    assert managers(live) == {SETTINGS.manager, KUBECTL}, "its annotations are kubectl's still"


def test_a_hand_edit_is_drift_and_healed_without_a_change_of_annotations() -> None:
    server = applied_by_kubectl()
    before = annotations_of(sync(server))

    def scale(obj: Obj) -> None:
        obj["spec"]["replicas"] = 7

    server.update("kubectl-edit", scale)
    assert server.live is not None
    judgement = judge(wanted(), server.live, (), context(server))
    assert (judgement.verdict, judgement.drifts[0].path) == ("OutOfSync", "spec.replicas")
    live = sync(server)
    assert (live["spec"]["replicas"], annotations_of(live)) == (3, before)
    assert judge(wanted(), live, (), context(server)).verdict == "Synced"


def test_a_lost_mark_is_drift() -> None:
    server = applied_by_kubectl()
    sync(server)

    def forget(obj: Obj) -> None:
        del obj["metadata"]["labels"]["shipway.dev/applied"]

    server.update("kubectl-edit", forget)
    assert server.live is not None
    assert judge(wanted(), server.live, (), context(server)).verdict == "OutOfSync"


def test_with_the_first_change_in_git_the_marks_are_annotations_and_the_other_tools_go() -> None:
    server = applied_by_kubectl()
    sync(server)
    assert server.live is not None
    assert judge(wanted(4), server.live, (), context(server)).verdict == "OutOfSync"
    live = sync(server, 4)
    assert (live["spec"]["replicas"], labels_of(live)) == (4, {"team": "a"})
    assert set(annotations_of(live)) == {TRACKING_ID, "shipway.dev/applied"}
    assert managers(live) == {SETTINGS.manager}
    assert judge(wanted(4), live, (), context(server)).verdict == "Synced"


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "other"), ("StatefulSet", "web")])
def test_a_copied_label_makes_no_object_ours(kind: str, name: str) -> None:
    live = copy_obj(sync(applied_by_kubectl()))
    live["kind"], live["metadata"]["name"] = kind, name
    assert tuple(tracked_by(live)) == ()


def test_an_object_that_argo_cd_tracks_keeps_its_annotation() -> None:
    server = applied_by_kubectl(**{TRACKING_ID: "shop:apps/Deployment:shop/web"})
    before = annotations_of(server.live or {})
    live = sync(server)
    assert (annotations_of(live), set(labels_of(live))) == (before, {"team", "shipway.dev/applied"})
    assert judge(wanted(), live, (), context(server)).verdict == "Synced"
    assert set(annotations_of(sync(server, 4))) == {TRACKING_ID, "shipway.dev/applied"}


def test_an_object_of_another_application_is_not_quiet() -> None:
    live = sync(applied_by_kubectl(**{TRACKING_ID: "other:apps/Deployment:shop/web"}))
    assert annotations_of(live)[TRACKING_ID] == "shop:apps/Deployment:shop/web"
