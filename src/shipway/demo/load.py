"""The demo's users: keep-alive clients that ask at a fixed rate, remember who answered, and are judged afterwards.

Every request leaves a `Sample`; what the demo claims about its traffic is computed from the samples alone by the pure
functions below. A request that the proxy answered itself has no version and is counted under `NOBODY`; one that got no
answer at all has status 0. Both are failures.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from msgspec import Struct

from shipway.base.clock import Clock, Instant
from shipway.kube.runtime.waiting import TookTooLong

NOBODY = "none"
WINDOW = 200
_KEPT = 500_000
_ANSWER_SECONDS = 10.0


class Sample(Struct, frozen=True):
    """One request: when it started, who answered it (X-Version), with what status, after how many seconds."""

    at: Instant
    version: str
    status: int
    seconds: float = 0.0

    @property
    def is_failed(self) -> bool:
        return not 200 <= self.status < 500


class Count(Struct):
    total: int = 0
    failed: int = 0


class LoadReport(Struct, frozen=True):
    """`requests` by version. `bad_share_max_pct` is None when there are never `WINDOW` requests between two weight changes."""

    requests: dict[str, Count]
    bad_share_max_pct: float | None
    longest_gap_seconds: float
    p50_ms: float
    p95_ms: float


def load_report(samples: Iterable[Sample], *, bad: str, changes: Sequence[float]) -> LoadReport:
    """Everything the demo says about its traffic. `changes`: when the route's weights changed."""
    ordered = sorted(samples, key=lambda sample: sample.at)
    took = sorted(sample.seconds for sample in ordered)
    return LoadReport(
        counts(ordered),
        max_share_pct(ordered, bad, changes),
        longest_gap(ordered),
        round(_rank(took, 0.5) * 1e3, 3),
        round(_rank(took, 0.95) * 1e3, 3),
    )


def counts(samples: Iterable[Sample]) -> dict[str, Count]:
    """{version: {total, failed}}, in order of appearance."""
    found: dict[str, Count] = {}
    for sample in samples:
        count = found.setdefault(sample.version, Count())
        count.total += 1
        count.failed += sample.is_failed
    return found


def max_share_pct(samples: Sequence[Sample], version: str, changes: Sequence[float], *, window: int = WINDOW) -> float | None:
    """The largest share of `version`, in percent, in any `window` consecutive requests (by start) between two changes."""
    edges = [float("-inf"), *sorted(changes), float("inf")]
    most: int | None = None
    for begin, end in pairwise(edges):
        hits = [sample.version == version for sample in samples if begin <= sample.at < end]
        if len(hits) < window:
            continue
        steps = (entering - leaving for leaving, entering in zip(hits, hits[window:], strict=False))
        most = max(most or 0, max(accumulate(steps, initial=sum(hits[:window]))))
    return None if most is None else round(100 * most / window, 2)


def longest_gap(samples: Sequence[Sample]) -> float:
    """The longest time in seconds between the starts of two requests in a row."""
    return max((round(b.at - a.at, 3) for a, b in pairwise(samples)), default=0.0)


def _rank(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))] if ordered else 0.0


class Load:
    """`clients` connections that together ask `rate` times a second for / of `host`, at 127.0.0.1:`port`.

    `headers` are whole lines (`X-Canary: yes`). `run` asks until it is cancelled; `samples`
    and the questions below may be read at any time.
    """

    def __init__(
        self, port: int, *, host: str, clock: Clock, rate: float = 60.0, clients: int = 6, headers: Sequence[str] = ()
    ) -> None:
        self.samples: deque[Sample] = deque(maxlen=_KEPT)
        self._port = port
        self._clock = clock
        self._period = clients / rate
        self._clients = clients
        lines = ["GET / HTTP/1.1", f"Host: {host}", "User-Agent: shipway-demo", *headers, "", ""]
        self._request = "\r\n".join(lines).encode()
        self._first: dict[str, Instant] = {}
        self._last: dict[str, Instant] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        begun = self._clock.now()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._clients):
                tasks.create_task(self._user(begun + self._period * number / self._clients))

    async def first_answer_of(self, version: str, seconds: float) -> Instant:
        """When the first request that `version` answered well was begun. Raises TookTooLong after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while version not in self._first:
                    await self._news.wait()
        except TimeoutError as error:
            raise TookTooLong(f"{version} answered no request within {seconds:g} s: look at its pods and the route") from error
        return self._first[version]

    def last_answer_of(self, version: str) -> Instant | None:
        """When the latest request that `version` answered was begun."""
        return self._last.get(version)

    def report(self, *, bad: str, changes: Sequence[float]) -> LoadReport:
        return load_report(self.samples, bad=bad, changes=changes)

    async def _user(self, due: float) -> None:
        """One connection: a request every period, none made up for after a pause."""
        connection = _Connection(self._port)
        try:
            while True:
                await self._clock.sleep(max(0.0, due - self._clock.now()))
                at = self._clock.now()
                version, status = await connection.ask(self._request)
                self._note(Sample(at, version or NOBODY, status, self._clock.now() - at))
                due = max(due + self._period, self._clock.now() - self._period)
        finally:
            connection.close()

    def _note(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._last[sample.version] = max(sample.at, self._last.get(sample.version, sample.at))
        if sample.version not in self._first and not sample.is_failed:
            self._first[sample.version] = sample.at
            self._news.set()
            self._news = asyncio.Event()


class _Connection:
    """A keep-alive connection as a browser holds one: opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[str, int]:
        """(X-Version, status); ("", 0) when there was no answer."""
        is_kept = self._streams is not None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._ask(request)
        except asyncio.IncompleteReadError as error:
            self.close()
            # A kept connection that had been closed took nothing: a browser asks again, once.
            return await self.ask(request) if is_kept and not error.partial else ("", 0)
        except (OSError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            self.close()
            return "", 0

    async def _ask(self, request: bytes) -> tuple[str, int]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "content-length" not in fields:
            raise ValueError("an answer without a length")
        await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection", "").lower() == "close":
            self.close()
        return fields.get("x-version", ""), int(lines[0].split(" ")[1])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
