"""Patterns over whole paths, with and without a separator."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, fixed_folder, has_magic


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.yaml", ["a.yaml", "d/a.yaml"], ["a.yml", ""]),
        ("{config.json,env-usw2/*}", ["config.json", "env-usw2/a/b"], ["env-usw2", "x/config.json"]),
        ("a?c", ["abc", "a/c"], ["ac", "abbc"]),
        ("[a-c].y", ["a.y"], ["d.y"]),
        ("[!a-c].y", ["d.y"], ["a.y"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a.b", ["a.b"], ["axb"]),
        ("", [""], ["a"]),
        ("a,b", ["a,b"], ["a"]),
        ("{a,{b,c}d}", ["a", "bd", "cd"], ["b"]),
    ],
)
def test_without_a_separator(pattern, yes, no):
    matches = compile_glob(pattern)
    assert [matches(text) for text in yes] == [True] * len(yes)
    assert [matches(text) for text in no] == [False] * len(no)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("env/*.yaml", ["env/a.yaml"], ["env/d/a.yaml", "a.yaml"]),
        ("env/**/*.yaml", ["env/a.yaml", "env/d/e/a.yaml"], ["a.yaml"]),
        ("env/**", ["env/a", "env/a/b"], ["other"]),
        ("a?c", ["abc"], ["a/c"]),
    ],
)
def test_with_a_separator(pattern, yes, no):
    matches = compile_glob(pattern, "/")
    assert [matches(text) for text in yes] == [True] * len(yes)
    assert [matches(text) for text in no] == [False] * len(no)


@pytest.mark.parametrize("pattern", ["[", "{a", "a}", "[z-a]", "\\", "[!]"])
def test_broken_patterns_are_refused(pattern):
    with pytest.raises(InvalidInput, match="not a valid pattern"):
        compile_glob(pattern)


def test_a_pattern_of_many_stars_ends():
    assert not compile_glob("*a" * 40)("a" * 39 + "b" * 5000)


def test_fixed_folder():
    assert [fixed_folder(p) for p in ("apps/*/x.yaml", "*.yaml", "a/b/c.yaml", "a/b*/**")] == ["apps", "", "a/b", "a"]
    assert has_magic("a*") and not has_magic("a.yaml")
