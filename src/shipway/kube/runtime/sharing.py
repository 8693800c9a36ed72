"""Several replicas share the keys: each works on those that fall to it, and no two ever work on one key at once.

Every replica keeps a Lease of its own in the group and looks at the others' every second. A key falls to the member
with the highest hash of (member, key), so whoever joins takes only its own part from each, and of one who leaves only that
one's part moves. Two views that both know both members can then not both give a key to each: what remains is members that do
not know of one another, and for those there are three rules.

- A newcomer works on nothing until every member has acknowledged it, by name, in its own Lease. A member does so when it has
  stopped working on what is no longer its own, passes under way included.
- Who cannot renew within five sixths of a lease stops everything (`run` returns). The others wait a whole one, by their own
  steady clocks, from when they saw the last renewal, before they take it for dead.
- A replica that stopped comes back under a new identity and is a newcomer.

What one of them is told by the outside (a push of a repository) it can tell the others: such words stand for a while in its
Lease, which they look at anyway. They are a courtesy: one that is lost is found out by whoever asks again in time.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from shipway.base.clock import Clock, rfc3339_micro
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of, resource_version_of, spec_of, uid_of
from shipway.kube.runtime.leader import LEASES, LOOK, RELEASE_SECONDS, RENEW, TERM

log = structlog.get_logger()

GROUP_LABEL = "shipway.dev/sharing"
KNOWN_ANNOTATION = "shipway.dev/knows"
TOLD_ANNOTATION = "shipway.dev/tells"
"""JSON: how many words a member has told in its life, and the last of them."""
TOLD_TERMS = 2
"""Leases for which words stand there; members look several times in each."""
MAX_TOLD = 200
CLEAR_AFTER_TERMS = 6
DRAIN_LOOK = 0.05
"""Seconds between two looks at whether passes for others have ended."""


class Membership(Struct, frozen=True):
    """Who we are, in which group of which namespace, and for how many seconds a renewal counts."""

    namespace: str
    group: str
    identity: str
    seconds: int = 12


class Shared(Protocol):
    """What does the work; `Runtime` is one."""

    async def run(self) -> None: ...

    def is_working_for_others(self) -> bool:
        """Whether a pass is under way for a key that is not ours."""
        ...

    def share_again(self) -> None:
        """Other keys may be ours now."""
        ...


def falls_to(members: Iterable[str], key: str) -> str:
    """The member that a key falls to."""
    return max(members, key=lambda member: blake2b(f"{member}\0{key}".encode(), digest_size=8).digest())


class _Other(Struct, frozen=True):
    """What was seen of another member: its Lease's version, since when, whom it knows, and how many words we heard."""

    version: str
    since: float
    knows: frozenset[str]
    heard: int


class _Told(Struct, frozen=True):
    """How many words somebody has told, and the last of them."""

    number: int = 0
    words: tuple[str, ...] = ()


