"""Remotes that ask who we are: HTTP with a password or a token, TLS with a certificate, SSH with a key and a known host."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from shipway.adapters.git.mirror import Mirror, Terms
from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.git.program import Git
from shipway.adapters.git.requests import GitRequests
from shipway.adapters.git.urls import parse_remote
from shipway.api.repositories import Credentials
from shipway.api.sources import Head, HeadRequest
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from shipway.demo.git_server import GitServer
from tests.git_hosts import Certificates, Door, SshHost, basic, bearer, certificates, secrets_in, ssh_host
from tests.repository import WorkingCopy, seed

TOKEN = "t0ken-of-the-robot"


class Look:
    """Looks once at a repository with a login, below a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._looks = 0

    async def __call__(self, url: str, login: Credentials = Credentials()) -> Head:  # noqa: B008
        self._looks += 1
        mirrors = Mirrors(self.home / str(self._looks), clock=SystemClock(), credentials=lambda *_: login)
        return await mirrors.head(HeadRequest(url, "main", b"{}"))

    async def refused(self, url: str, login: Credentials = Credentials()) -> Unavailable:  # noqa: B008
        with pytest.raises(Unavailable) as caught:
            await self(url, login)
        assert not any(secret in caught.value.message for secret in login.secrets)
        return caught.value


@pytest.fixture
def look(tmp_path: Path) -> Look:
    return Look(tmp_path / "looks")


