"""`shipway app takeover|handback`: an Application moves from Argo CD to Shipway, or back, while both run.

One write says both things, that Argo CD is to leave it alone and that Shipway is to take it, so there is no moment in which two
engines act (`gitops/handover.py`).
"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS
from shipway.assembly.difference import difference
from shipway.assembly.neighbours import find_neighbours
from shipway.base.errors import Conflict, InvalidInput, NotYet
from shipway.cli.app import find_app
from shipway.cli.diff_view import diff_lines
from shipway.cli.output import paint_for, print_lines
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.gitops.annotations import SKIP_RECONCILE
from shipway.gitops.handover import LABEL, is_invited, is_skipped
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, metadata, name_of, namespace_of, resource_version_of

TAKEN: Obj = {"annotations": {SKIP_RECONCILE: "true"}, "labels": {LABEL: "true"}}
GIVEN_BACK: Obj = {"annotations": {SKIP_RECONCILE: None}, "labels": {LABEL: None}}


async def takeover_command(
    *names: str, anyway: Annotated[bool, Parameter(negative="")] = False, place: Place | None = None
) -> int:
    """Take Applications over from a running Argo CD, one by one. Nothing restarts. Exit code 1: one would change and was left.

    Parameters
    ----------
    names
        The Applications.
    anyway
        Also those in which the first sync would change something.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await take_over(session, names, user_cache_path("shipway") / "diff", anyway=anyway)


async def handback_command(*names: str, place: Place | None = None) -> int:
    """Give Applications back to Argo CD.

    Parameters
    ----------
    names
        The Applications.
    """
    async with connected(place) as session:
        return await hand_back(session, names)


async def take_over(session: Session, names: tuple[str, ...], cache: Path, *, anyway: bool = False) -> int:
    """Each is looked at first: one that a sync would change is shown and left, unless `anyway`. Raises NotYet while it is being
    synced, InvalidInput where its ApplicationSet would take the label away again."""
    left = 0
    for app in [await find_app(session, name) for name in _named(names)]:
        name = name_of(app)
        if is_invited(app) and is_skipped(app):
            print(f"{name} was taken over already", file=sys.stderr)
            continue
        _check_idle(app)
        await _check_kept(session, app)
        changes = [] if anyway else await difference(session.client, app, cache)
        if changes:
            left += 1
            print_lines([line for change in changes for line in (*diff_lines(change, paint_for(sys.stdout)), "")])
            print(f"{name} stays with Argo CD: a sync would change the above (--anyway takes it all the same)", file=sys.stderr)
            continue
        await _write(session, app, TAKEN)
        print(f"{name} is Shipway's now, and Argo CD leaves it alone. The way back: shipway app handback {name}")
    return 1 if left else 0


async def hand_back(session: Session, names: tuple[str, ...]) -> int:
    """Raises NotYet while it is being synced."""
    for app in [await find_app(session, name) for name in _named(names)]:
        _check_idle(app)
        await _write(session, app, GIVEN_BACK)
        print(f"{name_of(app)} is Argo CD's again")
    return 0


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise InvalidInput("no Application was named: `shipway import argocd` lists them")
    return names


def _check_idle(app: Obj) -> None:
    if is_deleting(app):
        raise NotYet(f"{name_of(app)} is being deleted: whoever began that ends it")
    if app.get("operation") or dig(app, "status", "operationState", "phase") in ("Running", "Terminating"):
        raise NotYet(f"{name_of(app)} is being synced: try again when that is over, or end it with `shipway app terminate`")


async def _check_kept(session: Session, app: Obj) -> None:
    """Argo CD's ApplicationSet controller removes what it does not know from the Applications that it makes."""
    owners = [one["name"] for one in metadata(app).get("ownerReferences") or [] if one.get("kind") == "ApplicationSet"]
    if not owners or not any(one.engine == "appsets" for one in await find_neighbours(session.client, session.clock.now())):
        return
    owner = await session.client.get(APPLICATION_SETS, namespace_of(app), owners[0])
    preserved = dig(owner, "spec", "preservedFields", default={})
    annotations, labels = preserved.get("annotations") or [], preserved.get("labels") or []
    if SKIP_RECONCILE in annotations and LABEL in labels:
        return
    wanted = f'"annotations":["{SKIP_RECONCILE}"],"labels":["{LABEL}"]'
    raise InvalidInput(
        f"{name_of(app)} is made by ApplicationSet {owners[0]}, whose controller would take the marks away again: let it "
        f"preserve them first, e.g. kubectl -n {namespace_of(app)} patch applicationset {owners[0]} --type=merge "
        f'-p \'{{"spec":{{"preservedFields":{{{wanted}}}}}}}\''
    )


async def _write(session: Session, app: Obj, marks: Obj) -> None:
    body = {"metadata": {**marks, "resourceVersion": resource_version_of(app)}}
    try:
        await session.client.patch(APPLICATIONS, namespace_of(app), name_of(app), body)
    except Conflict as error:
        raise NotYet(f"{name_of(app)} was changed in this moment: try again") from error
