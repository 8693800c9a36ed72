"""What makes a render, what does not, and which tool it is."""

import asyncio
from contextlib import ExitStack, closing

import pytest

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.render.renderer import Renderer
from shipway.adapters.render.store import RenderStore
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from tests.contract.sources.rendering import Bench, named, only

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n"
CHART = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
FILES = {
    "plain/a.yaml": CM % "a",
    "base/kustomization.yaml": "resources: [d.yaml]\n",
    "base/d.yaml": DEPLOYMENT,
    "overlay/kustomization.yaml": "resources: [../base]\n",
    "chart/Chart.yaml": CHART,
    "chart/templates/cm.yaml": CM % "{{ .Release.Name }}" + "data: {a: {{ .Values.a | quote }}}\n",
    "values/prod.yaml": "a: prod\n",
    "README.md": "hello\n",
}
SOURCES = {
    "plain": {"path": "plain"},
    "overlay": {"path": "overlay"},
    "chart": {"path": "chart", "helm": {"valueFiles": ["/values/prod.yaml"]}},
}


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path, FILES)
    yield made
    await made.close()


async def render_all(bench) -> dict[str, list[str]]:
    return {app: named(await bench.render(source, app)) for app, source in SOURCES.items()}


@pytest.fixture
def opened(tmp_path):
    """`opened(name, made_by)` is a store of this test's folder."""
    with ExitStack() as stack:
        yield lambda name, made_by="x", **more: stack.enter_context(closing(RenderStore(tmp_path / name, made_by, **more)))


def restarted(bench: Bench, store: RenderStore) -> None:
    """As a new process: nothing in memory but what the store still knows."""
    bench.mirrors = Mirrors(bench.home, clock=SystemClock())
    for repo_url, source, paths in store.reads():
        bench.mirrors.remember_reads(repo_url, source, paths)

    def on_reads(repo_url: str, source: bytes, paths: tuple[str, ...]) -> None:
        bench.mirrors.remember_reads(repo_url, source, paths)
        store.remember_reads(repo_url, source, paths)

    bench.renderer = Renderer(bench.mirrors, bench.engines, on_reads=on_reads, store=store)


@pytest.mark.proves("gitops:restart-renders-nothing")
async def test_after_a_restart_nothing_is_rendered_that_was_rendered_before(bench, opened):
    restarted(bench, opened("renders.db", "these programs"))
    first = await render_all(bench)
    assert bench.renderer.renders == dict.fromkeys(SOURCES, 1)
    restarted(bench, opened("renders.db", "these programs"))
    assert await render_all(bench) == first
    assert bench.renderer.renders == {}
    bench.push({"base/d.yaml": DEPLOYMENT + "# touched\n"})
    await render_all(bench)
    assert bench.renderer.renders == {"overlay": 1}
    restarted(bench, opened("renders.db", "a newer helm"))
    await render_all(bench)
    assert bench.renderer.renders == dict.fromkeys(SOURCES, 1)


async def test_a_store_that_is_broken_or_in_the_way_counts_as_empty(bench, opened, tmp_path):
    broken, in_the_way = tmp_path / "broken.db", tmp_path / "folder.db"
    broken.write_bytes(b"no database" * 1000)
    in_the_way.mkdir()
    for path in (broken, in_the_way):
        restarted(bench, opened(path.name))
        await render_all(bench)
        assert bench.renderer.renders == dict.fromkeys(SOURCES, 1)
    restarted(bench, opened(broken.name))
    await render_all(bench)
    assert bench.renderer.renders == {}


async def test_a_store_is_bounded_and_for_its_owner_only(bench, opened, tmp_path):
    store = opened("renders.db", most=2)
    requests = [await bench.request({"path": "plain"}, f"app-{number}") for number in range(5)]
    rendered = await bench.renderer.render(requests[0])
    for request in requests:
        store.put(request, rendered)
    assert [store.get(request) is not None for request in requests] == [False, False, False, True, True]
    assert (tmp_path / "renders.db").stat().st_mode & 0o077 == 0


