"""Version ranges, by the examples of Masterminds/semver's own documentation."""

import pytest

from shipway.base.semver import highest_tag, parse_range, parse_version

YES_NO = [
    (">= 1.2, < 3.0.0 || >= 4.2.3", ["1.2.0", "2.9.9", "4.2.3"], ["1.1.9", "3.0.0", "4.2.2"]),
    ("1.2 - 1.4.5", ["1.2.0", "1.4.5"], ["1.4.6", "1.1.0"]),
    ("2.3.4 - 4.5", ["2.3.4", "4.5.9"], ["4.6.0"]),
    ("1.2.x", ["1.2.0", "1.2.9"], ["1.3.0"]),
    (">= 1.2.x", ["1.2.0", "2.0.0"], ["1.1.9"]),
    ("<= 2.x", ["2.9.9", "0.1.0"], ["3.0.0"]),
    ("> 1.2.x", ["1.3.0"], ["1.2.9"]),
    ("*", ["0.0.0", "9.9.9"], ["1.0.0-rc.1"]),
    ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
    ("~1", ["1.9.0"], ["2.0.0"]),
    ("~2.3", ["2.3.9"], ["2.4.0"]),
    ("~1.2.x", ["1.2.5"], ["1.3.0"]),
    ("^1.2.3", ["1.2.3", "1.9.0"], ["2.0.0", "1.2.2"]),
    ("^2.x", ["2.0.0", "2.5.0"], ["3.0.0"]),
    ("^0.2.3", ["0.2.9"], ["0.3.0", "0.2.2"]),
    ("^0.0.3", ["0.0.3"], ["0.0.4"]),
    ("^0.0", ["0.0.9"], ["0.1.0"]),
    ("^0", ["0.9.0"], ["1.0.0"]),
    ("!=1.2.3,>1", ["2.0.0"], ["1.2.3", "1.9.0"]),
    (">1.2.3-beta.2", ["1.2.3-beta.11", "1.2.3"], ["1.2.3-beta.2", "1.2.3-alpha"]),
    (">=v1.0.0", ["v1.0.0"], ["0.9.0"]),
]


@pytest.mark.parametrize(("text", "yes", "no"), YES_NO)
def test_ranges(text, yes, no):
    fits = parse_range(text)
    assert fits is not None
    assert [fits(parse_version(v)) for v in [*yes, *no]] == [True] * len(yes) + [False] * len(no)


@pytest.mark.parametrize(
    "text", ["main", "1.2.3", "v1", "1.2", "release-1.x", "feature/1.x", "", "HEAD", "1.x || main", ">= a"]
)
def test_what_is_no_range(text):
    assert parse_range(text) is None


def test_the_highest_tag():
    tags = ["v1.2.0", "1.10.0", "v1.9.9", "2.0.0-rc.1", "latest", "release-1.99.0"]
    assert highest_tag(tags, "1.x") == "1.10.0"
    assert highest_tag(tags, "^2") is None
    assert highest_tag(tags, ">=2.0.0-0") == "2.0.0-rc.1"
    assert highest_tag(tags, "main") is None
