"""Revisions as they are shown."""

import pytest

from shipway.gitops.pinned import revision_of, short


@pytest.mark.parametrize(
    ("revision", "shown"),
    [("0123456789abcdef0123456789abcdef01234567", "0123456"), ("v1.2.3", "v1.2.3"), ("", ""), ("x" * 40, "x" * 40)],
)
def test_only_commits_are_shortened(revision: str, shown: str) -> None:
    assert short(revision) == shown


def test_several_sources_show_all_revisions() -> None:
    assert revision_of({"revisions": ["a" * 40, "1.2.3"]}) == "aaaaaaa,1.2.3"
