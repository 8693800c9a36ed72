"""How a kustomization spells a base in another repository."""

import pytest

from shipway.adapters.kustomize.remote import looks_remote, parse_base


@pytest.mark.parametrize(
    ("entry", "url", "path", "revision"),
    [
        ("https://git.x/team/app.git//deploy/base?ref=v1", "https://git.x/team/app.git", "deploy/base", "v1"),
        ("https://git.x/team/app.git/deploy?ref=v1", "https://git.x/team/app.git", "deploy", "v1"),
        ("https://git.x/a/b/c//deploy", "https://git.x/a/b/c", "deploy", "HEAD"),
        ("https://github.com/org/app/deploy/base?ref=main", "https://github.com/org/app", "deploy/base", "main"),
        ("github.com/org/app/deploy?ref=main", "https://github.com/org/app", "deploy", "main"),
        ("github.com/org/app?ref=abc&timeout=90s", "https://github.com/org/app", "", "abc"),
        ("git::https://git.x/team/app.git//a?version=v2", "https://git.x/team/app.git", "a", "v2"),
        ("git@git.x:team/app.git//deploy?ref=v1", "git@git.x:team/app.git", "deploy", "v1"),
        ("git@git.x:team/app.git", "git@git.x:team/app.git", "", "HEAD"),
        ("git@git.x:team/app", "git@git.x:team/app", "", "HEAD"),
        ("ssh://git@git.x:2222/team/app.git//a", "ssh://git@git.x:2222/team/app.git", "a", "HEAD"),
        ("http://127.0.0.1:8080/app.git//a?ref=main", "http://127.0.0.1:8080/app.git", "a", "main"),
    ],
)
def test_a_remote_base(entry: str, url: str, path: str, revision: str) -> None:
    assert looks_remote(entry)
    base = parse_base(entry, "kustomization.yaml")
    assert (base.repository.repo_url, base.path, base.repository.revision) == (url, path, revision)
