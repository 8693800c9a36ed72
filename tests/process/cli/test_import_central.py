"""`shipway import central-repo` over real Git and the real renderers: what moves gives the same bytes, or is not written."""

import asyncio
import sys
from pathlib import Path

import orjson
import pytest

from shipway.api.kinds import CONFIG_MAPS
from shipway.assembly.moving import Wish
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.cli.import_central import Origin, import_central, on_paper, read_origin
from shipway.gitops.relocation.services import Labels
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import dump, load
from tests.central_repository import ENVIRONMENTS, SERVICES, application, applications, central_files
from tests.clients.programs import started
from tests.e2e.running import environment
from tests.repository import seed
from tests.waiting import eventually

TEMPLATE = "https://git.test/{app}.git"


class Given:
    """A central repository, its working copy, and what was said last."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.copy, self.url = seed(folder, "central", central_files())
        self.into = folder / "out"
        self.cache = folder / "cache"
        self.apps = applications(self.url)
        self.said = ""

    async def run(self, central: str = "", *, output: str = "json", apps: list[Obj] | None = None, **more: object) -> int:
        wish = Wish(central or self.url, self.into, **{"template": TEMPLATE, "revision": "main", **more})  # type: ignore[arg-type]
        async with on_paper(self.apps if apps is None else apps, "argocd") as (session, found):
            code = await import_central(session, found, wish, self.cache, output)  # type: ignore[arg-type]
        self.said = self._capsys.readouterr().out
        return code

    @property
    def rows(self) -> dict[str, Obj]:
        return {row["application"].removeprefix("argocd/"): row for row in orjson.loads(self.said)["applications"]}

    def files(self) -> list[str]:
        return sorted(file.relative_to(self.into).as_posix() for file in self.into.rglob("*") if file.is_file())


@pytest.fixture
def given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Given:
    return Given(tmp_path, capsys)


@pytest.mark.proves("002-07")
async def test_every_service_gets_what_it_reads_and_gives_the_same(given: Given) -> None:
    assert await given.run() == 0, given.said
    assert sorted(given.rows) == sorted(f"{service}-{env}" for service in SERVICES for env in ENVIRONMENTS)
    for row in given.rows.values():
        assert row["same"] and row["written"] and len(row["before"]) == 64 and row["before"] == row["after"], row
    assert [given.rows[f"{service}-staging"]["objects"] for service in SERVICES] == [2, 3, 3, 1]
    chart = [
        "Chart.yaml",
        *(f"templates/{name}" for name in ("_helpers.tpl", "config.yaml", "deployment.yaml", "service.yaml")),
    ]
    values = ["-global-production", "-global-staging", "-global", "-production", "-staging", ""]
    helm = [*chart, *(f"values{name}.yaml" for name in values)]
    plain = [f"{env}/{name}" for env in ENVIRONMENTS for name in ("10-config.yaml", "20-more.yaml")]
    kustomize = ["base/kustomization.yaml", "base/worker.yaml", *(f"overlays/{env}/kustomization.yaml" for env in ENVIRONMENTS)]
    charts = {"api": helm, "web": helm, "ledger": plain, "worker": kustomize}
    expected = [f"{service}/charts/{service}/{name}" for service, names in charts.items() for name in names]
    expected += [f"{service}/applications/{env}.yaml" for service in SERVICES for env in ENVIRONMENTS]
    assert given.files() == sorted(expected)
    web = given.into / "web" / "charts" / "web"
    assert (web / "values-staging.yaml").read_text().startswith("# web in staging\n"), "comments stay"
    api = load((given.into / "api/applications/production.yaml").read_text())
    assert api["metadata"] == {"name": "api-production", "namespace": "argocd"}
    assert api["spec"]["source"] == {
        "repoURL": "https://git.test/api.git",
        "path": "charts/api",
        "targetRevision": "main",
        "helm": {
            "valueFiles": ["values-global.yaml", "values-global-production.yaml", "values-production.yaml"],
            "ignoreMissingValueFiles": True,
            "releaseName": "api",
            "parameters": [{"name": "image.tag", "value": "2.10", "forceString": True}],
            "valuesObject": {"replicas": 3},
        },
    }


async def test_the_table_fits_a_pipe(given: Given) -> None:
    given.copy.git("remote", "set-url", "origin", given.url)
    assert await given.run(str(given.copy.path), output="table") == 0
    lines = given.said.splitlines()
    assert lines[0].split() == ["APPLICATION", "SERVICE", "ENVIRONMENT", "OBJECTS", "BEFORE", "AFTER", "RESULT"]
    assert len(lines) == 15 and lines[1].split()[:4] == ["argocd/api-production", "api", "production", "2"]
    assert lines[1].split()[4] == lines[1].split()[5] and lines[1].endswith("same, written")
    missing = "../../values/{}/api-secret.yaml is not there, so it is not named any more"
    assert lines[9:13] == ["", "Besides:", *(f"  argocd/api-{env}: {missing.format(env)}" for env in ("production", "staging"))]
    assert lines[-1].startswith(f"Written to {given.into}: 4 services with 8 of 8 Applications.")
    assert "\x1b" not in given.said


async def test_what_would_render_otherwise_is_shown_and_not_written(given: Given) -> None:
    parameters = [{"name": "config.FROM", "value": "$ARGOCD_APP_SOURCE_PATH"}]
    given.apps[0]["spec"]["source"]["helm"]["parameters"] = parameters
    assert await given.run() == 1
    row = given.rows["web-staging"]
    assert not row["same"] and not row["written"] and row["before"] != row["after"] and not row["problem"]
    assert given.rows["web-production"]["same"] and not given.rows["web-production"]["written"], "a service moves as one"
    assert given.rows["api-staging"]["written"]
    assert sorted(path.name for path in given.into.iterdir()) == ["api", "ledger", "worker"]
    assert await given.run(output="table", apps=given.apps[:1]) == 1
    assert "argocd/web-staging would render otherwise:\n--- before\n+++ after\n" in given.said
    assert "-  FROM: charts/common\n+  FROM: charts/web\n" in given.said
    assert given.said.endswith(f"\nNothing was written to {given.into}.\n")
    assert await given.run(apps=given.apps[:1], anyway=True) == 1, "written, and still another thing"
    assert given.rows["web-staging"]["written"] and (given.into / "web/charts/web/Chart.yaml").is_file()


async def test_values_of_secrets_are_not_shown(given: Given) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: {{ .Values.from }}-hush}\n"
    given.copy.commit({"charts/common/templates/secret.yaml": secret})
    given.copy.push()
    given.apps[0]["spec"]["source"]["helm"]["parameters"] = [{"name": "from", "value": "$ARGOCD_APP_SOURCE_PATH"}]
    assert await given.run(output="table", apps=given.apps[:1]) == 1
    assert "only values of Secrets differ" in given.said and "hush" not in given.said


async def test_what_is_there_stays_unless_it_may_go(given: Given) -> None:
    mine = given.into / "web" / "src" / "main.go"
    mine.parent.mkdir(parents=True)
    mine.write_text("package main\n")
    web = [app for app in given.apps if app["metadata"]["name"].startswith("web")]
    assert await given.run(apps=web) == 0, "a clone of the service's repository may be there already"
    before = given.files()
    (given.into / "web/charts/web/templates/old.yaml").write_text("left by an earlier import\n")
    assert await given.run(apps=web) == 1
    told = f"{given.into / 'web/charts/web'} is there already: take it away, or replace it with --force"
    assert given.rows["web-staging"]["problem"] == told
    assert await given.run(apps=web, replaces=True) == 0
    assert given.files() == before and mine.read_text() == "package main\n"
    assert not list(given.into.glob(".*")), "no draft is left"
    (given.into / "ledger").symlink_to(given.into / "web")
    assert await given.run(apps=[app for app in given.apps if "ledger" in app["metadata"]["name"]], replaces=True) == 1
    assert "is a link: nothing is written through it" in given.rows["ledger-staging"]["problem"]


async def test_links_that_lead_out_of_the_repository_are_refused(given: Given, tmp_path: Path) -> None:
    (tmp_path / "hidden.yaml").write_text("token: hush\n")
    (given.copy.path / "charts/common/extra.yaml").symlink_to(tmp_path / "hidden.yaml")
    (given.copy.path / "manifests/ledger/staging/30-more.yaml").symlink_to("../../../kustomize/worker/base/worker.yaml")
    given.copy.commit({})
    given.copy.push()
    assert await given.run() == 1
    assert "charts/common/extra.yaml is a link that leaves the repository" in given.rows["web-staging"]["problem"]
    assert given.rows["ledger-staging"]["same"] and given.rows["ledger-staging"]["objects"] == 4
    inside = given.into / "ledger/charts/ledger/staging/30-more.yaml"
    assert not inside.is_symlink() and "QUEUE" in inside.read_text()
    assert not (given.into / "web").exists()


async def test_what_git_would_not_commit_is_missed_before_it_is_missed_live(given: Given) -> None:
    given.copy.commit({"charts/common/.gitignore": "service.yaml\n"})
    given.copy.git("add", "-f", "charts/common/templates/service.yaml")
    given.copy.commit({})
    given.copy.push()
    assert await given.run(output="table", apps=given.apps[:1]) == 1
    assert "-kind: Service" in given.said


async def test_values_in_the_central_repository_for_a_chart_elsewhere(given: Given, tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cache}\ndata: {size: {{ .Values.size | quote }}}\n"
    _, charts = seed(
        tmp_path,
        "charts",
        {"cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 1.0.0\n", "cache/templates/c.yaml": template},
    )
    given.copy.commit({"values/staging/cache.yaml": "size: 3\n"})
    given.copy.push()
    app = application("cache-staging", charts, {})
    helm = {"valueFiles": ["$central/values/global.yaml", "$central/values/staging/cache.yaml"]}
    app["spec"]["sources"] = [
        {"repoURL": charts, "path": "cache", "targetRevision": "main", "helm": helm},
        {"repoURL": given.url, "targetRevision": "main", "ref": "central"},
    ]
    del app["spec"]["source"]
    assert await given.run(apps=[app]) == 0, given.said
    moved = load((given.into / "cache/applications/staging.yaml").read_text())
    assert moved["spec"]["sources"] == [
        {
            **app["spec"]["sources"][0],
            "helm": {"valueFiles": ["$central/charts/cache/values-global.yaml", "$central/charts/cache/values-staging.yaml"]},
        },
        {"repoURL": "https://git.test/cache.git", "targetRevision": "main", "ref": "central"},
    ]


async def test_environments_on_branches_of_their_own(given: Given) -> None:
    given.copy.git("checkout", "-q", "-b", "staging")
    given.copy.commit({"charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 1.5.0\n"})
    given.copy.push("staging")
    web = [app for app in given.apps if app["metadata"]["name"].startswith("web")]
    web[0]["spec"]["source"]["targetRevision"] = "staging"
    assert await given.run(apps=web) == 1
    assert "charts/common/Chart.yaml says two things" in given.rows["web-production"]["problem"]
    with pytest.raises(InvalidInput, match=r"follow several revisions of .* \(main, staging\): name the URL instead"):
        await given.run(str(given.copy.path), apps=web)
    assert await given.run(apps=web, at="staging") == 0
    assert "1.5.0" in (given.into / "web/charts/web/Chart.yaml").read_text()


async def test_who_cannot_move_says_why_and_the_others_move(given: Given) -> None:
    given.copy.commit({"argocd/web.yaml": dump(given.apps[0])})
    given.copy.push()
    twin = application("pay-test", given.url, {"path": "manifests/ledger/staging"})
    twin["metadata"]["labels"] = {"service": "ledger", "stage": "staging"}
    hydrated = application("far-test", given.url, {})
    hydrated["spec"]["sourceHydrator"] = {
        "drySource": {"repoURL": given.url, "path": "x", "targetRevision": "main"},
        "syncSource": {"targetBranch": "env", "path": "x"},
    }
    gone = application("gone-test", given.url, {"path": "no/where"})
    others = [
        application("root", given.url, {"path": "argocd"}),
        hydrated,
        gone,
        twin,
        application("elsewhere", "https://git.test/x", {"path": "x"}),
    ]
    assert await given.run(apps=[*given.apps, *others]) == 1
    assert "it gives objects of kind Application: it is the platform's" in given.rows["root"]["problem"]
    assert given.rows["far-test"]["problem"].startswith("a hydrator renders it into a branch")
    assert "app path does not exist" in given.rows["gone-test"]["problem"]
    assert "elsewhere" not in given.rows and given.rows["web-staging"]["written"]
    ledger = [app for app in given.apps if app["metadata"]["name"] == "ledger-staging"]
    ledger[0]["metadata"]["labels"] = twin["metadata"]["labels"]
    assert await given.run(apps=[*ledger, twin, given.apps[0]], labels=Labels("service", "stage"), replaces=True) == 1
    assert "is staging of ledger as well" in given.rows["pay-test"]["problem"]
    assert given.rows["web-staging"]["problem"] == "web-staging has no label service: give it one, or leave it out"


async def test_what_makes_no_sense_is_told_before_anything_is_rendered(given: Given, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no Application reads https://git\.test/none"):
        await given.run("https://git.test/none.git")
    back = application("central-test", given.url, {"path": "manifests/ledger/staging"})
    assert await given.run(apps=[back], template=given.url.replace("central", "{app}")) == 1
    assert (
        given.rows["central-test"]["problem"]
        == f"{given.url} is where it lies now: say where the services' own repositories are"
    )
    with pytest.raises(InvalidInput, match=r"put \{app\} where the name of the service goes"):
        await given.run(template="https://git.test/one.git")
    stranger, _ = seed(tmp_path, "stranger", {"a": "b"})
    apps = [given.apps[0], application("x", "https://git.test/x", {"path": "x"})]
    with pytest.raises(InvalidInput, match="could be a working copy of several repositories, or of none"):
        await given.run(str(stranger.path), apps=apps)
    made = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "fleet"}}
    with pytest.raises(InvalidInput, match="ApplicationSet fleet only says how Applications are made"):
        await given.run(apps=[made])
    assert not given.into.exists()


async def test_files_are_read_in_folders_and_lists(given: Given, tmp_path: Path) -> None:
    (tmp_path / "apps" / "more").mkdir(parents=True)
    (tmp_path / "apps" / "more" / "all.yml").write_text(dump({"apiVersion": "v1", "kind": "List", "items": given.apps[:2]}))
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": {"a": "b"}}
    bare = {**given.apps[2], "metadata": {"name": "bare"}}
    (tmp_path / "apps" / "one.yaml").write_text(f"{dump(bare)}---\n{dump(config_map)}")
    async with read_origin(Origin((tmp_path / "apps",)), None) as (session, apps):
        assert [app["metadata"]["name"] for app in apps] == ["web-staging", "api-staging", "bare"]
        assert apps[2]["metadata"]["namespace"] == "argocd"
        assert (await session.client.get(CONFIG_MAPS, "argocd", "argocd-cm"))["data"] == {"a": "b"}
    with pytest.raises(InvalidInput, match=r"-l picks Applications of a cluster"):
        async with read_origin(Origin((tmp_path / "apps",), "a=b"), None):
            pass


LIBRARY = {
    "charts/lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
    "charts/lib/templates/_names.tpl": '{{- define "lib.name" -}}lib-{{ .Release.Name }}{{- end }}\n',
}
SHIP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ include "lib.name" . }}}
data: {{- (.Files.Glob "files/*").AsConfig | nindent 2 }}
"""
SHIP_CHART: dict[str, str | bytes | None] = {
    **LIBRARY,
    "charts/ship/Chart.yaml": "apiVersion: v2\nname: ship\nversion: 1.0.0\ndependencies: [{name: lib, version: 1.x, repository: 'file://../lib'}]\n",
    "charts/ship/templates/all.yaml": SHIP,
    "charts/ship/files/one.txt": "one",
    "charts/ship/files/other.yaml": "left: right",
    "charts/ship/.argocd-source-ship-staging.yaml": "helm: {parameters: [{name: image.tag, value: v7}]}\n",
    "charts/ship/.argocd-source-boat-staging.yaml": "helm: {parameters: [{name: image.tag, value: v8}]}\n",
}


