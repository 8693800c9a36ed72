"""Overlays through the real Kustomize."""

import pytest

from shipway.base.errors import InvalidInput
from tests.contract.sources.rendering import Bench, named, only

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
FILES = {
    "base/kustomization.yaml": "resources: [deployment.yaml]\nconfigMapGenerator:\n- {name: settings, files: [app.ini]}\n",
    "base/deployment.yaml": DEPLOYMENT,
    "base/app.ini": "x = 1\n",
    "overlays/eu/kustomization.yaml": "resources: [../../base]\npatches:\n- path: replicas.yaml\n",
    "overlays/eu/replicas.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n",
    "overlays/us/kustomization.yaml": "resources: [../../base]\n",
    "parts/extra/kustomization.yaml": "kind: Component\nresources: [extra.yaml]\n",
    "parts/extra/extra.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: extra}\n",
}
EU = {"path": "overlays/eu"}


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path, FILES)
    yield made
    await made.close()


async def test_an_overlay_reads_itself_and_its_base(bench):
    rendered = await bench.render(EU)
    assert [kind.split("-")[0] for kind in named(rendered)] == ["ConfigMap/settings", "Deployment/web"]
    assert only(rendered, "Deployment")["spec"]["replicas"] == 2
    assert rendered.reads == ("base", "overlays/eu")
    assert rendered.source_type == "Kustomize"
    assert rendered.tool.startswith("kustomize v5")


@pytest.mark.compat(
    "argocd:kustomize.namePrefix",
    "argocd:kustomize.namespace",
    "argocd:kustomize.replicas",
    "argocd:kustomize.commonLabels",
    "argocd:kustomize.patches",
    "argocd:kustomize.components",
)
async def test_the_applications_own_settings(bench):
    options = {
        "namePrefix": "eu-",
        "namespace": "shop",
        "images": ["web=registry.example.com/web:2"],
        "replicas": [{"name": "web", "count": 5}],
        "commonLabels": {"region": "eu"},
        "commonAnnotations": {"number": "12"},
        "components": ["../../parts/extra"],
        "patches": [{"target": {"kind": "Deployment"}, "patch": '[{"op": "add", "path": "/spec/paused", "value": true}]'}],
    }
    rendered = await bench.render({**EU, "kustomize": options})
    deployment = only(rendered, "Deployment")
    assert deployment["metadata"]["name"] == "eu-web"
    assert deployment["metadata"]["namespace"] == "shop"
    assert deployment["metadata"]["annotations"] == {"number": "12"}
    assert deployment["spec"]["replicas"] == 5
    assert deployment["spec"]["paused"] is True
    assert deployment["spec"]["selector"]["matchLabels"] == {"app": "web", "region": "eu"}
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/web:2"
    assert "Secret/eu-extra" in named(rendered)
    assert rendered.reads == ("base", "overlays/eu", "parts/extra")


@pytest.mark.compat("argocd:kustomize.ignoreMissingComponents")
async def test_missing_components_may_be_ignored(bench):
    options = {"components": ["../../parts/none"], "namePrefix": "x-"}
    with pytest.raises(InvalidInput, match="parts/none: no such file or directory"):
        await bench.render({**EU, "kustomize": options})
    rendered = await bench.render({**EU, "kustomize": {**options, "ignoreMissingComponents": True}})
    assert "Deployment/x-web" in named(rendered)
    assert "parts/none" in rendered.reads


@pytest.mark.parametrize(
    ("kustomization", "reason", "says"),
    [
        ("resources: [gone.yaml]", "MissingFile", r"overlays/eu/kustomization.yaml: open overlays/eu/gone.yaml: no such"),
        ("resources: [../../base, {]", "InvalidKustomization", r"overlays/eu/kustomization.yaml: line 1"),
        ("- a", "InvalidKustomization", "not a map"),
        ("resources: x", "InvalidKustomization", "not a list"),
        ("resources: [../../parts]", "InvalidKustomization", "without a kustomization"),
        ("resources: ['https://x.test/o/r/a.yaml']", "RemoteBase", "is one file elsewhere"),
        ("resources: ['file:///etc//x?ref=v1']", "RemoteBase", "is not a repository over https or ssh"),
        ("resources: [../../../x]", "PathEscapes", "leaves the repository"),
        ("resources: [/etc/passwd]", "InvalidKustomization", "not a relative path"),
        ("helmCharts: [{name: x}]", "UnsupportedSource", "chart x is inflated only with --enable-helm"),
        ("resources: [../../base]\nnamePrefixx: x", "RenderFailed", "namePrefixx"),
        ("resources: [../../base/deployment.yaml]", "RenderFailed", "overlays/eu: kustomize: "),
    ],
)
@pytest.mark.compat("argocd:kustomize.kubeVersion")
async def test_what_cannot_work_says_where(bench, kustomization, reason, says):
    bench.push({"overlays/eu/kustomization.yaml": kustomization})
    with pytest.raises(InvalidInput, match=says) as caught:
        await bench.render(EU)
    assert caught.value.reason == reason
    assert "/tmp/" not in caught.value.message


async def test_a_circle_ends(bench):
    bench.push({"base/kustomization.yaml": "resources: [deployment.yaml, ../overlays/eu]\n"})
    with pytest.raises(InvalidInput, match="cycle"):
        await bench.render(EU)


@pytest.mark.compat("argocd:kustomize.version")
async def test_a_version_of_kustomize_that_there_is_not(bench):
    with pytest.raises(InvalidInput, match=r"spec\.source\.kustomize\.version 'v9' is not known here"):
        await bench.render({**EU, "kustomize": {"version": "v9"}})
    plain = await bench.render(EU)
    ours = plain.tool.removeprefix("kustomize ")
    assert (await bench.render({**EU, "kustomize": {"version": ours}})).objects == plain.objects


@pytest.mark.compat("argocd:kustomize.images")
async def test_images_may_name_the_revision(bench):
    rendered = await bench.render({**EU, "kustomize": {"images": ["web=shop/web:${ARGOCD_APP_REVISION}"]}})
    image = only(rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"shop/web:{bench.copy.git('rev-parse', 'HEAD')}"
