"""How hard laws are tried: with a tenth of the examples while somebody waits (`make check`), in full in `make test`."""

import os

from hypothesis import strategies as st

IS_QUICK = os.environ.get("LAWS") == "quick"


def examples(full: int, quick: int = 0) -> int:
    """How many examples of a law are tried in this run, of `full`; `quick` of them while somebody waits, or a tenth."""
    return (quick or max(5, full // 10)) if IS_QUICK else full


CHARACTERS = st.characters(exclude_categories=["Cs"])
"""What text is made of by default, without asking a codec about each of a million characters (seconds on a fresh checkout)."""
