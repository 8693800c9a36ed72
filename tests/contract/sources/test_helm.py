"""Charts through real Helm, both ways to it: the SDK in the worker, and a `helm` program where there is one."""

import asyncio

import pytest

from shipway.base.errors import InvalidInput, Unavailable
from tests.contract.sources.rendering import Bench, named, only
from tests.e2e.running import processes_of

CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  a: {{ .Values.a | quote }}
  b: {{ .Values.b | quote }}
  list: {{ .Values.list | toJson | quote }}
  kube: {{ .Capabilities.KubeVersion.Version | quote }}
  has: {{ .Capabilities.APIVersions.Has "x.io/v1" | quote }}
"""
PLAIN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: {{ .Values.a | quote }}}\n"
HOOK = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s, annotations: {helm.sh/hook: '%s'}}\n"
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: foos.x.io}\n"
FILES = {
    "apps/shop/Chart.yaml": CHART,
    "apps/shop/values.yaml": "a: chart\nb: chart\nlist: [x]\n",
    "apps/shop/values-prod.yaml": "a: prod\n",
    "apps/shop/env/eu.yaml": "a: eu\n",
    "apps/shop/env/us.yaml": "b: us\n",
    "apps/shop/notice.txt": "one, two\nthree\n",
    "apps/shop/templates/config.yaml": CONFIG,
    "apps/shop/templates/migrate.yaml": HOOK % ("migrate", "pre-install,pre-upgrade"),
    "apps/shop/templates/tests/check.yaml": HOOK % ("check", "test"),
    "apps/shop/templates/NOTES.txt": "Thank you for {{ .Release.Name }}\n",
    "apps/shop/templates/_names.tpl": '{{ define "x" }}{{ end }}',
    "apps/shop/crds/foo.yaml": CRD,
    "common/values.yaml": "b: common\n",
}
SOURCE = {"path": "apps/shop"}


@pytest.fixture(params=["sdk", "program"])
async def bench(request, tmp_path, program):
    made = Bench(tmp_path, FILES, helm=program("helm") if request.param == "program" else "")
    yield made
    await made.close()


async def data_of(bench, helm=None, **more):
    return only(await bench.render({**SOURCE, "helm": helm or {}}, **more), "ConfigMap")["data"]


@pytest.mark.compat("argocd:helm.skipTests")
async def test_a_chart_gives_its_objects_hooks_and_crds(bench):
    rendered = await bench.render(SOURCE)
    assert sorted(named(rendered)) == ["ConfigMap/app", "CustomResourceDefinition/foos.x.io", "Job/migrate"]
    assert rendered.source_type == "Helm"
    assert rendered.tool.startswith("helm v")
    assert rendered.reads == ("apps/shop",)
    assert "shop/templates/config.yaml" in rendered.origins
    config = only(rendered, "ConfigMap")
    assert config["metadata"]["namespace"] == "ns"
    assert (config["data"]["a"], config["data"]["list"]) == ("chart", '["x"]')


@pytest.mark.compat("argocd:helm.releaseName", "argocd:helm.namespace")
async def test_release_and_namespace(bench):
    rendered = await bench.render({**SOURCE, "helm": {"releaseName": "other", "namespace": "there"}})
    assert only(rendered, "ConfigMap")["metadata"] == {"name": "other", "namespace": "there"}


@pytest.mark.compat("argocd:helm.values", "argocd:helm.valuesObject", "argocd:helm.parameters")
async def test_what_comes_later_wins(bench):
    files = ["values-prod.yaml", "/common/values.yaml"]
    assert (await data_of(bench, {"valueFiles": files}))["a"] == "prod"
    helm = {"valueFiles": files, "values": "a: inline\nb: inline\n"}
    assert (await data_of(bench, helm))["b"] == "inline"
    helm["valuesObject"] = {"a": "object"}
    found = await data_of(bench, helm)
    assert (found["a"], found["b"]) == ("object", "common")
    helm["parameters"] = [{"name": "a", "value": "one"}, {"name": "a", "value": "two"}]
    assert (await data_of(bench, helm))["a"] == "two"


@pytest.mark.compat("argocd:helm.parameters")
async def test_parameters_keep_commas_and_types(bench):
    parameters = [{"name": "a", "value": "x,y"}, {"name": "b", "value": "1234567", "forceString": True}]
    found = await data_of(bench, {"parameters": [*parameters, {"name": "list[0]", "value": "true"}]})
    assert (found["a"], found["b"], found["list"]) == ("x,y", "1234567", "[true]")


@pytest.mark.compat("argocd:spec.source.environment", "argocd:helm.fileParameters")
async def test_file_parameters_and_the_build_environment(bench):
    helm = {
        "fileParameters": [{"name": "a", "path": "notice.txt"}],
        "parameters": [{"name": "b", "value": "$ARGOCD_APP_NAME-${ARGOCD_APP_REVISION}-$$x"}],
    }
    env = (("ARGOCD_APP_NAME", "shop"), ("ARGOCD_APP_REVISION", "abc"))
    found = await data_of(bench, helm, build_env=env)
    assert (found["a"], found["b"]) == ("one, two\nthree\n", "shop-abc-$x")


@pytest.mark.compat("argocd:helm.fileParameters")
async def test_a_file_parameter_is_taken_as_it_is(bench):
    json = '{"a": ["x", {"b": "c\\d"}], "e": 1}\n'
    bench.push({"apps/shop/settings.json": json})
    assert (await data_of(bench, {"fileParameters": [{"name": "a", "path": "settings.json"}]}))["a"] == json


@pytest.mark.compat("argocd:helm.valueFiles")
async def test_value_files_by_pattern_and_by_variable(bench):
    found = await data_of(bench, {"valueFiles": ["env/*.yaml"]})
    assert (found["a"], found["b"]) == ("eu", "us")
    found = await data_of(bench, {"valueFiles": ["env/$ARGOCD_APP_NAME.yaml"]}, build_env=(("ARGOCD_APP_NAME", "us"),))
    assert found["b"] == "us"


@pytest.mark.compat("argocd:helm.kubeVersion", "argocd:helm.apiVersions")
async def test_capabilities(bench):
    found = await data_of(bench, {"kubeVersion": "v1.29.3", "apiVersions": ["x.io/v1"]})
    assert (found["kube"], found["has"]) == ("v1.29.3", "true")
    found = await data_of(bench, kube_version="v1.30.0", api_versions=("y.io/v1",))
    assert (found["kube"], found["has"]) == ("v1.30.0", "false")


@pytest.mark.compat("argocd:helm.skipCrds")
async def test_crds_can_be_left_out(bench):
    assert "CustomResourceDefinition/foos.x.io" not in named(await bench.render({**SOURCE, "helm": {"skipCrds": True}}))


@pytest.mark.compat("argocd:helm.valueFiles", "argocd:helm.fileParameters")
async def test_files_at_urls_are_lent(bench):
    bench.texts = {"https://example.com/app.yaml": "a: far\n", "https://example.com/notice": "hello"}
    helm = {
        "valueFiles": ["https://example.com/$ARGOCD_APP_NAME.yaml"],
        "fileParameters": [{"name": "b", "path": "https://example.com/notice"}],
    }
    request = await bench.request({**SOURCE, "helm": helm}, build_env=(("ARGOCD_APP_NAME", "app"),))
    asking = await bench.renderer.render(request)
    assert (asking.urls, asking.objects, asking.is_complete) == (tuple(bench.texts), (), False)
    rendered = await bench.render({**SOURCE, "helm": helm}, build_env=(("ARGOCD_APP_NAME", "app"),))
    data = only(rendered, "ConfigMap")["data"]
    assert (data["a"], data["b"]) == ("far", "hello")


@pytest.mark.compat("argocd:helm.ignoreMissingValueFiles")
async def test_a_missing_value_file_is_named_and_its_coming_is_noticed(bench):
    helm = {"valueFiles": ["values-stage.yaml", "/common/none.yaml"]}
    with pytest.raises(InvalidInput, match=r"^Error: open apps/shop/values-stage.yaml: no such file or dir") as caught:
        await data_of(bench, helm)
    assert caught.value.reason == "MissingValueFile"
    lenient = {**SOURCE, "helm": {**helm, "ignoreMissingValueFiles": True}}
    rendered = await bench.render(lenient)
    assert rendered.reads == ("apps/shop", "common/none.yaml")
    bench.push({"common/none.yaml": "b: now\n"})
    assert only(await bench.render(lenient), "ConfigMap")["data"]["b"] == "now"


@pytest.mark.parametrize(
    ("helm", "reason"),
    [
        ({"valueFiles": ["../../../x.yaml"]}, "PathEscapes"),
        ({"valueFiles": ["$values/x.yaml"]}, "UnknownRef"),
        ({"valueFiles": "x.yaml"}, "InvalidSource"),
        ({"valueFiles": ["notice.txt"]}, "InvalidYAML"),
        ({"values": "a: ["}, "InvalidYAML"),
        ({"fileParameters": [{"name": "a", "path": "none"}]}, "MissingValueFile"),
        ({"releaseName": "Not_Allowed"}, "InvalidSource"),
    ],
)
@pytest.mark.compat("argocd:helm.valueFiles")
async def test_what_cannot_work_is_refused(bench, helm, reason):
    with pytest.raises(InvalidInput) as caught:
        await bench.render({**SOURCE, "helm": helm})
    assert caught.value.reason == reason


async def test_a_broken_template_says_where(bench):
    bench.push({"apps/shop/templates/config.yaml": 'a: b\n\n{{ required "say who" .Values.who }}\n'})
    with pytest.raises(InvalidInput, match=r"shop/templates/config.yaml:3:3.*say who") as caught:
        await bench.render(SOURCE)
    assert caught.value.reason == "RenderFailed"
    assert "/tmp/" not in caught.value.message


async def test_output_that_is_no_object_says_where(bench):
    bench.push({"apps/shop/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: [\n"})
    with pytest.raises(InvalidInput, match=r"shop/templates/config.yaml"):
        await bench.render(SOURCE)


@pytest.mark.compat("argocd:helm.skipSchemaValidation")
async def test_a_schema_binds_unless_switched_off(bench):
    bench.push({"apps/shop/values.schema.json": '{"properties": {"a": {"type": "number"}}}'})
    with pytest.raises(InvalidInput, match="got string, want number"):
        await bench.render(SOURCE)
    assert (await data_of(bench, {"skipSchemaValidation": True}))["a"] == "chart"


SUB = {
    "libs/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    "libs/sub/templates/x.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: from-sub}\n",
}
WITH_SUB = CHART + "dependencies:\n- {name: sub, version: 1.0.0, condition: sub.enabled, repository: '%s'}\n"


@pytest.mark.compat("argocd:helm.dependencies")
async def test_a_local_dependency_is_found_and_counts_as_read(bench):
    bench.push({**SUB, "apps/shop/Chart.yaml": WITH_SUB % "file://../../libs/sub"})
    rendered = await bench.render(SOURCE)
    assert "Secret/from-sub" in named(rendered)
    assert rendered.reads == ("apps/shop", "libs/sub")
    off = {**SOURCE, "helm": {"parameters": [{"name": "sub.enabled", "value": "false"}]}}
    assert "Secret/from-sub" not in named(await bench.render(off))


@pytest.mark.parametrize("place", ["file:///etc", "file://../../../../etc"])
@pytest.mark.compat("argocd:helm.dependencies")
async def test_a_dependency_outside_of_the_repository_is_refused(bench, place):
    bench.push({"apps/shop/Chart.yaml": WITH_SUB % place})
    with pytest.raises(InvalidInput) as caught:
        await bench.render(SOURCE)
    assert caught.value.reason == "PathEscapes"


@pytest.mark.compat("argocd:helm.dependencies")
async def test_a_dependency_that_is_nowhere(bench):
    bench.push({"apps/shop/Chart.yaml": WITH_SUB % "file://../none"})
    with pytest.raises(InvalidInput, match="commit the chart's dependencies") as caught:
        await bench.render(SOURCE)
    assert caught.value.reason == "MissingDependency"


async def test_a_bomb_ends_only_its_worker(bench):
    bench.push({"bomb/Chart.yaml": CHART, "bomb/templates/x.yaml": 'x: {{ repeat 1000000000 "abcdefghijklmnop" }}\n'})
    with pytest.raises(InvalidInput) as caught:
        await bench.render({"path": "bomb"})
    assert caught.value.reason == "RenderOutOfMemory"
    assert (await data_of(bench))["a"] == "chart"


@pytest.mark.proves("gitops:a-chart-that-never-ends")
@pytest.mark.parametrize("way", ["sdk", "program"])
async def test_a_chart_that_never_ends_is_stopped_and_others_go_on(tmp_path, program, way):
    endless = "{{ range until 40000 }}{{ range until 40000 }}{{ end }}{{ end }}"
    files = {**FILES, "endless/Chart.yaml": CHART, "endless/templates/x.yaml": endless}
    bench = Bench(tmp_path, files, helm=program("helm") if way == "program" else "", seconds=10.0)
    try:
        stuck, others = await asyncio.gather(bench.render({"path": "endless"}), data_of(bench), return_exceptions=True)
        assert isinstance(stuck, Unavailable) and stuck.reason == "RenderTimeout"
        assert isinstance(others, dict) and others["a"] == "chart"
        assert not [line for line in processes_of(tmp_path) if "template" in line], "the program went with its worker"
    finally:
        await bench.close()


@pytest.mark.parametrize(
    ("files", "helm", "lacks"),
    [
        ({}, {}, ("cluster",)),
        ({}, {"kubeVersion": "1.30.0", "apiVersions": ["x.io/v1"]}, ()),
        ({}, {"kubeVersion": "1.30.0"}, ("cluster",)),
        ({"apps/shop/templates/config.yaml": PLAIN}, {}, ()),
        (
            {"apps/shop/templates/config.yaml": PLAIN, "apps/shop/Chart.yaml": CHART + "kubeVersion: '>=1.30.0-0'\n"},
            {},
            ("cluster",),
        ),
        ({"apps/shop/templates/config.yaml": PLAIN}, {"parameters": [{"name": "a", "value": "$KUBE_VERSION"}]}, ("cluster",)),
        (
            {"apps/shop/templates/config.yaml": PLAIN},
            {"parameters": [{"name": "a", "value": "x-${ARGOCD_APP_REVISION}"}]},
            ("revision",),
        ),
    ],
    ids=["reads-both", "says-both", "says-one", "reads-nothing", "wants-a-version", "kube-variable", "revision"],
)
async def test_the_cluster_and_the_revision_are_asked_for_only_where_they_are_read(bench, files, helm, lacks):
    bench.push(files)
    rendered = await bench.renderer.render(await bench.request({**SOURCE, "helm": helm}))
    assert rendered.lacks == lacks
    assert bool(rendered.objects) == (not lacks)
    assert only(await bench.render({**SOURCE, "helm": helm}), "ConfigMap")


@pytest.mark.compat("argocd:spec.source.environment")
async def test_what_a_chart_is_told_of_the_cluster(bench):
    found = await data_of(
        bench, {"parameters": [{"name": "a", "value": "$KUBE_VERSION of $ARGOCD_APP_SOURCE_TARGET_REVISION"}]}
    )
    assert found["kube"] == "v1.33.1+k3s1"
    assert found["a"] == "1.33.1 of main"


@pytest.mark.compat("argocd:helm.version")
async def test_a_version_of_helm_that_there_is_not(bench):
    assert await data_of(bench, {"version": "v3"})
    with pytest.raises(InvalidInput, match=r"spec\.source\.helm\.version 'v2' is not known"):
        await data_of(bench, {"version": "v2"})
