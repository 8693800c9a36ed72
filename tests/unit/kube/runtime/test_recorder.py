"""Events: told once and counted up, by as few requests as it takes, and after the passes that wait for the server."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from shipway.api.kinds import EVENTS
from shipway.base.clock import Clock, Instant, LoopClock, rfc3339
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.views import name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.decision import Note
from shipway.kube.runtime.recorder import LONGEST_LULL, MANY, Recorder
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer

ABOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "namespace": "default", "name": "web", "uid": "u1"}


class Counting:
    """The server, and the verbs it was asked."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.verbs: list[str] = []

    async def send(self, request: Request) -> Response:
        self.verbs.append(request.method)
        return await self._inner.send(request)

    async def close(self) -> None:
        await self._inner.close()


def recording(story: Callable[[Client, Clock, Counting], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_795_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        counting = Counting(server)
        await story(Client(counting), clock, counting)
        await server.close()

    run_in_virtual_time(main())


def note(message: str = "Rollout is paused") -> Note:
    return Note(ABOUT, "RolloutPaused", message)


async def counts(client: Client) -> list[int]:
    return [event["count"] for event in (await client.list(EVENTS, "default")).items]


def test_what_was_told_before_is_counted_up_by_one_request() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        recorder = Recorder(client, clock, "rollout")
        for _ in range(3):
            await recorder.record(note())
        assert counting.verbs == ["POST", "PATCH", "PATCH"]
        assert await counts(client) == [3]

    recording(story)


def test_another_process_counts_on_from_what_is_there() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        await Recorder(client, clock, "rollout").record(note())
        recorder = Recorder(client, clock, "rollout")
        await recorder.record(note())
        await recorder.record(note())
        assert counting.verbs == ["POST", "POST", "GET", "PATCH", "PATCH"]
        assert await counts(client) == [3]

    recording(story)


def test_an_event_that_has_gone_meanwhile_is_told_anew() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        recorder = Recorder(client, clock, "rollout")
        await recorder.record(note())
        (event,) = (await client.list(EVENTS, "default")).items
        await client.delete(EVENTS, "default", name_of(event))
        await recorder.record(note())
        assert await counts(client) == [1]

    recording(story)


def test_events_wait_for_the_passes_but_not_for_long() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        busy = [True]
        recorder = Recorder(client, clock, "rollout", is_busy=lambda: busy[0])
        running = asyncio.ensure_future(recorder.run())
        recorder.put(note("a"))
        await clock.sleep(LONGEST_LULL / 2)
        assert counting.verbs == []
        busy[0] = False
        await clock.sleep(0.2)
        assert counting.verbs == ["POST"]
        (event,) = (await client.list(EVENTS, "default")).items
        assert event["lastTimestamp"] == rfc3339(Instant(1_795_000_000.0))
        counting.verbs.clear()
        busy[0] = True
        recorder.put(note("b"))
        recorder.put(note("c"))
        await clock.sleep(LONGEST_LULL - 0.5)
        assert counting.verbs == []
        await clock.sleep(0.7)
        assert counting.verbs == ["POST", "POST"]
        running.cancel()

    recording(story)


def test_many_events_do_not_wait() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        recorder = Recorder(client, clock, "rollout", is_busy=lambda: True)
        for number in range(MANY + 10):
            recorder.put(note(str(number)))
        running = asyncio.ensure_future(recorder.run())
        await clock.sleep(0.01)
        assert len(counting.verbs) >= 9
        running.cancel()

    recording(story)


def test_what_happens_again_before_it_is_told_is_told_by_one_request() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        busy = True
        recorder = Recorder(client, clock, "rollout", is_busy=lambda: busy)
        writing = asyncio.create_task(recorder.run())
        for one in (note("paused"), note("resumed"), note("paused")):
            recorder.put(one)
            await clock.sleep(2)
        busy = False
        await clock.sleep(1)
        assert counting.verbs == ["POST", "POST"]
        recorder.put(note("paused"))
        await clock.sleep(1)
        told = {event["message"]: event for event in (await client.list(EVENTS, "default")).items}
        assert [told[name]["count"] for name in ("paused", "resumed")] == [3, 1]
        seconds = [told["paused"][field] for field in ("firstTimestamp", "lastTimestamp")]
        assert seconds == [rfc3339(Instant(1_795_000_000.0 + after)) for after in (0, 7)]
        writing.cancel()

    recording(story)


class Slow:
    """A server that takes its time."""

    def __init__(self, inner: Transport, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    async def send(self, request: Request) -> Response:
        await self._clock.sleep(0.1)
        return await self._inner.send(request)

    async def close(self) -> None:
        await self._inner.close()


def test_a_slow_server_is_told_of_events_seldom_until_they_have_waited_long() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        recorder = Recorder(Client(Slow(counting, clock)), clock, "rollout")
        writing = asyncio.create_task(recorder.run())
        for number in range(100):
            recorder.put(note(str(number)))
        await clock.sleep(7)
        assert 8 <= len(counting.verbs) <= 11, "one in 0.7 s instead of one in 0.1 s"
        await clock.sleep(LONGEST_LULL - 7)
        counting.verbs.clear()
        await clock.sleep(3)
        assert len(counting.verbs) > 25
        writing.cancel()

    recording(story)


def changed(before: str, after: str, topic: str = "Updated health status") -> Note:
    return Note(ABOUT, "ResourceUpdated", f"{topic}: {before} -> {after}", change=(topic, before, after))


def test_a_state_that_goes_on_changing_while_its_event_waits_is_told_once() -> None:
    async def story(client: Client, clock: Clock, counting: Counting) -> None:
        busy = True
        recorder = Recorder(client, clock, "application", is_busy=lambda: busy)
        writing = asyncio.create_task(recorder.run())
        for one in (
            changed("", "Missing"),
            changed("", "OutOfSync", "Updated sync status"),
            note("begun"),
            changed("Missing", "Progressing"),
            changed("OutOfSync", "Synced", "Updated sync status"),
            changed("Progressing", "Healthy"),
        ):
            recorder.put(one)
            await clock.sleep(0.2)
        busy = False
        await clock.sleep(1)
        told = [event["message"] for event in (await client.list(EVENTS, "default")).items]
        assert sorted(told) == ["Updated health status:  -> Healthy", "Updated sync status:  -> Synced", "begun"]
        recorder.put(changed("Healthy", "Degraded"))
        recorder.put(changed("Degraded", "Healthy"))
        await clock.sleep(1)
        assert len((await client.list(EVENTS, "default")).items) == 5, "there and back again is two events"
        writing.cancel()

    recording(story)
