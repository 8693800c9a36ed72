"""Charts by name and version, from whatever kind of place their `repoURL` names, kept on disk by digest.

A `Head` names the version as its commit, and the digest of the archive as the id of its one tree: what a chart renders to
depends on nothing else. Below `home` lies one folder per digest (`unpacked`); it may be lost at any moment, the next head
fetches again.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from shipway.adapters.charts.archive import ChartSnapshot
from shipway.adapters.charts.index import ChartRepository
from shipway.adapters.charts.registry import Registry
from shipway.adapters.charts.remote import Remote
from shipway.adapters.charts.unpacked import Unpacked
from shipway.api.repositories import Credentials
from shipway.api.sources import Head, HeadRequest, PathTree
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.workers.pool import WorkerPool

DIGEST = "sha256:"
"""How the id of a chart's tree begins; git's have no such prefix."""
MAX_REMEMBERED = 20_000


def is_packaged(source: dict[str, Any]) -> bool:
    """Whether a source names a chart in a repository of charts, or an artifact in a registry."""
    return bool(source.get("chart")) or str(source.get("repoURL") or "").startswith("oci://")


class Charts:
    """`credentials` maps the URL of a repository to how to log in there."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        workers: WorkerPool,
        session: aiohttp.ClientSession,
        credentials: Callable[[str], Credentials],
    ) -> None:
        self._unpacked = Unpacked(home, clock)
        self._clock = clock
        self._workers = workers
        self._remote = Remote(session)
        self._credentials = credentials
        self._repositories: dict[str, ChartRepository] = {}
        self._registries: dict[str, Registry] = {}
        self._digests: OrderedDict[tuple[str, str, str, str], str] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def head(self, request: HeadRequest) -> Head:
        """The version that fits now; its files are on disk then.

        Raises `NotFound` (RevisionNotFound, ChartNotFound), `Denied`, `Unavailable`, `InvalidInput` (DigestMismatch, …).
        """
        source = orjson.loads(request.source)
        passes = bool((source.get("helm") or {}).get("passCredentials"))
        version, digest = await self.fetch(
            request.repo_url, str(source.get("chart") or ""), request.revision, pass_credentials=passes
        )
        return Head(commit=version, trees=(PathTree("", f"{DIGEST}{digest}"),))

    async def fetch(self, repo_url: str, chart: str, wanted: str, *, pass_credentials: bool = False) -> tuple[str, str]:
        """(version, digest) of the chart that fits; see `folder`."""
        async with self._locks.setdefault(f"{repo_url} {chart}", asyncio.Lock()):
            if is_registry(repo_url):
                return await self._from_registry(repo_url, chart, wanted)
            return await self._from_repository(repo_url, chart, wanted, pass_credentials=pass_credentials)

    def changed_where(self, concerns: Callable[[str], bool]) -> None:
        """Another way to log in counts for some repositories: the next question looks again, tokens are forgotten."""
        for url in [url for url in self._registries if concerns(url)]:
            del self._registries[url]
        for repository in [one for url, one in self._repositories.items() if concerns(url)]:
            repository.changed()

    def wished(self, repo_url: str) -> None:
        """Somebody is not content with what was seen before. Registries are asked every time."""
        if repository := self._repositories.get(repo_url):
            repository.wished()

    def folder(self, digest: str) -> Path:
        """Where the files of a chart lie."""
        return self._unpacked.folder(digest)

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> ChartSnapshot:
        """Raises `Unavailable` when the chart is no longer on disk."""
        folder = self.folder(trees[0].oid.removeprefix(DIGEST))
        if not folder.is_dir():
            self._digests.clear()
            raise Unavailable(f"the chart from {repo_url} is no longer on disk: it is fetched again", reason="NotMirrored")
        return ChartSnapshot(folder)

    async def _from_repository(self, url: str, chart: str, wanted: str, *, pass_credentials: bool) -> tuple[str, str]:
        repository = self._repositories.get(url)
        if repository is None:
            repository = self._repositories[url] = ChartRepository(url, self._remote, self._workers, self._clock)
        login = self._credentials(url)
        entry = await repository.find(chart, wanted, login)
        key = (url, chart, entry.version, entry.digest)
        digest = entry.digest or self._digests.get(key, "")
        if not digest or not self._unpacked.has(digest):
            content = await repository.download(entry, login, pass_credentials=pass_credentials)
            digest = await self._kept(content, f"chart {chart} {entry.version} of {repository.url}")
        self._remember(key, digest)
        return entry.version, digest

    async def _from_registry(self, url: str, chart: str, wanted: str) -> tuple[str, str]:
        registry = self._registries.setdefault(url, Registry(url, self._remote))
        login = self._registry_login(url)
        layer = await registry.find(chart, wanted, login)
        digest = layer.digest.removeprefix(DIGEST)
        if not self._unpacked.has(digest):
            content = await registry.download(chart, layer, login)
            await self._kept(content, f"{url} {chart} {layer.revision}", is_chart=layer.is_chart)
        return layer.revision, digest

    def _registry_login(self, url: str) -> Credentials:
        """Argo CD users write a registry's URL with and without its scheme; both mean the same one."""
        bare = url.removeprefix("oci://")
        login = self._credentials(url)
        return login if login.has_login else self._credentials(bare if bare != url else f"oci://{bare}")

    async def _kept(self, content: bytes, what: str, *, is_chart: bool = True) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if not self._unpacked.has(digest):
            await asyncio.to_thread(self._unpacked.put, content, digest, what, is_chart=is_chart)
        return digest

    def _remember(self, key: tuple[str, str, str, str], digest: str) -> None:
        self._digests[key] = digest
        self._digests.move_to_end(key)
        while len(self._digests) > MAX_REMEMBERED:
            self._digests.popitem(last=False)


def is_registry(repo_url: str) -> bool:
    """A registry has `oci://` before it, or no scheme at all (Argo CD's rule)."""
    return repo_url.startswith("oci://") or "://" not in repo_url