@pytest.mark.proves("002-10")
@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("plain/a.yaml", {"plain"}),
        ("base/d.yaml", {"overlay"}),
        ("values/prod.yaml", {"chart"}),
        ("README.md", set()),
    ],
)
@pytest.mark.compat("argocd:annotation.manifest-generate-paths")
async def test_a_push_that_touches_one_app_renders_one_app(bench, changed, again):
    await render_all(bench)
    await render_all(bench)
    assert bench.renderer.renders == dict.fromkeys(SOURCES, 1)
    bench.push({changed: FILES[changed] + "# touched\n"})
    await render_all(bench)
    assert {app for app, count in bench.renderer.renders.items() if count == 2} == again


async def test_content_that_comes_back_is_known(bench):
    await render_all(bench)
    bench.push({"plain/a.yaml": CM % "b"})
    assert named(await bench.render(SOURCES["plain"], "plain")) == ["ConfigMap/b"]
    bench.push({"plain/a.yaml": CM % "a"})
    assert named(await bench.render(SOURCES["plain"], "plain")) == ["ConfigMap/a"]
    assert bench.renderer.renders["plain"] == 2


async def test_many_who_ask_at_once_are_one_render(bench):
    request = await bench.request(SOURCES["chart"], "chart")
    results = await asyncio.gather(*(bench.renderer.render(request) for _ in range(20)))
    assert bench.renderer.renders == {"chart": 1}
    assert all(result == results[0] for result in results)


async def test_applications_of_one_source_are_told_apart(bench):
    assert named(await bench.render(SOURCES["chart"], "one")) == ["ConfigMap/one"]
    assert named(await bench.render(SOURCES["chart"], "two")) == ["ConfigMap/two"]


async def test_a_failed_render_is_only_repeated_when_what_it_read_changed(bench):
    source = {"path": "plain", "helm": {"valueFiles": ["x.yaml"]}}
    with pytest.raises(InvalidInput):
        await bench.render(source)
    before = (await bench.request(source)).trees
    bench.push({"README.md": "changed\n"})
    assert (await bench.request(source)).trees == before
    bench.push({"plain/Chart.yaml": CHART, "plain/x.yaml": "a: 1\n", "plain/templates/x.yaml": CM % "x"})
    assert (await bench.request(source)).trees != before
    assert (await bench.render(source)).source_type == "Helm"


async def test_a_small_cache_forgets_the_oldest(tmp_path, bench):
    renderer = Renderer(bench.mirrors, bench.engines, on_reads=bench.mirrors.remember_reads, cache_bytes=1)
    requests = [await bench.request(source, app) for app, source in SOURCES.items()]
    for request in [*requests, *requests]:
        await renderer.render(request)
    assert renderer.renders == dict.fromkeys(SOURCES, 2)


@pytest.mark.parametrize(
    ("source", "tool"),
    [
        ({"path": "plain"}, "Directory"),
        ({"path": "overlay"}, "Kustomize"),
        ({"path": "chart"}, "Helm"),
        ({"path": "overlay", "directory": {"recurse": True, "exclude": "*"}}, "Directory"),
        ({"path": "chart", "directory": {"recurse": False}}, "Helm"),
        ({"path": "chart", "directory": {}, "helm": {}}, "Helm"),
    ],
)
async def test_which_tool(bench, source, tool):
    assert (await bench.render(source)).source_type == tool


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"path": "chart", "helm": {"releaseName": "x"}, "kustomize": {"namePrefix": "y"}}, "InvalidSource"),
        ({"path": "chart", "helm": ["x"]}, "InvalidSource"),
        ({"path": "plain", "kustomize": {"namePrefix": "y"}}, "InvalidKustomization"),
        ({"path": "chart", "plugin": {"name": "x"}, "helm": {"releaseName": "x"}}, "InvalidSource"),
        ({"path": "chart", "plugin": {"name": "x"}}, "UnsupportedSource"),
        ({"path": "../outside"}, "PathEscapes"),
    ],
)
async def test_what_no_tool_can_do(bench, source, reason):
    with pytest.raises(InvalidInput) as caught:
        await bench.render(source)
    assert caught.value.reason == reason


