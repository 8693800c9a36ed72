"""In the place of the container in which a suite of Argo CD has its remotes: Git over HTTPS and SSH, charts, registries.

The addresses, logins, certificates and keys are fixed in the suite; what is served is the folder in which it makes its
repositories. OpenSSH's server and Debian's registry are real; HTTP(S) is a door in front of `git http-backend`.
"""

import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from shipway.demo.git_server import GitServer
from tests.git_hosts import Door, basic
from tests.peers.suite import running
from tests.ports import listens
from tests.waiting import comes_to

SERVED = Path("/tmp/argo-e2e")
LOGIN = basic("admin", "password")
PREFIX = "/argo-e2e/"
CHARTS = "testdata.git/helm-repo/"
HTTP, HTTPS, HTTPS_WITH_CERTIFICATE, SSH, REGISTRY, REGISTRY_WITH_LOGIN = 9080, 9443, 9444, 2222, 5000, 5001
HTPASSWD = "admin:$2b$05$ePxKJf0uNZ9lTbjVqvKAWeZY8N78R8lby1Fq5iRdROxeisOQne9hW\n"
"""The login above; the registry takes bcrypt only."""


class Remote(Door):
    """Everything below `SERVED`, to whoever knows the login: repositories by Git's protocol, charts as files."""

    def __init__(self, server: GitServer) -> None:
        super().__init__(server, LOGIN)
        self.handle = self._find

    async def _find(self, request: web.Request) -> web.StreamResponse:
        place = request.path.removeprefix(PREFIX)
        if not place.startswith(CHARTS):
            return await self._pass(request.clone(rel_url=request.rel_url.with_path(f"/{place}").with_query(request.query)))
        if not self.admits(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="charts"'})
        file = (SERVED / place).resolve()
        is_served = file.is_relative_to(SERVED) and file.is_file()
        return web.Response(body=file.read_bytes()) if is_served else web.Response(status=404)


def encrypted(certificates: Path, *, wants_client: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "argocd-test-server.crt", certificates / "argocd-test-server.key")
    if wants_client:
        context.load_verify_locations(certificates / "argocd-test-ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def ssh_command(keys: Path, home: Path) -> list[str | Path]:
    """OpenSSH's server with the suite's keys, for this user alone, that runs nothing but Git's fetch."""
    home.mkdir(mode=0o700)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("ssh_host_rsa_key", "ssh_host_ecdsa_key", "ssh_host_ed25519_key"):
        (home / name).write_bytes((keys / name).read_bytes())
        (home / name).chmod(0o600)
    lines = (
        *(f"Port {SSH}", "ListenAddress 127.0.0.1", f"AuthorizedKeysFile {keys / 'id_rsa.pub'}", "PermitRootLogin yes"),
        *(f"HostKey {home / name}" for name in ("ssh_host_rsa_key", "ssh_host_ecdsa_key", "ssh_host_ed25519_key")),
        *("StrictModes no", "UsePAM no", "PasswordAuthentication no", f"PidFile {home}/pid"),
        'ForceCommand case "$SSH_ORIGINAL_COMMAND" in git-upload-pack*) exec git shell -c "$SSH_ORIGINAL_COMMAND";; esac',
    )
    (home / "config").write_text("\n".join(lines) + "\n")
    return ["/usr/sbin/sshd", "-D", "-e", "-f", home / "config"]


def registry_command(home: Path, port: int) -> list[str | Path]:
    home.mkdir()
    text = f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {home}}}}}\n"
    text += f'http: {{addr: "127.0.0.1:{port}"}}\n'
    if port == REGISTRY_WITH_LOGIN:
        (home / "htpasswd").write_text(HTPASSWD)
        text += f"auth: {{htpasswd: {{realm: localhost, path: {home / 'htpasswd'}}}}}\n"
    (home / "config.yml").write_text(text)
    return ["docker-registry", "serve", home / "config.yml"]


@asynccontextmanager
async def remotes(fixture: Path, home: Path) -> AsyncGenerator[None, None]:
    """They stand until the block ends. `fixture`: the suite's `test/fixture`; `home`: for what they keep and say."""
    server = GitServer(SERVED)
    doors = {
        HTTP: None,
        HTTPS: encrypted(fixture / "certs", wants_client=False),
        HTTPS_WITH_CERTIFICATE: encrypted(fixture / "certs", wants_client=True),
    }
    programs = {
        "sshd": ssh_command(fixture / "testrepos", home / "ssh"),
        "registry": registry_command(home / "registry", REGISTRY),
        "registry-with-login": registry_command(home / "registry-with-login", REGISTRY_WITH_LOGIN),
    }
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        for port, tls in doors.items():
            await stack.enter_async_context(Remote(server).open(tls, port))
        for name, command in programs.items():
            await stack.enter_async_context(running(name, command, os.environ, home))
        for port in (SSH, REGISTRY, REGISTRY_WITH_LOGIN):
            await comes_to(True, lambda port=port: listens(port))
        yield
