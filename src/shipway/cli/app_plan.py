"""`shipway app plan`: what a sync would do, step by step, without doing any of it.

The same machine makes the plan and carries out the sync; here it only looks. It keeps mirrors of its own, as `app diff` does.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.assembly.planning import plan
from shipway.base.errors import InvalidInput
from shipway.cli.app import find_app
from shipway.cli.app_diff import Local, refuse_both
from shipway.cli.app_sync import SyncFlags, operation
from shipway.cli.output import PLAIN, Output, OutputFlag, Paint, object_text, paint_for, print_lines, table
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.gitops.application.plan import Act, Plan, Step
from shipway.gitops.pinned import short
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of, spec_of

HEADINGS = ("PHASE", "WAVE", "ACTION", "KIND", "NAMESPACE", "NAME", "NOTE")
COLOURS: dict[Act, str] = {
    "create": "green", "change": "yellow", "recreate": "red", "adopt": "blue", "prune": "red", "refused": "red", "hook": "cyan",
}  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True)
class PlanFlags:
    """Which sync is meant."""

    revision: Annotated[str, Parameter(show_default=False)] = ""
    "A branch, tag or commit; the Application's own target revision otherwise."
    prune: Annotated[bool | None, Parameter(show_default=False)] = None
    "Whether it may delete objects that Git no longer has; as automated sync would otherwise."
    local: Local = None


async def plan_command(
    name: str, /, *, flags: PlanFlags | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Show what a sync would do, by phase and wave; nothing is written. Exit code 0: nothing; 1: it would change something.

    Hooks run with every sync, so they alone are no change. Exit code 2: the sync would be refused before its first action.

    Parameters
    ----------
    name
        The Application.
    output
        table, json, yaml, or name of what would change.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_plan(session, name, flags or PlanFlags(), output, user_cache_path("shipway") / "diff")


async def show_plan(session: Session, name: str, flags: PlanFlags, output: Output, cache: Path) -> int:
    """Prints the plan; 1 when it would change something, 2 when it would be refused as a whole."""
    application = await find_app(session, name)
    refuse_both(flags.revision, flags.local)
    if flags.revision and spec_of(application).get("sources"):
        raise InvalidInput(f"{name} has several sources: --revision cannot say which one it means")
    asked = operation(application, SyncFlags(revision=flags.revision, prune=_prunes(application, flags), dry_run=True))
    made = await plan(session.client, application, cache, session.clock.now(), operation=asked, local=flags.local)
    if output == "table":
        print_lines(plan_lines(made, paint_for(sys.stdout)))
    elif output == "name":
        print_lines(
            [f"{step.ref.kind.lower()}{f'.{step.ref.group}' * bool(step.ref.group)}/{step.ref.name}" for step in made.changes]
        )
    else:
        sys.stdout.write(object_text(document(application, made), output))
    for line in _warnings(name, made):
        print(line, file=sys.stderr)
    return 2 if made.problem else 1 if made.changes else 0


def plan_lines(made: Plan, paint: Paint = PLAIN) -> list[str]:
    """One row for each step that does something, then how many objects stay as they are."""
    shown = [step for step in made.steps if step.act != "unchanged"]
    lines = table(HEADINGS, [_row(step) for step in shown]) if shown else []
    painted = [paint(line, COLOURS.get(step.act, "")) for line, step in zip(lines[1:], shown, strict=True)] if shown else []
    rest = len(made.steps) - len(shown)
    return [*lines[:1], *painted, *([f"{rest} object{'s' * (rest != 1)} unchanged"] if rest else [])]


def document(application: Obj, made: Plan) -> Obj:
    """The same for programs."""
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "SyncPlan",
        "metadata": {"name": name_of(application), "namespace": namespace_of(application)},
        "revisions": list(made.revisions),
        "hasChanges": bool(made.changes),
        "blocked": made.blocked,
        "problem": made.problem,
        "items": [
            {
                "phase": step.phase,
                "wave": step.wave,
                "action": step.act,
                "group": step.ref.group,
                "kind": step.ref.kind,
                "namespace": step.ref.namespace,
                "name": step.ref.name,
                "note": step.note,
            }
            for step in made.steps
        ],
    }


def _prunes(application: Obj, flags: PlanFlags) -> bool:
    if flags.prune is not None:
        return flags.prune
    return bool(dig(application, "spec", "syncPolicy", "automated", "prune"))


def _row(step: Step) -> list[str]:
    return [step.phase, str(step.wave), step.act, step.ref.kind, step.ref.namespace, step.ref.name, step.note]


def _warnings(name: str, made: Plan) -> list[str]:
    at = ", ".join(short(revision) for revision in made.revisions if revision)
    found = [] if made.changes or made.problem else [f"{name}: a sync{f' to {at}' if at else ''} would change nothing"]
    found += [f"a sync by hand is blocked now: {made.blocked}"] if made.blocked else []
    return [*found, *([f"error: {made.problem}"] if made.problem else [])]
