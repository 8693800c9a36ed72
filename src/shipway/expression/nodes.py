"""The tree of an expression. Every node is a frozen value; `at` is the offset that error messages point to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Node(Struct, frozen=True):
    at: int


class Literal(Node, frozen=True):
    value: Any


class Name(Node, frozen=True):
    """A variable of the environment, of an enclosing `let`, or (`#`, `#index`, `#acc`) of the enclosing closure."""

    name: str


class ListOf(Node, frozen=True):
    items: tuple[Node, ...]


class MapOf(Node, frozen=True):
    entries: tuple[tuple[Node, Node], ...]


class Unary(Node, frozen=True):
    operator: str
    operand: Node


class Binary(Node, frozen=True):
    operator: str
    left: Node
    right: Node


class Choice(Node, frozen=True):
    condition: Node
    then: Node
    otherwise: Node


class Member(Node, frozen=True):
    """`target.key`, `target[key]`; with `optional` (`?.`) nil stays nil, and so does the rest of the chain."""

    target: Node
    key: Node
    optional: bool = False


class Chain(Node, frozen=True):
    """Where an optional member's nil stops travelling."""

    body: Node


class Slice(Node, frozen=True):
    target: Node
    start: Node | None
    stop: Node | None


class Call(Node, frozen=True):
    function: str
    arguments: tuple[Node, ...]


class Invoke(Node, frozen=True):
    """`target.name(…)`: a function of a library, or a method of a time."""

    function: Member
    arguments: tuple[Node, ...]


class Closure(Node, frozen=True):
    body: Node


class Let(Node, frozen=True):
    name: str
    value: Node
    body: Node
