"""`shipway rollout plan` and `shipway rollout why`: what would happen, and what is waited for.

A plan of files needs no cluster: everything that it says follows from the spec.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from shipway.api.kinds import ROLLOUTS
from shipway.base.errors import Denied, InvalidInput, NotFound
from shipway.cli.output import Output, OutputFlag, listing, object_text, print_lines, print_object, table
from shipway.cli.rollout_family import fetch
from shipway.cli.session import Place, Session, connected
from shipway.cli.verify import rules_of, templates_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.objects.yaml import load_all
from shipway.rollouts.plan import PlanRow, plan, plans_by_budget, told, way_back
from shipway.rollouts.rollout.observe import is_updating
from shipway.rollouts.verification.report import rows
from shipway.rollouts.verification.report import told as told_of_rules
from shipway.rollouts.view import Family, view_of
from shipway.rollouts.why import why

HEADINGS = ("#", "STEP", "WEIGHT", "REACHES", "NEW", "OLD", "WAITS")
FileFlag = Annotated[str, Parameter(name=["--filename", "-f"], show_default=False)]


async def plan_command(
    name: str = "", /, *, filename: FileFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Show the steps of an update before it happens: traffic, pods, and what each step waits for.

    Parameters
    ----------
    name
        The Rollout; with -f only the one of this name in the file.
    filename
        A file with Rollouts (- for standard input): the plan of what it says. No cluster is needed then.
    output
        table, json, yaml or name.
    """
    if filename:
        return print_plans(read_rollouts(filename, name), output)
    if not name:
        raise InvalidInput("name a Rollout of the cluster, or a file with -f")
    async with connected(place) as session:
        return await show_plan(session, name, output)


async def show_plan(session: Session, name: str, output: Output = "table") -> int:
    """With the verification rules of the cluster that have a word in it, as far as one may read them."""
    rollout = await _live(session, name)
    code = print_plans([rollout], output)
    try:
        rules = await rules_of(session) if output == "table" else []
    except Denied:
        return code
    if rules:
        print_lines(told_of_rules(rows(rules, [rollout], await templates_of(session, namespace_of(rollout)))))
    return code


async def why_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Say in one sentence what a Rollout waits for, and what happens next.

    Parameters
    ----------
    name
        The Rollout.
    output
        table (the sentence), json, yaml or name.
    """
    async with connected(place) as session:
        return await show_why(session, name, output)


async def show_why(session: Session, name: str, output: Output = "table") -> int:
    family = await fetch(session, name)
    sentence = why(family.rollout, family.runs, session.clock.now())
    if output == "table":
        print_lines([sentence])
    else:
        print_object({**_head(family.rollout, "RolloutWhy"), "why": sentence}, output)
    return 0


def read_rollouts(filename: str, name: str = "") -> list[Obj]:
    """The Rollouts of a file. Raises InvalidInput for one that cannot be read, NotFound when it has none (of that name)."""
    try:
        text = sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {filename}: {error}") from None
    documents: list[Obj] = [document for document in load_all(text) if isinstance(document, dict)]
    found = [one for one in documents if one.get("kind") == ROLLOUTS.kind and name in ("", name_of(one))]
    if not found:
        raise NotFound(f"no Rollout {name} in {filename}" if name else f"no Rollout in {filename}")
    return found


def print_plans(rollouts: Sequence[Obj], output: Output) -> int:
    """The plan of each. Raises InvalidInput with the words of InvalidSpec."""
    plans = [(rollout, plan(rollout)) for rollout in rollouts]
    if output == "table":
        for index, (rollout, rows) in enumerate(plans):
            titled = [*([""] if index else []), f"{name_of(rollout)}:"] if len(plans) > 1 else []
            print_lines([*titled, *_tables(rollout, rows), "", *told(way_back(rollout))])
        return 0
    documents = [
        {
            **_head(rollout, "RolloutPlan"),
            "steps": msgspec.to_builtins(rows),
            **({"byBudget": msgspec.to_builtins(paces)} if (paces := plans_by_budget(rollout)) else {}),
            "back": msgspec.to_builtins(way_back(rollout)),
        }
        for rollout, rows in plans
    ]
    if output == "name":
        print_lines([object_text(rollout, output).rstrip() for rollout in rollouts])
    else:
        print_object(documents[0] if len(documents) == 1 else listing(documents), output)
    return 0


def _tables(rollout: Obj, rows: Sequence[PlanRow]) -> list[str]:
    """One table; where the error budget decides which strategy the next release takes, one for each."""
    paces = plans_by_budget(rollout)
    if not paces:
        shown = view_of(Family(rollout)).by_budget if is_updating(rollout) else ""
        return [*([f"Strategy by the error budget: {shown}"] if shown else []), *table(HEADINGS, [_cells(row) for row in rows])]
    lines: list[str] = []
    for one in paces:
        when = f"while {one.at_least:.0%} of the error budget is left" if one.at_least is not None else "with less"
        lines += [f"{one.pace}, {when}:", *table(HEADINGS, [_cells(row) for row in one.steps]), ""]
    least = paces[-1].at_least
    frozen = (
        f"With less than {least:.0%} a new version is held before its first step, until there is more or somebody promotes it."
    )
    return [*lines, frozen] if least is not None else lines[:-1]


async def _live(session: Session, name: str) -> Obj:
    return (await fetch(session, name)).rollout


def _cells(row: PlanRow) -> tuple[str, ...]:
    return str(row.number), row.step, str(row.weight), f"{row.reaches:g} %", str(row.canary), str(row.stable), row.waits


def _head(rollout: Obj, kind: str) -> Obj:
    named = {"name": name_of(rollout), **({"namespace": where} if (where := namespace_of(rollout)) else {})}
    return {"apiVersion": "shipway.dev/v1alpha1", "kind": kind, "metadata": named}
