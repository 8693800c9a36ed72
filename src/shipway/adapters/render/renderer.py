"""One render per content: requests with equal content are one render, whoever asks, however often.

A request names git ids, so a commit that touches nothing a source reads asks for what is here already. What a render read
comes out of its snapshot, and its result is filed under the ids of exactly those paths: the first render of a source, asked
for with the root tree, already answers the next question, which is narrower.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from msgspec.structs import replace

from shipway.adapters.render.choice import Choice, choose
from shipway.adapters.render.store import RenderStore
from shipway.api.build_env import OF_THE_CLUSTER, REVISIONS, TARGET_REVISION, mentioned
from shipway.api.snapshot import Discovery, Engine, RenderJob, Snapshot, Snapshots
from shipway.api.sources import Fact, PathTree, Rendered, RenderRequest, SourceType
from shipway.base.errors import InvalidInput

OnReads = Callable[[str, bytes, tuple[str, ...]], None]
"""Repository, memory of a source (see `HeadRequest`), and the paths that it read."""


class Renderer:
    """Renders with `engines`, reading from `snapshots`.

    `on_reads` is told the read set after each render, failed ones too. `renders` counts the renders per application, for
    metrics and tests; answers from the cache (at most `cache_bytes` of JSON) and from `store` (what earlier processes
    rendered) do not count.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        engines: Mapping[SourceType, Engine],
        *,
        on_reads: OnReads,
        cache_bytes: int = 256 << 20,
        store: RenderStore | None = None,
        discovery: Discovery | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._engines = engines
        self._on_reads = on_reads
        self._cache = _Cache(cache_bytes)
        self._store = store
        self._discovery = discovery
        self._running: dict[RenderRequest, asyncio.Lock] = {}
        self.renders: dict[str, int] = {}

    async def render(self, request: RenderRequest) -> Rendered:
        """The objects of a source, in the source's order.

        Raises `InvalidInput` for what its owner must mend (file and line where there is one), `Unavailable` (RenderTimeout,
        NotMirrored, ReadSetGrew) for what may work later.
        """
        lock = self._running.setdefault(request, asyncio.Lock())
        try:
            async with lock:
                known = self.known(request)
                return known if known is not None else await self._render(request)
        finally:
            if not lock.locked():
                self._running.pop(request, None)

    def known(self, request: RenderRequest) -> Rendered | None:
        """What was rendered for exactly this before, by us or by an earlier process."""
        return self._cache.get(request) or self._stored(request)

    def _stored(self, request: RenderRequest) -> Rendered | None:
        """What an earlier process rendered."""
        found = self._store.get(request) if self._store else None
        if found is not None:
            self._cache.put(request, found, len(orjson.dumps(found.objects)))
        return found

    async def _render(self, request: RenderRequest) -> Rendered:
        snapshot = self._snapshots.snapshot(request.repo_url, request.trees)
        lent = {one.name: self._snapshots.snapshot(one.repo_url, one.trees) for one in request.lent}
        self.renders[request.app_name] = self.renders.get(request.app_name, 0) + 1
        try:
            rendered = await self._made(snapshot, lent, request)
        finally:
            self._on_reads(request.repo_url, request.source, snapshot.reads())
            for one in request.lent:
                self._on_reads(one.repo_url, one.source, lent[one.name].reads())
        size = len(orjson.dumps(rendered.objects))
        narrowed = self._narrowed(request, rendered, lent)
        self._cache.put(narrowed, rendered, size)
        if self._store:
            self._store.put(narrowed, rendered)
        covers_lent = all(_covers(one.trees, lent[one.name].reads()) for one in request.lent)
        if covers_lent and _covers(request.trees, rendered.reads):
            self._cache.put(request, rendered, size)
        return rendered

    def _narrowed(self, request: RenderRequest, rendered: Rendered, lent: Mapping[str, Snapshot]) -> RenderRequest:
        """The request by the ids of exactly what it has read."""
        narrow = self._snapshots.narrow
        seen = (replace(one, trees=narrow(one.repo_url, one.trees, lent[one.name].reads())) for one in request.lent)
        trees = narrow(request.repo_url, request.trees, rendered.reads)
        return replace(request, trees=trees, lent=tuple(seen))

    async def _made(self, snapshot: Snapshot, lent: Mapping[str, Snapshot], request: RenderRequest) -> Rendered:
        source = orjson.loads(request.source)
        choice = await asyncio.to_thread(choose, snapshot, source, request.app_name, request.without)
        lacks = _lacking(choice.options, request)
        if lacks:
            return Rendered((), choice.source_type, snapshot.reads(), lacks=lacks)
        job = _job(choice, request, lent)
        if self._discovery and not choice.is_stated and await self._discovery.claims(snapshot, replace(job, options={})):
            choice, job = Choice("Plugin", {}, choice.path), replace(job, options={})
        engine = self._engines.get(choice.source_type)
        if engine is None:
            raise InvalidInput(f"{choice.source_type} sources are switched off here", reason="UnsupportedSource")
        made = await engine.render(snapshot, job)
        return Rendered(
            made.objects,
            choice.source_type,
            snapshot.reads(),
            tool=made.tool,
            warnings=made.warnings,
            origins=made.origins,
            lacks=made.lacks,
            bases=made.bases,
            urls=made.urls,
        )


def _job(choice: Choice, request: RenderRequest, lent: Mapping[str, Snapshot]) -> RenderJob:
    return RenderJob(
        path=choice.path,
        options=choice.options,
        app_name=request.app_name,
        namespace=request.namespace,
        build_env=(*request.build_env, *_told_of_the_cluster(request)),
        kube_version=request.kube_version,
        api_versions=request.api_versions,
        lent=lent,
        project=request.project,
        kustomize=request.kustomize,
        without=request.without,
        texts=dict(request.texts),
    )


def _lacking(options: dict[str, Any], request: RenderRequest) -> tuple[Fact, ...]:
    """What the options of a source, overrides applied, mention and the request does not hold."""
    missing = mentioned(orjson.dumps(options).decode()) - {name for name, _ in request.build_env}
    facts: list[Fact] = ["revision"] if missing & {*REVISIONS, TARGET_REVISION} else []
    if missing & set(OF_THE_CLUSTER) and not request.kube_version:
        facts.append("cluster")
    return tuple(facts)


def _told_of_the_cluster(request: RenderRequest) -> tuple[tuple[str, str], ...]:
    """As Argo CD tells it: the version without what follows its number, all that is served in one text."""
    if not request.kube_version:
        return ()
    number = re.split(r"[-+]", request.kube_version.removeprefix("v"))[0]
    return ("KUBE_VERSION", number), ("KUBE_API_VERSIONS", ",".join(request.api_versions))


def _covers(trees: tuple[PathTree, ...], reads: tuple[str, ...]) -> bool:
    return all(any(not t.path or r == t.path or r.startswith(f"{t.path}/") for t in trees) for r in reads)


class _Cache:
    """The most recently used results, bounded by the size of their JSON."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: OrderedDict[RenderRequest, tuple[Rendered, int]] = OrderedDict()

    def get(self, request: RenderRequest) -> Rendered | None:
        held = self._held.get(request)
        if held is None:
            return None
        self._held.move_to_end(request)
        return held[0]

    def put(self, request: RenderRequest, rendered: Rendered, size: int) -> None:
        if request in self._held:
            self._bytes -= self._held.pop(request)[1]
        self._held[request] = (rendered, size)
        self._bytes += size
        while self._bytes > self._max_bytes and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1][1]
