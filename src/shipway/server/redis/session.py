"""What one client of the Redis face may say, and what it is answered: the commands that `argocd-server` sends, and few more.

Keys that somebody else computes (`Computed`) are worked out with each GET, whatever a SET says; all others are kept (`keys`).
Channels are shared by all sessions, so a login that one server revokes is revoked on its siblings.
"""

import hmac
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.base.globs import compile_glob
from shipway.server.redis.keys import Full, Keys
from shipway.server.redis.wire import Command, Push, Refusal

NO_LOGIN = Refusal("NOAUTH Authentication required.")
WRONG_LOGIN = Refusal("WRONGPASS invalid username-password pair or user is disabled.")
LOADING = Refusal("LOADING another replica is at work, or the first lists are being read")
FULL = Refusal("OOM there is no room for more keys")
SYNTAX = Refusal("ERR syntax error")
NUMBER = Refusal("ERR value is not an integer or out of range")
COMPUTED = Refusal("READONLY this key is worked out when it is read, and cannot be set")
MOST_CHANNELS = 1000
"""Of one client."""


class Computed(Protocol):
    """Keys that are worked out when somebody reads them."""

    def is_ready(self) -> bool:
        """Whether this process can answer: a standby cannot."""
        ...

    def owns(self, key: str) -> bool: ...

    async def value(self, key: str) -> bytes | None:
        """None where there is no such thing. Raises ShipwayError."""
        ...

    def listened(self, channel: str, is_heard: bool) -> None:
        """Somebody listens to a channel now, or nobody does any more."""
        ...


class Channels:
    """Who listens to what."""

    def __init__(self, on_change: Callable[[str, bool], None]) -> None:
        self._on_change = on_change
        self._listeners: defaultdict[bytes, set[Session]] = defaultdict(set)

    def join(self, channel: bytes, session: "Session") -> None:
        is_first = not self._listeners[channel]
        self._listeners[channel].add(session)
        if is_first:
            self._on_change(channel.decode(errors="replace"), True)

    def leave(self, channel: bytes, session: "Session") -> None:
        listeners = self._listeners[channel]
        was_there = session in listeners
        listeners.discard(session)
        if not listeners:
            del self._listeners[channel]
            if was_there:
                self._on_change(channel.decode(errors="replace"), False)

    def publish(self, channel: bytes, payload: bytes) -> int:
        """How many heard it."""
        listeners = tuple(self._listeners.get(channel, ()))
        for session in listeners:
            session.tell(Push((b"message", channel, payload)))
        return len(listeners)


class Room:
    """What all sessions share. Without a `password` everybody is let in."""

    def __init__(self, clock: Clock, computed: Computed, password: str = "", keys: Keys | None = None) -> None:
        self.clock = clock
        self.computed = computed
        self.password = password
        self.keys = keys if keys is not None else Keys()
        self.channels = Channels(computed.listened)


