"""Flags of Kustomize that an installation sets: charts inside kustomizations, files outside of them, programs."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.adapters.helm.dependencies import Dependency
from shipway.api.sources import BuildFlags, KustomizeSettings, ProjectFacts, Rendered
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from tests.contract.sources.rendering import Bench, named, only

CHART = "apiVersion: v2\nname: web\nversion: 1.2.0\n"
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}', namespace: '{{ .Release.Namespace }}'}
data: {a: {{ .Values.a | quote }}, b: {{ .Values.b | quote }}, count: {{ .Values.count | quote }}}
"""
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}
"""
FILES = {
    "app/kustomization.yaml": """\
namePrefix: p-
helmCharts:
- {name: web, releaseName: shop, namespace: ns, valuesFile: values.yaml, valuesInline: {b: false, count: 7}}
""",
    "app/values.yaml": "a: file\nb: true\n",
    "app/charts/web/Chart.yaml": CHART,
    "app/charts/web/values.yaml": "a: chart\nb: chart\ncount: 1\n",
    "app/charts/web/templates/config.yaml": TEMPLATE,
    "app/charts/web/templates/hook.yaml": HOOK,
    "plain/kustomization.yaml": "resources: [x.yaml]\n",
    "plain/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    "shared/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n",
    "outside/kustomization.yaml": "resources: [../shared/x.yaml]\n",
}
IN_CHARTS = {path: text for path, text in FILES.items() if path.startswith("app/charts")}
HELM = KustomizeSettings(BuildFlags(helm=True))
APP = {"path": "app"}


class Shelf:
    """Charts by (repository, name, version), unpacked below `home`; `asked` are those that were fetched."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: list[tuple[Dependency, str]] = []
        self.error: ShipwayError | None = None

    async def fetch(self, wanted: Dependency, project: ProjectFacts) -> Path:
        self.asked.append((wanted, project.name))
        if self.error:
            raise self.error
        folder = self.home / wanted.name
        (folder / "templates").mkdir(parents=True, exist_ok=True)
        (folder / "Chart.yaml").write_text(CHART)
        (folder / "values.yaml").write_text("a: fetched\n")
        (folder / "templates" / "config.yaml").write_text(TEMPLATE)
        return folder


@pytest_asyncio.fixture
async def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest_asyncio.fixture
async def bench(tmp_path: Path, shelf: Shelf) -> AsyncGenerator[Bench, None]:
    made = Bench(tmp_path, FILES, fetch=shelf.fetch)
    made.kustomize = HELM
    yield made
    await made.close()


def data(rendered: Rendered) -> dict[str, str]:
    return only(rendered, "ConfigMap")["data"]


@pytest.mark.compat("argocd:cm.kustomize.buildOptions", "argocd:kustomize.helmCharts")
async def test_a_chart_in_the_tree_is_inflated(bench: Bench) -> None:
    rendered = await bench.render(APP)
    found = only(rendered, "ConfigMap")
    assert found["metadata"] == {"name": "p-shop", "namespace": "ns"}
    assert found["data"] == {"a": "file", "b": "false", "count": "7"}
    assert named(rendered) == ["ConfigMap/p-shop", "Job/p-hook"]
    assert rendered.reads == ("app",)


async def test_what_kustomize_says_of_a_chart_counts(bench: Bench) -> None:
    bench.push(
        {
            "app/kustomization.yaml": """\
helmGlobals: {chartHome: ../parts}
helmCharts:
- {name: web, skipHooks: true, valuesMerge: merge, valuesFile: values.yaml, valuesInline: {a: inline, count: 2}}
- {name: web, releaseName: second, skipHooks: true, additionalValuesFiles: [more.yaml], valuesFile: values.yaml}
""",
            "app/more.yaml": "a: more\n",
            **{path.replace("app/charts", "parts"): text for path, text in IN_CHARTS.items()},
            **dict.fromkeys(IN_CHARTS),
        }
    )
    rendered = await bench.render(APP)
    assert named(rendered) == ["ConfigMap/release-name", "ConfigMap/second"]
    assert [found["data"]["a"] for found in rendered.objects] == ["file", "more"]
    assert rendered.reads == ("app", "parts/web")


@pytest.mark.parametrize(
    "kustomization",
    [
        "generators: [chart.yaml]\n",
        "generators:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: x}\n  name: web\n"
        "  version: 1.2.0\n  repo: https://charts.test\n  releaseName: shop\n",
        "helmCharts: [{name: web, version: 1.2.0, repo: 'https://charts.test', releaseName: shop}]\n",
        "helmChartInflationGenerator:\n- {chartName: web, chartVersion: 1.2.0, chartRepoUrl: 'https://charts.test'}\n",
    ],
)
@pytest.mark.compat("argocd:kustomize.helmCharts")
async def test_a_chart_of_a_repository_is_fetched_beforehand(bench: Bench, shelf: Shelf, kustomization: str) -> None:
    generator = (
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: web\nversion: 1.2.0\n"
        "repo: https://charts.test\nreleaseName: shop\n"
    )
    bench.push({"app/kustomization.yaml": kustomization, "app/chart.yaml": generator})
    assert data(await bench.render(APP))["a"] == "fetched"
    assert shelf.asked == [(Dependency("web", "1.2.0", "https://charts.test"), "default")]


