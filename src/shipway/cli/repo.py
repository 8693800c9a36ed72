"""`shipway repo`: the repositories that Argo CD's Secrets describe, and whether they answer.

Whether a repository answers is tried from here, with the login that the engine would use. What is printed never holds a
password, a token or a key, in no format.
"""

import asyncio
import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from msgspec import Struct

from shipway.adapters.git.connection import connect
from shipway.adapters.git.urls import redact
from shipway.api.kinds import SECRETS
from shipway.api.repositories import Repository, parse_repository, repository_secret
from shipway.assembly.repositories import Repositories, key_of, repositories_now
from shipway.base.errors import Conflict, InvalidInput, NotFound, ShipwayError
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, print_table
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of

app = App(name="repo", version_flags=(), help="Repositories: how to log in to them, and whether they answer.")

AT_ONCE = 8
HEADINGS = ("TYPE", "NAME", "REPO", "PROJECT", "SECRET", "STATUS", "MESSAGE")
Status = Literal["Successful", "Failed", "Unknown"]


class State(Struct, frozen=True):
    """A repository and what came of knocking. `Unknown`: it was not tried."""

    repository: Repository
    status: Status
    message: str = ""


@Parameter(name="*")
@dataclass(frozen=True)
class LoginFlags:
    """How to log in. The names are those of `argocd repo add`."""

    username: Annotated[str, Parameter(show_default=False)] = ""
    "The user's name."
    password: Annotated[str, Parameter(show_default=False)] = ""
    "The password or token; - reads it from standard input, and without it a terminal is asked."
    bearer_token: Annotated[str, Parameter(show_default=False)] = ""
    "A token that is sent as `Authorization: Bearer`; - reads it from standard input."
    ssh_private_key_path: Path | None = None
    "The file of an SSH key without a passphrase."
    tls_client_cert_path: Path | None = None
    "The file of a TLS client certificate (PEM)."
    tls_client_cert_key_path: Path | None = None
    "The file of its key (PEM)."
    force_http_basic_auth: Annotated[bool, Parameter(negative="")] = False
    "Send the password before the server asks for it."
    insecure_skip_server_verification: Annotated[bool, Parameter(negative="")] = False
    "Check neither the server's certificate nor its SSH host key."
    proxy: Annotated[str, Parameter(show_default=False)] = ""
    "A proxy for http and https."
    no_proxy: Annotated[str, Parameter(show_default=False)] = ""
    "Hosts that are reached without it."


@Parameter(name="*")
@dataclass(frozen=True)
class RepositoryFlags:
    """What the repository is."""

    name: Annotated[str, Parameter(show_default=False)] = ""
    "A name to call it by."
    type: Literal["git", "helm", "oci"] = "git"
    "What is in it."
    project: Annotated[str, Parameter(show_default=False)] = ""
    "The AppProject that it is for; all otherwise."
    enable_lfs: Annotated[bool, Parameter(negative="")] = False
    "Fetch large files that Git LFS keeps beside it."
    template: Annotated[bool, Parameter(negative="")] = False
    "The URL is a prefix: the login is for every repository below it that has none of its own."
    upsert: Annotated[bool, Parameter(negative="")] = False
    "Replace what is there."
    check: bool = True
    "Try the connection first, and write nothing when it fails."


