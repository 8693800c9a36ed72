"""What a repository holds, for git generators.

It is looked through again only when the folders that a generator looks at have changed, and believed only at a commit that
those have signed whom the AppProject asks for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.git.listing import list_paths
from shipway.adapters.git.mirrors import Mirrors
from shipway.api.commits import HistoryRequest, SignatureRequest
from shipway.api.listings import Listed, Listing, ListingRequest
from shipway.api.signatures import SignaturePolicy, refusal_of_history, refusal_of_signature
from shipway.api.sources import Head, HeadRequest, PathTree
from shipway.appsets.asks import ListingAsk, canonical
from shipway.assembly.repositories import Repositories
from shipway.base.errors import Denied

MAX_REMEMBERED = 1000


class _Known(Struct, frozen=True):
    """What was found, the git ids of what was looked at for it, and the commit that could be believed."""

    trees: tuple[PathTree, ...]
    found: tuple[Listed, ...]
    head: Head


class Listings:
    """Answers `ListingAsk`, and says which of them a push is news to."""

    def __init__(self, mirrors: Mirrors, repositories: Repositories) -> None:
        self._mirrors = mirrors
        self._repositories = repositories
        self._listings: OrderedDict[ListingRequest, _Known] = OrderedDict()
        self._asks: OrderedDict[HeadRequest, dict[ListingAsk, None]] = OrderedDict()

    async def listing(self, ask: ListingAsk) -> Listing:
        """What is there now; listed anew only when something in the folders that were looked at has changed.

        Raises Denied for a commit that nobody has signed who has to."""
        await self._repositories.synced()
        request = ask.request
        source = canonical([request.what, [[one.path, one.exclude] for one in request.patterns]])
        wanted = HeadRequest(request.repo_url, request.revision, source, request.project)
        self._asks.setdefault(wanted, {})[ask] = None
        self._asks.move_to_end(wanted)
        head = await self._mirrors.head(wanted)
        known = self._listings.get(request)
        seen = known if known is not None and known.trees == head.trees else None

        async def attempt() -> _Known:
            vouched = await self._vouched(request, head, seen)
            if seen is not None:
                return replace(seen, head=vouched)
            return await self._mirrors.supplied(lambda: self._listed(request, head, source))

        try:
            known = await self._mirrors.mended(request.repo_url, attempt)
        except Denied:  # the same may come signed, which is no news otherwise
            anew = replace(wanted, every_commit=True)
            self._asks.setdefault(anew, {})[ask] = None
            self._mirrors.last_known(anew)
            raise
        self._listings[request] = known
        self._listings.move_to_end(request)
        for remembered in (self._listings, self._asks):
            while len(remembered) > MAX_REMEMBERED:
                remembered.popitem(last=False)
        return Listing(head.commit, known.found)

    def asks_of(self, news: Sequence[HeadRequest]) -> list[ListingAsk]:
        """Which listings look at what has changed (see `Mirrors.on_news`)."""
        return list(dict.fromkeys(ask for request in news for ask in self._asks.get(request, ())))

    async def _vouched(self, request: ListingRequest, head: Head, seen: _Known | None) -> Head:
        """The commit that is believed: where the branch stands, or the one at which the same was seen before. Raises Denied."""
        refusal = await self._refusal(request, head)
        if not refusal:
            return head
        if seen is None or seen.head == head or await self._refusal(request, seen.head):
            raise Denied(refusal, reason="NotSigned")
        return seen.head

    async def _refusal(self, request: ListingRequest, head: Head) -> str:
        """Why a commit may not be read; "" when it may. Every policy is asked, by the keys that are known now."""
        for policy in request.signed_by:
            told = await self._refused_by(policy, request, head)
            if told:
                return told
        return ""

    async def _refused_by(self, policy: SignaturePolicy, request: ListingRequest, head: Head) -> str:
        keys = self._repositories.gpg_keys
        if policy.is_strict:
            history = HistoryRequest(request.repo_url, head.commit, head.tag, policy.gpg, policy.ssh)
            return refusal_of_history(await self._mirrors.doubts(history, keys))
        signature = await self._mirrors.signature(SignatureRequest(request.repo_url, head.commit, head.tag), keys)
        return refusal_of_signature(policy, signature, request.revision)

    async def _listed(self, request: ListingRequest, head: Head, source: bytes) -> _Known:
        snapshot = self._mirrors.snapshot(request.repo_url, head.trees)
        found = await asyncio.to_thread(list_paths, snapshot, request)
        self._mirrors.remember_reads(request.repo_url, source, snapshot.reads())
        again = self._mirrors.last_known(HeadRequest(request.repo_url, head.commit, source, request.project))
        return _Known(again.trees if again else head.trees, found, head)
