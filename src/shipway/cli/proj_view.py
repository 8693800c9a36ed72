"""What `shipway proj` shows of an AppProject: lines and rows over the object and the time."""

import sys
from collections.abc import Sequence
from typing import Any

from shipway.api.application import ProjectSpec, SyncWindow, parse_project
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput
from shipway.cli.output import PLAIN, Column, Output, Paint, age, object_text, print_lines, print_table
from shipway.gitops.project import problems
from shipway.gitops.windows import opening, problem_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, spec_of

WINDOW_HEADINGS = (
    "ID", "STATUS", "KIND", "SCHEDULE", "DURATION", "TIMEZONE",
    "APPLICATIONS", "NAMESPACES", "CLUSTERS", "MANUAL", "CHANGES AT",
)  # fmt: skip
ROLE_HEADINGS = ("NAME", "POLICIES", "GROUPS", "DESCRIPTION")


def columns(now: Instant) -> tuple[Column, ...]:
    """The columns of `proj list`."""
    return (
        Column("NAME", name_of),
        Column("DESTINATIONS", lambda project: _few(destinations(spec_of(project)))),
        Column("SOURCES", lambda project: _few(spec_of(project).get("sourceRepos") or [])),
        Column("WINDOWS", lambda project: str(len(spec_of(project).get("syncWindows") or []))),
        Column("ROLES", lambda project: str(len(spec_of(project).get("roles") or []))),
        Column("AGE", lambda project: age(project, now)),
        Column("DESCRIPTION", lambda project: spec_of(project).get("description") or ""),
    )


def overview(project: Obj, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`proj get`: the rules, one a line, and what is wrong with them."""
    spec = spec_of(project)
    facts: list[tuple[str, Sequence[str]]] = [
        ("Name", [name_of(project)]),
        ("Namespace", [namespace_of(project)]),
        ("Description", [spec.get("description") or ""]),
        ("Sources", spec.get("sourceRepos") or ["none"]),
        ("Destinations", destinations(spec) or ["none"]),
        ("Source namespaces", spec.get("sourceNamespaces") or []),
        ("Cluster kinds", _kinds(spec, "clusterResource", "none")),
        ("Namespaced kinds", _kinds(spec, "namespaceResource", "all")),
        ("Sync windows", [_window_line(one, now) for one in _windows(project)]),
        ("Roles", [one.get("name") or "" for one in spec.get("roles") or []]),
    ]
    lines: list[str] = []
    for label, values in facts:
        shown = [value for value in values if value]
        lines += [f"{(label + ':') if position == 0 else '':<20}{value}" for position, value in enumerate(shown)]
    return [*lines, *(paint(told, "red") for told in wrong_with(project))]


def wrong_with(project: Obj) -> list[str]:
    """Why nothing of the project would be synced."""
    try:
        return list(problems(parse_project(project), name_of(project)))
    except InvalidInput as error:
        return [f"AppProject {name_of(project)}: {error.message}"]


def destinations(spec: Obj) -> list[str]:
    """`server,namespace` of each."""
    written: list[Obj] = spec.get("destinations") or []
    return [f"{one.get('server') or one.get('name') or ''},{one.get('namespace') or ''}" for one in written]


def window_rows(project: Obj, now: Instant) -> list[list[str]]:
    """One row for every window, counted from 0."""
    return [[str(number), *_window_row(window, now)] for number, window in enumerate(_windows(project))]


def role_rows(project: Obj) -> list[list[str]]:
    """One row for every role."""
    return [
        [
            one.get("name") or "",
            str(len(one.get("policies") or [])),
            ",".join(one.get("groups") or []),
            one.get("description") or "",
        ]
        for one in spec_of(project).get("roles") or []
    ]


def window_document(project: Obj, now: Instant) -> list[Obj]:
    """The windows as they are written, with whether they are active and when that changes."""
    written: list[Obj] = spec_of(project).get("syncWindows") or []
    return [
        {**one, "status": status, "changesAt": at}
        for one, window in zip(written, _windows(project), strict=True)
        for status, at in [_state(window, now)]
    ]


def print_part(headings: Sequence[str], rows: Sequence[Sequence[str]], kind: str, items: Sequence[Obj], output: Output) -> None:
    """A list inside a project, for people or for programs."""
    if output == "table":
        print_table(headings, rows)
    elif output == "name":
        print_lines([row[0] for row in rows])
    else:
        sys.stdout.write(object_text({"apiVersion": "shipway.dev/v1alpha1", "kind": kind, "items": list(items)}, output))


def _windows(project: Obj) -> tuple[SyncWindow, ...]:
    try:
        spec: ProjectSpec = parse_project(project)
    except InvalidInput:
        return ()
    return spec.sync_windows or ()


def _window_row(window: SyncWindow, now: Instant) -> list[str]:
    status, at = _state(window, now)
    lists = [",".join(one or ()) for one in (window.applications, window.namespaces, window.clusters)]
    manual = "yes" if window.manual_sync else ""
    return [status, window.kind, window.schedule, window.duration, window.time_zone or "UTC", *lists, manual, at]


def _state(window: SyncWindow, now: Instant) -> tuple[str, str]:
    """Active, Inactive or Invalid, and when that changes."""
    if problem_of(window):
        return "Invalid", ""
    seen = opening(window, now)
    return "Active" if seen.is_active else "Inactive", rfc3339(seen.changes_at) if seen.changes_at is not None else ""


def _window_line(window: SyncWindow, now: Instant) -> str:
    status, at = _state(window, now)
    return f'{window.kind} "{window.schedule}" for {window.duration}: {status.lower()}{f", changes at {at}" if at else ""}'


def _kinds(spec: Obj, level: str, otherwise: str) -> list[str]:
    """What is allowed and what is denied; without a list of what is allowed, `otherwise`."""
    allowed, denied = spec.get(f"{level}Whitelist"), spec.get(f"{level}Blacklist") or []
    shown = [_kind(one) for one in allowed] if allowed else [otherwise if allowed is None else "none"]
    return [*shown, *(f"not {_kind(one)}" for one in denied)]


def _kind(rule: dict[str, Any]) -> str:
    text = f"{rule.get('group')}/{rule.get('kind')}" if rule.get("group") else str(rule.get("kind") or "")
    return f"{text} {rule['name']}" if rule.get("name") else text


def _few(values: Sequence[str]) -> str:
    """One as it is, of several how many."""
    return values[0] if len(values) == 1 else f"{len(values)}" if values else "none"
