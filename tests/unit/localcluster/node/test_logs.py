"""Logs: CRI files, the options of pods/log, and following."""

import asyncio

import pytest

from shipway.base.clock import Instant, SystemClock
from shipway.base.errors import InvalidInput, NotFound
from shipway.localcluster.node import logs as subject
from shipway.localcluster.node.logs import ContainerLog, LogQuery, NodeLogs, PodLogs


class SetClock(SystemClock):
    """A clock whose hand is moved by the test."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> Instant:
        return Instant(self.at)


@pytest.fixture
def log(tmp_path):
    made = ContainerLog(tmp_path / "0.log", SetClock(1000.0))
    made.open()
    yield made
    made.close()


async def read(log, **query):
    return b"".join([chunk async for chunk in log.read(LogQuery(**query))])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, b"one\ntwo\nthree\n"),
        ({"tail_lines": 2}, b"two\nthree\n"),
        ({"tail_lines": 0}, b""),
        ({"since_seconds": 5}, b"three\n"),
        ({"limit_bytes": 6}, b"one\ntw"),
        ({"tail_lines": 1, "timestamps": True}, b"1970-01-01T00:17:00.000000Z three\n"),
    ],
)
async def test_options(log, query, expected):
    log.write(b"one\ntw")
    log.write(b"o\n")
    log._clock.at = 1020.0
    log.write(b"three\n")
    assert await read(log, **query) == expected


async def test_following_ends_with_the_run(log):
    log.say("before")
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(read(log, follow=True))
        await asyncio.sleep(0)
        log.say("while")
        await asyncio.sleep(0)
        log.say("last")
        log.close()
    assert following.result() == b"before\nwhile\nlast\n"


async def test_the_file_is_bounded(log):
    line = b"x" * 1000
    for _ in range(subject.LIMIT_BYTES // 1000 * 2 + 5):
        log.write(line + b"\n")
    sizes = [path.stat().st_size for path in log.path.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= subject.LIMIT_BYTES


async def test_an_endless_line_is_cut(log):
    log.write(b"x" * 40_000 + b"\n")
    assert [len(line) for line in (await read(log)).split(b"\n")][:2] == [subject.LONGEST_LINE, subject.LONGEST_LINE]


@pytest.fixture
def node(tmp_path):
    pod = PodLogs(tmp_path / "uid", SystemClock())
    served = NodeLogs(lambda namespace, name: (pod, ["web", "side"]) if name == "p" else None)
    yield pod, served
    pod.close()


async def test_the_previous_run_is_kept_and_no_more(node, tmp_path):
    pod, served = node
    for attempt in range(4):
        pod.begin("web", attempt).say(f"run {attempt}")
    got = [b"".join([c async for c in served.logs("ns", "p", "web", previous=p)]) for p in (False, True)]
    assert got == [b"run 3\n", b"run 2\n"]
    assert sorted(p.name for p in (tmp_path / "uid" / "web").iterdir()) == ["2.log", "3.log"]
    reread = PodLogs(tmp_path / "uid", SystemClock())
    assert await read(reread.find("web", previous=False)) == b"run 3\n"
    pod.delete()
    assert not (tmp_path / "uid").exists()


@pytest.mark.parametrize(
    ("pod", "container", "message"),
    [
        ("nope", "", "does not run on this node"),
        ("p", "", "a container name must be specified for pod p, choose one of"),
        ("p", "db", "container db is not valid for pod p"),
        ("p", "side", "is waiting to start"),
    ],
)
async def test_what_cannot_be_read_says_why(node, pod, container, message):
    with pytest.raises((InvalidInput, NotFound), match=message):
        async for _ in node[1].logs("ns", pod, container):
            pass
