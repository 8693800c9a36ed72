"""The shape of the house: sizes, names, theory at the top of each file, and no module outside the layers.

`exceptions.txt` lists what is allowed to be larger: `where rule value` a line. The list may only shrink: an entry that is no
longer needed, or that allows more than what is there, fails; so does a list longer than EXCEPTIONS.
"""

import ast
import functools
import gc
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shape import measure

ROOT = Path(__file__).parent.parent.parent
EXCEPTIONS = 3
FORBIDDEN = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
FAKES = re.compile(r"\bmock\b|\bmonkeypatch\b|\bsleep\b")
"""Only files that say one of these words can use what it names."""
SOURCES = sorted(file for folder in ("src", "tests", "bench") for file in (ROOT / folder).rglob("*.py"))
PACKAGE = [file for file in SOURCES if file.is_relative_to(ROOT / "src")]


@pytest.fixture(scope="module", autouse=True)
def _no_collector() -> Iterator[None]:
    """Millions of nodes that stay: looking through them again and again takes as long as reading the files."""
    gc.disable()
    yield
    gc.enable()


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def allowed() -> list[str]:
    lines = (ROOT / "tests/shape/exceptions.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


@functools.cache
def found() -> frozenset[str]:
    """What is above a limit, anywhere."""
    return frozenset(str(f) for file in SOURCES for f in measure.findings(relative(file), file.read_text(), parsed(file)))


def test_nothing_is_larger_than_the_limits() -> None:
    too_large = sorted(found() - set(allowed()))
    assert not too_large, "\n" + "\n".join(too_large)


def test_every_exception_is_still_needed() -> None:
    assert sorted(set(allowed()) - found()) == []
    assert len(allowed()) <= EXCEPTIONS


def test_names_are_the_fields_words() -> None:
    named = {part for file in SOURCES for part in (file, *file.relative_to(ROOT).parents)}
    wrong = sorted(str(path) for path in named if FORBIDDEN & set(re.split(r"[_\-.]", Path(path).stem)))
    assert wrong == []


def test_every_file_says_what_it_is() -> None:
    silent = [relative(file) for file in PACKAGE if file.read_text().strip() and not ast.get_docstring(parsed(file))]
    assert silent == []


def test_every_module_stands_in_a_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in settings["contracts"] if c["type"] == "layers")
    homes = tuple(name.strip(" ()") for layer in layers for name in layer.split("|"))
    modules = [
        relative(file).removeprefix("src/").removesuffix(".py").replace("/", ".")
        for file in PACKAGE
        if file.name != "__init__.py"
    ]
    assert [m for m in modules if not any(m == home or m.startswith(f"{home}.") for home in homes)] == []


def test_tests_use_real_parts_and_do_not_wait() -> None:
    wrong: list[str] = []
    for file in (file for file in SOURCES if file.name.startswith("test_") and FAKES.search(file.read_text())):
        for node in ast.walk(parsed(file)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{a.name}" for a in node.names] if isinstance(node, ast.ImportFrom) else []
            names += ["monkeypatch"] if isinstance(node, ast.arg) and node.arg == "monkeypatch" else []
            names += [ast.unparse(node.func)] if isinstance(node, ast.Call) else []
            wrong += [
                f"{relative(file)}: {n}" for n in names if n.startswith("unittest.mock") or n in ("monkeypatch", "time.sleep")
            ]
    assert wrong == []


NESTED = """
def f(self, a, b=1, *, c):
    '''One
    two.'''
    if a:
        pass
    elif b:
        for x in a:
            while x:
                with x:
                    try:
                        pass
                    except ValueError:
                        pass
"""


@pytest.mark.parametrize(
    ("measured", "value"),
    [(measure.size, 11), (measure.parameters, 3), (lambda f: measure.nesting(f.body), 4)],
    ids=["size", "parameters", "nesting"],
)
def test_measures(measured, value: int) -> None:  # type: ignore[no-untyped-def]
    (name, function), *_ = measure.functions(ast.parse(NESTED))
    assert (name, measured(function)) == ("f", value)
