"""Replicas that share keys, in virtual time: never two on one key, every key soon in somebody's hands.

Replicas join, leave, are killed, lose the API server and see their wall clocks jump, by a seed.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest

from shipway.base.clock import Instant, LoopClock, SystemClock
from shipway.base.errors import Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.views import annotations_of, name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.leader import LEASES, Leadership, LeaseName
from shipway.kube.runtime.sharing import MAX_TOLD, TOLD_ANNOTATION, Membership, Sharing, falls_to
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer

KEYS = [f"family default/{number}" for number in range(24)]
TAKE_OVER = 15.0
EPOCH = Instant(1_795_000_000.0)


class Line:
    """A replica's way to the API server: slow by a seed; `is_cut` hangs requests, as a partition does."""

    def __init__(self, server: Transport, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self.is_cut = False
        self.losses = 0.0

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(self._rng.uniform(0.0, 0.2))
        if self.is_cut:
            await asyncio.sleep(self._rng.choice((0.0, 60.0)))
            raise Unavailable("no route to the API server")
        response = await self._server.send(request)
        if self._rng.random() < self.losses:
            raise Unavailable("the connection broke before the answer came")
        return response

    async def close(self) -> None:
        """The server belongs to the test."""


class Replica:
    """Works on one key after another for as long as it is its own; `desk` holds who works on what now."""

    def __init__(self, server: Transport, name: str, desk: "Desk") -> None:
        self.name = name
        self.rng = random.Random(name)
        self.line = Line(server, self.rng)
        self.wall_off = 0.0
        loop = asyncio.get_running_loop()
        clock = SystemClock(wall=lambda: EPOCH + loop.time() + self.wall_off, steady=loop.time)
        self.heard: list[str] = []
        self.sharing = Sharing(Client(self.line), clock, Membership("default", "test", name), self.heard.append)
        self._desk = desk
        self._passes: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part in range(4):
                group.create_task(self._work(KEYS[part::4]))

    def is_working_for_others(self) -> bool:
        return any(not self.sharing.owns(key) for key in self._passes)

    def share_again(self) -> None:
        """Looks at every key all the time."""

    async def _work(self, keys: list[str]) -> None:
        while True:
            for key in filter(self.sharing.owns, keys):
                self._passes.add(key)
                try:
                    await self._desk.work(key, self.name, self.rng.choice((0.0, 0.1, 0.1, 3.0)))
                finally:
                    self._passes.discard(key)
            await asyncio.sleep(0.2)


class Desk:
    """Where passes are seen: two on one key at a time are the failure that must not happen."""

    def __init__(self) -> None:
        self._now: defaultdict[str, set[str]] = defaultdict(set)
        self.last: dict[str, float] = {}
        self.by: dict[str, str] = {}

    async def work(self, key: str, who: str, seconds: float) -> None:
        at_work = self._now[key]
        assert not at_work, f"{who} and {at_work} on {key}"
        at_work.add(who)
        self.last[key], self.by[key] = asyncio.get_running_loop().time(), who
        try:
            await asyncio.sleep(seconds)
        finally:
            at_work.discard(who)


class Group:
    """The replicas that run, as tasks."""

    def __init__(self, server: ApiServer, tasks: asyncio.TaskGroup) -> None:
        self.desk = Desk()
        self.replicas: dict[str, tuple[Replica, asyncio.Task[None]]] = {}
        self._server = server
        self._tasks = tasks
        self._made = 0

    def join(self) -> Replica:
        self._made += 1
        replica = Replica(self._server, f"replica-{self._made}", self.desk)
        self.replicas[replica.name] = replica, self._tasks.create_task(replica.sharing.run(replica))
        return replica

    def end(self, name: str, *, killed: bool) -> None:
        replica, task = self.replicas.pop(name)
        replica.line.is_cut = killed  # whoever is killed hands nothing back
        task.cancel()

    def restart_those_that_stopped(self) -> None:
        for name in [name for name, (_, task) in self.replicas.items() if task.done()]:
            del self.replicas[name]
            self.join()

    async def leases(self) -> list[str]:
        return sorted(name_of(lease) for lease in (await Client(self._server).list(LEASES, "default")).items)

    def owners(self) -> dict[str, list[str]]:
        return {key: [name for name, (one, _) in self.replicas.items() if one.sharing.owns(key)] for key in KEYS}


def play(story: Callable[[Group], Awaitable[None]]) -> None:
    async def main() -> None:
        server = await ApiServer.open(
            path=None, clock=LoopClock(asyncio.get_running_loop(), EPOCH), ids=RandomIds(random.Random(1))
        )
        async with asyncio.TaskGroup() as tasks:
            group = Group(server, tasks)
            await story(group)
            for _, task in group.replicas.values():
                task.cancel()
        await server.close()

    run_in_virtual_time(main())


@pytest.mark.proves("kube:sharding-by-lease")
@pytest.mark.parametrize("seed", range(20))
def test_no_key_is_ever_in_two_hands_and_each_soon_in_one(seed: int) -> None:
    async def story(group: Group) -> None:
        rng = random.Random(seed)
        for _ in range(3):
            group.join().line.losses = 0.1
        for _ in range(25):
            await asyncio.sleep(rng.choice((0.1, 1.0, 5.0, 20.0)))
            group.restart_those_that_stopped()
            disturb(group, rng)
        for replica, _ in group.replicas.values():
            replica.line.is_cut, replica.line.losses = False, 0.0
        if not group.replicas:
            group.join()
        for _ in range(6):
            await asyncio.sleep(10)
            group.restart_those_that_stopped()
        quiet = asyncio.get_running_loop().time()
        await asyncio.sleep(20)
        assert all(len(owners) == 1 for owners in group.owners().values()), group.owners()
        assert all(group.desk.last[key] > quiet for key in KEYS)

    play(story)


def disturb(group: Group, rng: random.Random) -> None:
    name = rng.choice(sorted(group.replicas)) if group.replicas else ""
    deed = rng.choice(("join", "leave", "kill", "cut", "mend", "jump"))
    if deed == "join" or not name:
        group.join()
    elif deed in ("leave", "kill"):
        group.end(name, killed=deed == "kill")
    elif deed == "jump":
        group.replicas[name][0].wall_off += rng.choice((-3600.0, 3600.0, -30.0, 30.0))
    else:
        group.replicas[name][0].line.is_cut = deed == "cut"


@pytest.mark.proves("kube:take-over-after-kill")
@pytest.mark.parametrize("seed", range(5))
def test_what_a_killed_replica_had_is_taken_over_within_15_seconds(seed: int) -> None:
    async def story(group: Group) -> None:
        rng = random.Random(seed)
        for _ in range(3):
            group.join()
        await asyncio.sleep(30 + rng.uniform(0, 5))
        victim = rng.choice(sorted(group.replicas))
        had = [key for key, owners in group.owners().items() if owners == [victim]]
        group.end(victim, killed=True)
        await asyncio.sleep(TAKE_OVER)
        owners = group.owners()
        assert had and all(len(owners[key]) == 1 for key in had), owners

    play(story)


def test_who_leaves_hands_over_at_once() -> None:
    async def story(group: Group) -> None:
        for _ in range(2):
            group.join()
        await asyncio.sleep(20)
        group.end("replica-1", killed=False)
        await asyncio.sleep(4)
        assert all(owners == ["replica-2"] for owners in group.owners().values())
        await asyncio.sleep(90)
        assert await group.leases() == ["replica-2"]

    play(story)


def test_only_the_newcomers_part_moves() -> None:
    members = ["a", "b", "c"]
    before = {key: falls_to(members, key) for key in KEYS}
    after = {key: falls_to([*members, "d"], key) for key in KEYS}
    moved = {key for key in KEYS if before[key] != after[key]}
    assert moved and all(after[key] == "d" for key in moved)
    assert set(before.values()) == set(members)


@pytest.mark.parametrize("seed", range(5))
def test_a_standby_takes_over_within_15_seconds_and_never_beside_a_leader_that_is_cut_off(seed: int) -> None:
    async def main() -> None:
        loop, rng, desk = asyncio.get_running_loop(), random.Random(seed), Desk()
        server = await ApiServer.open(path=None, clock=LoopClock(loop, EPOCH), ids=RandomIds(random.Random(1)))
        lines = [Line(server, random.Random(f"{seed} {number}")) for number in range(2)]

        async def work(name: str) -> None:
            while True:
                await desk.work("all", name, 0.5)

        def process(number: int) -> Awaitable[None]:
            lease = LeaseName("default", "shipway", f"process-{number}")
            leadership = Leadership(Client(lines[number]), LoopClock(loop, EPOCH), lease)
            return leadership.run(lambda: work(lease.identity))

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(process(number)) for number in range(2)]  # type: ignore[arg-type]
            await asyncio.sleep(20 + rng.uniform(0, 5))
            leader = int(desk.by["all"].removeprefix("process-"))
            lines[leader].is_cut = True
            await asyncio.sleep(TAKE_OVER)
            assert desk.by["all"] == f"process-{1 - leader}"
            for task in running:
                task.cancel()
        await server.close()

    run_in_virtual_time(main())


