"""Git hosts that ask who we are: a door of HTTP(S) in front of `git http-backend`, and OpenSSH's own server."""

import base64
import getpass
import os
import re
import ssl
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import ClientSession, web
from msgspec import Struct

from shipway.demo.git_server import GitServer
from tests.kube.certificates import write_certificates
from tests.ports import free_port

Admits = Callable[[web.Request], bool]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def basic(username: str, password: str) -> Admits:
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    return lambda request: request.headers.get("Authorization") == wanted


def bearer(token: str) -> Admits:
    return lambda request: request.headers.get("Authorization") == f"Bearer {token}"


class Door:
    """Lets through to a Git server whom `admits` lets; writes down who knocked. `admits` and `handle` may be changed."""

    def __init__(self, server: GitServer, admits: Admits) -> None:
        self._server = server
        self.admits = admits
        self.knocks: list[tuple[str, str]] = []
        """(Path with query, Authorization header) of every request."""
        self.url = ""
        self.handle: Handle = self._pass

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncGenerator["Door", None]:
        """At `port`, or any that is free."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(auto_decompress=False) as self._session:
            try:
                yield self
            finally:
                await runner.cleanup()

    @property
    def looks(self) -> int:
        """How often somebody asked which refs there are and was let in (one per `ls-remote`, one more per fetch)."""
        return sum("info/refs" in path for path, _ in self.knocks)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.knocks.append((request.path_qs, request.headers.get("Authorization", "")))
        return await self.handle(request)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if not self.admits(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        kept = {k: v for k, v in request.headers.items() if k in ("Content-Type", "Git-Protocol", "Accept")}
        target = self._server.url("x").removesuffix("/x.git") + request.path_qs
        async with self._session.request(request.method, target, data=await request.read(), headers=kept) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


class Certificates(Struct, frozen=True):
    """A CA, a server on 127.0.0.1 that wants a client certificate of it, and such a certificate, as PEM."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def server(self, *, wants_client: bool) -> ssl.SSLContext:
        return encrypted(self.folder / "server", self.folder / "ca.crt" if wants_client else None)


def encrypted(server: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """A server's side. `server`: its certificate and key, without their endings; `client_ca`: who signed that of the client,
    where one is wanted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.with_suffix(".crt"), server.with_suffix(".key"))
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificates(folder: Path) -> Certificates:
    write_certificates(folder)
    return Certificates(folder)


class SshHost(Struct, frozen=True):
    """A running SSH server for this user alone that runs nothing but Git's fetch."""

    port: int
    home: Path

    def url(self, repository: str) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    def key(self, name: str = "client") -> str:
        return (self.home / name).read_text()

    @property
    def known_hosts(self) -> str:
        return self._line("host")

    @property
    def other_known_hosts(self) -> str:
        """The host under a key that is not its own."""
        return self._line("stranger")

    def revoke(self) -> None:
        """From now on the client's key opens nothing."""
        (self.home / "revoked").write_text((self.home / "client.pub").read_text())

    def _line(self, name: str) -> str:
        kind, key, *_ = (self.home / f"{name}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"


def ssh_command(sshd: str, home: Path, port: int, host_keys: Iterable[Path], *more: str) -> list[str | Path]:
    """OpenSSH's server on 127.0.0.1, for this user alone, that runs nothing but Git's fetch. `more`: who is let in."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    lines = (
        *(f"Port {port}", "ListenAddress 127.0.0.1", *(f"HostKey {key}" for key in host_keys), *more),
        *("StrictModes no", "UsePAM no", "PasswordAuthentication no", f"PidFile {home}/pid"),
        'ForceCommand case "$SSH_ORIGINAL_COMMAND" in git-upload-pack*) exec git shell -c "$SSH_ORIGINAL_COMMAND";; esac',
    )
    (home / "config").write_text("\n".join(lines) + "\n")
    return [sshd, "-D", "-e", "-f", home / "config"]


@contextmanager
def ssh_host(home: Path, program: Callable[[str], str]) -> Iterator[SshHost]:
    """Starts sshd on a free port. `program` finds a program, or skips the test."""
    sshd, keygen = program("sshd"), program("ssh-keygen")
    home.mkdir(mode=0o700)
    for name in ("host", "client", "stranger"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True, timeout=30)
    (home / "allowed").write_text((home / "client.pub").read_text())
    (home / "revoked").touch()
    port = free_port()
    allowed, revoked = f"AuthorizedKeysFile {home}/allowed", f"RevokedKeys {home}/revoked"
    command = ssh_command(sshd, home, port, [home / "host"], allowed, revoked)
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stderr=log)
    try:
        while b"listening" not in (home / "log").read_bytes():
            assert server.poll() is None, (home / "log").read_text()
        yield SshHost(port, home)
    finally:
        server.terminate()
        server.wait(10)


def secrets_in(folder: Path, *secrets: str) -> list[str]:
    """The files below `folder` that hold one of `secrets`, however long."""
    wanted = [re.sub(r"\s+", "", secret).encode() for secret in secrets]
    found = []
    for file in folder.rglob("*"):
        if file.is_file():
            content = re.sub(rb"\s+", b"", file.read_bytes())
            found += [str(file)] if any(secret in content for secret in wanted) else []
    return found
