"""An HTTP chart repository: its index.yaml, kept by ETag and parsed in a worker, and the archives it names."""

import asyncio
import hashlib
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from shipway.adapters.charts.remote import Answer, Remote
from shipway.adapters.charts.versions import chosen
from shipway.api.repositories import Credentials
from shipway.base.clock import Clock, Instant
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable
from shipway.kube.objects import yaml
from shipway.workers.pool import WorkerPool

MAX_INDEX = 48 << 20
MAX_ARCHIVE = 32 << 20
_FRESH = 5.0
_WISHES_APART = 1.0
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Entry(Struct, frozen=True):
    """One version of a chart; `digest` "" where the index does not say."""

    version: str
    url: str
    digest: str = ""


class _Known(Struct, frozen=True):
    charts: dict[str, dict[str, Entry]]
    etag: str
    modified: str
    at: Instant


class ChartRepository:
    """One repository. Everybody who asks within five seconds shares one look at its index."""

    def __init__(self, url: str, remote: Remote, workers: WorkerPool, clock: Clock) -> None:
        self.url = url.rstrip("/") + "/"
        self._remote = remote
        self._workers = workers
        self._clock = clock
        self._known: _Known | None = None
        self._lock = asyncio.Lock()

    def changed(self) -> None:
        """The next question looks again."""
        if self._known is not None:
            self._known = _Known(self._known.charts, self._known.etag, self._known.modified, Instant(0.0))

    def wished(self) -> None:
        """Somebody wants a new look; one that was made a moment ago is good enough."""
        if self._known is not None and self._clock.now() - self._known.at >= _WISHES_APART:
            self.changed()

    async def find(self, chart: str, wanted: str, login: Credentials) -> Entry:
        """Raises `NotFound` for a chart or a version that the index does not have."""
        charts = await self._charts(login)
        if chart not in charts:
            raise NotFound(
                f"chart repository {self.url} has no chart {chart!r}: correct spec.source.chart", reason="ChartNotFound"
            )
        version = chosen(charts[chart], wanted, f"chart {chart} of {self.url}")
        return charts[chart][version]

    async def download(self, entry: Entry, login: Credentials, *, pass_credentials: bool) -> bytes:
        """The archive. Raises `InvalidInput` (DigestMismatch) when it is not what the index says."""
        url = urljoin(self.url, entry.url)
        is_ours = _origin(url) == _origin(self.url)
        answer = await self._remote.get(url, login if is_ours or pass_credentials else Credentials(), largest=MAX_ARCHIVE)
        _check(answer, url)
        digest = hashlib.sha256(answer.body).hexdigest()
        if entry.digest and digest != entry.digest:
            raise InvalidInput(
                f"{url}: its digest is sha256:{digest}, the index says sha256:{entry.digest}: publish the chart anew",
                reason="DigestMismatch",
            )
        return answer.body

    async def _charts(self, login: Credentials) -> dict[str, dict[str, Entry]]:
        async with self._lock:
            known = self._known
            if known is None or self._clock.now() - known.at > _FRESH:
                known = self._known = await self._look(known, login)
            return known.charts

    async def _look(self, known: _Known | None, login: Credentials) -> _Known:
        headers = {"Accept-Encoding": "gzip"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        at, url = self._clock.now(), f"{self.url}index.yaml"
        answer = await self._remote.get(url, login, largest=MAX_INDEX, headers=headers)
        if known is not None and answer.status == 304:
            return _Known(known.charts, known.etag, known.modified, at)
        _check(answer, url)
        charts = await self._parsed(answer.body)
        return _Known(charts, answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""), at)

    async def _parsed(self, body: bytes) -> dict[str, dict[str, Entry]]:
        with tempfile.NamedTemporaryFile(prefix="shipway-index-") as file:
            await asyncio.to_thread(Path(file.name).write_bytes, body)
            try:
                found = await self._workers.call(f"{__name__}:parse", {"file": file.name})
            except InvalidInput as error:
                raise InvalidInput(f"{self.url}index.yaml: {error.message}", reason="InvalidIndex") from None
        return {chart: {row[0]: Entry(*row) for row in rows} for chart, rows in found.items()}


def parse(job: dict[str, str]) -> dict[str, list[list[str]]]:
    """In the worker: for each chart its (version, url, digest), entries that cannot be used left out."""
    said = yaml.load(Path(job["file"]).read_bytes())
    entries = said.get("entries") if isinstance(said, dict) else None
    if not isinstance(entries, dict):
        raise InvalidInput("no entries: this is not the index of a chart repository", reason="InvalidIndex")
    return {str(chart): [row for one in listed or () if (row := _row(one))] for chart, listed in entries.items()}


def _row(one: Any) -> list[str] | None:
    urls = one.get("urls") if isinstance(one, dict) else None
    if not isinstance(urls, list) or not urls or not one.get("version"):
        return None
    digest = str(one.get("digest") or "").removeprefix("sha256:").lower()
    return [str(one["version"]), str(urls[0]), digest if _DIGEST.fullmatch(digest) else ""]


def _check(answer: Answer, url: str) -> None:
    if answer.status == 200:
        return
    if answer.status in (401, 403):
        raise Denied(
            f"{url}: the repository answered {answer.status}: give its login in a repository Secret", reason="ChartDenied"
        )
    if answer.status == 404:
        raise NotFound(f"{url}: not found: correct spec.source.repoURL", reason="RepositoryNotFound")
    raise Unavailable(f"{url}: the repository answered {answer.status}", reason="ChartFailed")


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
