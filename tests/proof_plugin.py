"""pytest plugin: records what each passing test proves, and refuses ids that do not exist. See tests/proof.py.

What a test proves travels with its report, so that the record is the same whether the tests ran in this process or in
several (pytest-xdist): only the process that was started by hand writes it.
"""

from pathlib import Path

import pytest

from tests import proof

CLAIMS = "proves"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--proof-record FILE`: somewhere else than `.cache/proof.json`."""
    parser.addoption("--proof-record", type=Path, default=proof.RECORD)


def pytest_configure(config: pytest.Config) -> None:
    """Starts an empty run."""
    config.addinivalue_line("markers", "proves(*ids): rows of docs/requirements.csv, or `part:claim`, that this test proves")
    config.addinivalue_line("markers", "compat(*ids): rows of a compatibility page (tests/compat) that this test proves")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.option.proof_record))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each test what its marks say."""
    for item in items:
        item.user_properties.append((CLAIMS, sorted({str(i) for mark in item.iter_markers("proves") for i in mark.args})))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """An id that is neither a row nor `part:claim` fails its test."""
    if wrong := proof.unknown_ids(_claims(item.user_properties), proof.read_rows()):
        pytest.fail(
            f"proves() names neither a row of docs/requirements.csv nor `part:claim`: {', '.join(wrong)}", pytrace=False
        )


class Recorder:
    """Reads the reports of all tests and adds the run to the record at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ran: dict[str, list[str]] = {}
        self._passed: set[str] = set()
        self._bad: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed when its call passed and neither set-up nor tear-down failed."""
        self._ran[report.nodeid] = _claims(report.user_properties)
        if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            self._passed.add(report.nodeid)
        if not report.passed:
            self._bad.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """A parametrised test proves something only if it passed for every value."""
        finished = self._passed | self._bad
        if not finished:
            return
        failed = {_function(node) for node in self._bad}
        passed = {node for node in self._passed if _function(node) not in failed}
        ran = {node: ids for node, ids in self._ran.items() if node in finished}
        proof.write_record(proof.merge(proof.read_record(self._path), proof.code_digest(), ran, passed), self._path)


def _claims(properties: list[tuple[str, object]]) -> list[str]:
    return [str(claim) for name, claims in properties if name == CLAIMS and isinstance(claims, list) for claim in claims]


def _function(node: str) -> str:
    return node.split("[", 1)[0]