async def test_a_chart_with_a_neighbour_files_and_an_image_updater(given: Given) -> None:
    given.copy.commit(SHIP_CHART)
    given.copy.push()
    apps = [
        application(f"{name}-staging", given.url, {"path": "charts/ship", "helm": {"valueFiles": ["files/other.yaml"]}})
        for name in ("ship", "boat")
    ]
    del apps[0]["spec"]["source"]["helm"]
    assert await given.run(apps=apps) == 0, given.said
    names = [name.removeprefix("ship/charts/") for name in given.files() if name.startswith("ship/charts/")]
    assert names == [
        "lib/Chart.yaml",
        "lib/templates/_names.tpl",
        "ship/.argocd-source-ship-staging.yaml",
        "ship/Chart.yaml",
        "ship/files/one.txt",
        "ship/files/other.yaml",
        "ship/templates/all.yaml",
    ], "templates read files, so that what only others name stays as well"


async def test_jsonnet_takes_along_what_it_imports(given: Given) -> None:
    program = (
        "local lib = import '../../lib/names.libsonnet'; {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: lib.name}}"
    )
    files: dict[str, str | bytes | None] = {f"jsonnet/ship/{env}/all.jsonnet": program for env in ENVIRONMENTS}
    given.copy.commit({**files, "jsonnet/lib/names.libsonnet": "{name: 'ship'}", "jsonnet/lib/unused.libsonnet": "{}"})
    given.copy.push()
    apps = [application(f"ship-{env}", given.url, {"path": f"jsonnet/ship/{env}"}) for env in ENVIRONMENTS]
    assert await given.run(apps=apps) == 0, given.said
    names = [name for name in given.files() if name.endswith("sonnet") or name.endswith(".jsonnet")]
    assert names == [
        "ship/charts/ship/lib/names.libsonnet",
        *(f"ship/charts/ship/ship/{env}/all.jsonnet" for env in sorted(ENVIRONMENTS)),
    ]


