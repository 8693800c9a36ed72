"""Large files that Git LFS keeps beside a repository: pointers, a store by content, and the batch API.

A pointer names its content by SHA-256 and size, so what was fetched once is good for ever, whoever asks and wherever it came
from; what does not match is refused. https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

import asyncio
import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from msgspec import Struct

from shipway.adapters.git.urls import parse_remote, redact
from shipway.api.repositories import Credentials
from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.tls import trusting

MAX_POINTER = 1024
MAX_LARGE = 64 << 20
_MAX_ANSWER = 1 << 20
_MEDIA = "application/vnd.git-lfs+json"
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n?"
)
_TIMEOUT = aiohttp.ClientTimeout(total=90, connect=30)


class Pointer(Struct, frozen=True):
    """What stands in the repository instead of a large file."""

    oid: str
    size: int


def pointer_in(content: bytes) -> Pointer | None:
    match = _POINTER.fullmatch(content) if len(content) <= MAX_POINTER else None
    return Pointer(match[1].decode(), int(match[2])) if match else None


class LargeFiles:
    """The store below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, pointer: Pointer) -> bytes | None:
        """The content, None when it has not been fetched. Usable on any thread."""
        try:
            return self._path(pointer).read_bytes()
        except FileNotFoundError:
            return None

    async def fetch(self, repo_url: str, pointer: Pointer, credentials: Credentials) -> None:
        """Brings one file. Raises `InvalidInput` (LargeFile…) or `Unavailable` (LfsFailed) naming the repository."""
        where = redact(repo_url)
        if pointer.size > MAX_LARGE:
            raise InvalidInput(
                f"repository {where}: a file of {pointer.size >> 20} MiB in Git LFS, more than {MAX_LARGE >> 20} MiB",
                reason="SourceTooLarge",
            )
        try:
            with tempfile.TemporaryDirectory(prefix="shipway-") as folder:
                content = await _Exchange(repo_url, credentials, Path(folder)).content(pointer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = redact(str(error), *credentials.secrets) or type(error).__name__
            raise Unavailable(f"repository {where}: Git LFS does not answer: {said}", reason="LfsFailed") from None
        await asyncio.to_thread(self._put, pointer, content)

    def _put(self, pointer: Pointer, content: bytes) -> None:
        path = self._path(pointer)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            out.write(content)
        os.replace(out.name, path)

    def _path(self, pointer: Pointer) -> Path:
        return self._home / pointer.oid[:2] / pointer.oid


class _Exchange:
    """One conversation with the LFS server of a repository."""

    def __init__(self, repo_url: str, credentials: Credentials, folder: Path) -> None:
        remote = parse_remote(repo_url)
        self._where = redact(repo_url)
        if not remote.address.startswith(("http:", "https:")):
            raise InvalidInput(
                f"repository {self._where}: Git LFS is fetched over http and https only: use such a URL",
                reason="LfsUnsupported",
            )
        base = remote.address.rstrip("/")
        self._batch = f"{base}{'' if base.endswith('.git') else '.git'}/info/lfs/objects/batch"
        self._credentials = credentials.at(remote.username, remote.password)
        self._tls = _tls(self._credentials, folder)

    async def content(self, pointer: Pointer) -> bytes:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=not self._credentials.proxy) as session:
            href, headers = await self._place(session, pointer)
            content = await self._exchange(session, "GET", href, headers, pointer.size)
        if len(content) != pointer.size or hashlib.sha256(content).hexdigest() != pointer.oid:
            raise Unavailable(f"repository {self._where}: Git LFS gave other content than was asked for", reason="LfsFailed")
        return content

    async def _place(self, session: aiohttp.ClientSession, pointer: Pointer) -> tuple[str, Mapping[str, str]]:
        """Where the content is to be had, and the headers to ask with."""
        asked = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": pointer.oid, "size": pointer.size}]}
        headers = {"Accept": _MEDIA, "Content-Type": _MEDIA, **self._login()}
        answer = await self._exchange(session, "POST", self._batch, headers, _MAX_ANSWER, orjson.dumps(asked))
        try:
            (found,) = orjson.loads(answer)["objects"]
            action = found.get("actions", {}).get("download", {})
            href, given = action.get("href"), action.get("header") or {}
        except (ValueError, KeyError, AttributeError, TypeError):
            raise Unavailable(
                f"repository {self._where}: its Git LFS server gave no answer of its API", reason="LfsFailed"
            ) from None
        if not isinstance(href, str) or not href.startswith(("http://", "https://")):
            told = (found.get("error") or {}).get("message", "no place to fetch it from")
            raise Unavailable(f"repository {self._where}: Git LFS has not {pointer.oid[:12]}: {told}", reason="LfsFailed")
        is_same_host = urlsplit(href)[:2] == urlsplit(self._batch)[:2]
        own = self._login() if is_same_host and "authorization" not in {name.lower() for name in given} else {}
        return href, {**own, **{str(name): str(value) for name, value in given.items()}}

    async def _exchange(
        self, session: aiohttp.ClientSession, method: str, url: str, headers: Mapping[str, str], largest: int, body: bytes = b""
    ) -> bytes:
        more: dict[str, Any] = {"proxy": self._credentials.proxy} if self._credentials.proxy else {}
        async with session.request(method, url, data=body or None, headers=headers, ssl=self._tls, **more) as response:
            if response.status in (401, 403):
                raise Unavailable(
                    f"repository {self._where}: Git LFS refuses the login: check the repository's Secret", reason="LoginRefused"
                )
            if response.status != 200:
                raise Unavailable(f"repository {self._where}: Git LFS answered {response.status}", reason="LfsFailed")
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > largest:
                    raise Unavailable(f"repository {self._where}: Git LFS sends more than was asked for", reason="LfsFailed")
            return bytes(content)

    def _login(self) -> dict[str, str]:
        return {"Authorization": self._credentials.authorization} if self._credentials.authorization else {}


def _tls(who: Credentials, folder: Path) -> ssl.SSLContext:
    context = trusting(ca=who.ca_bundle, insecure=who.insecure)
    if who.client_cert:
        pair = folder / "client.pem"
        pair.touch(0o600)
        pair.write_text(f"{who.client_cert}\n{who.client_key}\n")
        context.load_cert_chain(pair)
    return context
