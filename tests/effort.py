"""How hard laws are tried: with a fifth of the examples while somebody waits (`make check`), in full in `make test`."""

import os

IS_QUICK = os.environ.get("LAWS") == "quick"


def examples(full: int, quick: int = 0) -> int:
    """How many examples of a law are tried in this run, of `full`; `quick` of them while somebody waits, or a fifth."""
    return (quick or max(10, full // 5)) if IS_QUICK else full
