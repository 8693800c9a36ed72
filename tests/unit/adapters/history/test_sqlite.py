"""A disk that fails. What stores have in common is tried in tests/process/adapters/test_history.py."""

from pathlib import Path

import pytest

from shipway.adapters.history.sqlite import Sqlite
from shipway.base.errors import Unavailable


def test_a_disk_that_fails_is_the_remotes_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    for path in (tmp_path / "file" / "history.db", tmp_path / "broken.db"):
        with pytest.raises(Unavailable) as caught:
            Sqlite(path).run("select 1", ())
        assert caught.value.reason == "HistoryUnavailable"
