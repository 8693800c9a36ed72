"""`shipway import`: what another system has, read with our eyes before anything moves. No cluster is written to."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from platformdirs import user_cache_path

from shipway.assembly.importing import Installation, look_at_installation
from shipway.cli.durations import Duration
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, table
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.gitops.application.shadow import Said, Shadow

app = App(name="import", version_flags=(), help="Read what another system has, and what would be otherwise here.")
app.command(
    "shipway.cli.import_central:central_repo_command",
    name="central-repo",
    help="Write a charts folder for each service of one central repository, proven to render the same bytes.",
)
HEADINGS = ("APPLICATION", "THERE", "HERE", "DIFFERS")


@app.command(name="argocd")
async def argocd_command(
    *,
    timeout: Annotated[Duration, Parameter(show_default=False)] = 120.0,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Compare what an Argo CD says of its Applications with what Shipway sees. Exit code 1: something differs.

    Applications, projects and settings are read in the namespace, sources in Git, objects in their clusters. Nothing is
    written; dry runs are asked for, as kubectl diff does.

    Parameters
    ----------
    timeout
        How long to wait for Git and the clusters, in seconds or like 5m.
    output
        table, json, yaml or name (of what differs).
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await import_argocd(session, timeout, user_cache_path("shipway") / "import", output)


async def import_argocd(session: Session, seconds: float, cache: Path, output: Output = "table") -> int:
    """Prints what was found; 1 when something differs."""
    with Progress(sys.stderr) as progress:
        found = await look_at_installation(
            session.client,
            session.clock,
            session.application_namespace,
            cache,
            seconds,
            lambda done, total: progress.count(done, total, f"compared {done} of {total} Applications"),
        )
    if output == "table":
        print_lines(_report(found))
    elif output == "name":
        print_lines([one.application for one in found.applications if one.agreement == "differs"])
    else:
        sys.stdout.write(object_text(_document(found), output))
    return 1 if found.differs else 0


def _report(found: Installation) -> list[str]:
    kinds = {"Application": _total(found), "AppProject": found.projects, "ApplicationSet": found.sets}
    counts = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items())
    counts += f", {found.clusters or 'no'} cluster{'' if found.clusters == 1 else 's'} besides this one"
    alive = [f"{one.product} is alive ({one.evidence})" for one in found.neighbours]
    lines = [*alive, counts, "", *table(HEADINGS, [_row(one) for one in found.applications])]
    lines += [f"{one} could not be compared in time" for one in found.late]
    details = [f"  {one.application}: {text}" for one in found.applications for text in one.differences]
    if details:
        lines += ["", "What differs:", *details]
    lines += [f"AppProject {name} is refused here: {why}" for name, why in found.refused_projects]
    if found.unread:
        lines += ["", f"Settings in argocd-cm and argocd-cmd-params-cm that do not act here: {', '.join(found.unread)}"]
    return [*lines, "", _sentence(found)]


def _sentence(found: Installation) -> str:
    same = [one.application for one in found.applications if one.agreement == "agrees" and not _is_blind(one)]
    if not same:
        return f"No Application of {_total(found)} is seen alike yet."
    name = same[0].rpartition("/")[2]
    return f"Seen alike: {len(same)} of {_total(found)}. To take one over: shipway app takeover {name}"


def _total(found: Installation) -> int:
    return len(found.applications) + len(found.late)


def _is_blind(one: Shadow) -> bool:
    """Neither of the two can compare it."""
    return one.agreement == "agrees" and one.ours.sync == "Unknown"


def _row(one: Shadow) -> tuple[str, ...]:
    told = one.pending or (f"{len(one.differences)}" if one.differences else "")
    told = "neither can compare it" if _is_blind(one) else told
    return one.application, _said(one.theirs), _said(one.ours), told


def _said(said: Said) -> str:
    return " ".join(part for part in (said.sync, said.health) if part) or "-"


def _document(found: Installation) -> dict[str, Any]:
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "ImportReport",
        "applications": [msgspec.to_builtins(one) for one in found.applications],
        "late": list(found.late),
        "refusedProjects": [{"name": name, "message": why} for name, why in found.refused_projects],
        "unreadSettings": list(found.unread),
        "alive": [{"product": one.product, "evidence": one.evidence} for one in found.neighbours],
    }
