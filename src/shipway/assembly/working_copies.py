"""Sources of one application, with a working copy in the place of the repository that it is a copy of.

For a look before a commit: what is named by that repository's URL is answered from the working copy, whatever revision is
named; all other repositories, the project's rules and the cluster are as they are.
"""

from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from shipway.adapters.git.urls import place_of
from shipway.adapters.git.working_copy import BRANCH, WorkingCopy, read_working_copy
from shipway.api.application import parse_spec
from shipway.api.commits import Committed
from shipway.api.snapshot import Snapshot
from shipway.api.sources import Head, PathTree, Rendered
from shipway.assembly.sources import Sources
from shipway.base.errors import InvalidInput
from shipway.gitops.asks import ChangesAsk, HeadAsk, HistoryAsk, RenderAsk, SignatureAsk
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask

Named = TypeVar("Named", HeadAsk, RenderAsk, SignatureAsk, HistoryAsk)


class WorkingCopySources:
    """Answers like `sources`, but for the repository that lies at `place` (`urls.place_of`)."""

    def __init__(self, sources: Sources, copy: WorkingCopy, place: str) -> None:
        self._sources = sources
        self._copy = copy
        self._place = place

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        return {
            HeadAsk: self._head,
            RenderAsk: self._render,
            SignatureAsk: lambda ask: self._sources.signature(self._meant(ask)),
            HistoryAsk: lambda ask: self._sources.doubts(self._meant(ask)),
            ChangesAsk: self._changes,
        }

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> Snapshot:
        """A look at what a render reads, for a thread of one's own."""
        return self._sources.snapshot(self._url(repo_url), trees)

    async def _head(self, ask: HeadAsk) -> Head:
        meant = self._meant(ask)
        if meant is not ask:
            meant = HeadAsk(replace(meant.request, revision=BRANCH, tag_prefix=""))
        return await self._sources.head(meant)

    async def _render(self, ask: RenderAsk) -> Rendered:
        lent = tuple(replace(one, repo_url=self._url(one.repo_url)) for one in ask.request.lent)
        meant = self._meant(ask)
        return await self._sources.render(RenderAsk(replace(meant.request, lent=lent)))

    async def _changes(self, ask: ChangesAsk) -> tuple[Committed, ...]:
        """Nobody has committed what lies in a working copy."""
        return () if self._url(ask.request.repo_url) == self._copy.url else await self._sources.changes(ask)

    def _meant(self, ask: Named) -> Named:
        url = self._url(ask.request.repo_url)
        return ask if url == ask.request.repo_url else replace(ask, request=replace(ask.request, repo_url=url))

    def _url(self, repo_url: str) -> str:
        return self._copy.url if place_of(repo_url) == self._place else repo_url


async def with_working_copy(sources: Sources, application: Obj, folder: Path, cache: Path) -> WorkingCopySources:
    """`sources` with the working copy around `folder`. Of several sources its remotes say which one it is a copy of; a copy of
    something else, such as a fork, may stand for the only one.

    Raises `InvalidInput` where there is no working copy, or where it may be a copy of several sources or of none."""
    copy = await read_working_copy(folder, cache / "working-copies")
    places = {place_of(url): url for url in parse_spec(application).repo_urls if url}
    meant = [place for place in places if place in copy.remotes] or list(places)
    if len(meant) != 1:
        told = f"{copy.root} could be a working copy of several sources of {name_of(application)}, or of none"
        raise InvalidInput(f"{told}: {', '.join(places.values())}")
    return WorkingCopySources(sources, copy, meant[0])
