"""What the engine asks the outside: that one message be delivered."""

from typing import ClassVar

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.kube.runtime.decision import Ask


class Pending(Struct, frozen=True, omit_defaults=True):
    """A message that is due and not yet delivered, as it is remembered on the Rollout.

    `key`: by what it is remembered afterwards. `send`: templates. `since`: when it was due, in seconds.
    """

    key: str
    trigger: str
    service: str
    recipient: str = ""
    send: tuple[str, ...] = ()
    since: int = 0


class NotifyAsk(Ask, frozen=True, eq=False):
    """Deliver `message` of the Rollout with `uid`; `says` is what its templates may speak of, as JSON.

    The same message is the same ask whatever the Rollout has come to say meanwhile: it speaks of the moment it was first asked.
    """

    acts: ClassVar[bool] = True

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
