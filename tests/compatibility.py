"""Compatibility pages: what users of another tool find here, generated from a table and the tests that prove its rows.

A table (`tests/compat/*.yaml`) lists what those users write. A row works, differs (and says why) or is not there yet (and says
why); whatever it claims needs a test with `@pytest.mark.compat(id)`: also that something is refused. Marks are read from the
source, so a page can be made without running anything. `python -m tests.compatibility` writes all pages.
"""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec.yaml
from msgspec import Struct

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "tests" / "compat"
STATES = ("works", "differs", "not yet")

Marks = Mapping[str, Sequence[str]]
"""The tests (`path::name`) that carry an id."""


class Row(Struct, frozen=True, array_like=True):
    """One thing that users write. `why` stands with everything that does not simply work."""

    id: str
    name: str
    state: str
    why: str = ""


class Section(Struct, frozen=True):
    title: str
    rows: tuple[Row, ...]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole page; `page` is its path in the repository."""

    page: str
    title: str
    intro: str
    sections: tuple[Section, ...]

    @property
    def rows(self) -> Iterator[Row]:
        for section in self.sections:
            yield from section.rows


def read_tables(folder: Path = TABLES) -> tuple[Table, ...]:
    return tuple(msgspec.yaml.decode(path.read_bytes(), type=Table) for path in sorted(folder.glob("*.yaml")))


def read_marks(root: Path = ROOT) -> dict[str, list[str]]:
    """Every `pytest.mark.compat(...)` below `tests/`, as a decorator of a test or inside one (`pytest.param`)."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for test, one in _marks_in(text) if "mark.compat(" in text else ():
            found.setdefault(one, []).append(f"{path.relative_to(root)}::{test}")
    return found


def _marks_in(text: str) -> Iterator[tuple[str, str]]:
    """(test, id) of a file."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((node.name, one) for one in _ids_in(node))


def _ids_in(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compat":
                yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def problems(tables: Sequence[Table], marks: Marks) -> Iterator[str]:
    """What is wrong between the tables and the tests, in sentences."""
    rows = [row for table in tables for row in table.rows]
    ids = [row.id for row in rows]
    for row in rows:
        if row.state not in STATES:
            yield f"{row.id}: the state is one of {', '.join(STATES)}, not {row.state!r}"
        if (row.state == "works") == bool(row.why):
            yield f"{row.id}: a reason belongs to what differs or is missing, and to nothing else"
        if not marks.get(row.id):
            yield f"{row.id}: no test carries it"
        if ids.count(row.id) > 1:
            yield f"{row.id}: stands there twice"
    for one in sorted(set(marks) - set(ids)):
        yield f"{one}: in {marks[one][0]}, but in no table"


def page_of(table: Table, marks: Marks) -> str:
    """The page as Markdown."""
    counts = {state: sum(row.state == state for row in table.rows) for state in STATES}
    lines = [
        f"# {table.title}",
        "",
        "<!-- Generated: `python -m tests.compatibility` -->",
        "",
        table.intro.strip(),
        "",
        f"{counts['works']} work, {counts['differs']} differ, {counts['not yet']} are not there yet.",
    ]
    for section in table.sections:
        lines += ["", f"## {section.title}", "", "| what | | why | tests |", "|---|---|---|---|"]
        lines += [f"| {row.name} | {row.state} | {row.why} | {_tests(marks.get(row.id, ()))} |" for row in section.rows]
    return "\n".join(lines) + "\n"


def _tests(nodes: Sequence[str]) -> str:
    files = dict.fromkeys(node.partition("::")[0] for node in nodes)
    return ", ".join(f"[{Path(file).stem.removeprefix('test_')}](../{file})" for file in files)


def main() -> int:
    tables, marks = read_tables(), read_marks()
    for problem in (found := list(problems(tables, marks))):
        print(problem, file=sys.stderr)
    for table in tables:
        (ROOT / table.page).write_text(page_of(table, marks), encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
