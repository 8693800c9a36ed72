"""A real Git server for one machine: smart HTTP in front of `git http-backend`, and a webhook for each push.

The demo pushes to it and Shipway fetches from it, over the protocol and with the webhook that a forge would use: GitHub's
shape, signed with GitHub's header. It has no accounts, so it belongs on a loopback address.
"""

import asyncio
import hashlib
import hmac
import os
import re
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pygit2
from aiohttp import web
from msgspec import Struct

from shipway.base.errors import InvalidInput, Unavailable

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_REQUEST = re.compile(rf"/(?P<repo>{_NAME.pattern})/(?P<service>info/refs|git-upload-pack|git-receive-pack)")
_NO_COMMIT = "0" * 40
_MAX_HEAD = 64 << 10
_MAX_COMMITS = 2000


class Delivery(Struct, frozen=True):
    """A webhook that was sent: which ref of which repository, and the receiver's status (0: no answer)."""

    repo: str
    ref: str
    after: str
    status: int


class GitServer:
    """Serves the bare repositories `ROOT/<name>.git`. `url` is valid once it has started."""

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._root = root
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._webhook: tuple[str, str] | None = None
        self._pushes: dict[str, asyncio.Lock] = {}
        self.deliveries: deque[Delivery] = deque(maxlen=1000)

    async def start(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def notify(self, url: str, secret: str) -> None:
        """From now on tell `url` of every push, signed with `secret`."""
        self._webhook = (url, secret)

    def create(self, name: str) -> str:
        """Make an empty repository whose branch is `main`, unless it is there; returns its URL."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} is no name for a repository: use letters, digits, dots, dashes")
        path = self._path(name)
        if not path.exists():
            pygit2.init_repository(str(path), bare=True, initial_head="main")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"http://{self._host}:{self._port}/{name}.git"

    def _path(self, name: str) -> Path:
        return self._root / f"{name.removesuffix('.git')}.git"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        match = _REQUEST.fullmatch(request.path)
        if match is None or not self._path(match["repo"]).is_dir():
            return web.Response(status=404, text="no such repository\n")
        if match["service"] == "git-receive-pack":
            return await self._receive(request, match)
        response = await self._answer(request, match)
        await _end(response)
        return response

    async def _receive(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """A push; the webhook goes out before the push is over, so that whoever pushed knows that it was told."""
        name = match["repo"].removesuffix(".git")
        async with self._pushes.setdefault(name, asyncio.Lock()):
            before = self._refs(name)
            response = await self._answer(request, match)
            await self._tell(name, before, self._refs(name))
        await _end(response)
        return response

    async def _answer(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """One exchange with the CGI program, streamed both ways; the end of the response is left to the caller."""
        async with _backend(self._environment(request, match)) as process, asyncio.TaskGroup() as group:
            group.create_task(_feed(request, process))
            assert process.stdout is not None
            response = _response(await _head(process.stdout))
            with suppress(ConnectionResetError):
                await response.prepare(request)
                while chunk := await process.stdout.read(1 << 16):
                    await response.write(chunk)
        return response

    def _environment(self, request: web.Request, match: re.Match[str]) -> dict[str, str]:
        repo = self._path(match["repo"]).relative_to(self._root)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "receive.autogc",
            "GIT_CONFIG_VALUE_1": "false",
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{repo}/{match['service']}",
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_ADDR": request.remote or "",
        }

    def _refs(self, name: str) -> dict[str, str]:
        repository = pygit2.Repository(str(self._path(name)))
        return {ref: str(repository.references[ref].target) for ref in repository.references if ref.startswith("refs/")}

    async def _tell(self, name: str, before: dict[str, str], after: dict[str, str]) -> None:
        if self._webhook is None or self._session is None:
            return
        url, secret = self._webhook
        for ref in sorted(before.keys() | after.keys()):
            old, new = before.get(ref, _NO_COMMIT), after.get(ref, _NO_COMMIT)
            if old != new:
                status = await self._deliver(url, secret, orjson.dumps(self._push(name, ref, old, new)))
                self.deliveries.append(Delivery(name, ref, new, status))

    async def _deliver(self, url: str, secret: str, body: bytes) -> int:
        assert self._session is not None
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _push(self, name: str, ref: str, before: str, after: str) -> dict[str, Any]:
        """A push event as GitHub writes it."""
        repository = pygit2.Repository(str(self._path(name)))
        commits = _commits(repository, before, after)
        return {
            "ref": ref,
            "before": before,
            "after": after,
            "created": before == _NO_COMMIT,
            "deleted": after == _NO_COMMIT,
            "forced": _is_forced(repository, before, after),
            "repository": {
                "name": name.rpartition("/")[2],
                "full_name": name,
                "clone_url": self.url(name),
                "html_url": self.url(name).removesuffix(".git"),
                "default_branch": "main",
            },
            "commits": commits,
            "head_commit": commits[-1] if commits else None,
        }


@asynccontextmanager
async def _backend(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *("git", "http-backend"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    """The request's body; aiohttp has undone its compression. The program may end before it has read all."""
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in request.content.iter_any():
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()


async def _head(stdout: asyncio.StreamReader) -> dict[str, str]:
    """The CGI header."""
    try:
        raw = await stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise Unavailable("git http-backend gave no answer: is git installed completely?") from None
    lines = (line.partition(": ") for line in raw.decode("latin-1").split("\r\n"))
    return {name: value for name, _, value in lines if value}


def _response(head: dict[str, str]) -> web.StreamResponse:
    status = int(head.pop("Status", "200").split()[0])
    response = web.StreamResponse(status=status, headers=head)
    if "Content-Length" not in head:
        response.enable_chunked_encoding()
    return response


async def _end(response: web.StreamResponse) -> None:
    """Who has read enough may be gone: go-git leaves before the last chunk."""
    with suppress(ConnectionResetError):
        await response.write_eof()


def _is_forced(repository: pygit2.Repository, before: str, after: str) -> bool:
    if _NO_COMMIT in (before, after):
        return False
    return _commit(repository, before) is not None and not repository.descendant_of(after, before)


def _commit(repository: pygit2.Repository, oid: str) -> pygit2.Commit | None:
    found = repository.get(oid)
    return found.peel(pygit2.Commit) if found is not None else None


def _commits(repository: pygit2.Repository, before: str, after: str) -> list[dict[str, Any]]:
    """The commits that the push brought, oldest first."""
    newest = None if after == _NO_COMMIT else _commit(repository, after)
    if newest is None:
        return []
    walker = repository.walk(newest.id, pygit2.enums.SortMode.TOPOLOGICAL)
    if before != _NO_COMMIT:
        walker.hide(before)
    found = [commit for commit, _ in zip(walker, range(_MAX_COMMITS), strict=False)]
    return [_described(commit) for commit in reversed(found)]


def _described(commit: pygit2.Commit) -> dict[str, Any]:
    changes: dict[str, list[str]] = {"added": [], "modified": [], "removed": []}
    parent = commit.parents[0].tree if commit.parents else None
    diff = parent.diff_to_tree(commit.tree) if parent is not None else commit.tree.diff_to_tree(swap=True)
    kinds = {"A": "added", "D": "removed"}
    for delta in diff.deltas:
        path = delta.new_file.path or delta.old_file.path
        changes[kinds.get(delta.status_char(), "modified")].append(path)
    author = {"name": commit.author.name, "email": commit.author.email}
    return {"id": str(commit.id), "message": commit.message, "author": author, "committer": author, **changes}
