"""Answers what the GitOps engine asks of past deployments: keep what was applied, and say what it was."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.api.sources import Rendered, RenderRequest
from shipway.base.clock import Clock
from shipway.gitops.asks import KeepAsk, RecallAsk

LENDS_ONLY = Rendered((), "Directory", ())
"""What a source gives that only lends its files to others."""


class Deployments:
    """`keep` and `recall` are the resolvers of `KeepAsk` and `RecallAsk`."""

    def __init__(self, manifests: Manifests, render: Callable[[RenderRequest], Awaitable[Rendered]], clock: Clock) -> None:
        self._manifests = manifests
        self._render = render
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, key: bytes, render: Callable[[RenderRequest], Awaitable[Rendered]], clock: Clock
    ) -> AsyncIterator["Deployments"]:
        """`key` is the installation's; `render` knows what was rendered a moment ago."""
        manifests = Manifests(folder / "history.db", key)
        try:
            yield cls(manifests, render, clock)
        finally:
            await manifests.close()

    async def keep(self, ask: KeepAsk) -> bool:
        """Keeps the manifests of a deployment unless they are kept, and forgets those that the history forgot."""
        deployment = Deployment(ask.application, ask.deployment)
        if not await self._manifests.is_kept(deployment):
            rendered = [await self._render(request) if request else LENDS_ONLY for request in ask.requests]
            await self._manifests.keep(deployment, tuple(rendered), self._clock.now())
            await self._manifests.forget_all_but(ask.application, {ask.deployment, *ask.remembered})
        return True

    async def recall(self, ask: RecallAsk) -> tuple[Rendered, ...]:
        return await self._manifests.recall(Deployment(ask.application, ask.deployment))
