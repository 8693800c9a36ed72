"""Who wrote a commit, who approved it, and by which pull request it came, in the words of the forges."""

from pathlib import Path

import pygit2
import pytest

from shipway.adapters.git.commit_facts import facts_of
from shipway.api.commits import CommitFacts
from shipway.base.errors import Unavailable
from tests.repository import WorkingCopy, seed


@pytest.fixture
def copy(tmp_path: Path) -> WorkingCopy:
    return seed(tmp_path, "shop", {"a": "1"})[0]


def committed(copy: WorkingCopy, message: str, who: str = "Ada <ada@x>") -> CommitFacts:
    copy.git("commit", "-q", "--allow-empty", f"--author={who}", "-m", message)
    return seen(copy)


def seen(copy: WorkingCopy) -> CommitFacts:
    return facts_of(pygit2.Repository(copy.path), copy.git("rev-parse", "HEAD"))


@pytest.mark.proves("000-21")
@pytest.mark.parametrize(
    ("message", "subject", "request_"),
    [
        ("Raise the limit", "Raise the limit", ""),
        ("Raise the limit (#12)", "Raise the limit (#12)", "#12"),
        ("Merge pull request #12 from ada/limit\n\nRaise the limit", "Raise the limit", "#12"),
        ("Merged in limit (pull request #12)\n\nRaise the limit", "Merged in limit (pull request #12)", "#12"),
        ("Merged PR 12: Raise the limit", "Merged PR 12: Raise the limit", "#12"),
        ("Pull request #12: Raise the limit", "Pull request #12: Raise the limit", "#12"),
        (
            "Merge branch 'limit' into 'main'\n\nRaise the limit\n\nSee merge request acme/shop!12",
            "Raise the limit",
            "acme/shop!12",
        ),
        ("Fix what #12 broke", "Fix what #12 broke", ""),
        ("Raise\n\nIt was wrong since (#12)", "Raise", ""),
    ],
)
def test_the_pull_request_is_read_off_the_message(copy: WorkingCopy, message: str, subject: str, request_: str) -> None:
    facts = committed(copy, message)
    assert (facts.author, facts.subject, facts.pull_request) == ("Ada <ada@x>", subject, request_)


@pytest.mark.proves("000-21")
def test_approvers_are_trailers(copy: WorkingCopy) -> None:
    trailers = "Reviewed-by: Ben <ben@x>\nApproved-by: Eve <eve@x>\nacked-by: Ben <ben@x>\nSigned-off-by: Dan <dan@x>"
    assert committed(copy, f"Raise\n\nBecause.\n\n{trailers}").approvers == ("Ben <ben@x>", "Eve <eve@x>")


def test_a_merge_of_a_forge_is_by_whom_it_merges(copy: WorkingCopy) -> None:
    copy.git("checkout", "-q", "-b", "limit")
    committed(copy, "Raise", "Ben <ben@x>")
    copy.git("checkout", "-q", "main")
    committed(copy, "Other")
    copy.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from ben/limit\n\nRaise", "limit")
    assert seen(copy).author == "Ben <ben@x>"


def test_what_is_not_there_is_unavailable(copy: WorkingCopy) -> None:
    with pytest.raises(Unavailable):
        facts_of(pygit2.Repository(copy.path), "f" * 40)
