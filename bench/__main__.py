"""`python -m bench [--check] [NAME ...]`: runs benchmarks, prints a table for people and one JSON line for programs, last.

A benchmark is a file `bench_<name>.py` with `run() -> dict` (async allowed) that returns its figures by name; the unit is
the end of the name (`seconds`, `events_per_s`, `mb`). What a figure must reach stands in targets.json, by benchmark and
figure: `{"max": x}` or `{"min": x}`, and `"proves"` with rows of docs/requirements.csv that the figure decides. With
`--check` a missed target exits 1, and met rows go into the record of `make proof`.
"""

import argparse
import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import proof

FOLDER = Path(__file__).parent
Figures = dict[str, float]
Targets = dict[str, dict[str, dict[str, Any]]]


def names() -> list[str]:
    """All benchmarks."""
    return sorted(file.stem.removeprefix("bench_") for file in FOLDER.glob("bench_*.py"))


def run_one(name: str) -> Figures:
    """The figures of one benchmark."""
    made = importlib.import_module(f"bench.bench_{name}").run()
    return asyncio.run(made) if inspect.iscoroutine(made) else made


def is_met(value: float | None, target: dict[str, Any]) -> bool:
    """Whether a figure reaches its target; a figure that was not measured does not."""
    return value is not None and target.get("min", value) <= value <= target.get("max", value)


def verdicts(name: str, figures: Figures, targets: Targets) -> Iterable[tuple[str, float | None, dict[str, Any] | None]]:
    """(figure, value, target) for each figure measured or wanted."""
    wanted = targets.get(name, {})
    for figure in [*figures, *(figure for figure in wanted if figure not in figures)]:
        yield figure, figures.get(figure), wanted.get(figure)


def line(name: str, figure: str, value: float | None, target: dict[str, Any] | None) -> str:
    """One row of the table."""
    aim = (
        " ".join(f"{'>=' if side == 'min' else '<='} {target[side]:,}" for side in ("min", "max") if side in target)
        if target
        else ""
    )
    mark = "" if target is None else "ok" if is_met(value, target) else "MISSED"
    shown = "not measured" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{name:<20} {figure:<28} {shown:>14}  {aim:<14} {mark}".rstrip()


def remember(met: dict[str, list[str]], ran: dict[str, list[str]]) -> None:
    """Adds the rows that met targets decide to the record of `make proof`."""
    proof.write_record(proof.merge(proof.read_record(), proof.code_digest(), ran, set(met)))


def main(arguments: list[str]) -> int:
    """Exit code 1 when a target was missed under --check, 2 for an unknown benchmark."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names())):
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    targets: Targets = json.loads((FOLDER / "targets.json").read_text())
    results: dict[str, Figures] = {}
    missed: list[str] = []
    ran: dict[str, list[str]] = {}
    for name in options.names or names():
        results[name] = run_one(name)
        for figure, value, target in verdicts(name, results[name], targets):
            print(line(name, figure, value, target), flush=True)
            if target is not None:
                ran[f"bench::{name}.{figure}"] = target.get("proves", [])
                missed += [] if is_met(value, target) else [f"{name}.{figure}"]
    if options.check:
        remember({node: ids for node, ids in ran.items() if node.removeprefix("bench::") not in missed}, ran)
    print(json.dumps({"benches": results, "missed": missed}))
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
