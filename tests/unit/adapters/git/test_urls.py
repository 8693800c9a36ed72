"""One repository, many spellings."""

import pytest

from shipway.adapters.git.urls import normalize, parse_remote, redact

SAME = [
    "https://git.example.com/o/Shop",
    "https://git.example.com/o/Shop.git",
    "https://Git.Example.com/o/Shop.git/",
    "HTTPS://me:pw@git.example.com:443/o/Shop",
    " https://git.example.com/o/Shop ",
]
SAME_SSH = ["git@git.example.com:o/shop.git", "ssh://git@git.example.com/o/shop", "ssh://git.example.com:22/o/shop.git"]


@pytest.mark.parametrize("spellings", [SAME, SAME_SSH, ["/srv/git/shop.git", "file:///srv/git/shop"]])
@pytest.mark.compat("argocd:spec.source.repoURL")
def test_spellings_of_one_repository(spellings):
    assert len({normalize(url) for url in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a/x", "https://b/x"),
        ("https://a/x", "https://a/y"),
        ("https://a/x", "https://a:8443/x"),
        ("https://a/x", "http://a/x"),
    ],
)
def test_different_repositories(one, other):
    assert normalize(one) != normalize(other)


def test_git_is_given_no_password():
    remote = parse_remote("https://me:p%40ss@git.example.com:8443/o/shop.git")
    assert remote.address == "https://git.example.com:8443/o/shop.git"
    assert (remote.username, remote.password) == ("me", "p@ss")


def test_ssh_keeps_its_user_and_no_password():
    assert parse_remote("ssh://git:pw@git.example.com:2222/o/shop.git").address == "ssh://git@git.example.com:2222/o/shop.git"
    assert parse_remote("git@git.example.com:o/shop.git").address == "git@git.example.com:o/shop.git"


def test_redaction():
    assert redact("fatal: https://me:pw@host/x and pw2", "pw2") == "fatal: https://***@host/x and ***"
