"""Shell patterns as Go's glob libraries read them, in linear time whatever the pattern (RE2).

Without a separator `*` goes over slashes, as Argo CD matches directory files, projects and destinations (gobwas/glob). With
one it stops there and only `**` goes on, as in Helm value files (doublestar).
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import re2  # pyright: ignore[reportMissingTypeStubs]

from shipway.base.errors import InvalidInput

_RE2: Any = re2
_QUIET: Any = _RE2.Options()
_QUIET.log_errors = False
_MAGIC = re.compile(r"[*?\[{]")


def has_magic(pattern: str) -> bool:
    """Whether a pattern is more than a plain path."""
    return _MAGIC.search(pattern) is not None


def fixed_folder(pattern: str) -> str:
    """The folder above the first part with a pattern in it: `apps/*/x.yaml` lies below `apps`."""
    kept: list[str] = []
    for part in pattern.split("/")[:-1]:
        if has_magic(part):
            break
        kept.append(part)
    return "/".join(kept)


def compile_glob(pattern: str, separator: str = "") -> Callable[[str], bool]:
    """A test for whole strings: `*`, `**`, `?`, `[a-z]`, `[!a]`, `{one,two}`, `\\` escapes. Raises `InvalidInput`."""
    try:
        compiled = _RE2.compile("".join(_pieces(pattern, separator)), _QUIET)
    except (_RE2.error, IndexError):
        raise InvalidInput(f"{pattern!r} is not a valid pattern: check its brackets and braces", reason="InvalidGlob") from None
    return lambda text: compiled.fullmatch(text) is not None


def matches_segments(pattern: str) -> Callable[[str], bool]:
    """A test for whole paths as Go's `path.Match`: `*` and `?` stay within one part, `**` is no more than `*`, braces are
    plain. Raises `InvalidInput`."""
    parts = [segment_glob(part) for part in pattern.split("/")]

    def test(path: str) -> bool:
        names = path.split("/")
        return len(names) == len(parts) and all(part(name) for part, name in zip(parts, names, strict=True))

    return test


def segment_glob(part: str) -> Callable[[str], bool]:
    """A test for one part of a path (see `matches_segments`)."""
    plain = re.sub(r"\*+", "*", part).replace("{", "\\{").replace("}", "\\}")
    return compile_glob(plain, "/")


@lru_cache(maxsize=1024)
def glob_problem(pattern: str, compiled: Callable[[str], Any] = compile_glob) -> str:
    """Why a pattern is none for `compiled` (`compile_glob`, `glob_or_regex`); "" when it is one."""
    try:
        compiled(pattern)
    except InvalidInput as error:
        return error.message
    return ""


def glob_or_regex(pattern: str) -> Callable[[str], bool]:
    """A glob, or between slashes (`/^team-.*$/`) a regular expression that has to be found. Raises `InvalidInput`."""
    if not (len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")):
        return compile_glob(pattern)
    try:
        compiled = _RE2.compile(pattern[1:-1], _QUIET)
    except _RE2.error:
        raise InvalidInput(f"{pattern!r} is not a valid regular expression", reason="InvalidGlob") from None
    return lambda text: compiled.search(text) is not None


def _pieces(pattern: str, separator: str) -> Iterator[str]:
    """The regular expression, piece by piece."""
    some = f"[^{re.escape(separator)}]" if separator else "(?s:.)"
    at, depth = 0, 0
    while at < len(pattern):
        here = pattern[at]
        at += 1
        if here == "*":
            stars, at = _run_of_stars(pattern, at)
            piece, at = _stars(pattern, at, stars, some, separator)
            yield piece
        elif here == "[":
            end = pattern.index("]", at + 1) if "]" in pattern[at + 1 :] else len(pattern)
            inside = pattern[at:end].replace("\\", "\\\\")
            yield f"[^{inside[1:]}]" if inside[:1] in ("!", "^") else f"[{inside}" + ("]" if end < len(pattern) else "")
            at = end + 1
        elif here == "\\":
            yield re.escape(pattern[at])
            at += 1
        else:
            depth += {"{": 1, "}": -1}.get(here, 0)
            yield _single(here, some, depth)


def _run_of_stars(pattern: str, at: int) -> tuple[int, int]:
    start = at - 1
    while pattern[at : at + 1] == "*":
        at += 1
    return at - start, at


def _stars(pattern: str, at: int, stars: int, some: str, separator: str) -> tuple[str, int]:
    if stars < 2 or not separator:
        return f"{some}*", at
    if pattern[at : at + 1] == separator:
        return f"(?:(?s:.)*{re.escape(separator)})?", at + 1
    return "(?s:.)*", at


def _single(here: str, some: str, depth: int) -> str:
    if here == "?":
        return some
    if here == "{":
        return "(?:"
    if here == "}":
        return ")"
    return "|" if here == "," and depth > 0 else re.escape(here)
