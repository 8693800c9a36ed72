"""Applications with `spec.sourceHydrator`: `shipway run` renders them into a branch of a Git server, and syncs from there."""

from pathlib import Path

import orjson
import pygit2
import pytest
from aiohttp import web

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, EVENTS, SECRETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from tests.e2e.places import CLOCK, Place, banner_says, config_map
from tests.e2e.running import app_is
from tests.e2e.test_run_repositories import login
from tests.git_hosts import Door, basic, secrets_in
from tests.waiting import eventually

PASSWORD = "s3cr3t-of-the-writer"
HYDRATE = "argocd.argoproj.io/hydrate"
CHART: dict[str, str | bytes | None] = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "text: none\n",
    "chart/templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {text: {{ .Values.text }}}\n",
}


def hydrated(name: str, repo_url: str, path: str, to: str = "", **dry: object) -> Obj:
    """An Application as users of Argo CD's source hydrator write it."""
    hydrator: Obj = {
        "drySource": {"repoURL": repo_url, "path": path, "targetRevision": "main", **dry},
        "syncSource": {"targetBranch": "env/dev", "path": f"apps/{name}"},
    }
    if to:
        hydrator["hydrateTo"] = {"targetBranch": to}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "sourceHydrator": hydrator,
            "syncPolicy": {"automated": {}},
        },
    }


def operation_of(app: Obj) -> Obj:
    return dig(app, "status", "sourceHydrator", "currentOperation", default={})


def hydrated_from(dry: str):
    return lambda app: operation_of(app).get("phase") == "Hydrated" and operation_of(app).get("drySHA") == dry


def failed_with(text: str):
    return lambda app: operation_of(app).get("phase") == "Failed" and text in operation_of(app).get("message", "")


def synced_from_branch(app: Obj) -> bool:
    at = dig(app, "status", "sourceHydrator", "lastSuccessfulOperation", "hydratedSHA")
    sync: Obj = dig(app, "status", "sync", default={})
    return bool(at) and sync.get("status") == "Synced" and sync.get("revision") == at and not dig(app, "status", "conditions")


class Branch:
    """What the server keeps in a branch."""

    def __init__(self, place: Place, name: str = "env/dev") -> None:
        self._path, self._ref = str(place.git_root / "shop.git"), f"refs/heads/{name}"

    @property
    def head(self) -> str:
        return str(pygit2.Repository(self._path).references[self._ref].target)

    @property
    def messages(self) -> list[str]:
        """Newest first; [] where there is no such branch."""
        repository = pygit2.Repository(self._path)
        if self._ref not in repository.references:
            return []
        return [commit.message for commit in repository.walk(repository.references[self._ref].target)]

    def file(self, path: str) -> str:
        repository = pygit2.Repository(self._path)
        return repository[repository.references[self._ref].peel(pygit2.Commit).tree[path].id].data.decode()


def hook(place: Place, name: str, script: str) -> None:
    path: Path = place.git_root / "shop.git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def wish(place: Place, name: str) -> None:
    await place.client.patch(APPLICATIONS, "argocd", name, {"metadata": {"annotations": {HYDRATE: "normal"}}})


async def words_are_those_of(place: Place, branch: Branch) -> None:
    """What `argocd-cm` says of messages, README.md and the author counts from the next commit on."""
    settings = {
        "commit.author.name": "Robot",
        "sourceHydrator.commitMessageTemplate": "{{ .metadata.drySha | trunc 7 }} of {{ .metadata.author }}",
        "sourceHydrator.readmeMessageTemplate": "# From {{ .DrySHA }}\n",
    }
    meta = {"name": "argocd-cm", "namespace": "argocd"}
    await place.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": settings})
    dry = await place.push({"deploy/banner.yaml": config_map("three")})
    await app_is(place.client, "banner", hydrated_from(dry))
    assert branch.messages[0] == f"{dry[:7]} of Dev <dev@example.com>\n"
    assert branch.file("apps/banner/README.md") == f"# From {dry}\n"


