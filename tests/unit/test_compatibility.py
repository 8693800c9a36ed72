"""The compatibility pages are those that their tables and tests make."""

from pathlib import Path

import pytest

from tests.compatibility import ROOT, Row, Section, Table, page_of, problems, read_marks, read_tables

TABLES = read_tables()


def test_every_row_has_a_test_and_every_mark_a_row() -> None:
    assert list(problems(TABLES, read_marks())) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: Path(table.page).stem)
def test_the_page_is_up_to_date(table: Table) -> None:
    assert (ROOT / table.page).read_text(encoding="utf-8") == page_of(table, read_marks()), (
        "run `python -m tests.compatibility`"
    )


def table_of(*rows: Row) -> Table:
    return Table("page.md", "t", "i", (Section("s", rows),))


@pytest.mark.parametrize(
    ("rows", "marks", "wrong"),
    [
        ((Row("a:b", "b", "works"),), {"a:b": ["t::x"]}, []),
        ((Row("a:b", "b", "works"),), {}, ["a:b: no test carries it"]),
        (
            (Row("a:b", "b", "differs"),),
            {"a:b": ["t::x"]},
            ["a:b: a reason belongs to what differs or is missing, and to nothing else"],
        ),
        ((), {"a:c": ["t::x"]}, ["a:c: in t::x, but in no table"]),
        ((Row("a:b", "b", "soon", "x"),), {"a:b": ["t::x"]}, ["a:b: the state is one of works, differs, not yet, not 'soon'"]),
    ],
)
def test_what_is_wrong_is_said(rows: tuple[Row, ...], marks: dict[str, list[str]], wrong: list[str]) -> None:
    assert list(problems([table_of(*rows)], marks)) == wrong


def test_marks_are_found_in_decorators(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_x.py").write_text(
        '@pytest.mark.compat("a:b", "a:c")\ndef test_one(): ...\n'
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.compat("a:d"))])\nasync def test_two(x): ...\n'
    )
    assert read_marks(tmp_path) == {
        "a:b": ["tests/test_x.py::test_one"],
        "a:c": ["tests/test_x.py::test_one"],
        "a:d": ["tests/test_x.py::test_two"],
    }
