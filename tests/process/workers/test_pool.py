"""Workers that loop, eat memory, crash and chatter, and what is left of the others."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.workers.pool import WorkerPool

HERE = "tests.process.workers.engines"


def pool(**options) -> WorkerPool:
    return WorkerPool(
        "Test", **{"size": 2, "memory_bytes": 1 << 30, "timeout_seconds": 20.0, "clock": SystemClock(), **options}
    )


@pytest.fixture
async def workers():
    made = pool()
    yield made
    await made.close()


async def test_payload_in_result_out(workers):
    payload = {"a": [1, 2.5, None, "ü"], "big": "x" * 1_000_000}
    assert await workers.call(f"{HERE}:echo", payload) == payload


async def test_a_refusal_arrives_as_the_same_error_and_the_worker_lives(workers):
    for _ in range(2):
        with pytest.raises(NotFound, match="no such thing: 7") as caught:
            await workers.call(f"{HERE}:refuse", 7)
        assert caught.value.reason == "NoSuchThing"
    assert workers.figures.started == 1


async def test_a_bug_in_an_engine_is_a_failed_render(workers):
    with pytest.raises(InvalidInput, match="KeyError") as caught:
        await workers.call(f"{HERE}:bug", None)
    assert caught.value.reason == "RenderFailed"


async def test_prints_do_not_disturb_the_replies(workers):
    assert await workers.call(f"{HERE}:chatter", 1) == 1
    assert await workers.call(f"{HERE}:chatter", 2) == 2


async def test_nothing_of_our_environment_is_inherited(workers):
    seen = await workers.call(f"{HERE}:environment", None)
    assert set(seen) <= {"PATH", "LANG", "PYTHONPATH", "TMPDIR", "TZ", "LC_CTYPE"}


async def test_an_endless_loop_is_killed_while_others_go_on():
    workers = pool(timeout_seconds=6.0)
    try:
        async with asyncio.TaskGroup() as group:
            stuck = group.create_task(attempt(workers, "loop"))
            answers = [await workers.call(f"{HERE}:echo", n) for n in range(50)]
        assert answers == list(range(50))
        assert isinstance(stuck.result(), Unavailable)
        assert stuck.result().reason == "RenderTimeout"
        assert [await workers.call(f"{HERE}:echo", n) for n in range(100)] == list(range(100))
    finally:
        await workers.close()


@pytest.mark.parametrize("engine", ["bomb", "hard_bomb"])
async def test_a_memory_bomb_ends_only_its_worker(workers, engine):
    async with asyncio.TaskGroup() as group:
        bombed = group.create_task(attempt(workers, engine))
        answers = [await workers.call(f"{HERE}:echo", n) for n in range(50)]
    assert answers == list(range(50))
    assert isinstance(bombed.result(), InvalidInput)
    assert bombed.result().reason == "RenderOutOfMemory"
    assert [await workers.call(f"{HERE}:echo", n) for n in range(100)] == list(range(100))
    assert workers.figures.lost == 1


async def test_the_queue_is_bounded():
    workers = pool(size=1, queue=1)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(attempt(workers, "echo")) for _ in range(3)]
        assert [getattr(t.result(), "reason", None) for t in tasks] == [None, None, "RenderQueueFull"]
    finally:
        await workers.close()


async def test_a_cancelled_call_frees_its_place():
    workers = pool(size=1)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await workers.call(f"{HERE}:loop", None)
        assert await workers.call(f"{HERE}:echo", "still here") == "still here"
    finally:
        await workers.close()


async def test_a_call_that_is_cancelled_again_and_again_leaves_no_process(tmp_path):
    workers, pids = pool(size=1), tmp_path / "pids"
    call = asyncio.ensure_future(workers.call(f"{HERE}:with_child", str(pids)))
    worker, _ = await read_pids(pids)
    while not call.done():
        call.cancel()
        await asyncio.sleep(0)
    assert call.cancelled() and not is_running(worker)
    assert await workers.call(f"{HERE}:echo", "still here") == "still here"
    await workers.close()


async def test_close_ends_busy_workers_and_what_they_started(tmp_path):
    workers = pool()
    pids = tmp_path / "pids"
    async with asyncio.TaskGroup() as group:
        stuck = group.create_task(attempt(workers, "with_child", str(pids)))
        worker, child = await read_pids(pids)
        await workers.close()
    assert stuck.result().reason == "WorkersClosed"
    assert not is_running(worker)
    await until(lambda: not is_running(child))
    with pytest.raises(Unavailable, match="closed"):
        await workers.call(f"{HERE}:echo", 1)


ORPHANED = """
import asyncio, sys
from shipway.base.clock import SystemClock
from shipway.workers.pool import WorkerPool
async def main():
    pool = WorkerPool("Test", size=1, memory_bytes=1 << 30, timeout_seconds=60, clock=SystemClock())
    await pool.call("tests.process.workers.engines:{engine}", sys.argv[1])
asyncio.run(main())
"""


async def test_no_worker_outlives_a_killed_parent(tmp_path):
    pids = tmp_path / "pids"
    parent = start_parent(ORPHANED.format(engine="with_child"), pids)
    try:
        worker, child = await read_pids(pids)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    await until(lambda: not is_running(worker) and not is_running(child))


async def test_a_worker_that_died_idle_is_replaced(workers):
    os.kill(await workers.call(f"{HERE}:pid", None), signal.SIGKILL)
    results = [await attempt(workers, "echo", n) for n in range(20)]
    assert results[1:] == list(range(1, 20))


def start_parent(program: str, argument: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen([sys.executable, "-c", program, str(argument)], env=environment)


async def attempt(workers: WorkerPool, engine: str, payload=None):
    """The result, or the error as a value."""
    try:
        return await workers.call(f"{HERE}:{engine}", payload)
    except (InvalidInput, Unavailable) as error:
        return error


async def read_pids(path: Path) -> tuple[int, int]:
    await until(lambda: path.exists() and len(path.read_text().split()) == 2)
    worker, child = path.read_text().split()
    return int(worker), int(child)


async def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        await SystemClock().sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
