"""`shipway demo`: the stories, each a script over the public API."""

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from cyclopts import Parameter

from shipway.assembly.homes import HomeLock
from shipway.cli.process import configure_logs, until_stopped
from shipway.cli.rollout_rehearse import show
from shipway.cli.up import HomeFlag, default_home
from shipway.demo.fleet import perform_fleet
from shipway.demo.rehearsal import rehearse_demo
from shipway.demo.stage import DemoSettings, perform

STORIES = {"canary": perform, "fleet": perform_fleet}
Story = Literal["canary", "rehearse", "fleet"]


@Parameter(name="*")
@dataclass(frozen=True)
class DemoFlags:
    """How the story is played."""

    home: HomeFlag = None
    "The directory that holds everything; one in your user data otherwise, a temporary one with --once."
    once: bool = False
    "Play the story without waiting for anybody, then stop."
    json: bool = False
    "Print what was observed as one JSON object, the last line of stdout."
    keep: bool = False
    "Leave everything running after the story, until Ctrl-C."
    verbose: bool = False
    "Show the logs of the cluster too."


def demo(story: Story = "canary", flags: DemoFlags | None = None) -> int:
    """Watch a release move real traffic, and a bad one thrown out by its own metrics.

    Parameters
    ----------
    story
        Which story to play; `rehearse` tells the end of `canary` beforehand, without a cluster; `fleet` loses one of three
        clusters and restores it.
    """
    chosen = flags or DemoFlags()
    if story == "rehearse":
        return _rehearse(chosen)
    configure_logs(quiet=not chosen.verbose)
    with ExitStack() as stack:
        home = chosen.home or _home(chosen, stack)
        settings = DemoSettings(home=home.absolute(), stays=chosen.keep or not chosen.once)
        with HomeLock(settings.home):
            report = asyncio.run(until_stopped(STORIES[story](settings, _tell if chosen.json else _summarize)))
    return 0 if report and report["ok"] else 1


def _rehearse(chosen: DemoFlags) -> int:
    seen = rehearse_demo()
    report = seen.report()
    if chosen.json:
        _tell(report)
    else:
        show(seen.bad)
    return 0 if report["ok"] else 1


def _home(chosen: DemoFlags, stack: ExitStack) -> Path:
    if chosen.once and not chosen.keep:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shipway-demo-")))
    return default_home().with_name("demo")


def _tell(report: dict[str, object]) -> None:
    print(orjson.dumps(report).decode(), flush=True)


def _summarize(report: dict[str, object]) -> None:
    for key, value in report.items():
        print(f"{key:>22}  {value}", file=sys.stderr)
