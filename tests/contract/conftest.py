"""What the contract table came to is told at the end of a run, group by group, as `make contract` does."""

from collections.abc import Sequence

import pytest

from tests.contract.judging import Verdict, by_group

_TARGETS = pytest.StashKey[dict[str, Sequence[Verdict]]]()


def remember(config: pytest.Config, target: str, verdicts: Sequence[Verdict]) -> None:
    """For the end of the run."""
    config.stash.setdefault(_TARGETS, {})[target] = verdicts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of counts, if any target was judged."""
    if verdicts := config.stash.get(_TARGETS, {}):
        terminalreporter.section("contract table")
        for line in by_group(verdicts):
            terminalreporter.write_line(line)
