"""A Rollout as lines: the header with status, weights and images, and the tree of its revisions. Pure.

The layout and the signs are those of the plugin that users of Argo Rollouts know, so that both read alike; a sign never
stands without its word.
"""

import textwrap
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.cli.output import PLAIN, Paint, since
from shipway.rollouts.view import PodView, ReplicaSetView, RevisionView, RolloutView, RunView

GOOD, BAD, BUSY, PAUSED, WARNING, UNKNOWN, NEUTRAL = "✔", "✖", "◌", "॥", "⚠", "?", "•"
SIGNS = {
    "Healthy": GOOD, "Running": GOOD, "Simulated": GOOD, "Completed": GOOD, "Successful": GOOD, "Succeeded": GOOD,
    "Progressing": BUSY, "Pending": BUSY, "ContainerCreating": BUSY, "PodInitializing": BUSY, "Terminating": BUSY,
    "Paused": PAUSED, "Degraded": BAD, "Failed": BAD, "Error": WARNING, "Inconclusive": UNKNOWN, "Unknown": UNKNOWN,
    "ScaledDown": NEUTRAL, "ErrImagePull": WARNING, "ImagePullBackOff": WARNING, "NotReady": WARNING,
    "CrashLoopBackOff": BAD, "OOMKilled": BAD, "Evicted": BAD,
}  # fmt: skip
SIGN_COLOURS = {GOOD: "green", BAD: "red", BUSY: "blue", PAUSED: "blue", WARNING: "yellow", UNKNOWN: "yellow", NEUTRAL: "dim"}
RUN_SIGNS = {"Pending": BUSY, "Running": BUSY}
"""An analysis that runs is not over yet, a pod that runs is what we want."""
ROLE_COLOURS = {"stable": "green", "active": "green", "canary": "yellow", "preview": "yellow"}
LIST_HEADINGS = (
    "NAME", "STRATEGY", "STATUS", "STEP", "SET-WEIGHT", "READY", "DESIRED", "UP-TO-DATE", "AVAILABLE", "AGE",
)  # fmt: skip
TREE_HEADINGS = ("NAME", "KIND", "STATUS", "AGE", "INFO")


class Line(Struct, frozen=True):
    """One line of the tree before it is laid out; `branches` are the strokes left of the name."""

    branches: str
    name: str
    kind: str = ""
    status: str = ""
    created: str = ""
    info: Sequence[tuple[str, str]] = ()
    """(text, colour)"""
    sign: str = ""

    @property
    def shown_status(self) -> str:
        return f"{self.sign} {self.status}" if self.sign else self.status


