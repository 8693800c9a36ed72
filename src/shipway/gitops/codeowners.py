"""CODEOWNERS as GitHub reads it: which line says to whom a path belongs.

The last line that fits counts; one without owners gives a path to everybody. What GitHub does not follow it skips, and so do
we: `!` and `[ ]` in a pattern. `docs/*` is the files of a folder, not those of its folders (GitHub: About code owners).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2  # pyright: ignore[reportMissingTypeStubs]
from msgspec import Struct

_RE2: Any = re2
_WORD = re.compile(r"(?:\\.|[^\s\\])+")


class Rule(Struct, frozen=True):
    """A line: its number, its text, the test of a path, and the owners as they are written."""

    number: int
    text: str
    expression: str
    owners: tuple[str, ...]

    def fits(self, path: str) -> bool:
        return _compiled(self.expression).fullmatch(path) is not None


@lru_cache(maxsize=64)
def read_codeowners(text: str) -> tuple[Rule, ...]:
    """The lines that say something, in their order."""
    found: list[Rule] = []
    for number, line in enumerate(text.splitlines(), 1):
        words: list[str] = _WORD.findall(line)
        comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
        words = words[:comment]
        if not words or words[0].startswith("!") or set("[]") & set(words[0]):
            continue
        found.append(Rule(number, " ".join(words), _expression(words[0]), tuple(words[1:])))
    return tuple(found)


def rule_for(rules: Sequence[Rule], path: str) -> Rule | None:
    """The line that counts for a path."""
    return next((rule for rule in reversed(rules) if rule.fits(path)), None)


def _expression(pattern: str) -> str:
    """A regular expression for whole paths. A folder is everything below it."""
    plain = re.sub(r"\\(.)", r"\1", pattern)
    is_folder, parts = plain.endswith("/"), plain.strip("/").split("/")
    is_anchored = plain.startswith("/") or len(parts) > 1
    start = "" if is_anchored else "(?:.*/)?"
    if parts == [""]:
        return ".*"
    middle = ""
    for part in parts[:-1]:
        middle += "(?:.*/)?" if part == "**" else f"{_segment(part)}/"
    if parts[-1] == "**":
        return f"{start}{middle}.*"
    below = "/.*" if is_folder else "" if parts[-1] == "*" and len(parts) > 1 else "(?:/.*)?"
    return f"{start}{middle}{_segment(parts[-1])}{below}"


def _segment(part: str) -> str:
    return "".join("[^/]*" if char == "*" else "[^/]" if char == "?" else re.escape(char) for char in part)


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return _RE2.compile(expression)
