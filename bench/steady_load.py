"""`python -m bench.steady_load PORT,… RATE HOST …`: users who ask each host RATE times a second, until SIGTERM.

A request is begun when it is due, whether or not those before it are answered, on a free one of the connections to its host; of
these there are no more than CONNECTIONS. What is not begun within a second is not asked: a machine that cannot keep the pace
shows in what was reached. Times count from when a request was due. Prints one JSON object, `Told`.
"""

import asyncio
import signal
import sys
from array import array
from collections import Counter, deque

import msgspec
from msgspec import Struct

from shipway.base.clock import Clock, SystemClock

ANSWER_SECONDS = 5.0
TICK_SECONDS = 0.002
MOST_BEHIND_SECONDS = 1.0
CONNECTIONS = 16
"""To each host, at most."""


class Told(Struct):
    """What came of it. `failed`: statuses but 200, "refused", "lost", "late"; `by`: answers by their X-Version."""

    requests: int
    requests_per_s: float
    failed: dict[str, int]
    by: dict[str, int]
    p50_ms: float
    p95_ms: float
    longest_gap_ms: float


class Load:
    """Users of all hosts behind 127.0.0.1, at any of the ports."""

    def __init__(self, ports: list[int], rate: float, hosts: list[str], clock: Clock) -> None:
        self.failed = Counter[str]()
        self.by = Counter[str]()
        self._clock = clock
        self._ports = ports
        self._opened = 0
        self._apart = 1 / (rate * len(hosts))
        self._requests = [f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for host in hosts]
        self._free: list[list[Asking]] = [[] for _ in hosts]
        self._open = [set[Asking]() for _ in hosts]
        self._due = [deque[float]() for _ in hosts]
        self._asked: deque[tuple[float, Asking]] = deque()
        self._took = array("d")
        self._seconds = self._longest = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """To each host in turn, at an even pace, until `stop`; then it waits for the last answers."""
        number, begun = 0, self._clock.elapsed()
        due = last = begun
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                now = self._clock.elapsed()
                self._longest, last = max(self._longest, now - last), now
                due = max(due, now - MOST_BEHIND_SECONDS)
                while due <= now:
                    self._ask(number % len(self._requests), due, group)
                    number, due = number + 1, due + self._apart
                self._give_up(now)
                await self._clock.sleep(max(TICK_SECONDS, due - now))
            self._seconds = self._clock.elapsed() - begun
            for waiting in self._due:
                waiting.clear()
        while self._asked:
            self._give_up(self._clock.elapsed())
            await self._clock.sleep(TICK_SECONDS)

    def told(self) -> Told:
        """Once `run` is over."""
        took = sorted(self._took)
        p50, p95 = (took[int(len(took) * rank)] * 1e3 if took else 0.0 for rank in (0.5, 0.95))
        count = len(took) + self.failed.total()
        return Told(count, count / self._seconds, dict(self.failed), dict(self.by), p50, p95, self._longest * 1e3)

    def answered(self, since: float, version: str) -> None:
        """A good answer to what was asked at `since`."""
        self._took.append(self._clock.elapsed() - since)
        self.by[version] += 1

    def freed(self, one: "Asking", host: int) -> None:
        """A connection may be used again."""
        waiting, now = self._due[host], self._clock.elapsed()
        while waiting and waiting[0] < now - MOST_BEHIND_SECONDS:
            waiting.popleft()
        if waiting:
            self._ask_on(one, waiting.popleft())
        else:
            self._free[host].append(one)

    def lost(self, one: "Asking", host: int) -> None:
        """A connection is none any more."""
        self._open[host].discard(one)
        if one in self._free[host]:
            self._free[host].remove(one)

    def _ask(self, host: int, due: float, group: asyncio.TaskGroup) -> None:
        if free := self._free[host]:
            self._ask_on(free.pop(), due)
        elif len(self._open[host]) < CONNECTIONS:
            one = Asking(self, self._requests[host], host)
            self._open[host].add(one)
            group.create_task(self._ask_anew(one, due))
        else:
            self._due[host].append(due)

    def _ask_on(self, one: "Asking", due: float) -> None:
        self._asked.append((due, one))
        one.ask(due)

    async def _ask_anew(self, one: "Asking", due: float) -> None:
        self._opened += 1
        port = self._ports[self._opened % len(self._ports)]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: one, "127.0.0.1", port)
        except OSError as error:
            self.failed["late" if isinstance(error, TimeoutError) else "refused"] += 1
            one.connection_lost(None)
        else:
            self._ask_on(one, due)

    def _give_up(self, now: float) -> None:
        """On what is late; forgets what has its answer."""
        while self._asked and (not self._asked[0][1].awaits(self._asked[0][0]) or self._asked[0][0] < now - ANSWER_SECONDS):
            since, one = self._asked.popleft()
            if one.awaits(since):
                one.give_up()


class Asking(asyncio.Protocol):
    """A connection with one request at a time; free again after its answer."""

    def __init__(self, load: Load, request: bytes, host: int) -> None:
        self._load = load
        self._request = request
        self._host = host
        self._read = b""
        self._since: float | None = None
        self._is_closed = False

    def awaits(self, since: float) -> bool:
        """Whether what was asked then has no answer yet."""
        return self._since == since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, due: float) -> None:
        self._since = due
        if self._is_closed:
            self._end("lost")
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.lower().partition(b"\r\n\r\n")
        if not found or len(body) < int(_field(head, b"content-length") or 0):
            return
        since, self._read = self._since, b""
        status = int(head[9:12])
        if since is not None and status == 200:
            self._since = None
            self._load.answered(since, _field(head, b"x-version").decode())
        else:
            self._end(str(status))
        self._load.freed(self, self._host)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        self._load.lost(self, self._host)
        self._end("lost")

    def give_up(self) -> None:
        """It is late: an answer that still comes is nobody's."""
        self._end("late")
        self._transport.abort()

    def _end(self, failure: str) -> None:
        if self._since is not None:
            self._since = None
            self._load.failed[failure] += 1


def _field(head: bytes, name: bytes) -> bytes:
    """A header's value in a head of lower case; b"" without it."""
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


async def main(ports: list[int], rate: float, hosts: list[str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    load = Load(ports, rate, hosts, SystemClock())
    print("begun", flush=True)
    await load.run(stop)
    print(msgspec.json.encode(load.told()).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(list(map(int, sys.argv[1].split(","))), float(sys.argv[2]), sys.argv[3:]))
