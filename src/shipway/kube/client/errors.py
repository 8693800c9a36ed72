"""The client's border: HTTP answers of an API server become the six errors of `base.errors`.

The server says what went wrong in a `Status` object (reason, message, details.causes). The class says who must act; the
`reason` stays the server's own (`AlreadyExists`, `Conflict`, `Forbidden` …) because callers tell cases apart by it, except
where a cause is more telling than the reason (`NamespaceTerminating`, `DisruptionBudget`).

    404 NotFound (NotServed: the kind)    409 Conflict (FieldConflict: other managers own fields)    410 Expired
    401, 403 Denied
    400, 405, 406, 413, 415, 422 InvalidInput    429, 5xx Unavailable (`after` from Retry-After)
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound, NotServed, ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Response, says_unserved

_TELLING_CAUSES = frozenset({"NamespaceTerminating", "DisruptionBudget"})
_USER_ERRORS = frozenset({400, 405, 406, 413, 414, 415, 422})
_APPLY_REFUSALS = ("failed to create typed patch object", "failed to create manager for existing fields", "failed to convert")


class Expired(Conflict):
    """The resource version (or continue token) is too old: list again."""

    default_reason = "Expired"


class FieldConflict(Conflict):
    """Server-side apply without force met other owners. `causes`: (message naming the manager, field path)."""

    def __init__(self, message: str, *, reason: str | None = None, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, reason=reason)
        self.causes = causes


def ensure_ok(response: Response, action: str) -> None:
    """Raise the error of a failed answer. `action` says what was asked, e.g. `get pods default/web`."""
    if response.status >= 400:
        raise error_of(response, action)


def error_of(response: Response, action: str) -> ShipwayError:
    """The error that a failed HTTP answer means."""
    return error_of_status(read_status(response), action, retry_after(response.headers))


def read_status(response: Response) -> Obj:
    """The Status object of a failed answer; made up from the HTTP status where the body is none."""
    try:
        status = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = None
    if isinstance(status, dict):
        found = cast(Obj, status)
        if found.get("kind") == "Status":
            return {**found, "code": found.get("code") or response.status}
    text = response.body[:500].decode(errors="replace").strip()
    return {"code": response.status, "message": text or f"HTTP status {response.status}"}


def error_of_status(status: Mapping[str, Any], action: str, after: float | None = None) -> ShipwayError:
    """The error of a Status object, from an answer or from an ERROR event of a watch."""
    code = int(status.get("code") or 500)
    details: Mapping[str, Any] = status.get("details") or {}
    causes: list[Mapping[str, Any]] = details.get("causes") or []
    reason = next((c["reason"] for c in causes if c.get("reason") in _TELLING_CAUSES), None) or status.get("reason") or None
    said = str(status.get("message") or "")
    message = f"{action}: {said}"
    if code == 404:
        return NotServed(message) if says_unserved(said) else NotFound(message, reason=reason)
    if code == 410:
        return Expired(message, reason=reason)
    if code == 409:
        return _conflict(message, reason, causes)
    if code in (401, 403):
        return Denied(message, reason=reason)
    if code in _USER_ERRORS:
        return InvalidInput(message, reason=reason)
    if code == 500 and said.startswith(_APPLY_REFUSALS):
        # The server answers 500 to an apply of an undeclared field or a duplicate list key; retrying cannot help.
        return InvalidInput(message, reason="Invalid")
    return Unavailable(message, after=after or details.get("retryAfterSeconds") or None, reason=reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; its date form is not used by API servers and is ignored."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _conflict(message: str, reason: str | None, causes: list[Mapping[str, Any]]) -> Conflict:
    owners = tuple(
        (str(c.get("message") or ""), str(c.get("field") or "")) for c in causes if c.get("reason") == "FieldManagerConflict"
    )
    return FieldConflict(message, reason=reason, causes=owners) if owners else Conflict(message, reason=reason)