async def test_a_repository_that_is_away_is_asked_again(bench: Bench, shelf: Shelf) -> None:
    bench.push({"app/kustomization.yaml": "helmCharts: [{name: web, version: 1.2.0, repo: 'https://charts.test'}]\n"})
    shelf.error = Unavailable("charts.test does not answer")
    with pytest.raises(Unavailable, match=r"dependency web 1\.2\.0 of https://charts\.test .* charts\.test does not answer"):
        await bench.render(APP)
    shelf.error = None
    assert data(await bench.render(APP))["a"] == "fetched"


@pytest.mark.parametrize(
    ("kustomization", "reason", "says"),
    [
        ("helmCharts: [{name: gone, releaseName: x}]", "RenderFailed", "no repo specified for pull, no chart found at"),
        ("helmCharts: [{releaseName: x}]", "InvalidKustomization", "a chart has no name"),
        ("helmCharts: [x]", "InvalidKustomization", "helmCharts is not a list of maps"),
        ("helmCharts: [{name: ../../../x}]", "PathEscapes", "is outside of the repository"),
        ("helmGlobals: {chartHome: /etc}\nhelmCharts: [{name: x}]", "PathEscapes", "is outside of the repository"),
        ("helmCharts: [{name: web, valuesFile: 'https://x.test/v.yaml'}]", "InvalidKustomization", "is not a relative path"),
        ("helmCharts: [{name: web, nameTemplate: '{{ 1 }}'}]", "RenderFailed", "--name-template is not known here"),
        ("helmCharts: [{name: web, valuesInline: {fail: true}}]", "RenderFailed", "kustomize: web: helm: .*fail on purpose"),
    ],
)
async def test_what_cannot_work_says_where(bench: Bench, kustomization: str, reason: str, says: str) -> None:
    failing = '{{ if .Values.fail }}{{ fail "fail on purpose" }}{{ end }}'
    bench.push({"app/kustomization.yaml": kustomization, "app/charts/web/templates/fail.yaml": failing})
    with pytest.raises(InvalidInput, match=says) as caught:
        await bench.render(APP)
    assert caught.value.reason == reason
    assert "/tmp/" not in caught.value.message


@pytest.mark.compat("argocd:kustomize.kubeVersion")
@pytest.mark.parametrize(
    ("options", "flags", "says"),
    [
        ({}, BuildFlags(helm=True), "v1.33.1+k3s1 true"),
        ({"kubeVersion": "1.20.0", "apiVersions": ["v1"]}, BuildFlags(helm=True), "v1.20.0 false"),
        ({}, BuildFlags(helm=True, kube_version="1.21.0", api_versions=("apps/v1/Deployment",)), "v1.21.0 true"),
    ],
)
async def test_charts_are_told_what_the_cluster_is(bench: Bench, options: dict, flags: BuildFlags, says: str) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  v: '{{ .Capabilities.KubeVersion.Version }} "
    bench.kustomize = KustomizeSettings(flags)
    bench.push(
        {
            "app/charts/web/templates/hook.yaml": None,
            "app/charts/web/templates/config.yaml": template + '{{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }}\'\n',
        }
    )
    assert data(await bench.render({**APP, "kustomize": options}))["v"] == says


async def test_files_outside_of_a_kustomization(bench: Bench) -> None:
    source = {"path": "outside"}
    with pytest.raises(InvalidInput, match="is not in or below"):
        await bench.render(source)
    bench.kustomize = KustomizeSettings(BuildFlags(unrestricted=True))
    assert named(await bench.render(source)) == ["ConfigMap/shared"]


async def test_flags_of_a_version_are_its_own(bench: Bench) -> None:
    ours = (await bench.render(APP)).tool.removeprefix("kustomize ")
    bench.kustomize = KustomizeSettings(BuildFlags(helm=True), ((ours, BuildFlags()),))
    with pytest.raises(InvalidInput, match="only with --enable-helm"):
        await bench.render({**APP, "kustomize": {"version": ours}})


async def test_a_label_of_kustomizes_own(bench: Bench) -> None:
    request = await bench.request({"path": "plain"}, kustomize=KustomizeSettings(BuildFlags(managed_by_label=True)))
    labels = (await bench.renderer.render(request)).objects[0]["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"].startswith("kustomize-")


@pytest.mark.compat("argocd:cm.kustomize.buildOptions")
async def test_programs_of_git_are_not_run(bench: Bench) -> None:
    plugin = "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata: {name: x}\nfiles: [x]\n"
    bench.push({"plain/kustomization.yaml": "generators: [g.yaml]\n", "plain/g.yaml": plugin})
    bench.kustomize = KustomizeSettings(BuildFlags(programs=("--enable-alpha-plugins", "--enable-exec")))
    with pytest.raises(InvalidInput, match=r"'ksops': --enable-alpha-plugins, --enable-exec of .* would run"):
        await bench.render({"path": "plain"})


async def test_flags_are_asked_for_only_where_they_count(bench: Bench) -> None:
    told = [(await bench.renderer.render(await bench.request({"path": path}))).lacks for path in ("plain", "app", "outside")]
    assert told == [(), ("kustomize",), ("kustomize",)]
