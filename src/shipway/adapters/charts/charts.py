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
from msgspec import Struct

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


class Access(Struct, frozen=True):
    """For whom a chart is fetched: an AppProject, or nobody in particular. `anonymous`: without a login, though there be one.

    `pass_credentials`: the login goes to other hosts too, if the repository's index leads there.
    """

    project: str = ""
    anonymous: bool = False
    pass_credentials: bool = False


EVERYBODY = Access()
_NOBODY = "\0"
"""The scope of those who do not log in, which is no project's name."""


class Charts:
    """`credentials` maps the URL of a repository and an AppProject to how to log in there.

    What a login of one project brought is shown to no other (`Credentials.project`).
    """

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        workers: WorkerPool,
        session: aiohttp.ClientSession,
        credentials: Callable[[str, str], Credentials],
    ) -> None:
        self._unpacked = Unpacked(home, clock)
        self._clock = clock
        self._workers = workers
        self._remote = Remote(session)
        self._credentials = credentials
        self._repositories: dict[tuple[str, str], ChartRepository] = {}
        self._registries: dict[tuple[str, str], Registry] = {}
        self._digests: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def head(self, request: HeadRequest) -> Head:
        """The version that fits now; its files are on disk then.

        Raises `NotFound` (RevisionNotFound, ChartNotFound), `Denied`, `Unavailable`, `InvalidInput` (DigestMismatch, …).
        """
        source = orjson.loads(request.source)
        access = Access(request.project, pass_credentials=bool((source.get("helm") or {}).get("passCredentials")))
        version, digest = await self.fetch(request.repo_url, str(source.get("chart") or ""), request.revision, access)
        return Head(commit=version, trees=(PathTree("", f"{DIGEST}{digest}"),))

    async def fetch(self, repo_url: str, chart: str, wanted: str, access: Access = EVERYBODY) -> tuple[str, str]:
        """(version, digest) of the chart that fits; see `folder`."""
        async with self._locks.setdefault(f"{repo_url} {chart}", asyncio.Lock()):
            if is_registry(repo_url):
                return await self._from_registry(repo_url, chart, wanted, access)
            return await self._from_repository(repo_url, chart, wanted, access)

    def changed_where(self, concerns: Callable[[str], bool]) -> None:
        """Another way to log in counts for some repositories: the next question looks again, tokens are forgotten."""
        for key in [key for key in self._registries if concerns(key[0])]:
            del self._registries[key]
        for repository in [one for (url, _), one in self._repositories.items() if concerns(url)]:
            repository.changed()

    def wished(self, repo_url: str) -> None:
        """Somebody is not content with what was seen before. Registries are asked every time."""
        for (url, _), repository in self._repositories.items():
            if url == repo_url:
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

    async def _from_repository(self, url: str, chart: str, wanted: str, access: Access) -> tuple[str, str]:
        login, scope = self._login(url, access)
        repository = self._repositories.get((url, scope))
        if repository is None:
            repository = ChartRepository(url, self._remote, self._workers, self._clock)
            self._repositories[url, scope] = repository
        entry = await repository.find(chart, wanted, login)
        key = (url, scope, chart, entry.version, entry.digest)
        digest = entry.digest or self._digests.get(key, "")
        if not digest or not self._unpacked.has(digest):
            content = await repository.download(entry, login, pass_credentials=access.pass_credentials)
            digest = await self._kept(content, f"chart {chart} {entry.version} of {repository.url}")
        self._remember(key, digest)
        return entry.version, digest

    async def _from_registry(self, url: str, chart: str, wanted: str, access: Access) -> tuple[str, str]:
        login, scope = self._registry_login(url, chart, access)
        registry = self._registries.setdefault((url, scope), Registry(url, self._remote))
        layer = await registry.find(chart, wanted, login)
        digest = layer.digest.removeprefix(DIGEST)
        if not self._unpacked.has(digest):
            content = await registry.download(chart, layer, login)
            await self._kept(content, f"{url} {chart} {layer.revision}", is_chart=layer.is_chart)
        return layer.revision, digest

    def _login(self, url: str, access: Access) -> tuple[Credentials, str]:
        """How to log in, and who shares what it brings. Certificates and proxies are no login."""
        login = self._credentials(url, access.project)
        return (login.anonymous(), _NOBODY) if access.anonymous else (login, login.project)

    def _registry_login(self, url: str, chart: str, access: Access) -> tuple[Credentials, str]:
        """Argo CD users write a registry's URL with and without its scheme, and that of a chart's folder or of the chart as an
        artifact; all mean the same one."""
        bare = url.removeprefix("oci://")
        other = bare if bare != url else f"oci://{bare}"
        spelt = (url, other, *((f"{url}/{chart}", f"{other}/{chart}") if chart else ()))
        found = (self._login(one, access) for one in spelt)
        return next((one for one in found if one[0].has_login), None) or self._login(url, access)

    async def _kept(self, content: bytes, what: str, *, is_chart: bool = True) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if not self._unpacked.has(digest):
            await asyncio.to_thread(self._unpacked.put, content, digest, what, is_chart=is_chart)
        return digest

    def _remember(self, key: tuple[str, ...], digest: str) -> None:
        self._digests[key] = digest
        self._digests.move_to_end(key)
        while len(self._digests) > MAX_REMEMBERED:
            self._digests.popitem(last=False)


def is_registry(repo_url: str) -> bool:
    """A registry has `oci://` before it, or no scheme at all (Argo CD's rule)."""
    return repo_url.startswith("oci://") or "://" not in repo_url
