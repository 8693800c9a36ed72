"""AppProject: each refusal names the rule that refused."""

from typing import Any

import pytest
from msgspec import convert

from shipway.api.application import ApplicationSpec, Destination, ProjectSpec, parse_project
from shipway.gitops.project import default_project, refusal_of, refusals
from shipway.kube.objects.resource import Ref

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
def test_kinds_and_namespaces_of_objects(spec: Any, ref: Ref, is_namespaced: bool, refusal: str) -> None:
    assert refusal_of(project(**spec), "team", ref, is_namespaced, Destination(server=HERE)) == refusal


def test_the_default_project_allows_everything() -> None:
    spec = parse_project(default_project("argocd"))
    assert refusals(spec, "default", app()) == ()
    assert refusal_of(spec, "default", Ref("", "Namespace", "", "a"), False, Destination(server=HERE)) == ""
