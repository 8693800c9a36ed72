"""Who committed what between two commits: the facts that rights are judged by."""

from pathlib import Path

import pygit2
import pytest

from shipway.adapters.git.changes import MAX_COMMITS, changes_of
from shipway.api.commits import ChangesRequest, Committed
from shipway.base.errors import InvalidInput, Unavailable
from tests.repository import WorkingCopy, seed

FIRST = {"CODEOWNERS": "* one\n", "a/x": "1", "b/x": "1"}


class History:
    """A repository in which several people commit."""

    def __init__(self, copy: WorkingCopy) -> None:
        self.copy = copy
        self.start = copy.git("rev-parse", "HEAD")

    def by(self, who: str, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        """A commit of `who@x`."""
        self.copy.git("config", "user.name", who)
        self.copy.write(files)
        self.copy.git("add", "-A")
        self.as_(who, "commit", "-q", "--allow-empty", "-m", message)
        return self.copy.git("rev-parse", "HEAD")

    def as_(self, who: str, *arguments: str) -> str:
        return self.copy.git("-c", f"alias.as=!GIT_AUTHOR_EMAIL={who}@x GIT_COMMITTER_EMAIL={who}@x git", "as", *arguments)

    def merge(self, who: str, branch: str, message: str = "Merge") -> str:
        self.as_(who, "merge", "-q", "--no-ff", "-m", message, branch)
        return self.copy.git("rev-parse", "HEAD")

    def import_commits(self, count: int) -> None:
        """So many empty commits on the branch `long`."""
        who = "committer E <e@x> 1700000000 +0000"
        commits = "".join(f"commit refs/heads/long\n{who}\ndata 1\nx\n" for _ in range(count))
        (self.copy.path / "stream").write_text(f"reset refs/heads/long\nfrom {self.start}\n\n{commits}")
        self.copy.git("-c", "alias.load=!git fast-import --quiet < stream", "load")

    def seen(self, *paths: str, since: str = "", until: str = "HEAD") -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        return [(one.commit, one.people, one.paths) for one in self.facts(*paths, since=since, until=until)]

    def facts(self, *paths: str, since: str = "", until: str = "HEAD") -> tuple[Committed, ...]:
        end = self.copy.git("rev-parse", until)
        start = self.copy.git("rev-parse", since) if since else self.start
        request = ChangesRequest(self.copy.url, "main", start, end, paths or ("",))
        repository = pygit2.Repository(self.copy.path)
        return changes_of(repository, request)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(seed(tmp_path, "shop", dict(FIRST))[0])


def test_each_commit_with_its_people_and_the_paths_that_are_asked_about(history: History) -> None:
    one = history.by("ann", {"a/x": "2", "b/x": "2"}, "Change\n\nApproved-by: Bob B. <Bob@X>\napproved-by: eve@x\n")
    two = history.by("bob", {"b/x": "3"})
    assert history.seen() == [(two, ("bob@x",), ("b/x",)), (one, ("ann@x", "bob@x"), ("a/x", "b/x"))]
    assert history.seen("a") == [(one, ("ann@x", "bob@x"), ("a/x",))]
    assert history.seen("a/x", "c") == history.seen("a")
    assert history.seen(since=one) == [(two, ("bob@x",), ("b/x",))]
    assert history.seen(until=history.start) == history.seen(since=two, until=one) == []


def test_a_rename_and_a_removal_touch_both_names(history: History) -> None:
    history.by("ann", {"a/x": None, "a/y": "1", "b/x": None})
    assert history.facts()[0].paths == ("a/x", "a/y", "b/x")


def test_rules_are_those_of_before_and_a_change_of_them_is_always_seen(history: History) -> None:
    history.by("ann", {"CODEOWNERS": "* two\n"})
    history.by("ann", {".github/CODEOWNERS": "* three\n"})
    history.by("ann", {"a/x": "2"})
    told = [(one.paths, one.codeowners, one.file) for one in history.facts("a")]
    assert told == [
        (("a/x",), "* three\n", ".github/CODEOWNERS"),
        ((".github/CODEOWNERS",), "* two\n", "CODEOWNERS"),
        (("CODEOWNERS",), "* one\n", "CODEOWNERS"),
    ]


def test_a_merge_is_seen_as_what_it_brings_with_whoever_merged(history: History) -> None:
    history.copy.git("checkout", "-q", "-b", "branch")
    one = history.by("ann", {"a/x": "2"})
    two = history.by("bob", {"CODEOWNERS": "", "a/y": "1"})
    history.copy.git("checkout", "-q", "main")
    between = history.by("cat", {"b/x": "2"})
    merge = history.merge("own", "branch", "Merge\n\nApproved-by: Dan <dan@x>")
    people = ("own@x", "dan@x")
    assert history.seen("a", "b") == [
        (two, ("bob@x", *people), ("CODEOWNERS", "a/y")),
        (one, ("ann@x", *people), ("a/x",)),
        (between, ("cat@x",), ("b/x",)),
    ]
    assert {one.codeowners for one in history.facts()} == {"* one\n"}
    assert merge not in [one.commit for one in history.facts()]


def test_what_a_merge_makes_itself_is_its_own(history: History) -> None:
    history.copy.git("checkout", "-q", "-b", "branch")
    history.by("own", {"a/x": "2"})
    history.copy.git("checkout", "-q", "main")
    history.by("own", {"b/x": "2"})
    history.merge("eve", "branch")
    history.copy.write({"a/x": "evil", "b/x": "evil"})
    history.as_("eve", "commit", "-qa", "--amend", "--no-edit", "--reset-author")
    (evil,) = [one for one in history.facts() if one.people == ("eve@x",)]
    assert evil.paths == ("a/x", "b/x")


def test_a_merge_the_wrong_way_round_is_one_change_of_its_author(history: History) -> None:
    """Else whoever may push would bring in rules from before there were any."""
    old = history.start
    base = history.by("own", {"CODEOWNERS": "* strict\n"})
    history.copy.git("checkout", "-q", "-b", "evil", old)
    history.by("eve", {"a/x": "evil", "CODEOWNERS": ""})
    history.copy.git("-c", "user.name=e", "merge", "-q", "-s", "ours", "-m", "Merge", "main")
    history.as_("eve", "commit", "-q", "--amend", "--no-edit", "--reset-author")
    (found,) = history.facts(since=base)
    assert (found.people, found.paths, found.codeowners) == (("eve@x",), ("CODEOWNERS", "a/x"), "* strict\n")


def test_a_branch_that_was_written_anew_is_one_change(history: History) -> None:
    base = history.by("own", {"CODEOWNERS": "* strict\n"})
    history.copy.git("checkout", "-q", "--orphan", "new")
    history.by("eve", {"a/x": "evil"})
    (found,) = history.facts("a", since=base)
    assert (found.people, found.paths, found.codeowners) == (("eve@x",), ("a/x",), "* strict\n")


def test_a_later_commit_may_approve(history: History) -> None:
    one = history.by("ann", {"a/x": "2"})
    history.by("own", {}, f"Look at it\n\nApproves: {one[:9]}\n")
    history.by("eve", {}, "Approves nothing: deadbeef\n")
    assert history.seen(until=one) == [(one, ("ann@x", "own@x"), ("a/x",))]


def test_what_cannot_be_told_is_an_error(history: History) -> None:
    gone = ChangesRequest(history.copy.url, "main", "0" * 40, history.start, ("",))
    with pytest.raises(Unavailable, match="commit 000000000000 is not in the mirror"):
        changes_of(pygit2.Repository(history.copy.path), gone)
    history.import_commits(MAX_COMMITS + 1)
    with pytest.raises(InvalidInput, match=f"more than {MAX_COMMITS} commits lie between"):
        history.facts(until="long")
    assert history.facts(since="long~5", until="long") == ()
