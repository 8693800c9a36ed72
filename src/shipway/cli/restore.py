"""`shipway restore`: what a wiped cluster had comes back, shown while it happens and proved at the end; or, with `--from`, what
`shipway backup` wrote.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shipway.api.clusters import Cluster
from shipway.assembly.clusters import probe
from shipway.assembly.destinations import applications_at, connected_to
from shipway.assembly.restoring import Restoration, Standing, Tell, proved
from shipway.base.durations import format_age
from shipway.base.errors import InvalidInput
from shipway.cli import app_sync
from shipway.cli.backup import Restoring, restore_from
from shipway.cli.cluster import named_cluster
from shipway.cli.durations import Duration
from shipway.cli.kept import StoreFlags
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, table
from shipway.cli.process import configure_logs
from shipway.cli.session import MANAGER, Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of

HEADINGS = ("APPLICATION", "SYNC", "HEALTH", "OBJECTS", "MESSAGE")
BAR = 30
"""Letters of the bar."""


@Parameter(name="*")
@dataclass(frozen=True)
class BackupFlags:
    """What `shipway backup` wrote, and how it is put back."""

    source: Annotated[Path | None, Parameter(name="--from", show_default=False)] = None
    "Put this backup back, before the engines run again. What is there stays as it is."
    identity: Annotated[Path | None, Parameter(name=["--identity", "-i"], show_default=False)] = None
    "The key that opens what is sealed in it: a file of age identities or an SSH private key."
    overwrite: Annotated[bool, Parameter(negative="")] = False
    "Make what is there as it was."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Only say what would be put back."


async def restore(
    *,
    cluster: Annotated[str, Parameter(show_default=False)] = "",
    timeout: Duration = 300.0,
    backup: BackupFlags | None = None,
    kept: StoreFlags | None = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Fill a wiped cluster again and prove that all is there, or put a backup back. Exit code 1: something is not as it was.

    Parameters
    ----------
    cluster
        Its server or its name. It must answer where its Secret says; `shipway cluster add --upsert` says another address.
    timeout
        How long to wait, in seconds or like 5m.
    output
        table, json, yaml or name.
    """
    configure_logs(quiet=True)
    flags = backup or BackupFlags()
    if bool(cluster) == (flags.source is not None):
        raise InvalidInput("say either --cluster, to fill one again, or --from, to put a backup back")
    async with connected(place) as session:
        if flags.source is None:
            return await restore_cluster(session, cluster, timeout, output)
        how = Restoring(flags.overwrite, flags.dry_run, kept or StoreFlags())
        return await restore_from(session, flags.source, flags.identity, output, how)


async def restore_cluster(session: Session, which: str, seconds: float, output: Output = "table") -> int:
    cluster = await named_cluster(session, which)
    if not cluster.secret:
        raise InvalidInput(f"{which} is where the Applications live: put them back first (`shipway restore --from FILE`)")
    namespace = session.application_namespace
    apps = await applications_at(session.client, namespace, cluster)
    if not apps:
        raise InvalidInput(f"no Application goes to {which}: there is nothing to restore")
    began = session.clock.elapsed()
    async with connected_to(cluster, session.clock, MANAGER) as there:
        await probe(there, cluster.reach)
        with suppress(TimeoutError), Progress(sys.stderr) as progress:
            async with asyncio.timeout(seconds):
                show = _shown_on(progress, cluster)
                await Restoration(session.client, session.clock, there, show, partial(_sync, session)).run(apps)
        standings = await proved(there, await applications_at(session.client, namespace, cluster))
    took = session.clock.elapsed() - began
    _print(cluster, standings, took, output)
    return 0 if all(one.is_back for one in standings) else 1


async def _sync(session: Session, app: Obj) -> None:
    flags = app_sync.SyncFlags(reason="its cluster is restored")
    await app_sync.ask(session, app, lambda fresh: {"operation": app_sync.operation(fresh, flags)})


def _shown_on(progress: Progress, cluster: Cluster) -> Tell:
    """A bar where a person looks, a line for each Application that is back in a pipe."""

    def show(back: int, count: int, seconds: float) -> None:
        full = BAR * back // count
        so_far = f"{cluster.name or cluster.server}: {back} of {count} applications are back"
        told = f"{so_far}, {format_age(seconds)}"
        progress.show(f"[{'#' * full}{'.' * (BAR - full)}] {told}", told, about=so_far)

    return show


def _print(cluster: Cluster, standings: Sequence[Standing], took: float, output: Output) -> None:
    if output == "table":
        print_lines([*table(HEADINGS, [_row(one) for one in standings]), "", _sentence(cluster, standings, took)])
    elif output == "name":
        print_lines([name_of(one.app) for one in standings if one.is_back])
    else:
        sys.stdout.write(object_text(_document(cluster, standings, took), output))


def _sentence(cluster: Cluster, standings: Sequence[Standing], took: float) -> str:
    counts, name, age = _counts(standings), cluster.name or cluster.server, format_age(took)
    if all(one.is_back for one in standings):
        told = (
            f"{counts['applications']} applications are Synced and Healthy, all of their {counts['objects']} objects are there"
        )
        return f"{name} is restored: {told} ({age})."
    return f"{name} is not restored: {counts['back']} of {counts['applications']} applications are back after {age}."


def _row(one: Standing) -> tuple[str, ...]:
    wanted, missing = one.wanted, len(one.missing or ())
    said = dig(one.app, "status", "sync", "status", default=""), dig(one.app, "status", "health", "status", default="")
    return (name_of(one.app), *said, f"{wanted - missing}/{wanted}", one.message)


def _counts(standings: Sequence[Standing]) -> dict[str, int]:
    return {
        "applications": len(standings),
        "back": sum(one.is_back for one in standings),
        "objects": sum(one.wanted for one in standings),
        "missing": sum(len(one.missing or ()) for one in standings),
    }


def _document(cluster: Cluster, standings: Sequence[Standing], took: float) -> Obj:
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Restoration",
        "cluster": cluster.name,
        "server": cluster.server,
        "restored": all(one.is_back for one in standings),
        "seconds": round(took, 1),
        **_counts(standings),
        "items": [dict(zip(("name", "sync", "health", "objects", "message"), _row(one), strict=True)) for one in standings],
    }