class Session:
    """One connection. `tell` sends what comes unasked; `version` is that of the protocol."""

    def __init__(self, room: Room, tell: Callable[[Push], None]) -> None:
        self.version = 2
        self.tell = tell
        self.is_known = not room.password
        self.is_over = False
        self._room = room
        self._keys = room.keys
        self._channels: set[bytes] = set()

    async def answer(self, command: Command) -> list[Any]:
        """The replies to one command; a subscription has one for each channel."""
        name, arguments = command[0].decode(errors="replace").upper() if command else "", command[1:]
        if name in _BEFORE_LOGIN:
            return _BEFORE_LOGIN[name](self, arguments)
        if not self.is_known:
            return [NO_LOGIN]
        if name not in _COMMANDS:
            return [Refusal(f"ERR unknown command '{name[:64]}'")]
        fewest, needs_keys, method = _COMMANDS[name]
        if len(arguments) < fewest:
            return [Refusal(f"ERR wrong number of arguments for '{name.lower()}' command")]
        if needs_keys and not self._room.computed.is_ready():
            return [LOADING]
        try:
            return await method(self, arguments)
        except Full:
            return [FULL]

    def close(self) -> None:
        """Listens to nothing any more."""
        for channel in self._channels:
            self._room.channels.leave(channel, self)
        self._channels.clear()

    def _is_computed(self, key: bytes) -> bool:
        return self._room.computed.owns(key.decode(errors="replace"))

    def _let_in(self, password: bytes) -> bool:
        if self._room.password and not hmac.compare_digest(password, self._room.password.encode()):
            return False
        self.is_known = True
        return True

    def _hello(self, arguments: Command) -> list[Any]:
        version = arguments[0] if arguments else b"2"
        if version not in (b"2", b"3"):
            return [Refusal("NOPROTO unsupported protocol version")]
        words = [word.upper() for word in arguments[1:]]
        if b"AUTH" in words[:1]:
            if len(arguments) < 4:
                return [SYNTAX]
            if not self._let_in(arguments[3]):
                return [WRONG_LOGIN]
        if not self.is_known:
            return [NO_LOGIN]
        self.version = int(version)
        facts = {b"server": b"redis", b"version": b"7.4.0", b"proto": self.version, b"id": 1, b"mode": b"standalone"}
        return [{**facts, b"role": b"master", b"modules": []}]

    def _auth(self, arguments: Command) -> list[Any]:
        if len(arguments) not in (1, 2):
            return [SYNTAX]
        return ["OK" if self._let_in(arguments[-1]) else WRONG_LOGIN]

    def _quit(self, _: Command) -> list[Any]:
        self.is_over = True
        return ["OK"]

    async def _ping(self, arguments: Command) -> list[Any]:
        if self._channels and self.version == 2:
            return [[b"pong", arguments[0] if arguments else b""]]
        return [arguments[0] if arguments else "PONG"]

    async def _ok(self, _: Command) -> list[Any]:
        return ["OK"]

    async def _client(self, arguments: Command) -> list[Any]:
        """Says who it is; nobody asks."""
        if arguments[0].upper() in (b"SETINFO", b"SETNAME"):
            return ["OK"]
        return [Refusal("ERR unknown subcommand of CLIENT")]

    async def _get(self, arguments: Command) -> list[Any]:
        key = arguments[0]
        if not self._is_computed(key):
            return [self._keys.get(key, self._room.clock.now())]
        try:
            return [await self._room.computed.value(key.decode())]
        except ShipwayError as error:
            return [Refusal(error.message)]

    async def _set(self, arguments: Command) -> list[Any]:
        key, value, *rest = arguments
        if self._is_computed(key):  # as after `argocd cluster add`, which ends with the server's own first look at the cluster
            return ["OK"]
        now = self._room.clock.now()
        options = [word.upper() for word in rest]
        until: float | None = None
        is_there = self._keys.get(key, now) is not None
        while options:
            match options:
                case [b"NX" | b"XX" as word, *options]:
                    if is_there == (word == b"NX"):
                        return [None]
                case [b"KEEPTTL", *options]:
                    until = self._keys.until(key, now)
                case [b"EX" | b"PX" as unit, amount, *options]:
                    if not amount.isdigit() or len(amount) > 15 or not int(amount):
                        return [NUMBER]
                    until = now + int(amount) / (1 if unit == b"EX" else 1000)
                case _:
                    return [SYNTAX]
        self._keys.set(key, value, until, now)
        return ["OK"]

    async def _delete(self, arguments: Command) -> list[Any]:
        now = self._room.clock.now()
        return [sum(self._keys.delete(key, now) for key in arguments)]

    async def _exists(self, arguments: Command) -> list[Any]:
        now = self._room.clock.now()
        return [sum(self._is_computed(key) or self._keys.get(key, now) is not None for key in arguments)]

    async def _expire(self, arguments: Command) -> list[Any]:
        return self._end(arguments, 1)

    async def _pexpire(self, arguments: Command) -> list[Any]:
        return self._end(arguments, 1000)

    def _end(self, arguments: Command, parts: int) -> list[Any]:
        if not arguments[1].isdigit() or len(arguments[1]) > 15:
            return [NUMBER]
        now = self._room.clock.now()
        return [int(self._keys.expire(arguments[0], now + int(arguments[1]) / parts, now))]

    async def _ttl(self, arguments: Command) -> list[Any]:
        now = self._room.clock.now()
        if self._keys.get(arguments[0], now) is None:
            return [-2]
        until = self._keys.until(arguments[0], now)
        return [-1 if until is None else round(until - now)]

    async def _rename(self, arguments: Command) -> list[Any]:
        if any(map(self._is_computed, arguments[:2])):
            return [COMPUTED]
        is_there = self._keys.rename(arguments[0], arguments[1], self._room.clock.now())
        return ["OK" if is_there else Refusal("ERR no such key")]

    async def _scan(self, arguments: Command) -> list[Any]:
        """All at once: there are few, and then the cursor is at its end."""
        options = list(arguments[1:])
        pattern = next((options[i + 1] for i, word in enumerate(options[:-1]) if word.upper() == b"MATCH"), b"*")
        try:
            fits = compile_glob(pattern.decode(errors="replace"))
        except InvalidInput:
            return [SYNTAX]
        return [[b"0", list(self._keys.matching(fits, self._room.clock.now()))]]

    async def _publish(self, arguments: Command) -> list[Any]:
        if len(arguments) != 2:
            return [SYNTAX]
        return [self._room.channels.publish(arguments[0], arguments[1])]

    async def _subscribe(self, arguments: Command) -> list[Any]:
        replies: list[Any] = []
        for channel in arguments:
            if len(self._channels) >= MOST_CHANNELS and channel not in self._channels:
                return [*replies, Refusal("ERR too many channels")]
            self._channels.add(channel)
            self._room.channels.join(channel, self)
            replies.append(Push((b"subscribe", channel, len(self._channels))))
        return replies

    async def _unsubscribe(self, arguments: Command) -> list[Any]:
        replies: list[Any] = []
        for channel in arguments or tuple(self._channels):
            if channel in self._channels:
                self._channels.discard(channel)
                self._room.channels.leave(channel, self)
            replies.append(Push((b"unsubscribe", channel, len(self._channels))))
        return replies or [Push((b"unsubscribe", None, 0))]


_BEFORE_LOGIN: dict[str, Callable[[Session, Command], list[Any]]] = {
    "HELLO": Session._hello,
    "AUTH": Session._auth,
    "QUIT": Session._quit,
}
_COMMANDS: dict[str, tuple[int, bool, Callable[[Session, Command], Awaitable[list[Any]]]]] = {
    "PING": (0, False, Session._ping),
    "SELECT": (1, False, Session._ok),
    "CLIENT": (1, False, Session._client),
    "GET": (1, True, Session._get),
    "SET": (2, True, Session._set),
    "DEL": (1, True, Session._delete),
    "UNLINK": (1, True, Session._delete),
    "EXISTS": (1, True, Session._exists),
    "EXPIRE": (2, True, Session._expire),
    "PEXPIRE": (2, True, Session._pexpire),
    "TTL": (1, True, Session._ttl),
    "RENAME": (2, True, Session._rename),
    "SCAN": (1, True, Session._scan),
    "PUBLISH": (1, True, Session._publish),
    "SUBSCRIBE": (1, True, Session._subscribe),
    "UNSUBSCRIBE": (0, True, Session._unsubscribe),
}
"""Fewest arguments, whether the process has to be at work, and what is done."""
