"""Flags and words as the kubectl plugin of Argo Rollouts reads them: Go's pflag, whose habits scripts rely on. Pure.

Flags stand anywhere, before the command too (`-n shop get rollout web`); `-wA`, `-nshop`, `-n=shop`, `--watch=false` and `--`
are understood. A value is read here already, so that a mistake is told before anything is asked of a cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class Flag(Struct, frozen=True):
    """One flag. `kind` says how its value is read; a switch needs none."""

    name: str
    short: str = ""
    kind: Literal["switch", "text", "number", "duration", "list"] = "text"
    text: str = ""

    @property
    def spelled(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Line(Struct, frozen=True):
    """A command line taken apart: its words, and flags by name with their values."""

    words: tuple[str, ...]
    flags: Mapping[str, Any]


def read_line(arguments: Sequence[str], known: Sequence[Flag]) -> Line:
    """Raises InvalidInput for a flag that is not known or lacks its value."""
    by_name = {flag.name: flag for flag in known}
    by_short = {flag.short: flag for flag in known if flag.short}
    words: list[str] = []
    flags: dict[str, Any] = {}
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            words += left
        elif argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            if name not in by_name:
                raise InvalidInput(f"unknown flag: --{name}")
            _put(flags, by_name[name], value if equals else None, left, f"--{name}")
        elif argument.startswith("-") and argument != "-":
            _put_short(flags, argument, by_short, left)
        else:
            words.append(argument)
    return Line(tuple(words), flags)


def _put_short(flags: dict[str, Any], argument: str, by_short: Mapping[str, Flag], left: Iterator[str]) -> None:
    """`-w`, `-wA`, `-nshop`, `-n=shop`, `-n shop`."""
    rest = argument[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        flag = by_short.get(letter)
        if flag is None:
            raise InvalidInput(f"unknown shorthand flag: '{letter}' in {argument}")
        if rest.startswith("=") or (rest and flag.kind != "switch"):
            return _put(flags, flag, rest.removeprefix("="), left, f"'{letter}' in {argument}")
        _put(flags, flag, None, left, f"'{letter}' in {argument}")
    return None


def _put(flags: dict[str, Any], flag: Flag, text: str | None, left: Iterator[str], said: str) -> None:
    if text is None:
        text = "true" if flag.kind == "switch" else next(left, None)
    if text is None:
        raise InvalidInput(f"flag needs an argument: {said}")
    try:
        value = _value(flag, text)
    except ValueError as error:
        raise InvalidInput(f'invalid argument "{text}" for "{flag.spelled}" flag: {error}') from None
    flags[flag.name] = [*flags.get(flag.name, ()), value] if flag.kind == "list" else value


def _value(flag: Flag, text: str) -> Any:
    if flag.kind == "switch":
        if text not in (*TRUE, *FALSE):
            raise ValueError("write true or false")
        return text in TRUE
    if flag.kind == "number":
        if not text.removeprefix("-").isdecimal():
            raise ValueError("write a whole number")
        return int(text)
    return parse_duration(text) if flag.kind == "duration" else text
