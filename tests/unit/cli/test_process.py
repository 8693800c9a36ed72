"""What long-running commands write to their log."""

import io
from collections.abc import Iterator
from contextlib import redirect_stderr

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


@pytest.mark.usefixtures("restored")
def test_what_is_said_later_goes_to_the_standard_error_of_then() -> None:
    """A command that was run in this process with another one, since closed, leaves nothing behind that fails."""
    before, now = io.StringIO(), io.StringIO()
    with redirect_stderr(before):
        configure_logs()
    before.close()
    with redirect_stderr(now):
        structlog.get_logger().error("later")
    assert "later" in now.getvalue()
