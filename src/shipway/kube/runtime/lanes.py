"""Lanes: where slow questions to the outside wait, so that no controller does.

An ask is a value; equal asks from a thousand keys are one question. Its answer is kept as long as some key keeps asking,
and wakes whoever asked. A lane is the remote that answers: it is bounded, so a repository that hangs fills its own lane
and nobody else's.

Everything is kept in order of arrival, so that a simulation with the same seed takes the same steps.

Standing asks are asked again at every poll and when somebody says that their remote has news (`ask_again`, `refresh`); they
wake their subscribers only when the value they look at changed. An error is an answer with a time; as long as somebody
keeps asking and the remote (not the user) is to blame, it is asked again after a growing delay.

Asks of kinds that come `together` wake their subscriber once: when all of them that it asks are answered. What is known
without asking (`at_hand`) is answered to whoever looks, and is neither asked nor told any more.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from shipway.base.clock import Clock, Instant
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable, verdict
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Answer, Ask

Subscriber = Hashable
Poll = Callable[[Ask, Instant], float]
"""Seconds from now until a standing ask is asked again; its own `poll_seconds` where nobody says otherwise."""
FIRST_RETRY = 2.0
LONGEST_RETRY = 60.0
MENDED_WITHIN = 180.0
"""Seconds after which a standing ask looks whether the user has mended what was wrong, however seldom it is asked else."""

log = structlog.get_logger()


class Lanes:
    """Answers asks through `resolvers` (ask type -> async function). `wake` is called with each subscriber that has news."""

    def __init__(
        self,
        resolvers: Mapping[type[Ask], Resolver],
        clock: Clock,
        wake: Callable[[Subscriber], None],
    ) -> None:
        self._resolvers = resolvers
        self._clock = clock
        self._wake = wake
        self.poll: Poll = lambda ask, now: ask.poll_seconds
        self.before_renewal: Callable[[Ask], None] = lambda ask: None
        self.forgotten: Callable[[Ask], None] = lambda ask: None
        """Told of each ask that nobody asks any more."""
        self.at_hand: Callable[[Ask], Any] = lambda ask: None
        """The value of an immutable ask that takes no time to say, or None."""
        self._answers: dict[Ask, Answer] = {}
        self._subscribers: defaultdict[Ask, dict[Subscriber, None]] = defaultdict(dict)
        self._asks_of: dict[Subscriber, dict[Ask, None]] = {}
        self._tasks: dict[Ask, asyncio.Task[None]] = {}
        self._again: dict[Ask, asyncio.Event] = {}
        self._open: defaultdict[Subscriber, Counter[str]] = defaultdict(Counter)
        """How many answers a subscriber still waits for, of those that come together."""
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Owns the running questions until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for ask in list(self._subscribers):
                    self._start(ask)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None

    def answer(self, ask: Ask) -> Answer | None:
        """What was answered, as long as somebody asks."""
        return self._answers.get(ask)

    def look(self) -> "Look":
        """For one pass, from its first question to its subscription."""
        return Look(self.answer, self._at_hand)

    def _at_hand(self, ask: Ask) -> Answer | None:
        """What is known of an ask that nobody asks yet."""
        if ask.standing or ask in self._subscribers or (value := self.at_hand(ask)) is None:
            return None
        return Answer(value=value, at=self._clock.now())

    def subscribe(self, subscriber: Subscriber, asks: Iterable[Ask], look: "Look | None" = None) -> None:
        """`asks` is all that `subscriber` asks from now on; what nobody asks any more is forgotten. What was at hand
        for its `look` is answered."""
        new = dict.fromkeys(asks)
        old = self._asks_of.get(subscriber, {})
        if new:
            self._asks_of[subscriber] = new
        else:
            self._asks_of.pop(subscriber, None)
        for ask in [ask for ask in old if ask not in new]:
            self._unsubscribe(subscriber, ask)
        for ask in [ask for ask in new if ask not in old]:
            self._subscribers[ask][subscriber] = None
            if look is not None and ask in look.at_hand and ask not in self._tasks:
                self._answers.setdefault(ask, look.at_hand[ask])  # while it is asked, the others who ask must be told
            if ask.together and ask not in self._answers:
                self._open[subscriber][ask.together] += 1
            self._start(ask)

    def refresh(self, concerns: Callable[[Ask], bool]) -> int:
        """Asks the standing asks that `concerns` picks again at once. Returns how many. Looks at all of them."""
        return self.ask_again([ask for ask in self._again if ask.standing and concerns(ask)])

    def ask_again(self, asks: Iterable[Ask]) -> int:
        """Asks these standing asks again at once, as far as anybody asks them. Returns how many."""
        again = [self._again[ask] for ask in asks if ask.standing and ask in self._again]
        for event in again:
            event.set()
        return len(again)

    def renew(self, asks: Sequence[Ask]) -> None:
        """As `ask_again`, and whoever answers is told first (`before_renewal`): what the remote said before is not enough."""
        for ask in asks:
            self.before_renewal(ask)
        self.ask_again(asks)

    def keep_waiting(self, subscriber: Subscriber) -> bool:
        """Whether it has asked what comes together and can do nothing before the last answer, which will wake it."""
        return subscriber in self._open

    @property
    def is_idle(self) -> bool:
        """Every ask has an answer."""
        return all(ask in self._answers for ask in self._subscribers)

    def _unsubscribe(self, subscriber: Subscriber, ask: Ask) -> None:
        subscribers = self._subscribers[ask]
        subscribers.pop(subscriber, None)
        if ask.together and ask not in self._answers and self._is_last_open(subscriber, ask):
            self._wake(subscriber)  # the others may have been answered meanwhile
        if subscribers:
            return
        del self._subscribers[ask]
        self._answers.pop(ask, None)
        task = self._tasks.pop(ask, None)
        if task:
            task.cancel()
        self.forgotten(ask)

    def _start(self, ask: Ask) -> None:
        known = self._answers.get(ask)
        if known is not None and known.error is None and not ask.standing:
            return
        if self._group is not None and ask not in self._tasks:
            self._tasks[ask] = self._group.create_task(self._keep_asking(ask))

    async def _keep_asking(self, ask: Ask) -> None:
        again = self._again[ask] = asyncio.Event()
        failures = 0
        try:
            while True:
                again.clear()
                answer = await self._ask_once(ask)
                if not self._is_asked_by_us(ask):
                    return
                failures = failures + 1 if answer.error else 0
                self._record(ask, answer)
                delay = _next_try(ask, answer, failures, self.poll(ask, self._clock.now()))
                if delay is None:
                    return
                await self._pause(again, delay)
        finally:
            if self._again.get(ask) is again:
                del self._again[ask]

    def _is_asked_by_us(self, ask: Ask) -> bool:
        """Whether this task is still to ask. It may have been told to end without a word: a `TaskGroup` of the resolver that is
        coming apart by an error reports the error and loses the cancellation (until Python 3.13)."""
        return self._group is not None and self._tasks.get(ask) is asyncio.current_task()

    async def _pause(self, again: asyncio.Event, delay: float) -> None:
        """Sleeps `delay` seconds, or less if a refresh comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await again.wait()

    async def _ask_once(self, ask: Ask) -> Answer:
        async with self._lanes.setdefault(ask.lane, asyncio.Semaphore(ask.at_once)):
            at = self._clock.now()
            try:
                return Answer(value=await self._resolver(ask)(ask), at=at)
            except ShipwayError as error:
                return Answer(error=error, at=at)
            except Exception as bug:
                log.exception("ask_failed", ask=type(ask).__name__, lane=ask.lane)
                return Answer(error=Unavailable(verdict(bug).message, reason="InternalError"), at=at)

    def _resolver(self, ask: Ask) -> Resolver:
        for kind in type(ask).__mro__:
            if kind in self._resolvers:
                return self._resolvers[kind]
        raise InvalidInput(f"nothing answers {type(ask).__name__}: this engine runs without the adapter it needs")

    def _record(self, ask: Ask, answer: Answer) -> None:
        old = self._answers.get(ask)
        if answer.error and old:
            answer = Answer(value=old.value, error=answer.error, at=answer.at)
        self._answers[ask] = answer
        if not ask.wakes or (old and _looks_same(old, answer)):
            return
        for subscriber in list(self._subscribers.get(ask, ())):
            if old or not ask.together or self._is_last_open(subscriber, ask):
                self._wake(subscriber)

    def _is_last_open(self, subscriber: Subscriber, ask: Ask) -> bool:
        """Takes an ask off those that the subscriber waits for together."""
        open_ = self._open[subscriber]
        open_[ask.together] -= 1
        if open_[ask.together] > 0:
            return False
        del open_[ask.together]
        if not open_:
            del self._open[subscriber]
        return True


