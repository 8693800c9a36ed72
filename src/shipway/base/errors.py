"""The error tree: six classes, each named for who must act.

Every error carries a CamelCase `reason` (it is the condition reason, the metric label and the anchor in the docs) and a
message that says what happened, where, and what to do next. `verdict` turns any exception into the one answer that the
shell, the HTTP server and the command line share. Adapters translate foreign exceptions at their border, so nothing
but these (and bugs) travels through the house.

    ShipwayError
    ├── InvalidInput   the user must change something        422 / exit 2
    ├── Denied         the owner of a policy must act        403 / exit 3
    ├── NotYet         nobody; try again at `until`          409 / exit 4
    ├── Conflict       nobody; observe again at once         409 / exit 4
    ├── NotFound       a thing that was named is not there   404 / exit 4    (NotServed: the kind is not, yet; back off)
    └── Unavailable    the remote; back off                  503 / exit 5
"""

from typing import Literal, cast

from msgspec import Struct

from shipway.base.clock import Instant

Retry = Literal["on_change", "at_until", "at_once", "backoff"]


class ShipwayError(Exception):
    """An expected failure. `reason` is CamelCase, `message` says what, where and what to do next."""

    default_reason = "Error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason


class InvalidInput(ShipwayError):
    """The user gave something that cannot work; retried only when it changes."""

    default_reason = "InvalidInput"


class Denied(ShipwayError):
    """A policy (or the API server's authorisation) forbids it."""

    default_reason = "Denied"


class NotYet(ShipwayError):
    """Everything is in order, but the time has not come."""

    default_reason = "NotYet"

    def __init__(self, message: str, *, until: Instant | None = None, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.until = until


class Conflict(ShipwayError):
    """What was observed is no longer so (409, a failed precondition, a name already taken)."""

    default_reason = "Conflict"


class NotFound(ShipwayError):
    """The named object, path, revision or kind does not exist."""

    default_reason = "NotFound"


class NotServed(NotFound):
    """The API server does not know the kind. Where discovery names it, a part of the server has not heard of it yet."""

    default_reason = "NotServed"


class Unavailable(ShipwayError):
    """A remote (API server, repository, metric server) did not answer or asked to be left alone for `after` seconds."""

    default_reason = "Unavailable"

    def __init__(self, message: str, *, after: float | None = None, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.after = after


class Verdict(Struct, frozen=True):
    """What an exception means to everybody who has to answer for it."""

    reason: str
    message: str
    retry: Retry
    condition: Literal["Stalled", "Reconciling", "Unchanged", "InternalError"]
    http_status: int
    exit_code: int


_TABLE: dict[type[ShipwayError], tuple[Retry, Literal["Stalled", "Reconciling", "Unchanged", "InternalError"], int, int]] = {
    InvalidInput: ("on_change", "Stalled", 422, 2),
    Denied: ("on_change", "Stalled", 403, 3),
    NotYet: ("at_until", "Reconciling", 409, 4),
    Conflict: ("at_once", "Unchanged", 409, 4),
    NotServed: ("backoff", "Reconciling", 404, 4),
    NotFound: ("on_change", "Stalled", 404, 4),
    Unavailable: ("backoff", "Reconciling", 503, 5),
}


def verdict(error: BaseException) -> Verdict:
    """The one place where an exception becomes condition, retry, HTTP status and exit code. Unknown ones are our bugs."""
    for cls, (retry, condition, http_status, exit_code) in _TABLE.items():
        if isinstance(error, cls):
            return Verdict(error.reason, error.message, retry, condition, http_status, exit_code)
    return Verdict("InternalError", f"{type(error).__name__}: {error}", "backoff", "InternalError", 500, 70)


def expected_in(error: BaseException) -> ShipwayError | None:
    """The failure that a group of concurrent tasks ended with, if everything in it was expected."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, ShipwayError) else None
    expected, others = cast("BaseExceptionGroup[BaseException]", error).split(ShipwayError)
    if expected is None or others is not None:
        return None
    return next(found for inner in expected.exceptions if (found := expected_in(inner)))
