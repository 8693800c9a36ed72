"""Folders of plain manifests."""

import os

import pytest

from shipway.base.errors import InvalidInput
from tests.contract.sources.rendering import Bench, named

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
FILES = {
    "app/a.yaml": CM % "a" + "---\n" + CM % "a2",
    "app/b.yml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n",
    "app/c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}',
    "app/values.yaml": "replicas: 3\n",
    "app/skipped.yaml": "# +argocd:skip-file-rendering\n" + CM % "skipped",
    "app/README.md": CM % "readme",
    "app/sub/d.yaml": CM % "d",
    "app/sub/deep/e.yaml": CM % "e",
    "other/x.yaml": CM % "x",
}


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path, FILES)
    yield made
    await made.close()


def names(rendered) -> list[str]:
    return [kind.partition("/")[2] for kind in named(rendered)]


@pytest.mark.compat("argocd:directory.files")
async def test_a_folder(bench):
    rendered = await bench.render({"path": "app"})
    assert names(rendered) == ["a", "a2", "b", "c"]
    assert rendered.origins[:2] == ("app/a.yaml:1", "app/a.yaml:5")
    assert (rendered.source_type, rendered.reads) == ("Directory", ("app",))


@pytest.mark.parametrize("path", ["./app", "app/", "/app"])
@pytest.mark.compat("argocd:spec.source.path")
async def test_spellings_of_a_path(bench, path):
    assert names(await bench.render({"path": path})) == ["a", "a2", "b", "c"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"recurse": True}, ["a", "a2", "b", "c", "d", "e"]),
        ({"recurse": True, "include": "sub/*"}, ["d", "e"]),
        ({"recurse": True, "exclude": "sub/deep/*"}, ["a", "a2", "b", "c", "d"]),
        ({"include": "{a.yaml,c.json}"}, ["a", "a2", "c"]),
        ({"include": "{a.yaml,sub/*}", "recurse": True}, ["a", "a2", "d", "e"]),
        ({"exclude": "{a.yaml,sub/deep/*,*.json}", "recurse": True}, ["b", "d"]),
        ({"include": "{*.yml,[a-b].yaml}", "exclude": "b.*"}, ["a", "a2"]),
        ({"include": "sub/**/e.yaml", "recurse": True}, ["e"]),
        ({"include": "*", "exclude": "*.y*"}, ["c"]),
        ({}, ["a", "a2", "b", "c"]),
    ],
)
@pytest.mark.compat("argocd:directory.recurse", "argocd:directory.include")
async def test_options(bench, options, found):
    assert names(await bench.render({"path": "app", "directory": options})) == found


async def test_the_root_of_the_repository(bench):
    assert names(await bench.render({"path": ".", "directory": {"recurse": True, "include": "other/*"}})) == ["x"]


@pytest.mark.parametrize(
    ("files", "reason", "says"),
    [
        ({"app/z.yaml": CM % "z" + "data: ["}, "InvalidManifest", r"app/z.yaml: line 5"),
        ({"app/z.yaml": CM % "z" + "---\na: 1\n"}, "InvalidManifest", r"app/z.yaml:5: kind is missing"),
        ({"app/z.json": '{"kind": "ConfigMap", "apiVersion": "v1", "metadata": '}, "InvalidManifest", r"app/z.json: line"),
        ({"app/z.yaml": b"\xff\x00kind"}, "InvalidManifest", "UTF-8"),
        ({"app/z.jsonnet": "{}"}, "InvalidManifest", r"app/z.jsonnet \(evaluated\):1: kind is missing"),
        ({"app/z.jsonnet": "{a: error 'no'}"}, "RenderFailed", r"app/z.jsonnet: jsonnet: RUNTIME ERROR: no app/z.jsonnet:1:5"),
        ({"app/z.jsonnet": "import 'gone.libsonnet'"}, "RenderFailed", r"there is no gone.libsonnet beside it"),
        ({"app/z.jsonnet": "import '../../etc/passwd'"}, "RenderFailed", r"there is no \.\./\.\./etc/passwd"),
        ({f"app/big{n}.yaml": "# " + "x" * (4 << 20) for n in range(3)}, "SourceTooLarge", "10 MiB"),
    ],
)
@pytest.mark.compat("argocd:directory.jsonnet", "argocd:directory.size")
async def test_what_cannot_work_says_where(bench, files, reason, says):
    bench.push(files)
    with pytest.raises(InvalidInput, match=says) as caught:
        await bench.render({"path": "app"})
    assert caught.value.reason == reason


