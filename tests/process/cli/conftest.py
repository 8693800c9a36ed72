"""The cluster in memory of the command line's other tests."""

from tests.unit.cli.conftest import shop

__all__ = ["shop"]
