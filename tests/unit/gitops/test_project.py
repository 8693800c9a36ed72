"""AppProject: each refusal names the rule that refused."""

from itertools import product
from typing import Any

import pytest
from msgspec import convert

from shipway.api.application import ApplicationSpec, Destination, ProjectSpec, default_project, parse_project
from shipway.gitops.project import namespace_refusal, permits_everything, problems, refusal_of, refusals
from shipway.kube.objects.resource import Ref
from shipway.kube.runtime.controller import ObjectKey

HERE = "https://kubernetes.default.svc"


def app(repo: str = "https://git.test/team/shop.git", namespace: str = "shop") -> ApplicationSpec:
    destination = {"server": HERE, "namespace": namespace}
    return convert({"source": {"repoURL": repo, "path": "x"}, "destination": destination}, ApplicationSpec)


def project(**spec: Any) -> ProjectSpec:
    return convert({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], **spec}, ProjectSpec)


REPO = "application repo https://git.test/team/shop.git is not permitted in project 'team'"
WHERE = f"application destination server '{HERE}' and namespace 'shop'"
PLACE = WHERE + " do not match any of the allowed destinations in project 'team'"


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, ()),
        ({"sourceRepos": []}, (REPO,)),
        ({"sourceRepos": ["https://git.test/*"]}, (REPO,)),
        ({"sourceRepos": ["https://git.test/**"]}, ()),
        ({"sourceRepos": ["https://git.test/team/*"]}, ()),
        ({"sourceRepos": ["https://GIT.test/team/shop"]}, ()),
        ({"sourceRepos": ["*", "!https://git.test/team/*"]}, (REPO,)),
        ({"destinations": [{"server": HERE, "namespace": "sh*"}]}, ()),
        ({"destinations": [{"name": "in-cluster", "namespace": "shop"}]}, ()),
        ({"destinations": [{"server": HERE, "namespace": "other"}]}, (PLACE,)),
        ({"destinations": [{"server": "https://other", "namespace": "*"}]}, (PLACE,)),
        ({"destinations": [{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!shop"}]}, (PLACE,)),
    ],
)
@pytest.mark.compat("argocd:destination.server", "argocd:project.sourceRepos", "argocd:project.destinations")
def test_sources_and_destinations(spec: Any, found: tuple[str, ...]) -> None:
    assert refusals(project(**spec), "team", app()) == found


@pytest.mark.parametrize(
    ("spec", "ref", "is_namespaced", "refusal"),
    [
        ({}, Ref("apps", "Deployment", "shop", "a"), True, ""),
        ({}, Ref("", "Namespace", "", "a"), False, "resource :Namespace is not permitted in project team"),
        ({"clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}]}, Ref("", "Namespace", "", "a"), False, ""),
        (
            {"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]},
            Ref("", "Secret", "shop", "a"),
            True,
            "resource :Secret is not permitted in project team",
        ),
        (
            {"namespaceResourceWhitelist": [{"group": "apps", "kind": "*"}]},
            Ref("", "Service", "shop", "a"),
            True,
            "resource :Service is not permitted in project team",
        ),
        (
            {"destinations": [{"server": "*", "namespace": "shop"}]},
            Ref("", "Service", "kube-system", "a"),
            True,
            "namespace kube-system is not permitted in project 'team'",
        ),
    ],
)
@pytest.mark.compat(
    "argocd:project.destinations", "argocd:project.clusterResourceWhitelist", "argocd:project.namespaceResourceWhitelist"
)
def test_kinds_and_namespaces_of_objects(spec: Any, ref: Ref, is_namespaced: bool, refusal: str) -> None:
    assert refusal_of(project(**spec), "team", ref, is_namespaced, Destination(server=HERE)) == refusal


def test_the_default_project_allows_everything() -> None:
    spec = parse_project(default_project("argocd"))
    assert refusals(spec, "default", app()) == ()
    assert refusal_of(spec, "default", Ref("", "Namespace", "", "a"), False, Destination(server=HERE)) == ""


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"syncWindows": [{"kind": "deny", "schedule": "x", "duration": "1h"}]}, "spec.syncWindows[0].schedule: cannot parse"),
        ({"roles": [{"name": "dev", "policies": ["p, x"]}]}, "spec.roles[0].policies[0]: invalid policy rule 'p, x': must be"),
        ({"sourceRepos": ["[a"]}, "spec.sourceRepos: '[a' is not a valid pattern"),
        ({"destinations": [{"server": "*", "namespace": "!{a"}]}, "spec.destinations: '{a' is not a valid pattern"),
        ({"sourceNamespaces": ["/(/"]}, "spec.sourceNamespaces: '/(/' is not a valid regular expression"),
        ({"signatureKeys": [{"keyID": "x"}]}, "spec.signatureKeys[0].keyID: 'x' is no id of an OpenPGP key"),
        (
            {"sourceIntegrity": {"git": {"policies": [{"repos": ["*"], "gpg": {"mode": "strict", "keys": []}}]}}},
            "spec.sourceIntegrity.git.policies[0].gpg.keys: without a key nothing could be synced",
        ),
        ({"destinationServiceAccounts": [{"server": "*"}]}, "spec.destinationServiceAccounts[0].defaultServiceAccount: ''"),
    ],
)
@pytest.mark.compat(
    "argocd:project.signatureKeys", "argocd:project.sourceIntegrity", "argocd:project.destinationServiceAccounts"
)
def test_a_broken_project_is_told_with_the_path_and_stops_its_applications(spec: Any, told: str) -> None:
    found = problems(project(**spec), "team")
    assert len(found) == 1 and found[0].startswith(f"AppProject team: {told}"), found


@pytest.mark.compat("argocd:project.roles", "argocd:project.orphanedResources", "argocd:project.description")
def test_what_stops_nothing_is_accepted() -> None:
    spec = {
        "description": "Team A",
        "orphanedResources": {"warn": True},
        "signatureKeys": [],
        "roles": [{"name": "dev", "jwtTokens": [{"iat": 1}]}],
    }
    assert problems(project(**spec), "team") == ()


@pytest.mark.compat("argocd:project.permitOnlyProjectScopedClusters")
def test_a_project_for_its_own_clusters_only_says_so() -> None:
    (told,) = refusals(project(permitOnlyProjectScopedClusters=True), "team", app())
    assert refusals(project(permitOnlyProjectScopedClusters=True), "team", app(), owner="team") == ()
    assert f"'{HERE}' is not permitted in project 'team': permitOnlyProjectScopedClusters" in told


@pytest.mark.parametrize(
    ("namespaces", "where", "is_allowed"),
    [
        (None, "argocd", True),
        (None, "team-a", False),
        (["team-*"], "team-a", True),
        (["team-*"], "other", False),
        (["/^team-[a-c]$/"], "team-a", True),
        (["/^team-[a-c]$/"], "team-d", False),
    ],
)
@pytest.mark.compat("argocd:project.sourceNamespaces")
def test_applications_elsewhere_need_the_projects_leave(namespaces: Any, where: str, is_allowed: bool) -> None:
    told = namespace_refusal(project(sourceNamespaces=namespaces), "team", ObjectKey(where, "shop"), "argocd")
    refusal = f"application 'shop' in namespace '{where}' is not allowed to use project 'team'"
    assert told == ("" if is_allowed else refusal)


KINDS = (None, [], [{"group": "*", "kind": "*"}], [{"group": "apps", "kind": "*"}])
PLACES = ("*", "", HERE, "!" + HERE)
OBJECTS = (
    (Ref("", "ConfigMap", "shop", "a"), True), (Ref("apps", "Deployment", "other", "a"), True),
    (Ref("", "Namespace", "", "a"), False), (Ref("apps", "Thing", "", "a"), False),
)  # fmt: skip


def test_a_project_that_permits_everything_refuses_nothing() -> None:
    """However it is said: what permits everything is not asked about each object."""
    permitting = 0
    for lists in product(KINDS, repeat=4):
        names = (
            "namespaceResourceWhitelist",
            "namespaceResourceBlacklist",
            "clusterResourceWhitelist",
            "clusterResourceBlacklist",
        )
        for server, name, namespace in product(PLACES, ("*", "", "in-cluster"), ("*", "shop", "!shop")):
            rules = [{"server": server, "name": name, "namespace": namespace}, {"server": "*", "namespace": "shop"}]
            found = project(**dict(zip(names, lists, strict=True)), destinations=rules)
            if permits_everything(found):
                permitting += 1
                refused = [refusal_of(found, "team", ref, is_namespaced, app().destination) for ref, is_namespaced in OBJECTS]
                assert refused == [""] * 4, found
    assert permitting > 0
