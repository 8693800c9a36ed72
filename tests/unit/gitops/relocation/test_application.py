"""The Application that follows its service, and those that cannot."""

from typing import Any

import pytest

from shipway.api.sources import ProjectFacts
from shipway.base.errors import InvalidInput
from shipway.gitops.relocation.application import check_movable, check_objects, moved, notes
from shipway.kube.objects.resource import Obj

NEW: Obj = {"repoURL": "https://git.test/web.git", "path": "charts/web", "targetRevision": "main"}


def app(spec: Obj, **meta: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": "7", **meta},
        "spec": {"project": "shop", "destination": {"namespace": "shop"}, **spec},
        "status": {"sync": {}},
    }


def test_it_says_what_it_said_and_follows_another_source() -> None:
    annotations = {
        "argocd.argoproj.io/manifest-generate-paths": "/apps/web;/charts/common",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "shipway.dev/kinds": "[]",
        "team": "shop",
    }
    old = app({"source": {"repoURL": "x", "path": "y"}}, annotations=annotations, labels={"a": "b"}, finalizers=["f"])
    assert moved(old, (NEW,)) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "web",
            "namespace": "argocd",
            "labels": {"a": "b"},
            "finalizers": ["f"],
            "annotations": {"argocd.argoproj.io/manifest-generate-paths": "/charts", "team": "shop"},
        },
        "spec": {"project": "shop", "destination": {"namespace": "shop"}, "source": NEW},
    }
    plural = moved(app({"source": {"repoURL": "x"}, "sources": [{}, {}]}), (NEW, NEW))
    assert plural["spec"]["sources"] == [NEW, NEW] and "source" not in plural["spec"]
    assert "annotations" not in plural["metadata"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"sourceHydrator": {"drySource": {}}}, "a hydrator renders it into a branch"),
        ({"source": {"plugin": {"name": "x"}}}, "a plugin may read anything"),
        ({"source": {"directory": {"jsonnet": {"libs": ["lib"]}}}}, "jsonnet.libs are paths from the root"),
        (
            {"source": {"helm": {"fileParameters": [{"name": "x", "path": "../x"}]}}},
            "the file parameter x lies outside of its chart",
        ),
    ],
)
def test_what_cannot_move_says_why(spec: Obj, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_movable(app(spec))


def test_an_application_of_applications_is_no_service() -> None:
    check_objects([{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "apps/v1", "kind": "Application"}])
    with pytest.raises(InvalidInput, match="it gives objects of kind ApplicationSet: it is the platform's"):
        check_objects([{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet"}])


def test_what_has_to_be_done_besides() -> None:
    made = app({"source": {}}, ownerReferences=[{"kind": "ApplicationSet", "name": "fleet"}])
    assert list(notes(made, ProjectFacts("shop", ("https://git.test/central",)), NEW["repoURL"])) == [
        "ApplicationSet fleet makes it: its template has to say the new source too",
        "AppProject shop does not permit https://git.test/web.git: add it to spec.sourceRepos",
    ]
    assert list(notes(app({"source": {}}), ProjectFacts("shop", ("*",)), NEW["repoURL"])) == []