@pytest.mark.compat(
    "argocd:spec.sourceHydrator",
    "argocd:status.sourceHydrator",
    "argocd:annotation.hydrate",
    "argocd:repository.write",
    "argocd:cm.sourceHydrator",
)
async def test_applications_are_rendered_into_one_branch_and_synced_from_it(place: Place) -> None:
    """From a missing login to the second push; whoever reads needs no login, whoever pushes does."""
    writer = basic("robot", PASSWORD)

    def admits(request: web.Request) -> bool:
        return "git-receive-pack" not in request.path_qs or writer(request)

    dry = await place.push(CHART)
    branch = Branch(place)
    async with Door(place.git, admits).open() as door, place.run() as running:
        place.git.notify(f"{await running.ready()}/api/webhook", "")
        url = f"{door.url}/shop.git"
        await place.client.create(APPLICATIONS, hydrated("banner", url, "deploy"))
        await app_is(place.client, "banner", failed_with("secret-type: repository-write"))
        reader = login("reader", "repository", url=url, username="robot", password=PASSWORD)
        await place.client.create(SECRETS, reader)
        await wish(place, "banner")
        await app_is(place.client, "banner", lambda app: HYDRATE not in dig(app, "metadata", "annotations", default={}))
        assert branch.messages == []  # a login for reading is none for pushing
        await place.client.create(
            SECRETS, login("writer", "repo-write-creds", url=door.url, username="robot", password=PASSWORD)
        )
        await wish(place, "banner")
        app = await app_is(place.client, "banner", synced_from_branch)
        assert hydrated_from(dry)(app)
        assert branch.messages[-1].strip() == "Initial commit for env/dev"
        assert branch.messages[0].startswith(f"{dry[:7]}: Change\n")
        await banner_says(place.client, "one")

        parameters = [{"name": "text", "value": "charted"}]
        await place.client.create(APPLICATIONS, hydrated("chart", url, "chart", helm={"parameters": parameters}))
        await app_is(place.client, "chart", synced_from_branch)
        assert len(branch.messages) == 3
        began = CLOCK.now()
        dry = await place.push({"deploy/banner.yaml": config_map("two"), "chart/values.yaml": "text: none\nother: 1\n"})
        await banner_says(place.client, "two")
        print(f"pushed: live {CLOCK.now() - began:.2f} s after the push to the dry source")
        for name in ("banner", "chart"):
            found = await app_is(place.client, name, hydrated_from(dry))
            assert operation_of(found)["hydratedSHA"] == branch.head
        assert len(branch.messages) == 4  # one commit for both
        told = orjson.loads(branch.file("hydrator.metadata"))
        assert (told["drySha"], told["repoURL"], told["author"]) == (dry, url, "Dev <dev@example.com>")
        assert orjson.loads(branch.file("apps/chart/hydrator.metadata"))["commands"] == [
            "helm template chart chart --namespace shop --set text=charted --include-crds"
        ]
        assert "tracking-id" not in branch.file("apps/banner/manifest.yaml")
        assert f"git checkout {dry}" in branch.file("apps/banner/README.md")

        dry = await place.push({"README.md": "nothing that is rendered\n"})
        await app_is(place.client, "banner", hydrated_from(dry))
        assert len(branch.messages) == 4

        await words_are_those_of(place, branch)
        kept = [[(await place.client.list(kind)).items] for kind in (APPLICATIONS, EVENTS)]
        await running.end()
    assert "s3cr3t" not in running.said + orjson.dumps(kept).decode()
    assert secrets_in(place.home, "s3cr3t") == []


@pytest.mark.compat("argocd:spec.sourceHydrator", "argocd:status.sourceHydrator")
async def test_a_process_that_is_killed_between_push_and_status_pushes_nothing_twice(place: Place) -> None:
    """The server holds the answer to the push back until the process is gone; the next one finds what it pushed."""
    branch, url = Branch(place), place.copy.url
    go_on = place.home.parent / "go-on"
    hook(place, "post-receive", f"while [ ! -e {go_on} ]; do sleep 0.05; done")
    async with place.run() as running:
        await running.ready()
        await place.client.create(APPLICATIONS, hydrated("banner", url, "deploy"))
        await eventually(lambda: len(branch.messages) == 2, within=30)
        running.process.kill()
        await running.process.wait()
    go_on.touch()
    app = await place.client.get(APPLICATIONS, "argocd", "banner")
    assert operation_of(app)["phase"] == "Hydrating"
    pushed = branch.head
    async with place.run() as running:
        await running.ready()
        app = await app_is(place.client, "banner", synced_from_branch)
        assert operation_of(app)["hydratedSHA"] == pushed == branch.head
    assert len(branch.messages) == 2


@pytest.mark.compat("argocd:spec.sourceHydrator", "argocd:status.sourceHydrator", "argocd:annotation.hydrate")
async def test_what_cannot_be_rendered_or_pushed_is_said_and_tried_again(place: Place) -> None:
    branch, url = Branch(place, "env/dev-next"), place.copy.url
    hook(place, "update", 'case "$1" in refs/heads/env/dev-next) echo "GH006: Protected branch" >&2; exit 1;; esac')
    async with place.run() as running:
        await running.ready()
        await place.client.create(APPLICATIONS, hydrated("banner", url, "deploy", "env/dev-next"))
        app = await app_is(
            place.client, "banner", failed_with("Failed to hydrate: failed to commit hydrated manifests: repository")
        )
        assert "GH006: Protected branch" in operation_of(app)["message"]
        await app_is(
            place.client,
            "banner",
            lambda app: "HydrationError" in [c["type"] for c in dig(app, "status", "conditions", default=[])],
        )
        hook(place, "update", "exit 0")
        await wish(place, "banner")
        app = await app_is(place.client, "banner", lambda app: operation_of(app).get("phase") == "Hydrated")
        assert HYDRATE not in dig(app, "metadata", "annotations", default={})
        assert operation_of(app)["hydratedSHA"] == branch.head
        assert Branch(place).messages == ["Initial commit for env/dev\n"]  # somebody else moves it on

        await place.client.create(APPLICATIONS, hydrated("other", url, "nowhere", "env/dev-next"))
        await app_is(place.client, "other", failed_with("nowhere: app path does not exist"))
        await place.client.delete(APPLICATIONS, "argocd", "other")
        same = hydrated("same", url, "deploy", "env/dev-next")
        same["spec"]["sourceHydrator"]["syncSource"]["path"] = "./apps/banner/"
        await place.client.create(APPLICATIONS, same)
        await app_is(place.client, "same", failed_with("app argocd/banner hydrator use the same destination: apps/banner"))
        root = {"spec": {"sourceHydrator": {"syncSource": {"path": "."}}}}
        await place.client.patch(APPLICATIONS, "argocd", "same", root)
        await app_is(place.client, "same", failed_with("is configured to hydrate to the repository root"))
        assert "banner" not in [name_of(one) for one in (await place.client.list(CONFIG_MAPS, "shop")).items]
