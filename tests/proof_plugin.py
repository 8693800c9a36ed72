"""pytest plugin: records what each passing test proves, and refuses ids that do not exist. See tests/proof.py."""

from pathlib import Path

import pytest

from tests import proof

_RAN = pytest.StashKey[dict[str, list[str]]]()
_BAD = pytest.StashKey[set[str]]()
_PASSED = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--proof-record FILE`: somewhere else than `.cache/proof.json`."""
    parser.addoption("--proof-record", type=Path, default=proof.RECORD)


def pytest_configure(config: pytest.Config) -> None:
    """Starts an empty run."""
    config.addinivalue_line("markers", "proves(*ids): rows of docs/requirements.csv, or `part:claim`, that this test proves")
    config.stash[_RAN], config.stash[_BAD], config.stash[_PASSED] = {}, set(), set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Reads the marks; an id that is neither a row nor `part:claim` ends the run."""
    rows, wrong = proof.read_rows(), []
    for item in items:
        ids = [str(i) for mark in item.iter_markers("proves") for i in mark.args]
        wrong += [f"{item.nodeid}: {i}" for i in proof.unknown_ids(ids, rows)]
        config.stash[_RAN][item.nodeid] = sorted(set(ids))
    if wrong:
        raise pytest.UsageError("proves() names neither a row of docs/requirements.csv nor `part:claim`:\n" + "\n".join(wrong))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A test passed when its call passed and neither set-up nor tear-down failed."""
    report: pytest.TestReport = (yield).get_result()
    if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
        item.config.stash[_PASSED].add(item.nodeid)
    if not report.passed:
        item.config.stash[_BAD].add(item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Adds this run to the record. A parametrised test proves something only if it passed for every value."""
    stash = session.config.stash
    finished = stash[_PASSED] | stash[_BAD]
    if not finished:
        return
    ran = {node: ids for node, ids in stash[_RAN].items() if node in finished}
    failed = {_function(node) for node in stash[_BAD]}
    passed = {node for node in stash[_PASSED] if _function(node) not in failed}
    path: Path = session.config.option.proof_record
    proof.write_record(proof.merge(proof.read_record(path), proof.code_digest(), ran, passed), path)


def _function(node: str) -> str:
    return node.split("[", 1)[0]