@pytest_asyncio.fixture
async def git(tmp_path: Path) -> AsyncGenerator[GitServer, None]:
    """A Git server with the repository `shop`, of one commit."""
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop"))
    await asyncio.to_thread(copy.commit, {"a.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    yield server
    await server.stop()


@pytest.mark.compat("argocd:repository.password")
async def test_a_password_opens_the_door(git: GitServer, look: Look) -> None:
    async with Door(git, basic("me", "s3cr3t")).open() as door:
        head = await look(f"{door.url}/shop.git", Credentials(username="me", password="s3cr3t"))
        assert await look(f"{door.url}/shop.git".replace("http://", "http://me:s3cr3t@")) == head
        assert await look(f"{door.url}/shop.git", Credentials(username="me", password="s3cr3t", force_basic=True)) == head
        said = await look.refused(f"{door.url}/shop.git", Credentials(username="me", password="wrong-one"))
        assert said.reason == "LoginRefused"
        assert "Authentication failed" in said.message
        assert (await look.refused(f"{door.url}/shop.git")).reason == "LoginRefused"
    assert secrets_in(look.home, "s3cr3t", "wrong-one") == []


async def test_a_name_may_be_missing_beside_a_password(git: GitServer, look: Look) -> None:
    async with Door(git, basic("", TOKEN)).open() as door:
        assert await look(f"{door.url}/shop.git", Credentials(password=TOKEN))


@pytest.mark.compat("argocd:repository.bearerToken")
async def test_a_token_opens_the_door(git: GitServer, look: Look) -> None:
    async with Door(git, bearer(TOKEN)).open() as door:
        assert await look(f"{door.url}/shop.git", Credentials(bearer_token=f"{TOKEN}\n"))
        assert (await look.refused(f"{door.url}/shop.git", Credentials(bearer_token="stolen"))).reason == "LoginRefused"
    assert secrets_in(look.home, TOKEN, "stolen") == []


@pytest.mark.parametrize(
    "login",
    [
        Credentials(username="me", password="s3cr3t"),
        Credentials(username="me", password="s3cr3t", force_basic=True),
        Credentials(bearer_token=TOKEN),
    ],
    ids=["password", "basic", "bearer"],
)
async def test_a_login_is_never_passed_on_to_another_host(git: GitServer, look: Look, login: Credentials) -> None:
    """Whoever may answer for a repository could otherwise have its password sent anywhere."""
    async with Door(git, lambda _: False).open() as thief, Door(git, lambda _: True).open() as door:

        async def lead_away(request: web.Request) -> web.Response:
            raise web.HTTPMovedPermanently(f"{thief.url}{request.path_qs}")

        door.handle = lead_away
        said = await look.refused(f"{door.url}/shop.git", login)
    assert said.reason in ("Redirected", "LoginRefused")
    assert not any(authorization for _, authorization in thief.knocks)


async def test_a_redirect_on_the_same_host_is_followed_with_the_login(git: GitServer, look: Look) -> None:
    """A repository that was renamed."""
    async with Door(git, basic("me", "s3cr3t")).open() as door:
        usual = door.handle

        async def renamed(request: web.Request) -> web.StreamResponse:
            if request.path.startswith("/old.git/"):
                raise web.HTTPMovedPermanently(request.path_qs.replace("/old.git/", "/shop.git/"))
            return await usual(request)

        door.handle = renamed
        assert await look(f"{door.url}/old.git", Credentials(username="me", password="s3cr3t"))


# --- TLS ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path) -> Certificates:
    return certificates(tmp_path / "tls")


@pytest.mark.compat("argocd:repository.tlsClientCert")
async def test_a_certificate_opens_the_door(git: GitServer, look: Look, tls: Certificates) -> None:
    """The server trusts a CA of its own and wants a certificate of it from the client; one alone is not enough."""
    client = Credentials(client_cert=tls.text("admin.crt"), client_key=tls.text("admin.key"), ca_bundle=tls.text("ca.crt"))
    async with Door(git, lambda _: True).open(tls.server(wants_client=True)) as door:
        url = f"{door.url}/shop.git"
        assert await look(url, client)
        assert (await look.refused(url, Credentials(ca_bundle=client.ca_bundle))).reason in (
            "GitFailed",
            "UntrustedCertificate",
        )
        stranger = Credentials(client_cert=client.client_cert, client_key=client.client_key)
        assert (await look.refused(url, stranger)).reason == "UntrustedCertificate"
        assert await look(url, Credentials(client_cert=client.client_cert, client_key=client.client_key, insecure=True))
    assert secrets_in(look.home, client.client_key.splitlines()[1]) == []


@pytest.mark.compat("argocd:repository.insecure")
async def test_a_password_goes_to_a_trusted_server_only(git: GitServer, look: Look, tls: Certificates) -> None:
    async with Door(git, basic("me", "s3cr3t")).open(tls.server(wants_client=False)) as door:
        login = Credentials(username="me", password="s3cr3t")
        assert (await look.refused(f"{door.url}/shop.git", login)).reason == "UntrustedCertificate"
        assert door.knocks == []
        assert await look(f"{door.url}/shop.git", Credentials(username="me", password="s3cr3t", ca_bundle=tls.text("ca.crt")))


@pytest.mark.compat("argocd:repository.proxy")
async def test_a_proxy_of_its_own_is_used_and_its_password_is_kept(git: GitServer, look: Look) -> None:
    async with Door(git, lambda _: True).open() as proxy:

        async def forward(request: web.Request) -> web.StreamResponse:
            proxy.seen = request.headers.get("Proxy-Authorization", "")
            return await usual(request)

        usual, proxy.handle = proxy.handle, forward
        address = proxy.url.replace("http://", "http://robot:pr0xy@")
        assert await look("http://git.invalid/shop.git", Credentials(proxy=address))
        await look.refused("http://git.invalid/shop.git", Credentials(proxy=address, no_proxy="git.invalid"))
    assert secrets_in(look.home, "pr0xy") == []


# --- SSH ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh(tmp_path: Path, program) -> Iterator[SshHost]:
    with ssh_host(tmp_path / "ssh", program) as host:
        yield host


@pytest.mark.compat("argocd:spec.source.repoURL", "argocd:repository.sshPrivateKey", "argocd:repository.insecure")
async def test_ssh_with_a_key_and_a_known_host(ssh: SshHost, look: Look, tmp_path: Path) -> None:
    copy, url = await asyncio.to_thread(seed, tmp_path, "shop", {"a.yaml": "a: 1\n"})
    remote = ssh.url(url.removeprefix("file://"))
    login = Credentials(ssh_key=ssh.key(), known_hosts=ssh.known_hosts)
    assert (await look(remote, login)).commit == copy.git("rev-parse", "HEAD")
    assert (await look(remote, Credentials(ssh_key=ssh.key(), insecure=True))).commit == copy.git("rev-parse", "HEAD")
    for known, reason in ((None, "HostKeyUnknown"), ("", "HostKeyUnknown"), (ssh.other_known_hosts, "HostKeyChanged")):
        said = await look.refused(remote, Credentials(ssh_key=ssh.key(), known_hosts=known))
        assert (said.reason, "argocd-ssh-known-hosts-cm" in said.message) == (reason, True)
    stranger = Credentials(ssh_key=ssh.key("stranger"), known_hosts=ssh.known_hosts)
    assert (await look.refused(remote, stranger)).reason == "LoginRefused"
    assert (await look.refused(ssh.url("/none.git"), login)).reason == "RepositoryNotFound"
    ssh.revoke()
    assert (await look.refused(remote, login)).reason == "LoginRefused"
    assert secrets_in(look.home, ssh.key().splitlines()[1], ssh.key("stranger").splitlines()[1]) == []


# --- floods -------------------------------------------------------------------------------------------------------------


async def mirrored(url: str, home: Path, **limits: int) -> Unavailable:
    """What fetching all of a repository within these limits fails with."""
    git = Git(home / "git", timeout_seconds=60, **limits)
    git.prepare()
    with pytest.raises(Unavailable) as caught:
        terms = Terms(5, GitRequests(SystemClock()))
        await Mirror(home / "m.git", parse_remote(url), git, SystemClock(), terms).refresh(Credentials())
    return caught.value


async def test_a_pack_without_end_fills_no_disk(git: GitServer, tmp_path: Path) -> None:
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "large", git.create("large"))
    await asyncio.to_thread(copy.commit, {"blob": random.Random(7).randbytes(3 << 20)})
    await asyncio.to_thread(copy.push)
    said = await mirrored(git.url("large"), tmp_path / "home", max_file_bytes=1 << 20)
    assert (said.reason, said.after) == ("RepositoryTooLarge", 900.0)
    assert sum(file.stat().st_size for file in (tmp_path / "home/m.git/objects").rglob("*") if file.is_file()) < 1 << 16


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
async def test_refs_without_end_fill_no_memory(git: GitServer, tmp_path: Path) -> None:
    async with Door(git, lambda _: True).open() as door:

        async def flood(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
            await response.prepare(request)
            await response.write(b"001e# service=git-upload-pack\n0000")
            chunk = b"".join(b"%04x%s refs/heads/%060d\n" % (117, b"a" * 40, n) for n in range(5000))
            with contextlib.suppress(ConnectionError):
                while True:
                    await response.write(chunk)
            return response

        door.handle = flood
        said = await mirrored(f"{door.url}/shop.git", tmp_path / "home", max_memory_bytes=256 << 20)
    assert said.reason == "RepositoryTooLarge"
