"""`shipway app audit`: what the ledger says of an Application, newest first, and whether anybody has changed it.

The ledger is read where it is: from the database or the file that is named, else from the engine, through the API server's
proxy to its Service, else from the file of an engine on this machine.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.store import LEDGER
from shipway.api.kinds import APPLICATIONS
from shipway.api.ledger import SIGHT, Entry, Place, Row
from shipway.assembly.installation import applied_key
from shipway.assembly.keeping import EngineKeeper, engine_path
from shipway.assembly.stores import open_store
from shipway.base.clock import Instant
from shipway.base.errors import Denied, NotFound, ShipwayError, Unavailable
from shipway.cli.kept import SAY_WHERE, StoreFlags, local_caches
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, print_table, shortened, since
from shipway.cli.session import Place as Where
from shipway.cli.session import Session, connected
from shipway.gitops.backup import Wanted
from shipway.gitops.deployed import tells_of_latest
from shipway.gitops.ledger import breaks, document_of, remembered_on, sight, waiting_on
from shipway.gitops.pinned import short
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, status_of, uid_of

_LOOKS = 5
"""At the Application, where its engine has seen another version of it."""
HEADINGS = ("NO", "WHEN", "WHAT", "WHO", "COMMIT", "PULL REQUEST", "RESULT", "WHY")


@Parameter(name="*")
@dataclass(frozen=True)
class AuditFlags(StoreFlags):
    """Where the ledger is, and what to do with it."""

    verify: Annotated[bool, Parameter(negative="")] = False
    "Compute the chain of hashes anew and compare it with what the Application remembers. Exit code 1: something was changed."


class Sight(Struct, frozen=True):
    """What was found: the rows, oldest first in each chain, and the Application, if there still is one."""

    rows: tuple[Row, ...]
    application: Obj | None = None

    @property
    def newest_first(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: (row.recorded_at, row.sequence), reverse=True)

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """What stands on the Application and is not in the ledger yet."""
        there = {row.entry for row in self.rows}
        return tuple(one for one in waiting_on(self.application or {}) if one.id not in there)


async def audit_command(
    name: str, /, *, flags: AuditFlags | None = None, output: OutputFlag = "table", place: Where | None = None
) -> int:
    """Show who did what to the Application, when and why, newest first. With --verify exit code 1: it was tampered with.

    Parameters
    ----------
    name
        The Application; one that was deleted is still known here.
    output
        table, json, yaml or name (of the entries).
    """
    async with connected(place) as session:
        return await audit(session, name, flags or AuditFlags(), output)


async def audit(session: Session, name: str, flags: AuditFlags, output: Output = "table") -> int:
    """Prints the entries, or with `verify` whether they fit."""
    sight = await seen(session, name, flags)
    if flags.verify:
        return _verified(sight, name, session.clock.now())
    if output == "table":
        now = session.clock.now()
        print_table(HEADINGS, [_cells(row, since(row.recorded_at, now)) for row in sight.newest_first])
        if sight.waiting:
            print(f"{len(sight.waiting)} more wait on the Application for the ledger to answer", file=sys.stderr)
    elif output == "name":
        print_lines([row.entry for row in sight.newest_first])
    else:
        items = [_document(row, before) for row, before in with_images_before(sight.newest_first)]
        sys.stdout.write(object_text({"apiVersion": "shipway.dev/v1alpha1", "kind": "Ledger", "items": items}, output))
    return 0


async def seen(session: Session, name: str, flags: AuditFlags) -> Sight:
    """Raises NotFound where there is nothing of that name, Unavailable where no ledger can be read."""
    namespace = session.application_namespace
    try:
        application = await session.client.get(APPLICATIONS, namespace, name)
    except NotFound:
        application = None
    rows = await rows_of(session, f"{namespace}/{name}", flags, application)
    if application is None and not rows:
        raise NotFound(f"Application {name} not found in namespace {namespace}, nor in its ledger: `shipway app list -A`")
    return Sight(tuple(rows), application)


async def rows_of(session: Session, named: str, flags: AuditFlags, application: Obj | None) -> Sequence[Row]:
    """Of `namespace/name`, from the first place that has a ledger. `application`: as it is now, None where it is gone. Raises
    Unavailable where none has, Denied where it may not be read."""
    if flags.history or flags.cache:
        return await _stored(session, named, flags)
    try:
        return await _engines_own(session, named, application)
    except Unavailable as error:
        away = error
    uid = uid_of(application or {})
    for local in local_caches():
        found = await _stored(session, named, AuditFlags(cache=local))
        if any(row.chain == uid for row in found):
            return found
    raise Unavailable(f"no ledger was found: {away.message}. {SAY_WHERE}", reason="NoLedger")


async def _engines_own(session: Session, named: str, application: Obj | None) -> Sequence[Row]:
    """Through the Service of the engine. It tells who can get the Application; of one that is gone, who can read the key of the
    installation. What is got may be older or newer than what the engine has seen by a moment."""
    namespace = session.application_namespace
    if application is None:
        keeper = EngineKeeper(session.client, namespace, await applied_key(session.client, namespace))
        return (await keeper.of(Wanted(named, "", ()))).rows
    path = f"{engine_path(namespace)}/ledger/{named}"
    for _ in range(_LOOKS):
        answer = await session.client.raw("GET", path, headers={SIGHT: sight(application)})
        if answer.status == 200:
            return msgspec.convert(msgspec.json.decode(answer.body)["items"], list[Row])
        if answer.status != 403 or b"NotSeen" not in answer.body:
            break
        await session.clock.sleep(0.3)
        application = await session.client.get(APPLICATIONS, namespace_of(application), name_of(application))
    if answer.status == 403:
        raise Denied(f"the ledger is read through the Service {namespace}/shipway: you may not get services/proxy there")
    raise Unavailable(f"the Service {namespace}/shipway does not answer ({answer.status})")


async def _stored(session: Session, application: str, flags: AuditFlags) -> list[Row]:
    flags.check_is_there()
    chain = Chain(open_store(flags.settings, session.clock, LEDGER))
    try:
        return await chain.read(application)
    finally:
        await chain.close()


async def latest_entry(session: Session, application: Obj) -> Entry | None:
    """What the ledger says of the latest deployment; None where it does not, or cannot be read."""
    if not status_of(application).get("history"):
        return None
    name = f"{namespace_of(application)}/{name_of(application)}"
    flags = AuditFlags(history=os.environ.get("SHIPWAY_HISTORY", ""))
    try:
        rows = await rows_of(session, name, flags, application)
        told = [row.told for row in rows]
    except (ShipwayError, msgspec.MsgspecError):
        return None
    return next((one for one in reversed(told) if tells_of_latest(application, one)), None)


def _verified(sight: Sight, name: str, now: Instant) -> int:
    problems = breaks(sight.rows, sight.application, now)
    for uid, problem in problems:
        print(f"entry {problem.sequence} of {name} ({uid}) does not fit: {problem.what}")
    if not problems:
        place: Place = remembered_on(sight.application or {}).place
        told = f", and entry {place.sequence} is the one that the Application remembers" if place.sequence else ""
        print(f"{len(sight.rows)} entries of {name} fit{told}")
        for cut in [row.cut for row in sight.rows if row.cut]:
            print(f"cut off on {cut.ended}: {cut.what} ({cut.reason})")
    return 1 if problems else 0


def _cells(row: Row, when: str) -> list[str]:
    try:
        entry = row.told
    except msgspec.MsgspecError:
        return [str(row.sequence), when, "(cannot be read)", "", "", "", "", ""]
    commits = ",".join(short(source.revision) for source in entry.sources)
    requests = ",".join(one.pull_request for one in entry.commits if one.pull_request)
    return [str(row.sequence), when, entry.verb, who_of(entry), commits, requests, _result(entry), shortened(entry.reason)]


def who_of(entry: Entry) -> str:
    """Who asked for it; of an automated sync, who wrote what it deployed."""
    if entry.by:
        return entry.by
    authors = ", ".join(dict.fromkeys(one.author.partition(" <")[0] for one in entry.commits))
    how = "automated" if entry.automated else ""
    return f"{how} ({authors})" if how and authors else how or authors or "unknown"


def _result(entry: Entry) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in sorted(entry.counts.items()))
    if entry.phase in ("", "Succeeded"):
        return shortened(entry.what or counts or entry.phase)
    return shortened(f"{entry.phase}: {entry.message}")


def with_images_before(newest_first: Sequence[Row]) -> list[tuple[Row, tuple[str, ...]]]:
    """Each row with the images of the last operation before it that succeeded."""
    found: list[tuple[Row, tuple[str, ...]]] = []
    images: tuple[str, ...] = ()
    for row in reversed(newest_first):
        found.append((row, images))
        with suppress(msgspec.MsgspecError):
            images = (row.told.images if row.told.phase == "Succeeded" else ()) or images
    return found[::-1]


def _document(row: Row, images_before: tuple[str, ...]) -> Any:
    try:
        told = document_of(row.told, row.sequence, row.recorded_at)
        return {**told, "imagesBefore": list(images_before)} if told.get("images") and images_before else told
    except msgspec.MsgspecError:
        return {"sequence": row.sequence, "id": row.entry, "body": row.body}
