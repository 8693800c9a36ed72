"""Which rows of docs/requirements.csv have a passing test.

A test names what it proves: `@pytest.mark.proves("000-23", "gitops:webhook-replay")`. The pytest plugin beside this file
writes what passed to `.cache/proof.json`; benches add the figures that met their target. `python -m tests.proof` reads it,
prints a table and, as its last line, `{"rows", "proven", "missing"}`. An id is a row of the table or `part:claim`; anything
else is refused, so that a misspelt row cannot look proven.
"""

import csv
import functools
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "requirements.csv"
RECORD = ROOT / ".cache" / "proof.json"
CLAIM = re.compile(r"[a-z]+:[a-z0-9-]+")


class Row(TypedDict):
    """One requirement; `kind` holds N (a number to meet) and W (only wished for)."""

    id: str
    study: str
    kind: str
    says: str
    acceptance: str


class Record(TypedDict):
    """`passed` maps a test's node id to what it proves; `code` is the digest of what was tested."""

    code: str
    passed: dict[str, list[str]]


@functools.cache
def read_rows(table: Path = TABLE) -> dict[str, Row]:
    """The rows by id, in the order of the table."""
    with table.open(newline="", encoding="utf-8") as lines:
        rows = [Row(**row) for row in csv.DictReader(lines)]  # type: ignore[typeddict-item]
    return {row["id"]: row for row in rows}


def unknown_ids(ids: list[str], rows: dict[str, Row]) -> list[str]:
    """Those that are neither a row nor `part:claim`."""
    return [i for i in ids if i not in rows and not CLAIM.fullmatch(i)]


def code_digest(root: Path = ROOT) -> str:
    """Changes with any Python file of src, tests or bench."""
    state = hashlib.sha256()
    for folder in ("src", "tests", "bench"):
        for file in sorted((root / folder).rglob("*.py")):
            state.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return state.hexdigest()[:16]


def merge(record: Record | None, code: str, ran: dict[str, list[str]], passed: set[str]) -> Record:
    """The record after one more run: it replaces what was known of the same tests; only passed ones prove anything."""
    known = {} if record is None or record["code"] != code else {n: i for n, i in record["passed"].items() if n not in ran}
    return Record(code=code, passed=known | {n: i for n, i in ran.items() if n in passed and i})


def read_record(path: Path = RECORD) -> Record | None:
    """What earlier runs wrote, or None."""
    return json.loads(path.read_text()) if path.exists() else None


def write_record(record: Record, path: Path = RECORD) -> None:
    """Replaces the file in one step."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1, sort_keys=True))
    part.replace(path)


def summary(rows: dict[str, Row], record: Record | None) -> tuple[list[str], list[str], dict[str, int]]:
    """(proven, missing, number of tests by claim)."""
    claims: dict[str, int] = {}
    for ids in record["passed"].values() if record else ():
        for one in ids:
            claims[one] = claims.get(one, 0) + 1
    return [i for i in rows if i in claims], [i for i in rows if i not in claims], claims


def main() -> int:
    """Prints the table and the JSON line; never fails: what is missing is an answer."""
    rows, record = read_rows(), read_record()
    proven, missing, claims = summary(rows, record)
    for number, row in rows.items():
        count = claims.get(number, 0)
        mark = f"{count} test{'s' if count > 1 else ''}" if count else "-"
        print(f"{number}  {row['kind']:<3} {mark:<9} {row['says'][:90]}")
    others = sum(1 for claim in claims if claim not in rows)
    print(f"\n{len(proven)} of {len(rows)} rows have a passing test; {others} further claims")
    if record is None or record["code"] != code_digest():
        print("The record is older than the code: run `make test`.", file=sys.stderr)
    print(json.dumps({"rows": len(rows), "proven": len(proven), "missing": missing}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
