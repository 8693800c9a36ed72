"""What a whole run of pytest leaves in the record of proofs, in one process and in two."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import proof

SUITE = """
import pytest
@pytest.mark.proves("000-01", "gitops:claim")
def test_passes(): pass
@pytest.mark.proves("000-02")
def test_fails(): assert 0
@pytest.mark.proves("000-03")
def test_skipped(): pytest.skip("no program")
@pytest.mark.proves("000-04")
@pytest.mark.parametrize("good", [True, False])
def test_passes_for_one_value_only(good): assert good
@pytest.fixture
def broken():
    yield
    raise ValueError
@pytest.mark.proves("000-05")
def test_fails_afterwards(broken): pass
@pytest.mark.proves("000-06")
@pytest.mark.xfail
def test_expected_to_fail(): assert 0
"""


def run_suite(folder: Path, text: str, *flags: str) -> tuple[str, Path]:
    """Runs `text` as a test file under the plugin, with its record in `folder`; returns (output, record)."""
    (folder / "test_suite.py").write_text(text)
    record = folder / "proof.json"
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), "-c", "/dev/null", "-p", "tests.proof_plugin"]
    options = ["-p", "no:cacheprovider", "--proof-record", str(record), *flags, str(folder / "test_suite.py")]
    ran = subprocess.run([*command, *options], capture_output=True, text=True, cwd=proof.ROOT, timeout=150, check=False)
    return ran.stdout + ran.stderr, record


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_only_what_passed_proves_anything(tmp_path: Path, flags: tuple[str, ...]) -> None:
    output, record = run_suite(tmp_path, SUITE, *flags)
    assert "2 failed, 3 passed, 1 skipped, 1 xfailed, 1 error" in output
    assert sorted(i for ids in json.loads(record.read_text())["passed"].values() for i in ids) == ["000-01", "gitops:claim"]


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_a_misspelt_row_fails_its_test(tmp_path: Path, flags: tuple[str, ...]) -> None:
    output, record = run_suite(tmp_path, SUITE.replace("000-01", "000-60"), *flags)
    assert "requirements.csv nor `part:claim`: 000-60" in output
    assert json.loads(record.read_text())["passed"] == {}
