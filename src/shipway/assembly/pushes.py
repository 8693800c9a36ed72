"""What webhooks tell: a repository that was pushed to is looked at once, and only those whose sources changed are asked again.

Pushes to one repository that come while it is looked at are one more look. Looks at different repositories do not wait for one
another, so one that hangs delays only its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from shipway.adapters.git.urls import place_of
from shipway.assembly.sources import may_follow
from shipway.base.errors import ShipwayError
from shipway.server.webhook import PushEvent

Changed = Callable[[str, Callable[[str], bool]], list[str]]
"""Told of a repository that was pushed to, and which revisions may follow; which of ours that is (`Mirrors.changed`)."""
Look = Callable[[str], Awaitable[bool]]
"""Looks at a repository and tells to whom it is news; False: everybody has to ask again (`Mirrors.look`)."""


class Pushes:
    """`ask_all` has everybody ask again who asks about a repository (by its place): for when nobody knows better."""

    def __init__(self, changed: Changed, look: Look, ask_all: Callable[[str], object]) -> None:
        self._changed = changed
        self._look = look
        self._ask_all = ask_all
        self._pending: dict[str, asyncio.Event] = {}
        self._group: asyncio.TaskGroup | None = None

    def told(self, event: PushEvent) -> int:
        """A push happened. Returns how many repositories are looked at for it."""
        return self._look_at(event.repo_urls, event.refs)

    def look_at(self, repo_url: str, refs: Sequence[str]) -> None:
        """We pushed ourselves."""
        self._look_at((repo_url,), refs)

    def _look_at(self, repo_urls: Sequence[str], refs: Sequence[str]) -> int:
        follows = partial(may_follow, refs=refs)
        urls = [url for repo_url in repo_urls for url in self._changed(repo_url, follows)]
        for url in dict.fromkeys(urls):
            if url in self._pending:
                self._pending[url].set()
            elif self._group is not None:
                self._pending[url] = asyncio.Event()
                self._pending[url].set()
                self._group.create_task(self._follow(url))
        return len(set(urls))

    async def run(self) -> None:
        """Owns the looks until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    async def _follow(self, url: str) -> None:
        again = self._pending[url]
        while again.is_set():
            again.clear()
            try:
                knows_all = await self._look(url)
            except ShipwayError:
                knows_all = False  # they find out themselves what is wrong, and try until it is mended
            if not knows_all:
                self._ask_all(place_of(url))
        del self._pending[url]