def test_what_one_tells_all_others_hear_once_and_soon_however_the_line_is() -> None:
    async def story(group: Group) -> None:
        tellers = [group.join() for _ in range(3)]
        await asyncio.sleep(20)
        for replica in tellers:
            replica.line.losses = 0.3
        for number in range(6):
            tellers[number % 2].sharing.tell(f"push {number}")
            await asyncio.sleep(0.3)
        await asyncio.sleep(10)
        first, second, third = (sorted(replica.heard) for replica in tellers)
        assert first == ["push 1", "push 3", "push 5"]
        assert second == ["push 0", "push 2", "push 4"]
        assert third == [f"push {number}" for number in range(6)]

    play(story)


def test_a_newcomer_hears_what_is_told_from_then_on_and_a_lease_does_not_grow() -> None:
    async def story(group: Group) -> None:
        old = group.join()
        await asyncio.sleep(5)
        old.sharing.tell("long ago")
        await asyncio.sleep(5)
        new = group.join()
        await asyncio.sleep(5)
        assert new.heard == []
        for number in range(1000):
            old.sharing.tell(f"push {number}")
        await asyncio.sleep(3)
        assert new.heard == [f"push {number}" for number in range(1000 - MAX_TOLD, 1000)], "more at once is nobody's pace"
        await asyncio.sleep(60)
        lease = await Client(old.line).get(LEASES, "default", old.name)
        assert annotations_of(lease)[TOLD_ANNOTATION] == '{"number":1001,"words":[]}'

    play(story)
