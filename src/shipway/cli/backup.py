"""`shipway backup`: what Git does not hold, as one file, and `shipway restore --from`, which puts it back."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.age.sealing import seal, unseal
from shipway.api.kinds import APPLICATIONS
from shipway.assembly.backing_up import Put, Taken, put_back, taken
from shipway.assembly.keeping import PutBack, Restored
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput
from shipway.cli.files import parsed, text_of
from shipway.cli.kept import StoreFlags, keeper_of
from shipway.cli.output import AllFlag, Output, kubectl_name, object_text, print_lines, table
from shipway.cli.session import Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.gitops.backup import (
    Backup,
    KeptApplication,
    finished,
    fits,
    read,
    read_history,
    read_secrets,
    wanted_of,
    written,
    written_history,
    written_secrets,
)
from shipway.gitops.ledger import full_name
from shipway.kube.objects.views import namespace_of, uid_of

STANDARD_OUTPUT = Path("-")


@Parameter(name="*")
@dataclass(frozen=True)
class Readers:
    """Who may open what is sealed."""

    recipient: Annotated[tuple[str, ...], Parameter(name=["--recipient", "-r"], show_default=False, negative="")] = ()
    "age1… or an SSH public key; may be given again."
    recipients_file: Annotated[
        tuple[Path, ...], Parameter(name=["--recipients-file", "-R"], show_default=False, negative="")
    ] = ()
    "A file of recipients, one a line."
    without_secrets: Annotated[bool, Parameter(negative="")] = False
    "Leave out all that would be sealed."


async def backup(
    *,
    to: Annotated[Path, Parameter(show_default=False)] = STANDARD_OUTPUT,
    readers: Readers | None = None,
    all_namespaces: AllFlag = False,
    kept: StoreFlags | None = None,
    place: Place | None = None,
) -> int:
    """Write what Git does not hold: Applications with holds and histories, projects, sets, settings; sealed: logins, what past
    deployments applied, and the ledger.

    Parameters
    ----------
    to
        The file; standard output otherwise.
    all_namespaces
        Applications and ApplicationSets of all namespaces.
    """
    flags = readers or Readers()
    named = [*flags.recipient, *(one for file in flags.recipients_file for one in _recipients_in(file))]
    async with connected(place) as session:
        return await back_up(session, to, named, Scope(flags.without_secrets, all_namespaces, kept or StoreFlags()))


class Scope(Struct, frozen=True):
    """What a backup holds: without what would be sealed, of all namespaces, and where the history and the ledger are."""

    without_secrets: bool = False
    everywhere: bool = False
    kept: StoreFlags = StoreFlags()


WITH_ALL = Scope()


class Restoring(Struct, frozen=True):
    """How a backup is put back: making what is there as it was, only saying so, and where the history and the ledger are."""

    overwrites: bool = False
    only_says: bool = False
    kept: StoreFlags = StoreFlags()


WHAT_IS_MISSING = Restoring()


async def back_up(session: Session, to: Path, readers: Sequence[str], scope: Scope = WITH_ALL) -> int:
    """Raises InvalidInput where there are logins or manifests and nobody may open them: a backup that lacks them is none."""
    now = session.clock.now()
    found = await taken(session.client, session.application_namespace, now, everywhere=scope.everywhere)
    if scope.without_secrets:
        _write(to, finished(written(found.backup), ""))
        left = "Secrets, the manifests of past deployments and the ledger are left out"
        print(f"{_objects(found.backup)}; {left}", file=sys.stderr)
        return 0
    kept, why_not = await _kept(session, found, now, scope.kept)
    history = any(one.deployments or one.rows for one in kept)
    if (found.secrets or history) and not readers:
        raise InvalidInput(
            f"{len(found.secrets)} Secrets{' and the manifests of past deployments' if history else ''} are part of it: "
            "say who may open them (--recipient age1…, made by `age-keygen`), or leave them out with --without-secrets"
        )
    sealed_history = seal(written_history(kept), readers) if history else ""
    text = written(replace(found.backup, history=sealed_history))
    sealed = seal(written_secrets(found.secrets, text).encode(), readers) if readers else ""
    _write(to, finished(text, sealed))
    secrets = f"{len(found.secrets)} Secrets, sealed" if found.secrets else "no Secrets"
    _say([f"{_objects(found.backup)}; {secrets}", *_of_history(kept, why_not)])
    return 0


async def _kept(session: Session, found: Taken, now: Instant, flags: StoreFlags) -> tuple[list[KeptApplication], str]:
    """What the history and the ledger hold of the Applications, and why it cannot be had ("" = it can)."""
    if flags.cache:
        flags.check_is_there()
    wanted = [wanted_of(one) for one in found.applications]
    if not wanted:
        return [], ""
    async with keeper_of(session, flags, wanted) as place:
        if place.keeper is None:
            return [], place.why_not
        kept: list[KeptApplication] = []
        with Progress(sys.stderr) as progress:
            for app, one in zip(found.applications, wanted, strict=True):
                one_kept = await place.keeper.of(one)
                kept.append(replace(one_kept, fits=fits(one_kept, app, now)))
                progress.count(len(kept), len(wanted), f"read what is kept of {len(kept)} of {len(wanted)} Applications")
    return kept, ""


def _of_history(kept: Sequence[KeptApplication], why_not: str) -> Iterator[str]:
    """How much of the history and of the ledger there is, and what is missing."""
    if why_not:
        yield f"left out: the manifests of past deployments and the ledger ({why_not})"
        return
    deployments, rows = sum(len(one.deployments) for one in kept), sum(len(one.rows) for one in kept)
    yield f"{deployments} past deployments and {rows} entries of the ledger, sealed"
    if missing := [f"{one.application} ({one.missing})" for one in kept if one.missing]:
        yield f"left out: the manifests of past deployments that are not kept there, of {', '.join(missing)}"
    if unfit := [one.application for one in kept if not one.fits]:
        yield f"the ledger does not fit, and is taken as it is: {', '.join(unfit)} (`shipway app audit NAME --verify`)"


async def restore_from(
    session: Session, file: Path, identity: Path | None, output: Output, how: Restoring = WHAT_IS_MISSING
) -> int:
    """Puts everything back that is not there; 1 when something else of a name is there and was left."""
    found = parsed(file, read)
    sealed = bool(found.sealed or found.history)
    if sealed and identity is None:
        raise InvalidInput(f"{file} holds what is sealed: say with --identity where the key is that opens it")
    if not sealed:
        print("nothing in it is sealed: nothing tells whether somebody changed it", file=sys.stderr)
    key = text_of(identity) if sealed and identity else ""
    secrets = read_secrets(unseal(found.sealed, key), found) if found.sealed else []
    kept = read_history(unseal(found.history, key), found) if found.history else []
    with Progress(sys.stderr) as progress:
        put = await put_back(
            session.client,
            [*secrets, *found.objects],
            lambda done, total: progress.count(done, total, f"{done} of {total} objects are done"),
            overwrites=how.overwrites,
            only_says=how.only_says,
        )
    _show(put, found, output, only_says=how.only_says)
    if kept and not how.only_says:
        _say(await _history_put_back(session, kept, how.kept))
    return 1 if any(one.done == "there" for one in put) else 0


async def _history_put_back(session: Session, kept: Sequence[KeptApplication], flags: StoreFlags) -> list[str]:
    """What became of it. Of an Application that has another uid by now, what it was before is its own."""
    uids: dict[str, str] = {}
    for namespace in sorted({one.application.partition("/")[0] for one in kept}):
        for app in (await session.client.list(APPLICATIONS, namespace)).items:
            uids[full_name(app)] = uid_of(app)
    async with keeper_of(session, flags) as place:
        if place.keeper is None:
            return [f"not put back: the manifests of past deployments and the ledger ({place.why_not})"]
        done, forked = Restored(), list[str]()
        for one in kept:
            put = await place.keeper.put_back(PutBack(one, uids.get(one.application, "")))
            done += put
            forked += [f"{one.application} ({put.others})"] * bool(put.others)
    told = [f"{done.deployments} past deployments and {done.rows} entries of the ledger were missing and are put back"]
    return [*told, *[f"entries that found no place, for the ledger went on without them: {', '.join(forked)}"] * bool(forked)]


def _say(lines: Iterable[str]) -> None:
    """Beside the file or the table, which may be on the standard output."""
    for line in lines:
        print(line, file=sys.stderr)


def _recipients_in(file: Path) -> list[str]:
    lines = [line.strip() for line in text_of(file).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _write(to: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    if to == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    draft = to.with_name(f".{to.name}.part")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(to)
    except OSError as error:
        raise InvalidInput(f"{to} cannot be written: {error.strerror}") from None


def _objects(found: Backup) -> str:
    held = f", of which {len(found.holds)} are held ({', '.join(found.holds)})" if found.holds else ""
    return f"{len(found.objects)} objects of namespace {found.namespace}{held}"


def _show(put: Sequence[Put], found: Backup, output: Output, *, only_says: bool) -> None:
    if output == "table":
        rows = [(namespace_of(one.obj), kubectl_name(one.obj), one.done) for one in put if one.done != "unchanged"]
        print_lines([*(table(("NAMESPACE", "NAME", "DONE"), rows) if rows else ()), *([""] if rows else []), _told(put, found)])
        if only_says:
            print("nothing was written (--dry-run)", file=sys.stderr)
    elif output == "name":
        print_lines([kubectl_name(one.obj) for one in put if one.done in ("created", "replaced")])
    else:
        items = [{"namespace": namespace_of(one.obj), "name": kubectl_name(one.obj), "done": one.done} for one in put]
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "RestoredBackup", "takenAt": found.taken, "items": items}
        sys.stdout.write(object_text(document, output))


def _told(put: Sequence[Put], found: Backup) -> str:
    counts = [f"{sum(one.done == done for one in put)} {word}" for done, word in _WORDS if any(one.done == done for one in put)]
    return f"The backup of {found.taken}: {', '.join(counts) or 'nothing to do'}."


_WORDS = (
    ("created", "created"),
    ("replaced", "replaced"),
    ("unchanged", "as they were"),
    ("there", "are other than they were and were left (--overwrite makes them as they were)"),
)
