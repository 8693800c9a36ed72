"""`shipway report prevented`: bad versions that were thrown out before all users had them, with what was measured of them."""

import sys
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS, ROLLOUTS
from shipway.base.clock import Instant, rfc3339
from shipway.base.durations import format_age
from shipway.cli.app import SelectorFlag
from shipway.cli.durations import Duration
from shipway.cli.output import AllFlag, Output, OutputFlag, object_text, print_lines, table
from shipway.cli.session import Place, Session, connected
from shipway.rollouts.prevented import Evidence, Incident, incidents

HEADINGS = ("NAMESPACE", "ROLLOUT", "REVISION", "WHEN", "AFTER", "STATE", "EVIDENCE")
MONTH = 30 * 86_400.0
SinceFlag = Annotated[Duration, Parameter(show_default=False)]


async def prevented_command(
    *,
    all_namespaces: AllFlag = False,
    selector: SelectorFlag = "",
    since: SinceFlag = MONTH,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Report the versions that analyses threw out, with what they measured.

    It goes back as far as Rollouts keep their failed AnalysisRuns (spec.analysis.unsuccessfulRunHistoryLimit, 5 by default).

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Rollouts with these labels, like team=shop.
    since
        How far to look back, like 24h or 7d; 30d by default.
    output
        table, json, yaml or name (of the Rollouts).
    """
    async with connected(place) as session:
        return await report_prevented(session, since, all_namespaces=all_namespaces, selector=selector, output=output)


async def report_prevented(
    session: Session, since: float = MONTH, *, all_namespaces: bool = False, selector: str = "", output: Output = "table"
) -> int:
    """The count goes to standard error, so that a pipe has the rows alone."""
    namespace, now = "" if all_namespaces else session.workload_namespace, session.clock.now()
    rollouts = (await session.client.list(ROLLOUTS, namespace, label_selector=selector)).items
    runs, experiments = [(await session.client.list(kind, namespace)).items for kind in (ANALYSIS_RUNS, EXPERIMENTS)]
    found = incidents(rollouts, runs, experiments, Instant(now - since))
    if output == "name":
        print_lines([f"rollout/{one.rollout}" for one in found])
    elif output != "table":
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "PreventedIncidents", "items": list(map(_item, found))}
        sys.stdout.write(object_text(document, output))
    elif found:
        print_lines(table(HEADINGS, [_row(one, now) for one in found]))
    stopped = [one for one in found if one.state == "stopped"]
    places = len({(one.namespace, one.rollout) for one in stopped})
    what = "bad version" if len(stopped) == 1 else "bad versions"
    where = f" of {places} Rollouts" if places > 1 else ""
    print(f"{len(stopped)} {what}{where} thrown out in the last {format_age(since)}", file=sys.stderr)
    return 0


def _row(one: Incident, now: Instant) -> tuple[str, ...]:
    after = format_age(one.after) if one.after is not None else ""
    shown = "; ".join(map(_shown, one.evidence)) or one.cause
    return (one.namespace, one.rollout, one.revision, f"{format_age(now - one.at)} ago", after, one.state, shown)


def _shown(one: Evidence) -> str:
    wants = f" (wants {one.wants})" if one.wants else ""
    return f"{one.metric}: {', '.join(one.values) or one.message or one.phase}{wants}"


def _item(one: Incident) -> dict[str, Any]:
    item: dict[str, Any] = msgspec.to_builtins(one)
    item["podHash"], item["at"] = item.pop("pod_hash"), rfc3339(one.at)
    return item