async def test_a_folder_that_gives_nothing_cannot_be_committed(given: Given) -> None:
    given.copy.commit({"manifests/empty/README.md": "to come\n"})
    given.copy.push()
    assert await given.run(output="table", apps=[application("empty", given.url, {"path": "manifests/empty"})]) == 1
    assert "argocd/empty: it would give nothing: charts/empty: app path does not exist" in given.said


@pytest.mark.proves("002-07")
async def test_two_runs_into_one_folder_do_not_disturb_each_other(given: Given) -> None:
    """One does its work, the other one is told; afterwards nothing is left of it, and another one may come."""
    ends = await asyncio.gather(*(given.run() for _ in range(2)), return_exceptions=True)
    (refused,) = [one for one in ends if isinstance(one, BaseException)]
    assert isinstance(refused, Conflict) and f"another import writes into {given.into}" in refused.message
    assert 0 in ends
    assert {file.partition("/")[0] for file in given.files()} == set(SERVICES)
    before = given.files()
    assert await given.run(replaces=True) == 0, given.said
    assert given.files() == before


async def test_a_run_that_writes_nothing_leaves_no_folder(given: Given) -> None:
    assert await given.run(labels=Labels("nobody-has-it", "")) == 1
    assert not given.into.exists()


async def test_a_killed_run_leaves_nothing_that_looks_finished(given: Given, tmp_path: Path) -> None:
    (tmp_path / "apps.yaml").write_text("---\n".join(map(dump, given.apps)))
    words = (
        "import",
        "central-repo",
        given.url,
        "--repo-url-template",
        TEMPLATE,
        f"--into={given.into}",
        f"-f={tmp_path / 'apps.yaml'}",
    )
    command = (sys.executable, "-m", "shipway.cli.main", *words)
    async with started(*command, env=environment(tmp_path / "home")):
        await eventually(lambda: list(given.into.glob(".*.unfinished/applications/*.yaml")), within=60)
    assert all(path.name.startswith(".") or (path / "applications").is_dir() for path in given.into.iterdir())
    left = {path.name for path in given.into.iterdir() if not path.name.startswith(".")}
    assert len(left) < len(SERVICES)
    apps = [app for app in given.apps if app["metadata"]["name"].partition("-")[0] not in left]
    assert await given.run(apps=apps) == 0
    assert sorted(path.name for path in given.into.iterdir()) == list(SERVICES)