class Sharing:
    """Our place in the group. `owns` may be asked at any time and is false as long as it is not certain. `on_word` hears what
    another member tells after we have seen it."""

    def __init__(
        self, client: Client, clock: Clock, membership: Membership, on_word: Callable[[str], object] = lambda _: None
    ) -> None:
        self._client = client
        self._on_word = on_word
        self._words: deque[tuple[float, str]] = deque(maxlen=MAX_TOLD)
        self._told = self._written = 0
        self._has_news = asyncio.Event()
        self._clock = clock
        self._me = membership
        self._others: dict[str, _Other] = {}
        self._gone: dict[str, float] = {}
        self._knows: frozenset[str] = frozenset()
        self._has_joined = False
        self._has_looked = False
        self._until = 0.0
        self._renew_at = 0.0

    @property
    def members(self) -> frozenset[str]:
        """Who is alive as far as we know, we among them."""
        return frozenset((self._me.identity, *self._others))

    def owns(self, key: str) -> bool:
        """Whether we may work on `key` now."""
        if not self._has_looked or self._clock.elapsed() >= self._until:
            return False
        me = self._me.identity
        return all(me in other.knows for other in self._others.values()) and falls_to(self.members, key) == me

    def tell(self, word: str) -> None:
        """Has the other members hear it, once each, within a second or two."""
        self._words.append((self._clock.elapsed(), word))
        self._told += 1
        self._has_news.set()

    async def run(self, shared: Shared) -> None:
        """Joins and works until cancelled, or until we could not renew in time."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep(shared))
                working = group.create_task(_await(shared.run))
                await asyncio.wait((working, keeping), return_when=asyncio.FIRST_COMPLETED)
                self._until = 0.0
                working.cancel()
                keeping.cancel()
        finally:
            await self._leave()

    async def _keep(self, shared: Shared) -> None:
        """Looks and renews until the term has ended without a renewal."""
        self._until = self._clock.elapsed() + self._term
        while (left := self._until - self._clock.elapsed()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._look(shared)
                    await self._pause()
            except (ShipwayError, TimeoutError) as error:
                log.warning("membership_not_renewed", identity=self._me.identity, message=str(error))
                await self._clock.sleep(min(0.5, max(0.0, self._until - self._clock.elapsed())))
        log.warning("membership_lost", identity=self._me.identity)

    async def _pause(self) -> None:
        """Until the next look, or until there is something to tell."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._me.seconds * LOOK):
                await self._has_news.wait()

    @property
    def _term(self) -> float:
        return self._me.seconds * TERM

    async def _look(self, shared: Shared) -> None:
        """One round: who is there, stop what is others', then say whom we know and that we live.

        Our Lease is written before the first look: of two that join at once, the later one to look sees the other.
        """
        begun = self._clock.elapsed()
        if not self._has_joined:
            await self._join()
        listing = await self._client.list(LEASES, self._me.namespace, label_selector=f"{GROUP_LABEL}={self._me.group}")
        before = self._picture()
        leases = {name_of(lease): lease for lease in listing.items}
        self._others = self._seen(leases)
        if self._picture() != before:
            shared.share_again()
        knew = self._knows
        await self._acknowledge(shared)
        self._has_news.clear()
        if self._knows != knew or self._told != self._written or self._clock.elapsed() >= self._renew_at:
            told = self._told
            await self._client.patch(LEASES, self._me.namespace, self._me.identity, self._said())
            self._written = told
            self._until, self._renew_at = begun + self._term, begun + self._me.seconds * RENEW
        if not self._has_looked:
            self._has_looked = True
            shared.share_again()
        await self._clear_away(leases)

    def _picture(self) -> dict[str, frozenset[str]]:
        return {name: other.knows for name, other in self._others.items()}

    async def _acknowledge(self, shared: Shared) -> None:
        """Knows all others once no pass is under way for a key that fell to one of them; a slow pass is asked for next time."""
        patience = self._clock.elapsed() + self._me.seconds * LOOK
        while (is_busy := shared.is_working_for_others()) and self._clock.elapsed() < patience:
            await self._clock.sleep(DRAIN_LOOK)
        self._knows = self._knows & set(self._others) if is_busy else frozenset(self._others)

    def _seen(self, leases: Mapping[str, Obj]) -> dict[str, _Other]:
        """The living others. One whose Lease is gone is as alive as one that does not renew: it may not know yet."""
        now = self._clock.elapsed()
        alive: dict[str, _Other] = {}
        for name in dict.fromkeys((*self._others, *leases)):
            lease, known = leases.get(name), self._others.get(name)
            if name == self._me.identity or name in self._gone:
                continue
            if lease is not None and (known is None or known.version != resource_version_of(lease)):
                told = _told_by(lease)
                self._hear(told, known.heard if known else told.number)
                known = _Other(resource_version_of(lease), now, _known_by(lease), told.number)
            has_left = lease is not None and not spec_of(lease).get("holderIdentity")
            if known is not None and not has_left and now - known.since < self._me.seconds:
                alive[name] = known
            else:
                self._gone[name] = now  # for good: whoever comes back does so under a new name
                log.info("member_gone", member=name)
        return alive

    def _hear(self, told: _Told, heard: int) -> None:
        """What was told before we saw its teller is no news to us: we asked for everything since."""
        new = told.number - heard
        for word in told.words[-new:] if new > 0 else ():
            self._on_word(word)

    async def _clear_away(self, leases: Mapping[str, Obj]) -> None:
        """Deletes the Lease of somebody who has been gone so long that all others have noticed too."""
        now = self._clock.elapsed()
        for name in [name for name, since in self._gone.items() if now - since > CLEAR_AFTER_TERMS * self._me.seconds]:
            if name in leases:
                with contextlib.suppress(NotFound, Conflict):
                    await self._client.delete(LEASES, self._me.namespace, name, uid=uid_of(leases[name]))
            del self._gone[name]

    def _said(self) -> Obj:
        """What our Lease says now: whom we know, what we tell, and that we live. Nobody else writes it: no version is named."""
        while self._words and self._words[0][0] < self._clock.elapsed() - TOLD_TERMS * self._me.seconds:
            self._words.popleft()
        told = _Told(self._told, tuple(word for _, word in self._words))
        spec: Obj = {
            "holderIdentity": self._me.identity,
            "leaseDurationSeconds": self._me.seconds,
            "renewTime": rfc3339_micro(self._clock.now()),
        }
        annotations = {
            KNOWN_ANNOTATION: ",".join(sorted(self._knows)),
            TOLD_ANNOTATION: msgspec.json.encode(told).decode(),
        }
        return {"metadata": {"annotations": annotations}, "spec": spec}

    async def _join(self) -> None:
        """Makes our Lease. One that is there already is ours, from a try whose answer was lost."""
        said, labels = self._said(), {GROUP_LABEL: self._me.group}
        meta: Obj = {"namespace": self._me.namespace, "name": self._me.identity, "labels": labels, **said["metadata"]}
        with contextlib.suppress(Conflict):
            await self._client.create(
                LEASES, {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": meta, "spec": said["spec"]}
            )
        self._has_joined = True

    async def _leave(self) -> None:
        """Says that our keys are free; who cannot in time lets the term run out."""
        self._until = 0.0
        if not self._has_joined:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                freed = {"spec": {"holderIdentity": ""}}
                await self._client.patch(LEASES, self._me.namespace, self._me.identity, freed)
        except NotFound:
            return
        except (ShipwayError, TimeoutError) as error:
            log.info("membership_not_released", message=str(error))


def _known_by(lease: Obj) -> frozenset[str]:
    return frozenset(filter(None, (annotations_of(lease).get(KNOWN_ANNOTATION) or "").split(",")))


def _told_by(lease: Obj) -> _Told:
    """Nothing where it cannot be read: another version of Shipway, or somebody's hand."""
    try:
        return msgspec.json.decode(annotations_of(lease).get(TOLD_ANNOTATION) or "{}", type=_Told)
    except msgspec.DecodeError:
        return _Told()


async def _await(work: Callable[[], Awaitable[None]]) -> None:
    await work()