@pytest.mark.compat("argocd:cm.enable")
async def test_a_tool_that_is_switched_off_leaves_plain_manifests(bench):
    bench.push({"chart/templates/cm.yaml": None, "chart/values.yaml": "", "chart/kustomization.yaml": "namePrefix: p-\n"})
    bench.push({"chart/Chart.yaml": CHART + "kind: Chart\nmetadata: {name: me}\n", "chart/kustomization.yaml": None})
    for without, source, expected in (
        (("Kustomize",), SOURCES["overlay"], "Directory"),
        (("Helm",), SOURCES["overlay"], "Kustomize"),
        (("Directory",), SOURCES["plain"], "Directory"),
        (("Helm",), {"path": "chart"}, "Directory"),
        (("Helm",), SOURCES["chart"], "Directory"),
    ):
        assert (await bench.renderer.render(await bench.request(source, without=without))).source_type == expected


@pytest.mark.compat("argocd:cm.enable")
async def test_without_jsonnet_its_files_are_passed_over(bench):
    bench.push({"plain/b.jsonnet": "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'b'}}"})
    assert named(await bench.render(SOURCES["plain"])) == ["ConfigMap/a", "ConfigMap/b"]
    assert named(await bench.render(SOURCES["plain"], without=("Directory",))) == ["ConfigMap/a"]


@pytest.mark.compat("argocd:spec.source.overrides")
async def test_overrides_beside_the_manifests(bench):
    bench.push(
        {
            "chart/.argocd-source.yaml": "helm:\n  parameters:\n  - {name: a, value: all}\n",
            "chart/.argocd-source-mine.yaml": "path: plain\nhelm:\n  parameters:\n  - {name: a, value: mine}\n",
        }
    )
    for app, value in (("mine", "mine"), ("other", "all")):
        assert only(await bench.render({"path": "chart"}, app), "ConfigMap")["data"]["a"] == value
    bench.push({"chart/.argocd-source-other.yaml": "helm: {parameters: [{name: a, value: later}]}\n"})
    assert only(await bench.render({"path": "chart"}, "other"), "ConfigMap")["data"]["a"] == "later"
    bench.push({"chart/.argocd-source.yaml": "helm: ["})
    with pytest.raises(InvalidInput, match=r"chart/.argocd-source.yaml: line"):
        await bench.render({"path": "chart"}, "mine")


@pytest.mark.compat("argocd:spec.source.overrides")
async def test_applications_whose_files_differ_by_name_do_not_hide_each_others(bench):
    source = {"path": "chart", "helm": {"valueFiles": ["/values/$ARGOCD_APP_NAME.yaml"]}}
    env = {app: {"build_env": (("ARGOCD_APP_NAME", app),)} for app in ("prod", "stage")}
    bench.push({"values/stage.yaml": "a: stage\n"})
    for app in ("prod", "stage", "prod", "stage"):
        assert only(await bench.render(source, app, **env[app]), "ConfigMap")["data"]["a"] == app
    bench.push({"values/stage.yaml": "a: later\n"})
    assert only(await bench.render(source, "stage", **env["stage"]), "ConfigMap")["data"]["a"] == "later"
    assert only(await bench.render(source, "prod", **env["prod"]), "ConfigMap")["data"]["a"] == "prod"


@pytest.mark.compat("argocd:spec.source.environment")
async def test_overrides_may_mention_the_revision(bench):
    bench.push({"overlay/.argocd-source-mine.yaml": "kustomize:\n  namePrefix: p-\n  images: ['x=y:${ARGOCD_APP_REVISION}']\n"})
    rendered = await bench.renderer.render(await bench.request(SOURCES["overlay"], "mine"))
    assert (rendered.lacks, rendered.objects) == (("revision",), ())
    assert (await bench.renderer.render(await bench.request(SOURCES["overlay"], "other"))).lacks == ()
    assert named(await bench.render(SOURCES["overlay"], "mine"))
