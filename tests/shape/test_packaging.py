"""What a fresh machine installs is pinned, from wherever it installs, and the licence is the one that is named."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PINS = (ROOT / "constraints.txt").read_text().splitlines()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_plain_pins() -> None:
    assert [line for line in PINS if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+]+", line)] == []
    assert sorted(PINS, key=lambda line: normal(line.split("==")[0])) == PINS


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {normal(re.split(r"[<>=\[;~! ]", dependency)[0]) for dependency in wanted}
    assert sorted(names - {normal(line.split("==")[0]) for line in PINS}) == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
