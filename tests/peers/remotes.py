"""In the place of the container in which a suite of Argo CD has its remotes: Git over HTTPS and SSH, charts, registries.

The addresses, logins, certificates and keys are fixed in the suite; what is served is the folder in which it makes its
repositories. OpenSSH's server and Debian's registry are real; HTTP(S) is a door in front of `git http-backend`.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from shipway.demo.git_server import GitServer
from tests.contract.sources.chart_places import registry
from tests.git_hosts import Door, basic, encrypted, ssh_command
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


def with_keys_of(suite: Path, home: Path) -> list[str | Path]:
    """OpenSSH's server with the suite's keys."""
    home.mkdir(mode=0o700)
    host_keys = [home / f"ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519")]
    for key in host_keys:
        key.write_bytes((suite / key.name).read_bytes())
        key.chmod(0o600)
    return ssh_command(
        "/usr/sbin/sshd", home, SSH, host_keys, f"AuthorizedKeysFile {suite / 'id_rsa.pub'}", "PermitRootLogin yes"
    )


@asynccontextmanager
async def remotes(fixture: Path, home: Path) -> AsyncGenerator[None, None]:
    """They stand until the block ends. `fixture`: the suite's `test/fixture`; `home`: for what they keep and say."""
    server = GitServer(SERVED)
    tls, client_ca = fixture / "certs/argocd-test-server", fixture / "certs/argocd-test-ca.crt"
    doors = {HTTP: None, HTTPS: encrypted(tls), HTTPS_WITH_CERTIFICATE: encrypted(tls, client_ca)}
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        for port, context in doors.items():
            await stack.enter_async_context(Remote(server).open(context, port))
        sshd = with_keys_of(fixture / "testrepos", home / "ssh")
        await stack.enter_async_context(running("sshd", sshd, os.environ, home))
        for port, htpasswd in ((REGISTRY, ""), (REGISTRY_WITH_LOGIN, HTPASSWD)):
            root = home / f"registry-{port}"
            root.mkdir()
            await stack.enter_async_context(registry(str, root, htpasswd=htpasswd, port=port))
        await comes_to(True, lambda: listens(SSH))
        yield
