"""How often repositories are looked at when no webhook tells of a push: `timeout.reconciliation` and its `.jitter` in
`argocd-cm`, as in Argo CD (120 s and up to 60 s more; 0: never).

The jitter belongs to the repository, not to the question: everybody who asks about one repository asks at the same moment,
so that a look at the remote serves all of them, and different repositories are looked at at different moments.
"""

from collections.abc import Mapping

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.base.durations import parse_duration
from shipway.base.ids import digest

TIMEOUT, JITTER = "timeout.reconciliation", "timeout.reconciliation.jitter"
NEVER = 1e8
"""Seconds: three years."""
_SOON = 1.0
"""An answer that comes just before a common moment waits for the next one."""


class Polling(Struct, frozen=True):
    """Seconds between two looks at a repository: `timeout` and up to `jitter` more. `timeout` 0: never."""

    timeout: float = 120.0
    jitter: float = 60.0

    def seconds_until_next(self, repository: str, now: Instant) -> float:
        """From `now` to the next moment at which everybody asks about `repository`."""
        if self.timeout <= 0:
            return NEVER
        period = self.timeout + self.jitter * _fraction(repository, "period")
        offset = period * _fraction(repository, "offset")
        left = period - (now - offset) % period
        return left if left >= min(_SOON, period / 2) else left + period


def read_polling(settings: Mapping[str, str]) -> Polling:
    """What `argocd-cm` says. Raises ValueError for what is no duration."""
    usual = Polling()
    timeout, jitter = (parse_duration(settings[key]) if settings.get(key) else None for key in (TIMEOUT, JITTER))
    return Polling(
        usual.timeout if timeout is None else max(timeout, 0.0), usual.jitter if jitter is None else max(jitter, 0.0)
    )


def _fraction(*of: str) -> float:
    """Between 0 and 1, the same for the same words."""
    return int(digest(*of, length=8), 16) / 16**8
