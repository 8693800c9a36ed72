"""What long-running commands write to their log."""

from collections.abc import Iterator

import pytest
import structlog

from shipway.cli.process import configure_logs


@pytest.fixture
def restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("restored")
def test_a_bugs_traceback_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    password = "".join(["ses", "ame"])
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("pass_failed", controller="x")
    said = capsys.readouterr().err
    assert "pass_failed" in said and "ValueError: 6" in said
    assert "sesame" not in said
