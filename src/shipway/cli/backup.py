"""`shipway backup`: what Git does not hold, as one file, and `shipway restore --from`, which puts it back."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from shipway.adapters.age.sealing import seal, unseal
from shipway.assembly.backing_up import Put, put_back, taken
from shipway.base.errors import InvalidInput
from shipway.cli.files import parsed, text_of
from shipway.cli.output import AllFlag, Output, kubectl_name, object_text, print_lines, table
from shipway.cli.session import Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.gitops.backup import Backup, read, read_secrets, written, written_secrets
from shipway.kube.objects.views import namespace_of

STANDARD_OUTPUT = Path("-")
Recipients = Annotated[tuple[str, ...], Parameter(name=["--recipient", "-r"], show_default=False, negative="")]
RecipientFiles = Annotated[tuple[Path, ...], Parameter(name=["--recipients-file", "-R"], show_default=False, negative="")]


async def backup(
    *,
    to: Annotated[Path, Parameter(show_default=False)] = STANDARD_OUTPUT,
    recipient: Recipients = (),
    recipients_file: RecipientFiles = (),
    without_secrets: Annotated[bool, Parameter(negative="")] = False,
    all_namespaces: AllFlag = False,
    place: Place | None = None,
) -> int:
    """Write what Git does not hold: Applications with holds and histories, projects, sets, settings, and logins sealed.

    Parameters
    ----------
    to
        The file; standard output otherwise.
    recipient
        Who may open the logins: age1… or an SSH public key; may be given again.
    recipients_file
        A file of recipients, one a line.
    without_secrets
        Leave the logins out.
    all_namespaces
        Applications and ApplicationSets of all namespaces.
    """
    readers = [*recipient, *(one for file in recipients_file for one in _recipients_in(file))]
    async with connected(place) as session:
        return await back_up(session, to, readers, without_secrets=without_secrets, everywhere=all_namespaces)


async def back_up(
    session: Session, to: Path, readers: Sequence[str], *, without_secrets: bool = False, everywhere: bool = False
) -> int:
    """Raises InvalidInput where there are logins and nobody may open them: a backup that lacks them is no backup."""
    found, secrets = await taken(session.client, session.application_namespace, session.clock.now(), everywhere=everywhere)
    if secrets and not (readers or without_secrets):
        raise InvalidInput(
            f"{len(secrets)} Secrets are part of it: say who may open them (--recipient age1…, made by `age-keygen`), or leave "
            f"them out with --without-secrets"
        )
    sealed = seal(written_secrets(secrets), readers) if secrets and not without_secrets else ""
    _write(to, written(replace(found, sealed=sealed)))
    print(_sentence(found, len(secrets), is_sealed=bool(sealed)), file=sys.stderr)
    return 0


async def restore_from(
    session: Session, file: Path, identity: Path | None, output: Output, *, overwrites: bool = False, only_says: bool = False
) -> int:
    """Puts everything back that is not there; 1 when something else of a name is there and was left."""
    found = parsed(file, read)
    if found.sealed and identity is None:
        raise InvalidInput(f"{file} holds sealed Secrets: say with --identity where the key is that opens them")
    secrets = read_secrets(unseal(found.sealed, text_of(identity))) if found.sealed and identity else []
    with Progress(sys.stderr) as progress:
        put = await put_back(
            session.client,
            [*secrets, *found.objects],
            lambda done, total: progress.count(done, total, f"{done} of {total} objects are done"),
            overwrites=overwrites,
            only_says=only_says,
        )
    _show(put, found, output, only_says=only_says)
    return 1 if any(one.done == "there" for one in put) else 0


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


def _sentence(found: Backup, secrets: int, *, is_sealed: bool) -> str:
    held = f", of which {len(found.holds)} are held ({', '.join(found.holds)})" if found.holds else ""
    logins = f"{secrets} Secrets, sealed" if is_sealed else f"{secrets} Secrets left out" if secrets else "no Secrets"
    return f"{len(found.objects)} objects of namespace {found.namespace}{held}; {logins}"


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