class Look:
    """The answers that one pass sees. What was at hand when it looked stays so for it, whatever others ask meanwhile."""

    def __init__(self, answered: Callable[[Ask], Answer | None], find: Callable[[Ask], Answer | None]) -> None:
        self._answered = answered
        self._find = find
        self.at_hand: dict[Ask, Answer] = {}

    def answer(self, ask: Ask) -> Answer | None:
        known = self._answered(ask) or self.at_hand.get(ask)
        if known is None and (known := self._find(ask)) is not None:
            self.at_hand[ask] = known
        return known


def _next_try(ask: Ask, answer: Answer, failures: int, poll_seconds: float) -> float | None:
    """Seconds until the ask is asked again; None when its answer stands for good."""
    if answer.error and verdict(answer.error).retry != "on_change":
        after = answer.error.after if isinstance(answer.error, Unavailable) else None
        delay = max(after or 0.0, min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 6)))
        return min(delay, poll_seconds) if ask.standing and not after else delay
    if not ask.standing:
        return None
    return min(poll_seconds, MENDED_WITHIN) if answer.error else poll_seconds


def _looks_same(old: Answer, new: Answer) -> bool:
    """Whether a subscriber would see no difference: the value says the same, and so does the error."""
    return _says_the_same(old.value, new.value) and str(old.error or "") == str(new.error or "")


def _says_the_same(old: Any, new: Any) -> bool:
    says: Callable[[Any], bool] | None = getattr(new, "says_the_same", None)
    return old == new if says is None or old is None else says(old)
