"""Real processes: they start, write, end, and never outlive the node."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.localcluster.node.logs import ContainerLog, LogQuery
from shipway.localcluster.node.pid_files import PidFile, left_behind, started_at, sweep
from shipway.localcluster.node.process import Launch, Process
from tests.waiting import eventually

CLOCK = SystemClock()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def launch(tmp_path: Path, *argv: str) -> tuple[Launch, ContainerLog]:
    log = ContainerLog(tmp_path / "c" / "0.log", CLOCK)
    log.open()
    return Launch(argv, dict(os.environ), tmp_path / "run", tmp_path / "pids" / "x.pid", "test"), log


async def lines(log: ContainerLog) -> list[bytes]:
    return [line async for line in log.read(LogQuery())]


@pytest.mark.parametrize(
    ("code", "exit_code"), [("print('hi')", 0), ("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
async def test_exit_codes(tmp_path, code, exit_code):
    spec, log = launch(tmp_path, *python(code))
    process = await Process.start(spec, log)
    assert spec.pid_file.exists()
    assert await process.run() == exit_code
    assert not spec.pid_file.exists()
    assert started_at(process.pid) is None
    log.close()


async def test_output_of_both_streams_becomes_the_log(tmp_path):
    spec, log = launch(
        tmp_path, *python("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.stdout.write('no newline')")
    )
    process = await Process.start(spec, log)
    await process.run()
    log.close()
    assert await lines(log) == [b"out\n", b"err\n", b"no newline\n"]


async def test_a_program_that_is_not_there_is_named(tmp_path):
    spec, log = launch(tmp_path, "/does/not/exist")
    with pytest.raises(InvalidInput, match="/does/not/exist"):
        await Process.start(spec, log)
    log.close()


async def wait_for_line(log: ContainerLog) -> None:
    async with asyncio.timeout(60):
        async for _ in log.read(LogQuery(follow=True)):
            return


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


async def test_stop_asks_first_and_kills_after_the_grace(tmp_path):
    spec, log = launch(tmp_path, *python(STUBBORN))
    process = await Process.start(spec, log)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run())
        await wait_for_line(log)
        await process.stop(0.2)
        assert await running == 128 + signal.SIGKILL
    log.close()


FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print(child.pid, flush=True)
time.sleep(60)
"""


async def test_cancelling_kills_the_whole_family(tmp_path):
    spec, log = launch(tmp_path, *python(FAMILY))
    process = await Process.start(spec, log)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run())
        await wait_for_line(log)
        child = int((await lines(log))[0])
        assert started_at(child) is not None
        running.cancel()
    await eventually(lambda: started_at(child) is None)
    assert started_at(process.pid) is None
    log.close()


async def test_who_is_cancelled_again_and_again_leaves_nothing_half_done(tmp_path):
    """As when a node stops in the moment in which a pod of it is taken away."""
    spec, log = launch(tmp_path, *python("import time; print('up', flush=True); time.sleep(60)"))
    process = await Process.start(spec, log)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run())
        await wait_for_line(log)
        while not running.done():
            running.cancel()
            await asyncio.sleep(0)
    assert running.cancelled()
    assert started_at(process.pid) is None
    assert list(spec.pid_file.parent.iterdir()) == []
    log.close()


async def test_sweep_kills_what_an_earlier_node_left_and_nothing_else(tmp_path):
    left = await asyncio.create_subprocess_exec(*python("import time; time.sleep(60)"), start_new_session=True)
    stranger = await asyncio.create_subprocess_exec(*python("import time; time.sleep(60)"), start_new_session=True)
    for name, pid, started in (
        ("left", left.pid, started_at(left.pid)),
        ("stranger", stranger.pid, "1"),
        ("gone", 2**22 + 1, "1"),
    ):
        (tmp_path / f"{name}.pid").write_bytes(msgspec.json.encode(PidFile(pid, started or "", name)))
    (tmp_path / "broken.pid").write_bytes(b"{")
    try:
        async with asyncio.timeout(60):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(left.wait())
                assert await sweep(tmp_path, CLOCK) == 1
        assert started_at(stranger.pid) is not None
        assert list(tmp_path.iterdir()) == []
    finally:
        stranger.kill()
        await stranger.wait()


NODE = """
import asyncio, os, sys
from pathlib import Path
from shipway.base.clock import SystemClock
from shipway.localcluster.node.logs import ContainerLog, LogQuery
from shipway.localcluster.node.process import Launch, Process

async def main(home):
    log = ContainerLog(home / "0.log", SystemClock())
    log.open()
    argv = (sys.executable, "-m", "shipway.localcluster.node.echo", "--listen=127.0.0.1:0")
    orphan_seconds = float(sys.argv[2])
    launch = Launch(argv, dict(os.environ), home / "run", home / "x.pid", "echo", orphan_seconds=orphan_seconds)
    process = await Process.start(launch, log)
    running = asyncio.ensure_future(process.run())
    while not log.path.read_bytes():
        await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await running

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_an_echo_ends_a_while_after_its_node_was_killed(tmp_path):
    node = await asyncio.create_subprocess_exec(*python(NODE), str(tmp_path), "0.5", stdout=asyncio.subprocess.PIPE)
    assert node.stdout is not None
    async with asyncio.timeout(20):
        echo = int(await node.stdout.readline())
        assert started_at(echo) is not None
        node.kill()
        await node.wait()
        await eventually(lambda: started_at(echo) is None)


async def test_an_echo_is_adopted_and_its_end_is_known(tmp_path):
    node = await asyncio.create_subprocess_exec(*python(NODE), str(tmp_path), "60", stdout=asyncio.subprocess.PIPE)
    assert node.stdout is not None
    async with asyncio.timeout(60):
        echo = int(await node.stdout.readline())
    node.kill()
    await node.wait()
    left = left_behind(tmp_path)["x"]
    log = ContainerLog(tmp_path / "0.log", CLOCK)
    log.open()
    process = Process.adopt(Launch((), {}, tmp_path / "run", tmp_path / "x.pid", "echo"), left, log, CLOCK)
    assert process.pid == echo
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run())
        await process.stop(20.0)
    log.close()
    assert running.result() == 0
    said = await lines(log)
    assert (said[0][:15], said[1:]) == (b"echo v1 serving", [b"SIGTERM: draining\n", b"drained\n"])
    assert {path.name for path in tmp_path.iterdir()} == {"0.log", "run"}
