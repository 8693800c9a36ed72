"""`shipway analysis`: whether an analysis template would tell a bad release from a good one. No cluster is needed."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from shipway.base.durations import format_duration
from shipway.base.errors import InvalidInput
from shipway.cli.durations import Duration
from shipway.cli.files import objects_of, parsed, text_of
from shipway.cli.output import OutputFlag, print_lines, print_object, print_table
from shipway.kube.objects.resource import Obj
from shipway.rehearsal.backtest import backtest, read_releases
from shipway.rehearsal.lint.check import Source, lint
from shipway.rehearsal.recording import read_recording

app = App(name="analysis", version_flags=(), help="Analysis templates: whether they would tell a bad release from a good one.")

FilesFlag = Annotated[list[Path], Parameter(name=["--filename", "-f"], negative="")]
HEADINGS = ("RELEASE", "WAS", "VERDICT", "AFTER", "WHY")


@app.command(name="lint")
def lint_command(
    *,
    filename: FilesFlag,
    metrics: Annotated[Path | None, Parameter(show_default=False)] = None,
    scrape_interval: Duration = 15.0,
    output: OutputFlag = "table",
) -> int:
    """Find conditions that are always or never true, wrong units, wrong intervals, and metrics without data.

    Exit code 1: something was found.

    Parameters
    ----------
    filename
        Files with analysis templates; with the Rollouts that use them more can be said.
    metrics
        Recorded series (docs/rehearsal.md) that the metrics are held against.
    scrape_interval
        How often the metric server reads its targets.
    output
        table (one line a finding), json, yaml or name.
    """
    recording = parsed(metrics, read_recording) if metrics is not None else None
    sources = [Source(str(file), text_of(file)) for file in filename]
    found = lint(sources, recording, scrape_interval)
    if output == "table":
        print_lines([str(problem) for problem in found] or ["nothing found"])
    else:
        print_object(_document("AnalysisLint", {"findings": msgspec.to_builtins(found)}), output)
    return 1 if found else 0


@app.command(name="backtest")
def backtest_command(
    *,
    filename: FilesFlag,
    releases: Path,
    span: Annotated[Duration, Parameter(name=["--for"])] = 600.0,
    arg: Annotated[list[str] | None, Parameter(name=["--arg"], negative="", show_default=False)] = None,
    output: OutputFlag = "table",
) -> int:
    """Replay templates over past releases: good ones thrown out, bad ones missed, and how long it took.

    Exit code 1: a good one was thrown out or a bad one missed.

    Parameters
    ----------
    filename
        Files with analysis templates, and with the Rollout that uses them if it is to be replayed as a whole.
    releases
        The releases: their names, whether they were bad, their recorded series (docs/rehearsal.md).
    span
        How long each release is measured where no Rollout says so.
    arg
        An argument of the templates, like service=web-canary.
    output
        table, json, yaml or name.
    """
    done = backtest(objects_of(filename), parsed(releases, read_releases), span, [_argument(text) for text in arg or []])
    if output == "table":
        rows = [
            (one.release, "bad" if one.is_bad else "good", one.judgement, format_duration(one.at), one.message)
            for one in done.verdicts
        ]
        print_table(HEADINGS, rows)
        print_lines(["", done.sentence])
    else:
        body = {
            "releases": [{**msgspec.to_builtins(one), "judgement": one.judgement} for one in done.verdicts],
            "falseAborts": done.named("FALSE ABORT"),
            "missed": done.named("MISSED"),
            "timeToDetect": done.time_to_detect,
        }
        print_object(_document("AnalysisBacktest", body), output)
    return 0 if done.is_right else 1


def _argument(text: str) -> Obj:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidInput(f"--arg {text!r}: write NAME=VALUE")
    return {"name": name, "value": value}


def _document(kind: str, body: Obj) -> Obj:
    return {"apiVersion": "shipway.dev/v1alpha1", "kind": kind, "metadata": {"name": "analysis"}, **body}
