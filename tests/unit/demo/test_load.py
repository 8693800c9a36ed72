"""The demo's users: what the samples prove, and real requests at a fixed rate."""

import asyncio

import pytest

from shipway.base.clock import Instant, SystemClock
from shipway.demo.load import Count, Load, Sample, counts, load_report, longest_gap, max_share_pct
from shipway.kube.runtime.waiting import TookTooLong
from shipway.localcluster.node.echo import Behaviour, Connection, Server
from tests.waiting import eventually


def samples(*stretches):
    """Stretches of (version, count) or of a list of versions, one request every 10 ms from 0 on."""
    versions = [v for stretch in stretches for v in ([stretch[0]] * stretch[1] if isinstance(stretch, tuple) else stretch)]
    return [Sample(Instant(n / 100), version, 200) for n, version in enumerate(versions)]


def spread(total, every):
    return ["bad" if n % every == every - 1 else "good" for n in range(total)]


def test_counts_by_version():
    found = counts(
        [
            Sample(Instant(0), "v1", 200),
            Sample(Instant(1), "v1", 500),
            Sample(Instant(2), "none", 0),
            Sample(Instant(3), "v2", 404),
        ]
    )
    assert found == {"v1": Count(2, 1), "none": Count(1, 1), "v2": Count(1, 0)}


@pytest.mark.parametrize(
    ("why", "given", "changes", "expected"),
    [
        ("one in twenty", samples(spread(400, 20)), [], 5.0),
        ("a burst anywhere counts", samples(("good", 300), ("bad", 20), ("good", 300)), [], 10.0),
        ("a change cuts the windows", samples(("good", 300), ("bad", 300)), [3.0], 100.0),
        ("…so that a step is judged alone", samples(spread(400, 20), spread(400, 4)), [4.0], 25.0),
        ("short stretches are not judged", samples(("bad", 199), ("good", 400)), [1.99], 0.0),
        ("nothing to judge", samples(("bad", 150)), [], None),
    ],
)
def test_max_share(why, given, changes, expected):
    assert max_share_pct(given, "bad", changes) == expected, why


def test_the_report_orders_by_start():
    report = load_report(reversed(samples(spread(400, 20))), bad="bad", changes=[])
    assert (report.bad_share_max_pct, report.longest_gap_seconds) == (5.0, 0.01)
    assert longest_gap([]) == 0.0


async def test_real_requests_at_a_fixed_rate():
    echo = Server(Behaviour(version="v2", error_per_ten=3))
    clock = SystemClock()
    async with await asyncio.get_running_loop().create_server(lambda: Connection(echo), "127.0.0.1", 0) as listener:
        load = Load(listener.sockets[0].getsockname()[1], host="shop.localhost", clock=clock, rate=200.0, clients=4)
        async with asyncio.TaskGroup() as tasks:
            begun = clock.now()
            running = tasks.create_task(load.run())
            first = await load.first_answer_of("v2", 60)
            await eventually(lambda: len(load.samples) >= 100)
            took = clock.now() - begun
            running.cancel()
        assert begun <= first <= load.last_answer_of("v2")
        assert took >= 100 / 200 * 0.8
        assert load.report(bad="v2", changes=[]).requests["v2"].failed == pytest.approx(0.3 * len(load.samples), abs=2)
        assert len(echo.connections) <= 4
        for connection in tuple(echo.connections):
            connection.finish()


async def test_nobody_there_is_a_failure_and_not_an_exception():
    load = Load(1, host="x", clock=SystemClock(), rate=1000.0, clients=1)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run())
        await eventually(lambda: len(load.samples) >= 3)
        with pytest.raises(TookTooLong, match="v9 answered no request"):
            await load.first_answer_of("v9", 0.01)
        running.cancel()
    assert {(s.version, s.status) for s in load.samples} == {("none", 0)}


async def test_a_closed_connection_is_opened_again_without_a_failure():
    async def once(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as listener:
        load = Load(listener.sockets[0].getsockname()[1], host="x", clock=SystemClock(), rate=500.0, clients=2)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(load.run())
            await eventually(lambda: len(load.samples) >= 50)
            running.cancel()
    assert {s.status for s in load.samples} == {200}