async def test_a_hundred_megabytes_are_refused_before_they_are_read(bench):
    megabyte = CM % "x" + "#" * (1 << 20)
    bench.push({f"app/many/{n}.yaml": megabyte for n in range(100)})
    for options in ({"recurse": True}, {"recurse": True, "include": "many/*"}):
        with pytest.raises(InvalidInput, match=r"app: more than 10 MiB of manifests: split the folder, or narrow it"):
            await bench.render({"path": "app", "directory": options})
    assert names(await bench.render({"path": "app", "directory": {"recurse": True, "exclude": "many/*"}}))[-1] == "e"
    bench.push({f"app/many/{n}.yaml": None for n in range(100)} | {"app/one.yaml": "#" * (100 << 20)})
    with pytest.raises(InvalidInput, match=r"app/one.yaml: 100 MiB, more than 64 MiB") as caught:
        await bench.render({"path": "app"})
    assert caught.value.reason == "SourceTooLarge"


async def test_a_key_that_stands_twice_is_told_and_the_last_one_counts(bench):
    """As in Argo CD, whose reader takes the last one without a word."""
    bench.push(
        {"app/a.yaml": "# first\n" + CM % "a" + "data:\n  one: '1'\n  two: '2'\n  one: '3'\ndata: {four: '4', four: '5'}\n"}
    )
    rendered = await bench.render({"path": "app"})
    assert rendered.objects[0]["data"] == {"four": "5"}
    assert rendered.warnings == (
        'app/a.yaml:8: key "one" stands here again: the last one counts, remove the others',
        'app/a.yaml:9: key "data" stands here again: the last one counts, remove the others',
        'app/a.yaml:9: key "four" stands here again: the last one counts, remove the others',
    )
    merged = "x: &x {one: '1'}\ndata:\n  <<: *x\n  one: '2'\n"
    bench.push({"app/a.yaml": CM % "a" + merged})
    assert (await bench.render({"path": "app"})).warnings == ()
    bench.push({"app/a.yaml": CM % "a" + "data:\n" + "  k: '1'\n" * 2000})
    assert len((await bench.render({"path": "app"})).warnings) <= 21


def link(bench: Bench, path: str, target: str) -> None:
    place = bench.copy.path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


async def test_links(bench):
    """To files inside of the repository they count, to folders they do not, to nothing they are nothing."""
    link(bench, "app/linked.yaml", "../other/x.yaml")
    link(bench, "app/folder", "../other")
    link(bench, "app/nowhere.yaml", "../gone.yaml")
    bench.push({})
    assert names(await bench.render({"path": "app", "directory": {"recurse": True}})) == ["a", "a2", "b", "c", "x", "d", "e"]
    assert names(await bench.render({"path": "app/folder"})) == ["x"]
    link(bench, "app/sub/escape.yaml", "../../../../etc/passwd")
    bench.push({})
    with pytest.raises(InvalidInput, match=r"app/sub/escape.yaml is a link that leaves the repository") as caught:
        await bench.render({"path": "app", "directory": {"recurse": True}})
    assert caught.value.reason == "PathEscapes"


async def test_names_may_hold_any_bytes(bench):
    strange = os.fsdecode(b"app/caf\xe9.yaml")
    bench.push({strange: CM % "strange"})
    assert names(await bench.render({"path": "app"}))[-1] == "strange"
    bench.push({strange: CM % "strange" + "data: ["})
    with pytest.raises(InvalidInput, match=r"app/caf.\.yaml: line"):
        await bench.render({"path": "app"})


@pytest.mark.compat("argocd:spec.source.path")
async def test_a_path_that_is_not_there(bench):
    for path in ("none", "app/a.yaml"):
        with pytest.raises(InvalidInput, match="app path does not exist") as caught:
            await bench.render({"path": path})
        assert caught.value.reason == "PathNotFound"
