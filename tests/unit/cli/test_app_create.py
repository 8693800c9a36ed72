"""`shipway app create`: flags to manifests, and what becomes of one that is there already."""

from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, SECRETS
from shipway.base.errors import Conflict, InvalidInput
from shipway.cli.app_create import CreateFlags, applications, create
from shipway.cli.app_set import set_spec
from shipway.cli.app_spec import SpecFlags, application_from
from shipway.cli.main import run
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from tests.forbidding import Forbidding
from tests.unit.cli.conftest import Shop
from tests.unit.cli.test_app_diff import PROJECT

REPO = "https://git.example/shop.git"
WEB = SpecFlags(repo=REPO, path="web", dest_namespace="shop")
HERE = {"server": "https://kubernetes.default.svc"}


def stated(**flags: Any) -> Obj:
    return application_from(SpecFlags(**flags))


@pytest.mark.parametrize(
    ("flags", "spec"),
    [
        ({"repo": REPO, "path": "w", "revision": "main"}, {"source": {"repoURL": REPO, "path": "w", "targetRevision": "main"}}),
        (
            {"repo": "https://charts.test", "helm_chart": "redis", "helm_set": ("a.b=1", "c=x=y"), "helm_set_string": ("d=2",)},
            {
                "source": {
                    "repoURL": "https://charts.test",
                    "chart": "redis",
                    "helm": {
                        "parameters": [
                            {"name": "a.b", "value": "1"},
                            {"name": "c", "value": "x=y"},
                            {"name": "d", "value": "2", "forceString": True},
                        ]
                    },
                }
            },
        ),
        (
            {"values": ("a", "$r/b"), "release_name": "web", "helm_set_file": ("c=app.conf",), "helm_skip_crds": True},
            {
                "source": {
                    "helm": {
                        "valueFiles": ["a", "$r/b"],
                        "releaseName": "web",
                        "fileParameters": [{"name": "c", "path": "app.conf"}],
                        "skipCrds": True,
                    }
                }
            },
        ),
        (
            {"kustomize_image": ("web=x:2",), "nameprefix": "p-", "kustomize_common_label": ("team=a",)},
            {"source": {"kustomize": {"images": ["web=x:2"], "namePrefix": "p-", "commonLabels": {"team": "a"}}}},
        ),
        (
            {"directory_recurse": True, "directory_exclude": "*.md"},
            {"source": {"directory": {"recurse": True, "exclude": "*.md"}}},
        ),
        ({"sync_policy": "automated"}, {"syncPolicy": {"automated": {}}}),
        (
            {"sync_policy": "auto", "auto_prune": True, "self_heal": True, "sync_option": ("CreateNamespace=true",)},
            {"syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]}},
        ),
        (
            {"sync_retry_limit": 0, "sync_retry_backoff_duration": "10s", "sync_policy": "none"},
            {"syncPolicy": {"retry": {"limit": 0, "backoff": {"duration": "10s"}}}},
        ),
        ({"dest_name": "prod", "project": "shop", "revision_history_limit": 3},
         {"destination": {"name": "prod"}, "project": "shop", "revisionHistoryLimit": 3}),
        ({}, None),
    ],
    ids=["git", "chart", "values", "kustomize", "directory", "automated", "policy", "retry", "place", "nothing"],
)  # fmt: skip
def test_flags_state_what_they_say_and_nothing_else(flags: dict[str, Any], spec: Obj | None) -> None:
    assert stated(**flags) == ({"spec": spec} if spec else {})


def test_metadata() -> None:
    assert stated(label=("team=shop",), annotations=("a/b=c=d",), set_finalizer=True)["metadata"] == {
        "labels": {"team": "shop"},
        "annotations": {"a/b": "c=d"},
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
    }


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"self_heal": True}, "--sync-policy automated"),
        ({"auto_prune": True, "sync_policy": "manual"}, "--sync-policy automated"),
        ({"helm_set": ("replicas",)}, "--helm-set replicas"),
        ({"label": ("=x",)}, "--label =x"),
    ],
)
def test_flags_that_cannot_be_meant(flags: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        stated(**flags)


@pytest.mark.parametrize(
    ("name", "flags", "problem"),
    [
        ("", WEB, "say the Application's name"),
        ("web", SpecFlags(), "--repo and --path"),
        ("web", SpecFlags(repo=REPO, path="web", sync_option=("CreateNamespaces=true",)), "mind the spelling"),
        ("web", SpecFlags(repo=REPO), "spec.source"),
    ],
)
def test_what_the_engine_would_refuse_is_refused_at_once(name: str, flags: SpecFlags, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        applications(name, flags, CreateFlags())


def test_a_manifest_for_git_needs_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "web",
        "--repo",
        REPO,
        "--path",
        "web",
        "--dest-namespace",
        "shop",
        "--sync-policy",
        "automated",
        "--self-heal",
    ]
    assert run(["app", "create", *arguments, "--dry-run", "-o", "yaml", "--kubeconfig", "/nowhere"]) == 0
    assert yaml.load(capsys.readouterr().out) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": REPO, "path": "web"},
            "destination": {**HERE, "namespace": "shop"},
            "syncPolicy": {"automated": {"selfHeal": True}},
        },
    }
    assert run(["app", "create", *arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == "application.argoproj.io/web created (dry run)\n"


async def test_created_unchanged_configured(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    first = applications("web", WEB, CreateFlags())
    other = applications("web", SpecFlags(repo=REPO, path="api", label=("team=shop",)), CreateFlags())
    assert await create(shop.session, first, CreateFlags()) == 0
    await shop.client.patch(APPLICATIONS, "argocd", "web", {"metadata": {"annotations": {"mine": "1"}}})
    assert await create(shop.session, first, CreateFlags()) == 0
    with pytest.raises(Conflict, match="--upsert changes it"):
        await create(shop.session, other, CreateFlags())
    assert await create(shop.session, other, CreateFlags(upsert=True)) == 0
    said = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["created", "unchanged", "configured"]
    app = await shop.app("web")
    assert app["spec"]["source"] == {"repoURL": REPO, "path": "api"}
    assert app["spec"]["destination"] == HERE
    assert (app["metadata"]["labels"], app["metadata"]["annotations"]) == ({"team": "shop"}, {"mine": "1"})


async def test_the_project_is_asked(shop: Shop) -> None:
    strict = {
        **PROJECT,
        "metadata": {"name": "strict", "namespace": "argocd"},
        "spec": {**PROJECT["spec"], "sourceRepos": ["x"]},
    }
    await shop.create(APP_PROJECTS, strict)
    for name, problem in (("strict", "is not permitted in project 'strict'"), ("none", "AppProject none does not exist")):
        wanted = applications("web", SpecFlags(repo=REPO, path="web", project=name), CreateFlags())
        with pytest.raises(InvalidInput, match=problem):
            await create(shop.session, wanted, CreateFlags())
        assert (await shop.client.list(APPLICATIONS, "argocd")).items == []
    assert await create(shop.session, wanted, CreateFlags(validate=False)) == 0


def belonging(called: str, kind: str, **values: str) -> Obj:
    """A Secret of a repository or a cluster that belongs to an AppProject."""
    meta = {"name": called, "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}}
    return {"metadata": meta, "stringData": values}


AFAR = "https://afar.test"


async def closed(shop: Shop) -> list[Obj]:
    """An Application of a project that names neither its repository nor its cluster."""
    spec = {"sourceRepos": [], "destinations": []}
    await shop.create(APP_PROJECTS, {**PROJECT, "metadata": {"name": "team", "namespace": "argocd"}, "spec": spec})
    await shop.client.create(SECRETS, belonging("others", "repository", url=REPO, project="others"))
    await shop.client.create(SECRETS, belonging("bare", "cluster", server=AFAR, name="afar", config="{}"))
    return applications("web", SpecFlags(repo=REPO, path="web", project="team", dest_server=AFAR), CreateFlags())


@pytest.mark.compat("argocd:project.scoped")
async def test_what_belongs_to_a_project_is_permitted_by_its_secret(shop: Shop) -> None:
    """As for the engine: the project need not name it."""
    wanted = await closed(shop)
    with pytest.raises(InvalidInput, match=r"application repo .* is not permitted .*; application destination server"):
        await create(shop.session, wanted, CreateFlags())
    await shop.client.create(SECRETS, belonging("repo", "repository", url=REPO, project="team"))
    with pytest.raises(InvalidInput, match=r"^application destination server"):
        await create(shop.session, wanted, CreateFlags())
    await shop.client.create(SECRETS, belonging("afar", "cluster", server=AFAR, name="mine", config="{}", project="team"))
    await shop.client.delete(SECRETS, "argocd", "bare")
    assert await create(shop.session, wanted, CreateFlags()) == 0
    assert await set_spec(shop.session, "web", SpecFlags(revision="v2")) == 0
    with pytest.raises(InvalidInput, match=r"application repo https://git\.example/other\.git is not permitted"):
        await set_spec(shop.session, "web", SpecFlags(repo="https://git.example/other.git"))


async def test_whoever_may_not_read_those_secrets_is_told_and_not_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = await closed(shop)
    session = Session(Client(Forbidding(shop.server, "GET", "/secrets"), manager="test"), shop.session.clock)
    assert await create(session, wanted, CreateFlags()) == 0
    told = capsys.readouterr().err
    assert f"application repo {REPO} is not permitted in project 'team'" in told
    assert told.endswith("unless Secrets of the project, which you may not read, permit it: Shipway decides\n")


FILE = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, resourceVersion: "7"}
spec:
  source: {repoURL: https://git.example/shop.git, path: web}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
"""


async def test_a_file_and_flags_over_it(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(FILE)
    wanted = applications("", SpecFlags(revision="v2"), CreateFlags(file=file), "teams")
    assert wanted[0]["metadata"] == {"name": "web", "namespace": "teams"}
    assert wanted[0]["spec"]["source"] == {"repoURL": REPO, "path": "web", "targetRevision": "v2"}
    file.write_text(f"{FILE}---\n{FILE.replace('name: web', 'name: api')}")
    names = [one["metadata"]["name"] for one in applications("", SpecFlags(), CreateFlags(file=file))]
    assert names == ["web", "api"]
    with pytest.raises(InvalidInput, match="holds 2 Applications"):
        applications("web", SpecFlags(), CreateFlags(file=file))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: ConfigMap", "document 1 is no Application but ConfigMap"),
        ("- a", "document 1 is no Application but list"),
        ("", "there is no Application in it"),
        ("a: [", r"web\.yaml: line 2"),
        (FILE.replace("path: web", "path: 7"), "spec.source.path: expected `str`"),
    ],
)
def test_files_that_cannot_be_meant(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=problem):
        applications("", SpecFlags(), CreateFlags(file=file))
    with pytest.raises(InvalidInput, match=r"gone\.yaml cannot be read"):
        applications("", SpecFlags(), CreateFlags(file=tmp_path / "gone.yaml"))
