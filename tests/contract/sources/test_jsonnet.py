"""Jsonnet in folders of manifests: variables, imports and libraries, and programs that never end."""

import pytest

from shipway.base.errors import InvalidInput, ShipwayError
from tests.contract.sources.rendering import Bench, named

MAIN = """\
local names = import 'names.libsonnet';
local lib = import 'common/object.libsonnet';
function(replicas=1, prefix='x') [
  lib.map(prefix + name, { replicas: std.toString(replicas), env: std.extVar('env'), note: importstr 'note.txt' })
  for name in names
]
"""
FILES = {
    "app/main.jsonnet": MAIN,
    "app/names.libsonnet": "['a', 'b']",
    "app/note.txt": "hello\n",
    "app/plain.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n",
    "vendor/common/object.libsonnet": (
        "{ map(name, data): { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: name }, data: data } }"
    ),
    "other/common/object.libsonnet": "error 'the wrong one'",
    "one/only.jsonnet": (
        "{ apiVersion: 'v1', kind: 'List', items: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }] }"
    ),
}
OPTIONS = {
    "libs": ["other", "vendor"],
    "extVars": [{"name": "env", "value": "$ARGOCD_APP_NAME"}],
    "tlas": [{"name": "replicas", "value": "1 + 2", "code": True}, {"name": "prefix", "value": "web-"}],
}


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path, FILES, seconds=10)
    yield made
    await made.close()


@pytest.mark.compat("argocd:directory.jsonnet")
@pytest.mark.proves("gitops:jsonnet")
async def test_a_program_with_libraries_and_variables(bench):
    source = {"path": "app", "directory": {"jsonnet": OPTIONS}}
    rendered = await bench.render(source, build_env=(("ARGOCD_APP_NAME", "shop"),))
    assert named(rendered) == ["ConfigMap/web-a", "ConfigMap/web-b", "ConfigMap/plain"]
    assert rendered.objects[0]["data"] == {"replicas": "3", "env": "shop", "note": "hello\n"}
    assert (rendered.source_type, rendered.origins[0]) == ("Directory", "app/main.jsonnet (evaluated):1")
    assert "vendor/common/object.libsonnet" in rendered.reads and "app" in rendered.reads


@pytest.mark.compat("argocd:directory.jsonnet")
@pytest.mark.proves("gitops:jsonnet")
async def test_what_is_imported_is_read_and_renders_anew(bench):
    source = {"path": "app", "directory": {"jsonnet": OPTIONS}}
    environment = {"build_env": (("ARGOCD_APP_NAME", "shop"),)}
    await bench.render(source, **environment)
    bench.push({"one/only.jsonnet": "{}"})
    await bench.render(source, **environment)
    assert bench.renderer.renders["app"] == 1
    bench.push({"vendor/common/object.libsonnet": FILES["vendor/common/object.libsonnet"].replace("ConfigMap", "Secret")})
    assert named(await bench.render(source, **environment))[0] == "Secret/web-a"


async def test_one_object_that_is_a_list(bench):
    assert named(await bench.render({"path": "one"})) == ["Secret/s"]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("local f(n) = f(n + 1); f(0)", "max stack frames"),
        ("std.foldl(function(a, b) a + a, std.range(1, 60), 'x')", "Render"),
        ("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1); f(60)", "Render"),
        ("std.native('x')()", "x"),
    ],
)
async def test_a_program_without_end_ends_alone(bench, program, says):
    bench.push({"one/only.jsonnet": program})
    with pytest.raises(ShipwayError) as caught:
        await bench.render({"path": "one"})
    assert says in caught.value.message + caught.value.reason
    assert named(await bench.render({"path": "app", "directory": {"include": "*.yaml"}})) == ["ConfigMap/plain"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"libs": ["../outside"]}, "leaves the repository"),
        ({"extVars": [{"value": "x"}]}, "extVars: each has a name and a value"),
    ],
)
async def test_options_that_cannot_work(bench, options, says):
    with pytest.raises(InvalidInput, match=says):
        await bench.render({"path": "app", "directory": {"jsonnet": options}})
