"""Sync windows: what blocks a sync, until when, and whom it lets through."""

from typing import Any

import pytest
from msgspec import convert

from shipway.api.application import Destination, SyncWindow
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.gitops.windows import Gate, gate, problem_of, windows_of

HERE = Destination(server="https://kubernetes.default.svc", namespace="shop")
MIDDAY = parse_rfc3339("2026-11-26T12:00:00Z")


def window(kind: str, schedule: str, duration: str = "2h", **more: Any) -> SyncWindow:
    return convert({"kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"], **more}, SyncWindow)


def ask(*windows: SyncWindow, is_manual: bool = False, began: str = "", now: Instant = MIDDAY) -> Gate:
    return gate(windows, now, is_manual=is_manual, began=parse_rfc3339(began) if began else None)


ALLOW_NOW, ALLOW_LATER = window("allow", "0 11 * * *"), window("allow", "0 22 * * *")
DENY_NOW, DENY_LATER = window("deny", "0 11 * * *"), window("deny", "0 22 * * *")


@pytest.mark.parametrize(
    ("windows", "is_open"),
    [
        ((), True),
        ((ALLOW_NOW,), True),
        ((ALLOW_LATER,), False),
        ((ALLOW_NOW, ALLOW_LATER), True),
        ((DENY_NOW,), False),
        ((DENY_LATER,), True),
        ((ALLOW_NOW, DENY_NOW), False),
        ((ALLOW_NOW, DENY_LATER), True),
        ((ALLOW_LATER, DENY_LATER), False),
    ],
)
@pytest.mark.compat("argocd:project.syncWindows")
def test_an_active_denial_beats_all_and_an_allow_window_shuts_the_rest_of_the_day(windows: Any, is_open: bool) -> None:
    assert ask(*windows).is_open is is_open


@pytest.mark.parametrize(
    ("windows", "is_open"),
    [
        ((window("deny", "0 11 * * *", manualSync=True),), True),
        ((window("deny", "0 11 * * *", manualSync=True), DENY_NOW), False),
        ((window("allow", "0 22 * * *", manualSync=True),), True),
        ((window("allow", "0 22 * * *", manualSync=True), ALLOW_LATER), False),
    ],
)
@pytest.mark.compat("argocd:project.syncWindows.manualSync")
def test_people_are_let_through_only_by_windows_that_all_say_so(windows: Any, is_open: bool) -> None:
    assert ask(*windows, is_manual=True).is_open is is_open
    assert not ask(*windows).is_open


@pytest.mark.parametrize(
    ("found", "began", "is_open"),
    [
        (window("deny", "0 11 * * *", syncOverrun=True), "2026-11-26T10:59:00Z", True),
        (window("deny", "0 11 * * *", syncOverrun=True), "2026-11-26T11:01:00Z", False),
        (window("deny", "0 11 * * *"), "2026-11-26T10:59:00Z", False),
        (window("allow", "0 9 * * *", syncOverrun=True), "2026-11-26T10:59:00Z", True),
        (window("allow", "0 9 * * *", syncOverrun=True), "2026-11-26T11:30:00Z", False),
    ],
)
@pytest.mark.compat("argocd:project.syncWindows.manualSync")
def test_a_sync_that_began_while_it_was_free_may_end_where_the_window_says_so(
    found: SyncWindow, began: str, is_open: bool
) -> None:
    assert ask(found, began=began).is_open is is_open


@pytest.mark.parametrize(
    ("windows", "reason", "changes"),
    [
        ((ALLOW_LATER,), 'the allow window "0 22 * * *" for 2h opens at 2026-11-26T22:00:00Z', "2026-11-26T22:00:00Z"),
        ((DENY_NOW,), 'the deny window "0 11 * * *" for 2h ends at 2026-11-26T13:00:00Z', "2026-11-26T13:00:00Z"),
        (
            (window("deny", "0 12 * * *", "1h", timeZone="Europe/Berlin"), DENY_NOW),
            'the deny window "0 11 * * *" for 2h ends at 2026-11-26T13:00:00Z',
            "2026-11-26T13:00:00Z",
        ),
        (
            (window("allow", "0 9 * * *", timeZone="America/New_York"),),
            'the allow window "0 9 * * *" America/New_York for 2h opens at 2026-11-26T14:00:00Z',
            "2026-11-26T14:00:00Z",
        ),
        (
            (window("deny", "0 */2 * * *", "2h"),),
            'the deny window "0 */2 * * *" for 2h ends at 2026-11-30T18:00:00Z',
            "2026-11-30T18:00:00Z",
        ),
    ],
)
@pytest.mark.compat("argocd:project.syncWindows")
def test_the_reason_names_the_window_and_the_time(windows: Any, reason: str, changes: str) -> None:
    found = ask(*windows)
    assert found.reason == reason
    assert found.changes_at is not None and rfc3339(found.changes_at) == changes


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"applications": ["shop-*"]}, True),
        ({"applications": ["other"]}, False),
        ({"applications": [], "namespaces": ["sh*"]}, True),
        ({"applications": [], "clusters": ["in-cluster"]}, True),
        ({"applications": [], "clusters": ["https://kubernetes.*"]}, True),
        ({"applications": [], "clusters": ["production"]}, False),
        ({"applications": []}, False),
        ({"applications": ["other"], "namespaces": ["shop"]}, True),
        ({"applications": ["other"], "namespaces": ["shop"], "andOperator": True}, False),
        ({"applications": ["shop-web"], "namespaces": ["shop"], "andOperator": True}, True),
        ({"applications": ["shop-web"], "clusters": ["production"], "andOperator": True}, False),
    ],
)
@pytest.mark.compat("argocd:project.syncWindows.who")
def test_a_window_speaks_of_what_one_of_its_lists_names_or_with_and_all(more: Any, fits: bool) -> None:
    found = window("deny", "0 11 * * *", **more)
    assert windows_of((found,), "shop-web", HERE) == ((found,) if fits else ())


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (window("block", "0 1 * * *"), "kind: 'block' mismatch: can only be allow or deny"),
        (window("deny", "0 1 * *"), "schedule: cannot parse schedule '0 1 * *': expected exactly 5 fields"),
        (window("deny", "@daily"), "schedule: cannot parse schedule '@daily': expected exactly 5 fields"),
        (window("deny", "0 1 * * *", "2 hours"), "duration: cannot parse duration '2 hours'"),
        (window("deny", "0 1 * * *", "0s"), "duration: '0s' must be longer than nothing"),
        (window("deny", "0 1 * * *", namespaces=["[a"]), "namespaces: '[a' is not a valid pattern"),
        (window("deny", "0 1 * * *", timeZone="Mars/Base"), ""),
    ],
)
def test_a_broken_window_is_told_with_its_field(broken: SyncWindow, told: str) -> None:
    assert problem_of(broken).startswith(told) if told else not problem_of(broken)
