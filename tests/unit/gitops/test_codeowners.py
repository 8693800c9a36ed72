"""CODEOWNERS as GitHub reads it, by the examples of its documentation."""

import pytest

from shipway.gitops.codeowners import read_codeowners, rule_for

FILE = r"""# comment
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
/build/logs/ @doctocat
docs/*  docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @logs
/apps/ @octocat
/apps/github
!not-followed @nobody
[a-c].txt @nobody
my\ file @space
a/**/z @deep
src/** @src
x? @one
"""


@pytest.mark.parametrize(
    ("path", "number", "owners"),
    [
        ("README", 2, ("@global-owner1", "@global-owner2")),
        ("deep/er/README", 2, ("@global-owner1", "@global-owner2")),
        ("lib/x.js", 3, ("@js-owner",)),
        ("x.go", 4, ("docs@example.com",)),
        ("build/logs/x/y", 10, ("@logs",)),
        ("build/other", 2, ("@global-owner1", "@global-owner2")),
        ("docs/a.md", 8, ("@doctocat",)),
        ("other/apps/x", 7, ("@octocat",)),
        ("apps/x", 11, ("@octocat",)),
        ("apps/github/x", 12, ()),
        ("apps/githubs", 11, ("@octocat",)),
        ("deep/logs", 10, ("@logs",)),
        ("not-followed", 2, ("@global-owner1", "@global-owner2")),
        ("a.txt", 2, ("@global-owner1", "@global-owner2")),
        ("my file", 15, ("@space",)),
        ("a/z", 16, ("@deep",)),
        ("a/b/c/z/inside", 16, ("@deep",)),
        ("src/a/b", 17, ("@src",)),
        ("xy", 18, ("@one",)),
        ("xyz", 2, ("@global-owner1", "@global-owner2")),
    ],
)
def test_the_last_line_that_fits_counts(path: str, number: int, owners: tuple[str, ...]) -> None:
    found = rule_for(read_codeowners(FILE), path)
    assert found is not None and (found.number, found.owners) == (number, owners)


def test_a_star_after_a_folder_is_its_files_only() -> None:
    rules = read_codeowners("docs/* @docs")
    assert rule_for(rules, "docs/a.md") is not None
    assert rule_for(rules, "docs/build-app/troubleshooting.md") is None


@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "\x00\xff", "\\", "!a @b", "   "])
def test_what_says_nothing_owns_nothing(text: str) -> None:
    assert rule_for(read_codeowners(text), "a/b") is None
