"""Unpacked charts stay within a bound, and what is in use stays."""

import io
import tarfile
from pathlib import Path

from shipway.adapters.charts.unpacked import IN_USE, Unpacked
from shipway.base.clock import Instant

KIB = 1 << 10


class HandClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.time = 1_790_000_000.0

    def now(self) -> Instant:
        return Instant(self.time)

    def elapsed(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def archive(kib: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in (("web/Chart.yaml", b"name: web\n"), ("web/data", b"x" * kib * KIB)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def names(home: Path) -> set[str]:
    return {folder.name for folder in home.iterdir()}


def test_what_nobody_asked_for_lately_goes_the_oldest_first(tmp_path: Path) -> None:
    clock = HandClock()
    charts = Unpacked(tmp_path, clock, most_bytes=100 * KIB)
    for name in ("a", "b", "c"):
        charts.put(archive(30), name, name)
        clock.time += 60
    clock.time += IN_USE
    assert charts.has("a"), "asking counts as use"
    charts.put(archive(30), "d", "d")
    assert names(tmp_path) == {"a", "c", "d"}
    assert not charts.has("b")


def test_what_is_in_use_stays_however_much_it_is(tmp_path: Path) -> None:
    charts = Unpacked(tmp_path, HandClock(), most_bytes=10 * KIB)
    for name in ("a", "b", "c"):
        charts.put(archive(30), name, name)
    assert names(tmp_path) == {"a", "b", "c"}


def test_the_next_process_knows_what_was_used_when(tmp_path: Path) -> None:
    clock = HandClock()
    before = Unpacked(tmp_path, clock, most_bytes=70 * KIB)
    before.put(archive(30), "old", "old")
    clock.time += 2 * IN_USE
    before.put(archive(30), "new", "new")
    (tmp_path / "cut-off.unfinished").mkdir()
    (tmp_path / "cut-off.unfinished/data").write_bytes(b"x" * KIB)
    clock.time += 60
    Unpacked(tmp_path, clock, most_bytes=70 * KIB).put(archive(30), "newest", "newest")
    assert "old" not in names(tmp_path)
    assert {"new", "newest"} <= names(tmp_path)
