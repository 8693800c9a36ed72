"""Looking at content without a checkout: links, escapes, limits, and the memory of what was looked at."""

from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode

from shipway.adapters.git.mirrors import Mirrors, Reach
from shipway.adapters.git.snapshot import clean_path
from shipway.api.sources import HeadRequest, PathTree
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from tests.repository import seed

FILES = {"apps/a/x.yaml": "a: 1\n", "apps/a/sub/y.yaml": "y\n", "shared/v.yaml": "v: 1\n", "run.sh": "#!/bin/sh\n"}


@pytest.fixture
async def look(tmp_path: Path):
    """A function that commits links and opens a snapshot of paths of it."""
    copy, url = seed(tmp_path, "shop", FILES)
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock())

    async def snapshot(links: dict[str, str] | None = None, paths: tuple[str, ...] = ("",)):
        for name, target in (links or {}).items():
            (copy.path / name).symlink_to(target)
        copy.commit({})
        copy.push()
        mirrors.changed(url)
        head = await mirrors.head(HeadRequest(url, "main", b"{}"))
        return mirrors.snapshot(url, mirrors.narrow(url, head.trees, paths))

    return snapshot


async def test_kinds_contents_and_reads(look):
    snapshot = await look()
    assert [snapshot.kind(p) for p in ("apps/a", "run.sh", "none", "run.sh/below")] == ["dir", "file", "missing", "missing"]
    assert snapshot.read("shared/v.yaml") == b"v: 1\n"
    assert snapshot.files("apps") == ["apps/a/sub/y.yaml", "apps/a/x.yaml"]
    assert snapshot.reads() == ("apps", "none", "run.sh", "shared/v.yaml")


@pytest.mark.parametrize("path", ["none.yaml", "apps/a", "none/at/all.yaml"])
async def test_missing_files_are_remembered(look, path):
    snapshot = await look()
    with pytest.raises(NotFound):
        snapshot.read(path)
    assert snapshot.reads() == ("none" if path.startswith("none/") else path,)


async def test_links_inside_the_repository_are_followed_and_both_ends_count(look):
    snapshot = await look({"apps/a/link.yaml": "../../shared/v.yaml", "all": "shared"})
    assert snapshot.read("apps/a/link.yaml") == b"v: 1\n"
    assert snapshot.reads() == ("apps/a", "shared/v.yaml")
    assert snapshot.read("all/v.yaml") == b"v: 1\n"
    assert snapshot.reads() == ("",)


async def test_links_are_written_as_what_they_lead_to(look, tmp_path):
    snapshot = await look({"apps/a/link.yaml": "../../shared/v.yaml", "apps/a/folder": "../../shared"})
    snapshot.write(["apps/a", "apps/a/sub"], str(tmp_path / "out"))
    found = {str(p.relative_to(tmp_path / "out")): p.is_symlink() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == dict.fromkeys(("apps/a/x.yaml", "apps/a/sub/y.yaml", "apps/a/link.yaml", "apps/a/folder/v.yaml"), False)
    assert snapshot.reads() == ("apps/a", "shared")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "../../../../etc/passwd"])
async def test_links_that_leave_the_repository_are_refused(look, target, tmp_path):
    snapshot = await look({"apps/a/evil": target})
    for use in (lambda: snapshot.read("apps/a/evil"), lambda: snapshot.write(["apps"], str(tmp_path / "out"))):
        with pytest.raises(InvalidInput, match="leaves the repository") as caught:
            use()
        assert caught.value.reason == "PathEscapes"


@pytest.mark.parametrize("links", [{"apps/one": "two", "apps/two": "one"}, {"apps/self": "."}])
async def test_circles_end(look, links, tmp_path):
    snapshot = await look(links)
    with pytest.raises(InvalidInput, match="circle"):
        snapshot.write(["apps"], str(tmp_path / "out"))


def bomb(path: Path, *, depth: int, width: int) -> tuple[str, str]:
    """A repository whose few objects describe width^depth files; its URL and the commit."""
    repository = pygit2.init_repository(str(path), bare=True, initial_head="main")
    entry, mode = repository.create_blob(b"a: 1\n"), FileMode.BLOB
    for _ in range(depth):
        builder = repository.TreeBuilder()
        for n in range(width):
            builder.insert(f"{n}.yaml" if mode == FileMode.BLOB else f"d{n}", entry, mode)
        entry, mode = builder.write(), FileMode.TREE
    who = pygit2.Signature("x", "x@example.com", 1, 0)
    return f"file://{path}", str(repository.create_commit("refs/heads/main", who, who, "bomb", entry, []))


@pytest.mark.parametrize(("depth", "width"), [(10, 10), (400, 1)])
async def test_a_git_bomb_is_refused(tmp_path, depth, width):
    url, _ = bomb(tmp_path / "bomb.git", depth=depth, width=width)
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock())
    head = await mirrors.head(HeadRequest(url, "main", b"{}"))
    with pytest.raises(InvalidInput) as caught:
        mirrors.snapshot(url, head.trees).files("")
    assert caught.value.reason == "SourceTooLarge"


async def test_a_submodule_is_the_commit_it_names_and_nothing_where_they_are_switched_off(tmp_path):
    shop, _ = seed(tmp_path, "shop", FILES)
    other, _ = seed(tmp_path, "other", {"x.yaml": "x"})
    commit = other.git("rev-parse", "HEAD")
    shop.commit({".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../other.git\n'})
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    shop.git("commit", "-qm", "A submodule")
    shop.push()
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock(), reach=Reach(has_submodules=lambda: False))
    head = await mirrors.head(HeadRequest(f"file://{tmp_path}/shop.git", "main", b"{}"))
    ids = mirrors.narrow(f"file://{tmp_path}/shop.git", head.trees, ("sub", "sub/x.yaml"))
    assert ids == (PathTree("sub", f"commit:{commit}"), PathTree("sub/x.yaml", ""))
    snapshot = mirrors.snapshot(f"file://{tmp_path}/shop.git", head.trees)
    assert (snapshot.kind("sub"), snapshot.kind("sub/x.yaml")) == ("missing", "missing")
    assert "sub" in snapshot.reads()


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "x/\0"])
def test_paths_stay_inside(path):
    with pytest.raises(InvalidInput):
        clean_path(path)


@pytest.mark.parametrize(("path", "clean"), [("", ""), (".", ""), ("/", ""), ("./a/", "a"), ("/a//b/../c", "a/c")])
def test_paths_are_cleaned(path, clean):
    assert clean_path(path) == clean


async def test_a_narrow_snapshot_answers_what_it_covers(look):
    snapshot = await look(paths=("apps/a", "none"))
    assert snapshot.read("apps/a/x.yaml") == b"a: 1\n"
    assert snapshot.kind("none/below") == "missing"
    with pytest.raises(Unavailable) as caught:
        snapshot.read("shared/v.yaml")
    assert caught.value.reason == "ReadSetGrew"


async def test_a_head_that_narrowed_still_answers_for_the_rest(tmp_path):
    _copy, url = seed(tmp_path, "shop", FILES)
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock())
    mirrors.remember_reads(url, b"s", ("apps/a",))
    head = await mirrors.head(HeadRequest(url, "main", b"s"))
    snapshot = mirrors.snapshot(url, head.trees)
    assert snapshot.read("shared/v.yaml") == b"v: 1\n"
    assert mirrors.narrow(url, head.trees, ("shared",)) != (PathTree("shared", ""),)
