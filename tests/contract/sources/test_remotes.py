"""Remotes that ask who we are: HTTP with a password, SSH with a key and a known host."""

import asyncio
import base64
import getpass
import os
import socket
import subprocess
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.git.program import Credentials
from shipway.api.sources import HeadRequest
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from shipway.demo.git_server import GitServer
from tests.unit.adapters.repository import WorkingCopy, seed


@pytest.fixture
async def guarded(tmp_path):
    """A Git server behind a door that wants `me:s3cr3t`; the URL of a repository with one commit."""
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop"))
    await asyncio.to_thread(copy.commit, {"a.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    session = ClientSession(auto_decompress=False)
    wanted = "Basic " + base64.b64encode(b"me:s3cr3t").decode()

    async def door(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        kept = {k: v for k, v in request.headers.items() if k in ("Content-Type", "Git-Protocol", "Accept")}
        target = server.url("shop").removesuffix("/shop.git") + request.path_qs
        async with session.request(request.method, target, data=await request.read(), headers=kept) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", door)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}/shop.git"
    await runner.cleanup()
    await session.close()
    await server.stop()


async def test_a_password_opens_the_door(guarded, tmp_path):
    login = Credentials(username="me", password="s3cr3t")
    configured = Mirrors(tmp_path / "one", clock=SystemClock(), credentials=lambda _: login)
    head = await configured.head(HeadRequest(f"http://{guarded}", "main", b"{}"))
    in_the_url = Mirrors(tmp_path / "two", clock=SystemClock())
    assert await in_the_url.head(HeadRequest(f"http://me:s3cr3t@{guarded}", "main", b"{}")) == head


async def test_a_wrong_password_is_said_so(guarded, tmp_path):
    login = Credentials(username="me", password="wrong-one")
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock(), credentials=lambda _: login)
    with pytest.raises(Unavailable, match="Authentication failed") as caught:
        await mirrors.head(HeadRequest(f"http://{guarded}", "main", b"{}"))
    assert "wrong-one" not in caught.value.message


@pytest.fixture
def ssh(tmp_path, program):
    """A running SSH server for this user alone; the port, the client's key and the file of known hosts."""
    sshd, keygen = program("sshd"), program("ssh-keygen")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    home = tmp_path / "ssh"
    home.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True, timeout=30)
    (home / "allowed").write_text((home / "client.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kind, key, *_ = (home / "host.pub").read_text().split()
    (home / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    config = f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/allowed\n"
    (home / "config").write_text(config + f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile {home}/pid\n")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", home / "config"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        assert any("listening" in line for line in iter(server.stderr.readline, ""))
        yield port, home
    finally:
        server.terminate()
        server.wait(10)
        server.stderr.close()


async def test_ssh_with_a_key_and_a_known_host(ssh, tmp_path):
    port, home = ssh
    copy, url = await asyncio.to_thread(seed, tmp_path, "shop", {"a.yaml": "a: 1\n"})
    remote = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{url.removeprefix('file://')}"
    login = Credentials(ssh_key=str(home / "client"), known_hosts=str(home / "known"))
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock(), credentials=lambda _: login)
    head = await mirrors.head(HeadRequest(remote, "main", b"{}"))
    assert head.commit == copy.git("rev-parse", "HEAD")


async def test_a_host_that_nobody_knows_is_refused(ssh, tmp_path):
    port, home = ssh
    remote = f"ssh://{getpass.getuser()}@127.0.0.1:{port}/none.git"
    login = Credentials(ssh_key=str(home / "client"))
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock(), credentials=lambda _: login)
    with pytest.raises(Unavailable, match="Host key verification failed"):
        await mirrors.head(HeadRequest(remote, "main", b"{}"))