def overview(view: RolloutView, why: str, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`rollout get`: header, why, tree."""
    return [*header(view, paint), *(["", why] if why else []), "", *tree(view, now, paint)]


def fitting(view: RolloutView, why: str, now: Instant, size: tuple[int, int], paint: Paint = PLAIN) -> list[str]:
    """`rollout get --watch` in a window of (columns, lines): the sentence is wrapped; where the whole does not fit, the header
    becomes one line and revisions without pods are left out."""
    columns, lines = size
    wrapped = textwrap.wrap(why, max(20, columns))
    whole = [*header(view, paint), "", *wrapped, "", *tree(view, now, paint)]
    if len(whole) <= lines:
        return whole
    running = tuple(rev for rev in view.revisions if rev.runs or any(rs.desired or rs.pods for rs in rev.replica_sets))
    return [state_line(view, paint), *wrapped, *tree(msgspec.structs.replace(view, revisions=running), now, paint)]


def state_line(view: RolloutView, paint: Paint = PLAIN) -> str:
    """The header in one line."""
    sign, counts = sign_of(view.phase), view.replicas
    step = f"step {view.step}/{view.steps}" if view.step is not None else ""
    weight = f"weight {view.actual_weight} of {view.set_weight}" if view.set_weight is not None else ""
    pods = f"updated {counts.updated}, available {counts.available} of {counts.desired}"
    state = f"{paint(sign, SIGN_COLOURS[sign])} {view.phase}"
    return "  ".join(part for part in (state, step, weight, pods) if part)


def header(view: RolloutView, paint: Paint = PLAIN) -> list[str]:
    """Name, state, strategy, images and replica counts."""
    sign = sign_of(view.phase)
    facts = [
        ("Name:", view.name),
        ("Namespace:", view.namespace),
        ("Status:", f"{paint(sign, SIGN_COLOURS[sign])} {view.phase}"),
        ("Message:", view.message),
        ("Strategy:", view.strategy),
        ("  ByBudget:", view.by_budget),
        ("  Step:", f"{view.step}/{view.steps}" if view.step is not None else ""),
        ("  SetWeight:", _number(view.set_weight)),
        ("  ActualWeight:", _number(view.actual_weight)),
    ]
    for number, image in enumerate(view.images):
        roles = f" ({', '.join(paint(role, ROLE_COLOURS[role]) for role in image.roles)})" if image.roles else ""
        facts.append(("Images:" if number == 0 else "", f"{image.image}{roles}"))
    counts = view.replicas
    facts += [
        ("Replicas:", " "),
        ("  Desired:", str(counts.desired)),
        ("  Current:", str(counts.current)),
        ("  Updated:", str(counts.updated)),
        ("  Ready:", str(counts.ready)),
        ("  Available:", str(counts.available)),
    ]
    return [f"{label:<17}{value}".rstrip() for label, value in facts if value]


def tree(view: RolloutView, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """The Rollout, its revisions and what belongs to them, as a table whose first column is a tree."""
    lines = [Line("", f"⟳ {view.name}", "Rollout", view.phase, view.created, sign=sign_of(view.phase))]
    for position, revision in enumerate(view.revisions):
        lines += _revision(revision, "", position == len(view.revisions) - 1, now)
    return laid_out(lines, now, paint)


def laid_out(lines: Sequence[Line], now: Instant, paint: Paint = PLAIN) -> list[str]:
    """Lines of a tree under their headings."""
    names = [line.branches + line.name for line in lines]
    ages = [since(line.created, now) for line in lines]
    columns = (names, [line.kind for line in lines], [line.shown_status for line in lines], ages)
    widths = [max(len(cell) for cell in (heading, *cells)) for heading, cells in zip(TREE_HEADINGS, columns, strict=False)]
    shown = ["  ".join([*(h.ljust(w) for h, w in zip(TREE_HEADINGS, widths, strict=False)), "INFO"])]
    for line, name, line_age in zip(lines, names, ages, strict=True):
        status = line.shown_status.ljust(widths[2])
        if line.sign:
            status = status.replace(line.sign, paint(line.sign, SIGN_COLOURS[line.sign]), 1)
        info = ",".join(paint(text, colour) for text, colour in line.info)
        cells = [name.ljust(widths[0]), line.kind.ljust(widths[1]), status, line_age.ljust(widths[3]), info]
        shown.append("  ".join(cells).rstrip())
    return shown


def list_row(view: RolloutView, now: Instant) -> list[str]:
    """One row of `rollout list`."""
    counts = view.replicas
    return [
        view.name,
        view.strategy,
        view.phase,
        f"{view.step}/{view.steps}" if view.step is not None else "-",
        _number(view.set_weight) or "-",
        f"{counts.ready}/{counts.desired}",
        str(counts.desired),
        str(counts.updated),
        str(counts.available),
        since(view.created, now),
    ]


def summary_line(view: RolloutView) -> str:
    """The state in one line, for a pipe: it changes exactly when something worth a line has changed."""
    step = f"step {view.step}/{view.steps}" if view.step is not None else ""
    weight = f"weight {view.actual_weight}" if view.actual_weight is not None else ""
    counts = view.replicas
    pods = f"updated {counts.updated}/{counts.desired} available {counts.available}"
    runs = " ".join(f"{run.name} {run.phase}" for run in newest_runs(view))
    message = f"({view.message})" if view.message else ""
    return "  ".join(part for part in (view.name, f"{view.phase} {message}".strip(), step, weight, pods, runs) if part)


def phase_line(view: RolloutView) -> str:
    """`Paused - CanaryPauseStep`."""
    return f"{view.phase} - {view.message}" if view.message else view.phase


def newest_runs(view: RolloutView) -> tuple[RunView, ...]:
    """The analyses of the newest revision."""
    return view.revisions[0].runs if view.revisions else ()


def sign_of(status: str) -> str:
    """The sign of a state; a reason nobody knows is a warning when it sounds like one."""
    status = status.removeprefix("Init:")
    if status in SIGNS:
        return SIGNS[status]
    if status[:1].isdigit():  # Init:0/1
        return BUSY
    return WARNING if any(word in status for word in ("Err", "BackOff", "Invalid", "ExitCode", "Signal")) else NEUTRAL


def _revision(revision: RevisionView, before: str, is_last: bool, now: Instant) -> list[Line]:
    below = before + ("   " if is_last else "│  ")
    lines = [Line(before + ("└──" if is_last else "├──"), f"# revision:{revision.number}")]
    children = [*revision.replica_sets, *revision.runs]
    for position, child in enumerate(children):
        lines += branch(child, below, position == len(children) - 1, now)
    return lines


def branch(child: ReplicaSetView | RunView, before: str, is_last: bool, now: Instant) -> list[Line]:
    """A ReplicaSet with its pods, or an analysis, below a line whose branches are `before`."""
    stroke = before + ("└──" if is_last else "├──")
    if isinstance(child, RunView):
        return [_run(child, stroke)]
    return _replica_set(child, stroke, before + ("   " if is_last else "│  "), now)


def _replica_set(rs: ReplicaSetView, stroke: str, below: str, now: Instant) -> list[Line]:
    info = [(role, ROLE_COLOURS[role]) for role in rs.roles]
    if rs.scale_down_at and rs.desired:
        info.append((f"delay:{_left(rs.scale_down_at, now)}", ""))
    lines = [Line(stroke, f"⧉ {rs.name}", "ReplicaSet", f"{rs.status}", rs.created, info, sign_of(rs.status))]
    for position, pod in enumerate(rs.pods):
        lines.append(_pod(pod, below + ("└──" if position == len(rs.pods) - 1 else "├──")))
    return lines


def _pod(pod: PodView, stroke: str) -> Line:
    info = [(f"ready:{pod.ready}", "")]
    if pod.restarts:
        info.append((f"restarts:{pod.restarts}", "yellow"))
    return Line(stroke, f"□ {pod.name}", "Pod", pod.status, pod.created, info, sign_of(pod.status))


def _run(run: RunView, stroke: str) -> Line:
    counts = ((GOOD, run.successful), (BAD, run.failed), (UNKNOWN, run.inconclusive), (WARNING, run.error))
    info = [(f"{sign} {count}", SIGN_COLOURS[sign]) for sign, count in counts if count]
    sign = RUN_SIGNS.get(run.phase) or sign_of(run.phase)
    return Line(stroke, f"α {run.name}", "AnalysisRun", run.phase, run.created, info, sign)


def _left(deadline: str, now: Instant) -> str:
    try:
        seconds = parse_rfc3339(deadline) - now
    except ValueError:
        return deadline
    return format_age(seconds) if seconds > 0 else "passed"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
