"""Sync windows: whether the project lets an application be synced now, and when that changes (Argo CD's rules).

An active deny window beats everything; an active allow window permits; where an allow window exists and none is active, syncs
are blocked; without any window they are free. `manualSync` lets humans through, `syncOverrun` lets a sync that began while it
was free come to its end.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec import Struct

from shipway.api.application import (
    IN_CLUSTER_NAME,
    IN_CLUSTER_SERVER,
    ApplicationSpec,
    Destination,
    InheritedWindow,
    ProjectSpec,
    SyncWindow,
)
from shipway.base.clock import Instant, rfc3339
from shipway.base.cron import Schedule, parse_cron
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob

BLOCKED = "Sync operation blocked by sync window"
_RENEWALS = 50
"""A window that begins anew before it ends is followed this far; what comes after is seen when that time has come."""


class Gate(Struct, frozen=True):
    """`changes_at`: when to look again, for as long as there are windows. `reason`: which window blocks, and until when."""

    is_open: bool = True
    reason: str = ""
    changes_at: Instant | None = None


class Opening(Struct, frozen=True):
    """One window at one moment: whether it is active, and when it next begins or ends."""

    window: SyncWindow
    is_active: bool
    changes_at: Instant | None


def problem_of(window: SyncWindow) -> str:
    """What is wrong with a window, as `field: reason`; "" when nothing is."""
    if window.kind not in ("allow", "deny"):
        return f"kind: '{window.kind}' mismatch: can only be allow or deny"
    try:
        _schedule(window)
    except ValueError as error:
        return f"schedule: cannot parse schedule '{window.schedule}': {error}"
    try:
        if parse_duration(window.duration) <= 0:
            return f"duration: '{window.duration}' must be longer than nothing"
    except ValueError as error:
        return f"duration: cannot parse duration '{window.duration}': {error}"
    for field, patterns in (
        ("applications", window.applications),
        ("namespaces", window.namespaces),
        ("clusters", window.clusters),
    ):
        try:
            for pattern in patterns or ():
                compile_glob(pattern)
        except InvalidInput as error:
            return f"{field}: {error.message}"
    return ""


def gate_of(
    project: ProjectSpec | None,
    name: str,
    spec: ApplicationSpec,
    now: Instant,
    *,
    is_manual: bool,
    began: Instant | None = None,
) -> Gate:
    """`gate` for an application: its project's windows that speak of it."""
    windows = windows_of((project.sync_windows or ()) if project else (), name, spec.destination)
    return gate(windows, now, is_manual=is_manual, began=began)


def windows_of(windows: Sequence[SyncWindow], name: str, destination: Destination) -> tuple[SyncWindow, ...]:
    """The windows that speak of this application."""
    return tuple(window for window in windows if _speaks_of(window, name, destination))


def gate(windows: Sequence[SyncWindow], now: Instant, *, is_manual: bool, began: Instant | None = None) -> Gate:
    """Whether a sync may go on now. `windows` are those of the application; `began`: when the sync did, if it runs."""
    if not windows:
        return Gate()
    openings = [opening(window, now) for window in windows]
    changes = min((one.changes_at for one in openings if one.changes_at is not None), default=None)
    blocking = _blocking(openings)
    if not blocking or (is_manual and all(one.window.manual_sync for one in blocking)):
        return Gate(changes_at=changes)
    if began is not None and _overruns(windows, blocking, began):
        return Gate(changes_at=changes)
    return Gate(False, _reason(blocking), changes)


def _blocking(openings: Sequence[Opening]) -> list[Opening]:
    denials = [one for one in openings if one.is_active and one.window.kind == "deny"]
    if denials or any(one.is_active for one in openings):
        return denials
    return [one for one in openings if one.window.kind == "allow"]


def _overruns(windows: Sequence[SyncWindow], blocking: Sequence[Opening], began: Instant) -> bool:
    """Whether the sync began while nothing blocked it and every window that does now lets it end."""
    return all(one.window.sync_overrun for one in blocking) and not _blocking([opening(window, began) for window in windows])


def _reason(blocking: Sequence[Opening]) -> str:
    """`the deny window "0 22 * * *" for 8h ends at 2026-11-27T06:00:00Z`; of several the one that decides."""
    if blocking[0].window.kind == "deny":
        last = max(blocking, key=lambda one: one.changes_at or 0.0)
        return f"the deny window {_named(last.window)} ends at {_told(last.changes_at)}"
    first = min(blocking, key=lambda one: one.changes_at if one.changes_at is not None else float("inf"))
    if first.changes_at is None:
        return f"the allow window {_named(first.window)} never opens: mend its schedule"
    return f"the allow window {_named(first.window)} opens at {_told(first.changes_at)}"


def _named(window: SyncWindow) -> str:
    zone = f" {window.time_zone}" if window.time_zone else ""
    whose = f" of global project {window.inherited_from}" if isinstance(window, InheritedWindow) else ""
    return f'"{window.schedule}"{zone} for {window.duration}{whose}'


def _told(at: Instant | None) -> str:
    return rfc3339(at) if at is not None else "a time nobody knows"


def opening(window: SyncWindow, now: Instant) -> Opening:
    began, ends, following = _around(window, int(now // 60))
    is_active = began is not None and now < began + parse_duration(window.duration)
    return Opening(window, is_active, ends if is_active else following)


@lru_cache(maxsize=4096)
def _around(window: SyncWindow, minute: int) -> tuple[Instant | None, Instant | None, Instant | None]:
    """(last beginning, the end that it leads to, next beginning): the same all through a minute, since a minute is the
    smallest step of a schedule. A window that begins anew before it ends goes on."""
    schedule, lasts, at = _schedule(window), parse_duration(window.duration), Instant(minute * 60)
    began, following = schedule.latest_until(Instant(at - lasts - 60), at), schedule.next_after(at)
    if began is None:
        return None, None, following
    ends, renewed = Instant(began + lasts), following
    for _ in range(_RENEWALS):
        if renewed is None or renewed > ends:
            break
        ends, renewed = Instant(renewed + lasts), schedule.next_after(renewed)
    return began, ends, following


@lru_cache(maxsize=512)
def _parsed(schedule: str, zone: str) -> Schedule:
    return parse_cron(schedule, zone)


def _schedule(window: SyncWindow) -> Schedule:
    """An unknown time zone counts as UTC, as there. Raises ValueError; words such as `@daily` are not known here."""
    if window.schedule.startswith("@"):
        raise ValueError(f"expected exactly 5 fields, found 1: [{window.schedule}]")
    try:
        return _parsed(window.schedule, window.time_zone)
    except ValueError:
        return _parsed(window.schedule, "")


def _speaks_of(window: SyncWindow, name: str, destination: Destination) -> bool:
    server, cluster = _cluster(destination)
    checks = (
        (window.applications, (name,)),
        (window.clusters, (server, cluster)),
        (window.namespaces, (destination.namespace,)),
    )
    fits = [any(_glob(pattern)(text) for pattern in patterns for text in texts) for patterns, texts in checks if patterns]
    return bool(fits) and (all(fits) if window.and_operator else any(fits))


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> Callable[[str], bool]:
    return compile_glob(pattern)


def _cluster(destination: Destination) -> tuple[str, str]:
    """Server and name of the cluster; the one we run on has both."""
    if destination.name == IN_CLUSTER_NAME or destination.server.rstrip("/") == IN_CLUSTER_SERVER:
        return IN_CLUSTER_SERVER, IN_CLUSTER_NAME
    return destination.server, destination.name
