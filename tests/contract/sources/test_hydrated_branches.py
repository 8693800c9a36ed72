"""Rendered manifests on their way into a branch, against a real Git server over HTTP that asks who pushes."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pygit2
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.git.branches import NOTES, Branches
from shipway.adapters.git.mirrors import EVERYWHERE, Reach
from shipway.api.hydration import BranchCommit, Folder
from shipway.api.repositories import Credentials, GitHubApp
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.demo.git_server import GitServer
from tests.git_hosts import Door, basic, secrets_in
from tests.repository import WorkingCopy

PASSWORD = "p4ss-of-the-writer"
WRITER = Credentials(username="me", password=PASSWORD)


class Place(Struct):
    """A server with the repository `shop`, whose `main` holds one file, behind a door that only the writer passes."""

    door: Door
    bare: Path
    copy: WorkingCopy
    home: Path
    login: Credentials = WRITER

    def branches(self, reach: Reach = EVERYWHERE) -> Branches:
        return Branches(self.home, clock=SystemClock(), credentials=lambda *_: self.login, reach=reach)

    def wanted(self, sha: str, branch: str = "env", base: str = "env", **folders: str) -> BranchCommit:
        """What `sha` renders to: the text of each folder's manifest."""
        return BranchCommit(
            repo_url=f"{self.door.url}/shop.git",
            branch=branch,
            base=base,
            project="default",
            author=("Argo CD", "argo-cd@example.com"),
            message=f"{sha}: change\n",
            root=(("hydrator.metadata", sha.encode()),),
            folders=tuple(Folder(path, text.encode(), (("README.md", sha.encode()),)) for path, text in folders.items()),
            note=orjson.dumps({"drySha": sha}),
        )

    def files(self, branch: str = "env") -> dict[str, str]:
        tree = self.server.references[f"refs/heads/{branch}"].peel(pygit2.Commit).tree
        index = pygit2.Index()
        index.read_tree(tree)
        return {entry.path: self.server[entry.id].data.decode() for entry in index}

    def history(self, branch: str = "env") -> list[str]:
        """The messages, newest first."""
        return [commit.message.strip() for commit in self.server.walk(self.server.references[f"refs/heads/{branch}"].target)]

    def note(self, commit: str) -> str:
        return self.server.lookup_note(commit, NOTES).message

    @property
    def server(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.bare))

    def hook(self, name: str, script: str) -> None:
        hook = self.bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place, None]:
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop"))
    await asyncio.to_thread(copy.commit, {"chart.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    async with Door(server, basic("me", PASSWORD)).open() as door:
        yield Place(door, tmp_path / "root" / "shop.git", copy, tmp_path / "pushes")
    await server.stop()


@pytest.mark.compat("argocd:spec.sourceHydrator")
async def test_a_branch_begins_empty_and_grows_by_a_commit_for_each_that_changes_something(place: Place) -> None:
    branches = place.branches()
    first = await branches.commit(place.wanted("1" * 40, web="one", api="one"))
    assert place.files() == {
        "hydrator.metadata": "1" * 40,
        **{f"{folder}/manifest.yaml": "one" for folder in ("web", "api")},
        **{f"{folder}/README.md": "1" * 40 for folder in ("web", "api")},
    }
    assert place.history() == ["1" * 40 + ": change", "Initial commit for env"]
    assert place.server[first].peel(pygit2.Commit).author.name == "Argo CD"

    second = await branches.commit(place.wanted("2" * 40, web="two", api="one"))
    assert len(place.history()) == 3
    found = place.files()
    assert (found["web/manifest.yaml"], found["web/README.md"], found["api/README.md"]) == ("two", "2" * 40, "1" * 40)

    unchanged = await branches.commit(place.wanted("3" * 40, web="two", api="one"))
    assert unchanged == second
    assert len(place.history()) == 3
    assert (place.note(first), place.note(second)) == ('{"drySha":"' + "1" * 40 + '"}', '{"drySha":"' + "3" * 40 + '"}')
    assert list(place.home.glob("push-*")) == []


@pytest.mark.compat("argocd:spec.sourceHydrator")
async def test_a_push_whose_answer_was_lost_is_found_and_not_repeated(place: Place) -> None:
    """Whether the note had been pushed or not; by a process that remembers nothing."""
    wanted = place.wanted("1" * 40, web="one")
    first = await place.branches().commit(wanted)
    assert await place.branches().commit(wanted) == first
    place.server.references.delete(NOTES)
    assert await place.branches().commit(wanted) == first
    assert place.note(first) == '{"drySha":"' + "1" * 40 + '"}'
    assert len(place.history()) == 2


async def test_what_others_put_beside_the_folders_stays_and_what_lay_in_them_goes(place: Place) -> None:
    await place.branches().commit(place.wanted("1" * 40, **{"apps/web": "one", "apps/web/inner": "one"}))
    await asyncio.to_thread(push_beside, place, "ci", "apps/web/old.yaml", "apps/web/inner/old.yaml", "apps/[w]eb/x")
    await place.branches().commit(place.wanted("2" * 40, **{"apps/web": "two", "apps/web/inner": "one"}))
    found = place.files()
    assert {path for path in found if "old" in path or path in ("ci.txt", "apps/[w]eb/x")} == {
        "ci.txt",
        "apps/[w]eb/x",
        "apps/web/inner/old.yaml",
    }
    assert (found["apps/web/manifest.yaml"], found["apps/web/inner/manifest.yaml"]) == ("two", "one")


@pytest.mark.compat("argocd:spec.sourceHydrator")
async def test_a_branch_to_propose_from_begins_where_the_synced_one_stands(place: Place) -> None:
    await place.branches().commit(place.wanted("1" * 40, branch="env-next", web="one"))
    assert place.history("env") == ["Initial commit for env"]
    assert place.history("env-next") == ["1" * 40 + ": change", "Initial commit for env"]
    assert place.files("env") == {}


async def test_a_push_that_somebody_overtakes_is_made_anew_upon_theirs(place: Place) -> None:
    await place.branches().commit(place.wanted("1" * 40, web="one"))
    passed, overtakes = place.door.handle, [2]

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("git-receive-pack") and overtakes[0]:
            overtakes[0] -= 1
            await asyncio.to_thread(push_beside, place, f"by-{overtakes[0]}")
        return await passed(request)

    place.door.handle = handle
    sha = await place.branches().commit(place.wanted("2" * 40, web="two"))
    assert place.history() == ["2" * 40 + ": change", "by-0", "by-1", "1" * 40 + ": change", "Initial commit for env"]
    assert str(place.server.references["refs/heads/env"].target) == sha


def push_beside(place: Place, name: str, *others: str) -> None:
    """Somebody else's commit."""
    place.copy.git("fetch", "-q", "origin", "env")
    place.copy.git("checkout", "-q", "--detach", "FETCH_HEAD")
    place.copy.commit({path: name for path in (f"{name}.txt", *others)}, name)
    place.copy.git("push", "-q", "origin", "HEAD:refs/heads/env")


async def test_a_refusal_is_told_in_the_words_of_the_forge(place: Place) -> None:
    place.hook("update", 'case "$1" in refs/heads/env) echo "GH006: Protected branch update failed" >&2; exit 1;; esac')
    with pytest.raises(Unavailable, match=r"shop\.git refuses the push to env: .*GH006: Protected branch") as caught:
        await place.branches().commit(place.wanted("1" * 40, web="one"))
    assert (caught.value.reason, caught.value.after) == ("PushRefused", 120.0)
    place.hook("update", "exit 0")
    await place.branches().commit(place.wanted("1" * 40, web="one"))


@pytest.mark.compat("argocd:repository.write")
async def test_without_a_login_that_may_push_it_is_said_which_is_missing(place: Place) -> None:
    place.login = Credentials()
    with pytest.raises(Unavailable, match="secret-type: repository-write") as caught:
        await place.branches().commit(place.wanted("1" * 40, web="one"))
    assert caught.value.reason == "LoginRefused"
    place.login = replace(WRITER, password="wrong-p4ss")
    with pytest.raises(Unavailable, match="secret-type: repository-write") as caught:
        await place.branches().commit(place.wanted("1" * 40, web="one"))
    assert "p4ss" not in caught.value.message
    place.login = Credentials(github_app=GitHubApp("1", "2", "no key"))
    with pytest.raises(Unavailable, match="githubAppPrivateKey is no RSA private key"):  # a Secret that can be mended
        await place.branches().commit(place.wanted("1" * 40, web="one"))
    place.login = WRITER
    await place.branches().commit(place.wanted("1" * 40, web="one"))
    assert secrets_in(place.home, PASSWORD) == []


async def test_what_cannot_be_a_branch_or_lies_on_this_machine_is_refused(place: Place) -> None:
    for branch in ("no..branch", "-x y", "a\nb", "x.lock"):
        with pytest.raises(InvalidInput, match="no name for a branch"):
            await place.branches().commit(place.wanted("1" * 40, branch=branch, web="one"))
    local = replace(place.wanted("1" * 40, web="one"), repo_url=f"file://{place.bare}")
    with pytest.raises(InvalidInput, match="lies on this machine"):
        await place.branches(Reach(has_local=False)).commit(local)
    await place.branches().commit(local)
    assert place.history()[0] == "1" * 40 + ": change"
