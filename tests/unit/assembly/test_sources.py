"""Whose question a push may be news to: the same place by any protocol, and no branch that is certainly another."""

import pytest

from shipway.adapters.git.urls import place_of
from shipway.assembly.sources import may_follow

PUSHED = ("https://git.example.com/o/shop.git", "git@git.example.com:o/shop.git")


@pytest.mark.parametrize(
    ("url", "is_it"),
    [
        ("https://git.example.com/o/shop", True),
        ("https://Git.Example.com/O/Shop.git/", True),
        ("http://git.example.com:8080/o/shop", True),
        ("https://robot@git.example.com/o/shop", True),
        ("git@git.example.com:o/shop.git", True),
        ("ssh://git@git.example.com:7999/o/shop.git", True),
        ("https://git.example.com/o/shopping", False),
        ("https://git.example.com/x/o/shop", False),
        ("https://git.example.com.evil/o/shop", False),
        ("https://evil-git.example.com/o/shop", False),
        ("not a url", False),
    ],
)
def test_one_repository_under_all_its_urls(url: str, is_it: bool) -> None:
    assert (place_of(url) in map(place_of, PUSHED)) is is_it


def test_azure_by_ssh_and_https() -> None:
    pushed = "https://dev.azure.com/o/My%20P/_git/shop"
    for url in ("git@ssh.dev.azure.com:v3/o/My%20P/shop", "https://o@dev.azure.com/o/My%20P/_git/shop"):
        assert place_of(url) == place_of(pushed)


@pytest.mark.parametrize(
    ("revision", "refs", "is_news"),
    [
        ("main", ("refs/heads/main",), True),
        ("main", ("refs/heads/other", "refs/heads/main"), True),
        ("main", ("refs/tags/main",), True),
        ("refs/heads/main", ("refs/heads/main",), True),
        ("feature/x", ("refs/heads/feature/x",), True),
        ("x", ("refs/heads/feature/x",), False),
        ("main", ("refs/heads/other",), False),
        ("v1.*", ("refs/tags/v1.2",), True),
        ("v1.*", ("refs/heads/main",), False),
        ("HEAD", ("refs/heads/other",), True),
        ("", ("refs/heads/other",), True),
        ("b" * 40, ("refs/heads/other",), True),
        ("main", (), True),
    ],
)
def test_another_branch_is_no_news(revision: str, refs: tuple[str, ...], is_news: bool) -> None:
    assert may_follow(revision, refs) is is_news
