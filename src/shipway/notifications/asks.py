"""What an engine asks the outside: that one message be delivered."""

from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct

from shipway.api.notifications import Words
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Answer, Ask


class Pending(Struct, frozen=True, omit_defaults=True):
    """A message that is due and not yet delivered, as it is remembered on the object.

    `key`: by what it is remembered afterwards. `send`: templates. `since`: when it was due, in seconds.
    """

    key: str
    trigger: str
    service: str
    recipient: str = ""
    send: tuple[str, ...] = ()
    since: int = 0


class NotifyAsk(Ask, frozen=True, eq=False):
    """Deliver `message` of the object with `uid`; `says` is what its templates may speak of, as JSON.

    The same message is the same ask whatever the object has come to say meanwhile: it speaks of the moment it was first asked.
    """

    acts: ClassVar[bool] = True

    words: Words
    uid: str
    message: Pending
    says: bytes

    @property
    def lane(self) -> str:
        """By service, so that one which hangs delays no other."""
        return f"notify {self.message.service}"

    @property
    def since(self) -> Instant:
        return Instant(float(self.message.since))

    @property
    def _identity(self) -> tuple[str, str]:
        return self.uid, self.message.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotifyAsk) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


def answers_to(pending: Iterable[Pending], words: Words, uid: str, world: World) -> dict[str, Answer]:
    """What became of the messages that are due, by their keys; without those that are under way."""
    answers = {one.key: world.answer(NotifyAsk(words, uid, one, b"")) for one in pending}
    return {key: answer for key, answer in answers.items() if answer is not None}