@app.command(name="list")
async def list_command(*, check: bool = True, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List repositories and login templates. Exit code 1: one of them does not answer.

    Parameters
    ----------
    check
        Try the connections.
    output
        table, json, yaml or name.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await list_repositories(session, output, check=check)


@app.command(name="get")
async def get_command(which: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show one repository and whether it answers. Exit code 1: it does not.

    Parameters
    ----------
    which
        Its URL, its name or its Secret; any other URL is tried with the login that it would get.
    output
        table, json, yaml or name.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_repository(session, which, output)


@app.command(name="add")
async def add_command(
    url: str, /, *, flags: RepositoryFlags | None = None, login: LoginFlags | None = None, place: Place | None = None
) -> int:
    """Write the Secret of a repository, once its login works.

    Parameters
    ----------
    url
        The repository, or with --template the beginning of the URLs.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await add_repository(session, url, flags or RepositoryFlags(), login or LoginFlags())


@app.command(name=("rm", "remove"))
async def rm_command(which: str, /, *, place: Place | None = None) -> int:
    """Delete the Secret of a repository or of a login template.

    Parameters
    ----------
    which
        Its URL, its name or its Secret.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await remove_repository(session, which)


async def list_repositories(session: Session, output: Output = "table", *, check: bool = True) -> int:
    async with _repositories(session) as repositories:
        states = await _states(repositories.known(), repositories if check else None)
    if output == "table" and not states:
        print(
            f"no repositories found in namespace {session.application_namespace}: `shipway repo add` makes one", file=sys.stderr
        )
        return 0
    _print(
        states, output, {"apiVersion": "shipway.dev/v1alpha1", "kind": "RepositoryList", "items": list(map(_document, states))}
    )
    return 1 if any(state.status == "Failed" for state in states) else 0


async def show_repository(session: Session, which: str, output: Output = "table") -> int:
    async with _repositories(session) as repositories:
        found = _found(repositories, which) or _of_url(which)
        if found is None:
            raise _unknown(session, which)
        (state,) = await _states([found], repositories)
    _print([state], output, _document(state))
    return 1 if state.status == "Failed" else 0


async def add_repository(session: Session, url: str, flags: RepositoryFlags, login: LoginFlags) -> int:
    secret = repository_secret(session.application_namespace, url.strip(), flags.template, _values(flags, login))
    described = parse_repository(secret)
    if described is None or described.problem:
        raise InvalidInput(described.problem if described else "say the repository's URL", reason="InvalidLogin")
    if flags.check and not described.is_template:
        async with _repositories(session) as repositories:
            repositories.assume(described)
            (state,) = await _states([described], repositories)
        if state.status == "Failed":
            print(f"error: {state.message}. Nothing was written; --no-check writes it all the same.", file=sys.stderr)
            return 1
    await _write(session, secret, upsert=flags.upsert)
    print_lines([f"secret/{name_of(secret)} written for {redact(url)}"])
    return 0


async def remove_repository(session: Session, which: str) -> int:
    async with _repositories(session) as repositories:
        found = _found(repositories, which)
    if found is None:
        raise _unknown(session, which)
    await session.client.delete(SECRETS, session.application_namespace, found.secret)
    print_lines([f"secret/{found.secret} deleted"])
    return 0


def _repositories(session: Session):
    return repositories_now(session.client, session.clock, session.application_namespace)


def _found(repositories: Repositories, which: str) -> Repository | None:
    known = repositories.known()
    return next((one for one in known if which in (one.secret, one.name) or key_of(which) == key_of(one.url)), None)


def _of_url(which: str) -> Repository | None:
    return Repository(which, "") if "/" in which else None


def _unknown(session: Session, which: str) -> NotFound:
    where = session.application_namespace
    return NotFound(f"repository {redact(which)} not found in namespace {where}: `shipway repo list` shows them all")


async def _write(session: Session, secret: Obj, *, upsert: bool) -> None:
    try:
        await session.client.create(SECRETS, secret)
    except Conflict:
        if not upsert:
            raise Conflict(f"Secret {name_of(secret)} is there already: --upsert replaces it", reason="AlreadyExists") from None
        place = (secret["metadata"]["namespace"], name_of(secret))
        old = await session.client.get(SECRETS, *place)
        data = {**dict.fromkeys(old.get("data") or {}), **secret["data"]}
        body = {"metadata": {"labels": secret["metadata"]["labels"]}, "data": data}
        await session.client.patch(SECRETS, *place, body)


async def _states(found: Sequence[Repository], repositories: Repositories | None) -> list[State]:
    """Knocks at all of them, a few at a time; at none without `repositories`."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def state_of(one: Repository) -> State:
        if repositories is None or one.is_template or one.type != "git":
            return State(one, "Unknown", one.problem or ("a login for URLs that begin so" if one.is_template else "not tried"))
        async with gate:
            try:
                await connect(one.url, repositories.credentials(one.url, one.project))
            except ShipwayError as error:
                return State(one, "Failed", error.message)
        return State(one, "Successful")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(state_of(one)) for one in found]
    return [task.result() for task in tasks]


def _print(states: Sequence[State], output: Output, document: Obj) -> None:
    if output == "table":
        print_table(HEADINGS, [_row(state) for state in states])
    elif output == "name":
        print_lines([f"secret/{state.repository.secret}" for state in states])
    else:
        sys.stdout.write(object_text(document, output))


def _row(state: State) -> tuple[str, ...]:
    one = state.repository
    kind = "template" if one.is_template else one.type
    return (kind, one.name, redact(one.url), one.project, one.secret, state.status, state.message)


def _document(state: State) -> Obj:
    """Field names as in Argo CD's API; logins only as whether there is one."""
    one = state.repository
    return {
        "repo": redact(one.url),
        "name": one.name,
        "type": one.type,
        "project": one.project,
        "secret": one.secret,
        "isTemplate": one.is_template,
        "hasLogin": one.credentials.has_login or bool(one.credentials.client_cert),
        "enableLfs": one.credentials.lfs,
        "connectionState": {"status": state.status, "message": state.message},
    }


def _values(flags: RepositoryFlags, login: LoginFlags) -> dict[str, str]:
    """The Secret's fields; those that say nothing are left out."""
    password = _typed(login.password)
    if login.username and not password and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {login.username}: ", stream=sys.stderr)
    found = {
        "name": flags.name,
        "type": flags.type,
        "project": flags.project,
        "enableLfs": _flag(flags.enable_lfs),
        "username": login.username,
        "password": password,
        "bearerToken": _typed(login.bearer_token),
        "sshPrivateKey": _read(login.ssh_private_key_path),
        "tlsClientCertData": _read(login.tls_client_cert_path),
        "tlsClientCertKey": _read(login.tls_client_cert_key_path),
        "forceHttpBasicAuth": _flag(login.force_http_basic_auth),
        "insecure": _flag(login.insecure_skip_server_verification),
        "proxy": login.proxy,
        "noProxy": login.no_proxy,
    }
    return {key: value for key, value in found.items() if value}


def _typed(value: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if value == "-" else value


def _flag(is_on: bool) -> str:
    return "true" if is_on else ""


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None
