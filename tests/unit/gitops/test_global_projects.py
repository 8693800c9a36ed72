"""What a project inherits, and who is named where that refuses something."""

from typing import Any

import pytest

from shipway.api.application import ApplicationSpec, Destination, ProjectSpec, Source, SyncWindow, parse_project
from shipway.base.clock import parse_rfc3339
from shipway.gitops.global_projects import KEY, inheriting, names_inherited, read_global_projects
from shipway.gitops.project import refusal_of, refusals
from shipway.gitops.windows import gate_of
from shipway.kube.objects.resource import Obj, Ref

NOON = parse_rfc3339("2026-11-27T12:00:00Z")
RULES = """\
- labelSelector: {matchLabels: {team: shop}}
  projectName: base
- labelSelector: {matchExpressions: [{key: tier, operator: In, values: [gold, silver]}]}
  projectName: tier
- projectName: everybody
"""


def spec(**fields: Any) -> ProjectSpec:
    return parse_project({"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], **fields}})


def project(name: str = "p", **labels: str) -> Obj:
    return {"metadata": {"name": name, "labels": labels}}


@pytest.mark.parametrize(
    ("one", "names"),
    [
        (project(), ("everybody",)),
        (project(team="shop"), ("base", "everybody")),
        (project(team="shop", tier="gold"), ("base", "tier", "everybody")),
        (project("base", team="shop"), ("everybody",)),
        (project("everybody"), ()),
    ],
)
@pytest.mark.compat("argocd:cm.globalProjects")
def test_from_whom_a_project_inherits(one: Obj, names: tuple[str, ...]) -> None:
    rules, problems = read_global_projects({KEY: RULES})
    assert problems == ()
    assert names_inherited(one, rules) == names


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("- labelSelector: {}", "globalProjects[0]: projectName is required"),
        ("- {projectName: x, labelSelector: [a]}", "globalProjects[0]: labelSelector has to be a map"),
        ("- {projectName: x, labelSelector: {matchExpressions: [{key: a, operator: Near}]}}", "globalProjects[0]: "),
        ("a: b", "globalProjects has to be a list"),
        ("[", "globalProjects: line"),
    ],
)
def test_what_cannot_be_read_is_told_and_fits_nobody(written: str, told: str) -> None:
    rules, problems = read_global_projects({KEY: written})
    assert rules == ()
    assert [told in problem for problem in problems] == [True]


def test_lists_are_put_after_ones_own_and_nothing_else_is_inherited() -> None:
    own = spec(sourceRepos=["a"], clusterResourceWhitelist=[{"group": "", "kind": "Namespace"}], sourceNamespaces=["x"])
    window = {"kind": "deny", "schedule": "0 0 * * *", "duration": "1h", "applications": ["*"]}
    parent = spec(
        sourceRepos=["b"], destinations=None, namespaceResourceBlacklist=[], syncWindows=[window], sourceNamespaces=["y"]
    )
    merged = inheriting(own, [("base", parent)])
    assert merged.source_repos == ("a", "b")
    assert merged.destinations == own.destinations
    assert merged.namespace_resource_blacklist is None
    assert merged.namespace_resource_whitelist is None
    assert merged.source_namespaces == ("x",)
    (inherited,) = merged.sync_windows or ()
    assert isinstance(inherited, SyncWindow)
    assert inherited.schedule == "0 0 * * *"
    assert inheriting(own, []) is own


APP = ApplicationSpec(
    destination=Destination(server="https://a.test", namespace="shop"),
    source=Source(repo_url="https://git.test/a", path="x"),
)
CONFIG = Ref("", "ConfigMap", "shop", "x")
ROLE = Ref("rbac.authorization.k8s.io", "ClusterRole", "", "x")


@pytest.mark.parametrize(
    ("own", "parent", "told"),
    [
        (
            {},
            {"namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}]},
            "namespaceResourceBlacklist of global project base",
        ),
        (
            {},
            {"namespaceResourceWhitelist": [{"group": "", "kind": "Secret"}]},
            "namespaceResourceWhitelist of global project base",
        ),
        (
            {"namespaceResourceWhitelist": [{"group": "x", "kind": "X"}]},
            {},
            "resource :ConfigMap is not permitted in project team",
        ),
        (
            {},
            {"destinations": [{"server": "*", "namespace": "!shop"}]},
            "namespace shop is not permitted in project 'team': destinations",
        ),
        ({"destinations": []}, {"destinations": [{"server": "*", "namespace": "*"}]}, ""),
    ],
)
@pytest.mark.compat("argocd:cm.globalProjects")
def test_who_refuses_an_object(own: dict[str, Any], parent: dict[str, Any], told: str) -> None:
    found = refusal_of(inheriting(spec(**own), [("base", spec(**parent))]), "team", CONFIG, True, APP.destination)
    assert told in found
    assert bool(told) == bool(found)


def test_who_refuses_a_kind_of_the_cluster() -> None:
    everything = [{"group": "*", "kind": "*"}]
    parent = spec(clusterResourceBlacklist=[{"group": "*", "kind": "ClusterRole"}])
    merged = inheriting(spec(clusterResourceWhitelist=everything), [("other", spec()), ("base", parent)])
    told = "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project team: "
    told += "clusterResourceBlacklist of global project base"
    assert refusal_of(merged, "team", ROLE, False, APP.destination) == told


@pytest.mark.parametrize(
    ("parent", "told"),
    [
        ({"sourceRepos": ["!https://git.test/*"]}, "is not permitted in project 'team': sourceRepos of global project base"),
        (
            {"destinations": [{"server": "!https://a.test", "namespace": "*"}]},
            "in project 'team': destinations of global project base",
        ),
    ],
)
def test_who_refuses_an_application(parent: dict[str, Any], told: str) -> None:
    (found,) = refusals(inheriting(spec(), [("base", spec(**parent))]), "team", APP)
    assert found.endswith(told)


def test_whose_window_it_is() -> None:
    window = {"kind": "deny", "schedule": "0 11 * * *", "duration": "2h", "applications": ["*"]}
    merged = inheriting(spec(), [("base", spec(syncWindows=[window]))])
    gate = gate_of(merged, "shop", APP, NOON, is_manual=False)
    assert gate.reason == 'the deny window "0 11 * * *" for 2h of global project base ends at 2026-11-27T13:00:00Z'
