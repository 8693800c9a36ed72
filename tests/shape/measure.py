"""Measures Python source: lines, function sizes, parameters, nesting. Pure, over text and its syntax tree.

A function's size leaves out its docstring. Parameters leave out `self`, `cls`, `*args` and `**kwargs`. Nesting counts the
control-flow statements around the deepest one (if, for, while, try, match; an `elif` is not deeper than its `if`), not `with`.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

LIMITS = {"file_lines": 500, "function_lines": 60, "parameters": 6, "nesting": 3}

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FLOW = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Finding(NamedTuple):
    """`where` is the path, and for a function `path::Class.function`."""

    where: str
    rule: str
    value: int

    def __str__(self) -> str:
        return f"{self.where} {self.rule} {self.value}"


def findings(path: str, text: str, tree: ast.Module) -> list[Finding]:
    """What in this file is above a limit; `tree` is the parsed `text`."""
    found = [Finding(path, "file_lines", text.count("\n"))]
    for name, function in functions(tree):
        where = f"{path}::{name}"
        found.append(Finding(where, "function_lines", size(function)))
        found.append(Finding(where, "parameters", parameters(function)))
        found.append(Finding(where, "nesting", nesting(function.body)))
    return [f for f in found if f.value > LIMITS[f.rule]]


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with its qualified name, nested ones too."""
    for child in _statements(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
        deeper = f"{prefix}{child.name}." if isinstance(child, Function | ast.ClassDef) else prefix
        yield from functions(child, deeper)


def size(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    first = function.body[0]
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    return lines - ((first.end_lineno or 0) - first.lineno + 1)


def parameters(function: Function) -> int:
    """Named parameters, without the receiver."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    receiver = bool(names) and names[0] in ("self", "cls", "mcs")
    return len(names) + len(function.args.kwonlyargs) - receiver


def nesting(body: list[ast.stmt]) -> int:
    """Depth of control flow; functions inside count for themselves."""
    return max((_depth(statement) for statement in body), default=0)


def _depth(node: ast.AST) -> int:
    if isinstance(node, _SCOPE):
        return 0
    deepest = 0
    for child in _statements(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, _depth(child) - is_elif)
    return deepest + isinstance(node, _FLOW)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements directly inside, and the branches that hold more: no expression contains one."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        inside = getattr(node, block, ())
        yield from inside if isinstance(inside, list) else ()
