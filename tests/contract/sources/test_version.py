"""`shipway version`."""

import json

import pytest

from shipway import __version__
from shipway.cli.main import run


@pytest.mark.proves("gitops:tool-versions")
def test_the_tools_that_render_are_named_with_their_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shipway"]["version"] == __version__
    assert found["helm"]["version"].startswith("v")
    assert found["kustomize"]["version"].startswith("v5.")
    assert found["git"]["version"].startswith("2.")


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TOOL", "VERSION", "WHERE"]
    assert lines[1].split() == ["shipway", __version__]
