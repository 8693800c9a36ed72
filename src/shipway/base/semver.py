"""Version ranges over tags: `targetRevision: 1.*`, `^1.2`, `>=1.0 <2.0 || 3.x`, `1.2 - 1.4`.

The grammar and its meaning are those of Masterminds/semver, which Argo CD uses: parts may be missing, `v` may lead, `,` or a
blank means and, `||` or. A pre-release counts only where the range itself names one.
"""

import re
from collections.abc import Callable, Iterable

from msgspec import Struct

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_PART = r"v?(?:\d+|[xX*])(?:\.(?:\d+|[xX*]))?(?:\.(?:\d+|[xX*]))?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_TERM = re.compile(rf"\s*(!=|>=|=>|<=|=<|~>|[=<>~^])?\s*({_PART})\s*,?")
_HYPHEN = re.compile(rf"\s*({_PART})\s+-\s+({_PART})\s*")
_ALIASES = {"=>": ">=", "=<": "<=", "~>": "~", "": "="}


class Version(Struct, frozen=True):
    """Comparable by `order`; `pre` is "" for a release."""

    major: int
    minor: int
    patch: int
    pre: str = ""

    @property
    def order(self) -> tuple[object, ...]:
        """Semantic version precedence: a release is above its pre-releases, numbers are below words."""
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre.split(".")) if self.pre else ()
        return self.major, self.minor, self.patch, not self.pre, parts


Test = Callable[[Version], bool]


def parse_version(text: str) -> Version | None:
    match = _VERSION.fullmatch(text.strip())
    return Version(int(match[1]), int(match[2] or 0), int(match[3] or 0), match[4] or "") if match else None


def highest_tag(tags: Iterable[str], range_text: str) -> str | None:
    """The tag with the highest version inside a range; None when the text is no range or no tag fits."""
    fits = parse_range(range_text)
    if fits is None:
        return None
    versions = [(version.order, tag) for tag in tags if (version := parse_version(tag)) is not None and fits(version)]
    return max(versions)[1] if versions else None


def parse_range(text: str) -> Test | None:
    """A test for versions; None for what is no range, an exact version among it (that is simply a tag's name)."""
    if parse_version(text) is not None:
        return None
    alternatives = [_all_of(part) for part in text.split("||")]
    known = [test for test in alternatives if test is not None]
    if len(known) < len(alternatives):
        return None
    return lambda version: any(test(version) for test in known)


def _all_of(text: str) -> Test | None:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        terms = [(">=", hyphen[1]), ("<=", hyphen[2])]
    else:
        matches = list(_TERM.finditer(text))
        if not matches or "".join(m[0] for m in matches) != text:
            return None
        terms = [(_ALIASES.get(m[1] or "", m[1] or ""), m[2]) for m in matches]
    tests = [_term(operator, bound) for operator, bound in terms]
    return lambda version: all(test(version) for test in tests)


def _term(operator: str, text: str) -> Test:
    """One comparison. A missing or wild part leaves everything below it open."""
    core, _, pre = text.partition("+")[0].partition("-")
    given = [int(p) for p in _until_wild(core.removeprefix("v").split("."))]
    major, minor, patch = _filled(given)
    low = Version(major, minor, patch, pre)
    exclusive_top = _top(operator, given)

    def inside(version: Version) -> bool:
        if version.pre and not pre:
            return False
        at_least = version.order >= low.order
        below = exclusive_top is None or (version.major, version.minor, version.patch) < exclusive_top
        return {
            "=": at_least and below,
            "~": at_least and below,
            "^": at_least and below,
            "!=": not (at_least and below),
            ">=": at_least,
            "<": version.order < low.order,
            ">": version.order > low.order if len(given) == 3 else not below,
            "<=": version.order <= low.order if len(given) == 3 else below,
        }[operator]

    return inside


def _until_wild(parts: list[str]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if not part.isdigit():
            break
        kept.append(part)
    return kept


def _filled(given: list[int]) -> tuple[int, int, int]:
    major, minor, patch = [*given, 0, 0, 0][:3]
    return major, minor, patch


def _top(operator: str, given: list[int]) -> tuple[int, int, int] | None:
    """The first version above what an operator allows; None: no limit."""
    if not given:
        return None
    major, minor, patch = _filled(given)
    if operator == "^":
        if major > 0 or len(given) == 1:
            return major + 1, 0, 0
        if minor > 0 or len(given) == 2:
            return 0, minor + 1, 0
        return 0, 0, patch + 1
    if len(given) == 1:
        return major + 1, 0, 0
    if len(given) == 2 or operator == "~":
        return major, minor + 1, 0
    return major, minor, patch + 1
