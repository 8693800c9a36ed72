"""What the page of Applications is told: who made one, what is in trouble first, what can be done and what that would say."""

from typing import Any

import pytest

from shipway.base.clock import parse_rfc3339
from shipway.gitops.annotations import HOLD, TRACKING_ID
from shipway.gitops.health import Health
from shipway.gitops.tree import Node, Tree
from shipway.kube.objects.resource import Obj, Ref
from shipway.server.dashboard.applications import Around, Parent, choices, info_of, row_of
from tests.unit.cli.objects import application

NOW = parse_rfc3339("2026-11-21T10:00:00Z")


def changed(app: Obj, **metadata: Any) -> Obj:
    return {**app, "metadata": {**app["metadata"], **metadata}}


def test_a_row_says_what_is_live_where() -> None:
    row = row_of(application(), NOW)
    assert (row.name, row.namespace, row.project, row.cluster, row.target) == (
        "shop",
        "argocd",
        "default",
        "in-cluster",
        "shop",
    )
    assert (row.sync, row.health, row.phase, row.revision) == ("Synced", "Healthy", "Succeeded", "0123456")
    assert row.sources == ["https://git.example/shop.git web at main"]
    assert (row.deployed_at, row.is_held, row.parent) == ("2026-11-21T09:58:00Z", False, None)
    assert row.why.startswith("shop is Synced to 0123456")


OWNED = {"kind": "ApplicationSet", "name": "shops", "uid": "1", "controller": True}
TRACKED = "fleet:argoproj.io/Application:argocd/shop"
ITSELF = "shop:argoproj.io/Application:argocd/shop"


@pytest.mark.proves("001-40")
@pytest.mark.parametrize(
    ("metadata", "parent"),
    [
        pytest.param({"ownerReferences": [OWNED]}, Parent("ApplicationSet", "shops"), id="a set"),
        pytest.param({"annotations": {TRACKING_ID: TRACKED}}, Parent("Application", "fleet"), id="an application"),
        pytest.param({"annotations": {TRACKING_ID: ITSELF}}, None, id="itself"),
    ],
)
def test_who_made_it(metadata: Obj, parent: Parent | None) -> None:
    assert row_of(changed(application(), **metadata), NOW).parent == parent


def test_no_login_is_told() -> None:
    app = application()
    app["spec"]["source"]["repoURL"] = "https://bob:s3cr3t@git.example/shop.git"
    assert row_of(app, NOW).sources == ["https://***@git.example/shop.git web at main"]


def test_what_is_in_trouble_stands_first_and_the_newest_deployment_too() -> None:
    rows = [
        {"kind": "Service", "name": "web", "status": "Synced"},
        {"kind": "ConfigMap", "name": "web", "status": "OutOfSync", "requiresPruning": True},
        {
            "group": "apps",
            "kind": "Deployment",
            "name": "web",
            "status": "Synced",
            "health": {"status": "Degraded", "message": "x"},
        },
    ]
    info = info_of(application(resources=rows), NOW)
    assert [(one.kind, one.message) for one in info.resources] == [
        ("Deployment", "x"),
        ("ConfigMap", "to be pruned"),
        ("Service", ""),
    ]
    assert [(one.id, one.by) for one in info.history] == [(1, "ann"), (0, "")]


def test_a_tree_goes_down_to_the_pods() -> None:
    deployment, pod = Ref("apps", "Deployment", "shop", "web"), Ref("", "Pod", "shop", "web-1")
    broken = Health("Degraded", "no image")
    tree = Tree((Node(deployment, uid="1", sync="Synced", health=broken), Node(pod, uid="2", above="1", health=broken)))
    rows = info_of(application(), NOW, Around(tree=tree)).resources
    assert [(one.depth, one.kind, one.sync, one.health) for one in rows] == [
        (0, "Deployment", "Synced", "Degraded"),
        (1, "Pod", "", "Degraded"),
    ]
    assert rows[1].message == "no image"


def test_a_pod_says_which_containers_speak() -> None:
    containers = {"initContainers": [{"name": "setup"}], "containers": [{"name": "web"}, {"name": "proxy"}]}
    tree = Tree(
        (Node(Ref("apps", "ReplicaSet", "shop", "web"), uid="1"), Node(Ref("", "Pod", "shop", "a"), uid="2", above="1"))
    )
    around = Around(tree=tree, pods=({"kind": "Pod", "metadata": {"uid": "2", "name": "a"}, "spec": containers},))
    assert [one.containers for one in info_of(application(), NOW, around).resources] == [(), ("web", "proxy", "setup")]


@pytest.mark.parametrize(
    ("app", "possible"),
    [
        pytest.param(application(), {"sync", "refresh", "rollback-0"}, id="at rest"),
        pytest.param({**application(), "operation": {"sync": {}}}, {"refresh", "terminate"}, id="busy"),
        pytest.param(changed(application(), annotations={HOLD: "{}"}), {"sync", "refresh", "resume", "rollback-0"}, id="held"),
        pytest.param(changed(application(), deletionTimestamp="2026-11-21T09:59:00Z"), set(), id="going"),
    ],
)
def test_what_changes_nothing_cannot_be_chosen(app: Obj, possible: set[str]) -> None:
    assert {one.verb for one in choices(app) if one.possible} == possible


def test_the_way_back_says_how_long_it_holds() -> None:
    (back,) = (one for one in choices(application()) if one.verb == "rollback-0")
    assert back.path == "rollback/0"
    assert back.says == (
        "shop goes back to deployment 0 (fffffff, of 2026-11-20T10:00:00Z) and stays there for a day, also with automated "
        "sync; Resume ends that earlier. What Git says stays as it is."
    )


@pytest.mark.parametrize(("wants", "asked"), [("true", "required"), ("false", "optional")])
def test_whoever_acts_is_asked_why(wants: str, asked: str) -> None:
    meta = {"name": "default", "annotations": {"shipway.dev/require-reason": wants}}
    around = Around((OTHER, {"kind": "AppProject", "metadata": meta}))
    found = {one.verb: one.reason for one in info_of(application(), NOW, around).choices}
    assert found == {"sync": asked, "terminate": asked, "resume": asked, "rollback-0": asked, "refresh": ""}


OTHER = {"kind": "Rollout", "metadata": {"name": "web", "annotations": {"shipway.dev/require-reason": "true"}}}
