"""`shipway rollout rehearse`: what an update would have come to, played with the engine's own decisions; without a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
from cyclopts import Parameter

from shipway.adapters.prometheus.provider import Range
from shipway.api.kinds import ROLLOUTS
from shipway.assembly.recording import record
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_duration
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.durations import Duration
from shipway.cli.files import objects_of, parsed
from shipway.cli.output import Output, OutputFlag, print_lines, print_object, print_table
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.rehearsal.drawing import draw
from shipway.rehearsal.measures import metrics_of
from shipway.rehearsal.performance import DAY, Play, rehearse
from shipway.rehearsal.recording import Recording, read_recording, steady
from shipway.rehearsal.timeline import OUTCOMES, Measured, Moment, Timeline, document_of
from shipway.rehearsal.what_if import Caught, read_what_if, smallest_caught

FilesFlag = Annotated[list[Path], Parameter(name=["--filename", "-f"], negative="")]
HEADINGS = ("TIME", "WEIGHT", "NEW", "OLD", "STEP", "WHAT")


@Parameter(name="*")
@dataclass(frozen=True)
class FiguresFlags:
    """Where the figures come from."""

    metrics: Annotated[Path | None, Parameter(show_default=False)] = None
    "A file with recorded or made-up series (docs/rehearsal.md); - for standard input."
    from_prometheus: str = ""
    "The address of a Prometheus server whose past is replayed, instead of --metrics."
    start: str = ""
    "When the replayed past begins, like 2026-11-20T10:00:00Z."
    step: Duration = 15.0
    "Distance of the points that are fetched."
    span: Duration = 7200.0
    "How much of the past is fetched."
    rate_query: str = ""
    "A query for the requests per second to the whole service."
    requests_per_second: float | None = None
    "Requests per second to the whole service, where the series do not say."
    save_metrics: Annotated[Path | None, Parameter(show_default=False)] = None
    "Write what was fetched to this file, so that the rehearsal can be repeated with --metrics."


@Parameter(name="*")
@dataclass(frozen=True)
class PlayFlags:
    """How it is played."""

    promote_after: Annotated[Duration | None, Parameter(show_default=False)] = None
    "A person resumes every pause without an end after this long; otherwise the rehearsal ends there."
    pod_start: Duration = 5.0
    "How long a new pod takes to be ready."
    limit: Duration = DAY
    "End after this much virtual time."
    what_if: str = ""
    "Search the smallest fault that would have been caught, like error-rate=0..1 (from good to bad)."
    svg: Annotated[Path | None, Parameter(show_default=False)] = None
    "Draw the timeline into this file."


async def rehearse_command(
    name: str = "",
    /,
    *,
    filename: FilesFlag,
    figures: FiguresFlags | None = None,
    flags: PlayFlags | None = None,
    output: OutputFlag = "table",
) -> int:
    """Play an update before production does: steps, weights, pods, measurements, and where it would have been thrown out.

    Exit code 0: promoted; 1: not.

    Parameters
    ----------
    name
        Only the Rollout of this name in the files.
    filename
        Files with the Rollout and its analysis templates; services and routes are made up where they are missing.
    output
        table, json, yaml or name.
    """
    chosen = flags or PlayFlags()
    rollout, others = read_manifests(filename, name)
    recording = await _figures(figures or FiguresFlags(), rollout, others)
    play = Play(rollout, others, recording, chosen.pod_start, chosen.promote_after, chosen.limit)
    caught = smallest_caught(play, read_what_if(chosen.what_if)) if chosen.what_if else None
    timeline = caught.timeline if caught is not None else rehearse(play)
    if chosen.svg is not None:
        _write(chosen.svg, draw(timeline))
    show(timeline, output, caught)
    return 0 if timeline.ending.outcome == "promoted" else 1


def read_manifests(files: Sequence[Path], name: str = "") -> tuple[Obj, tuple[Obj, ...]]:
    """The Rollout of these files and everything else in them. Raises InvalidInput, NotFound."""
    objs = objects_of(files)
    found = [obj for obj in objs if obj.get("kind") == ROLLOUTS.kind and name in ("", name_of(obj))]
    if not found:
        raise NotFound(f"no Rollout {name} in {', '.join(map(str, files))}".replace("  ", " "))
    if len(found) > 1:
        raise InvalidInput(f"several Rollouts: name one of {', '.join(map(name_of, found))}")
    return found[0], tuple(obj for obj in objs if obj.get("kind") != ROLLOUTS.kind)


async def _figures(flags: FiguresFlags, rollout: Obj, others: tuple[Obj, ...]) -> Recording:
    if flags.metrics is not None and flags.from_prometheus:
        raise InvalidInput("give --metrics or --from-prometheus, not both")
    recording = Recording()
    if flags.metrics is not None:
        recording = parsed(flags.metrics, read_recording)
    elif flags.from_prometheus:
        recording = await _fetched(flags, rollout, others)
    if flags.requests_per_second is None:
        return recording
    return msgspec.structs.replace(recording, rate=steady(flags.requests_per_second))


async def _fetched(flags: FiguresFlags, rollout: Obj, others: tuple[Obj, ...]) -> Recording:
    try:
        start = parse_rfc3339(flags.start)
    except ValueError as error:
        raise InvalidInput(f"--start: {error}") from None
    over = Range(start, Instant(start + flags.span), flags.step)
    document = await record(flags.from_prometheus, metrics_of(rollout, others), over, flags.rate_query)
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    if flags.save_metrics is not None:
        _write(flags.save_metrics, text)
    return read_recording(text)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error}") from None


def show(timeline: Timeline, output: Output = "table", caught: Caught | None = None) -> None:
    """The timeline for people, or as one document."""
    if output != "table":
        asked = {"whatIf": {**msgspec.to_builtins(caught.what_if), "smallest": caught.smallest}} if caught is not None else {}
        print_object({**document_of(timeline), **asked}, output)
        return
    for warning in timeline.warnings:
        print_lines([f"warning: {warning}"])
    rows = [_moment_row(one) if isinstance(one, Moment) else _measured_row(one) for one in _in_order(timeline)]
    print_table(HEADINGS, rows)
    print_lines(["", *([caught.sentence] if caught is not None else []), verdict_of(timeline)])


def verdict_of(timeline: Timeline) -> str:
    ending = timeline.ending
    is_cut_short = ending.outcome != "promoted" and ending.step
    where = f" at step {ending.step}, {ending.weight:g} % of the traffic" if is_cut_short else ""
    why = f": {ending.message}" if ending.message else ""
    requests = f"; {timeline.exposed:g} requests went to the new version" if timeline.exposed else ""
    return f"{timeline.rollout}: {OUTCOMES[ending.outcome]} after {format_duration(ending.at)}{where}{requests}{why}"


def _in_order(timeline: Timeline) -> list[Moment | Measured]:
    """Measurements before the moment that they lead to."""
    both: list[Moment | Measured] = [*timeline.measurements, *timeline.moments]
    return sorted(both, key=lambda one: one.at)


def _moment_row(one: Moment) -> tuple[str, ...]:
    told = one.phase + (f": {one.message}" if one.message else "")
    canary, stable = f"{one.canary_ready}/{one.canary}", f"{one.stable_ready}/{one.stable}"
    return format_duration(one.at), f"{one.weight:g} %", canary, stable, one.step, told


def _measured_row(one: Measured) -> tuple[str, ...]:
    value = " ".join(part for part in (one.value, one.message) if part)
    return format_duration(one.at), "", "", "", "", f"{one.metric} {one.phase}" + (f": {value}" if value else "")
