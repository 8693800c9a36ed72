"""Renders Applications into branches: what `HydrateAsk` asks for.

The renders are those that the engine has seen already, so they come from memory or from the disk; what is made of them goes to
the branch in one commit, and whoever syncs from it is told as after anybody's push.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from msgspec.structs import replace

from shipway.adapters.git.branches import Branches
from shipway.adapters.git.mirrors import Reach
from shipway.adapters.git.urls import parse_remote
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.hydration import BranchCommit, Folder, FolderRequest, Hydrated, HydrationRequest
from shipway.api.templates import Template
from shipway.assembly.sources import Sources
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput
from shipway.gitops.asks import HydrateAsk, RenderAsk
from shipway.gitops.hydration.files import (
    GIT_ATTRIBUTES,
    README,
    Metadata,
    manifest_of,
    message_of,
    metadata_of,
    note_of,
    readme_of,
    readme_values,
    tidied,
)

OnPush = Callable[[str, Sequence[str]], object]


class Hydrating:
    """`templates` fills what a team has written of its own for messages and README.md."""

    def __init__(self, branches: Branches, sources: Sources, templates: TemplateEngine) -> None:
        self._branches = branches
        self._sources = sources
        self._templates = templates
        self._listeners: list[OnPush] = []

    @classmethod
    def open(
        cls, cache: Path, clock: Clock, sources: Sources, templates: TemplateEngine, *, allow_local: bool = True
    ) -> "Hydrating":
        credentials = sources.repositories.write_credentials
        branches = Branches(cache / "pushes", clock=clock, credentials=credentials, reach=Reach(allow_local))
        return cls(branches, sources, templates)

    def on_push(self, listener: OnPush) -> None:
        """Has `listener` told of each repository whose branches (refs) may stand elsewhere now."""
        self._listeners.append(listener)

    async def hydrate(self, ask: HydrateAsk) -> Hydrated:
        """Raises what the renders and the push raise."""
        request = ask.request
        await self._sources.repositories.synced()
        rendered = [await self._sources.render(RenderAsk(folder.render)) for folder in request.folders]
        address = parse_remote(request.dry_repo_url).address  # no login is written into a branch
        dry = self._sources.mirrors.dry_commit(request.dry_repo_url, request.dry_sha)
        metadata = metadata_of(address, request.dry_sha, dry)
        folders = [
            Folder(
                folder.path, await asyncio.to_thread(manifest_of, one.objects), await self._others(folder, metadata, request)
            )
            for folder, one in zip(request.folders, rendered, strict=True)
        ]
        sha = await self._branches.commit(await self._commit(request, metadata, folders))
        for listener in self._listeners:
            listener(request.repo_url, [f"refs/heads/{branch}" for branch in dict.fromkeys((request.branch, request.base))])
        return Hydrated(sha)

    async def _others(
        self, folder: FolderRequest, metadata: Metadata, request: HydrationRequest
    ) -> tuple[tuple[str, bytes], ...]:
        """What stands in a folder beside the manifests."""
        readable = replace(metadata, commands=folder.commands)
        readme = readme_of(readable)
        if template := request.settings.readme:
            readme = (await self._filled("readmeMessageTemplate", template, readme_values(readable))).encode()
        own = Metadata(metadata.repo_url, metadata.dry_sha, folder.commands)
        return (own.file, (README, readme))

    async def _commit(self, request: HydrationRequest, metadata: Metadata, folders: Sequence[Folder]) -> BranchCommit:
        message = message_of(metadata)
        if template := request.settings.message:
            message = tidied(await self._filled("commitMessageTemplate", template, {"metadata": metadata.fields}))
        return BranchCommit(
            repo_url=request.repo_url,
            branch=request.branch,
            base=request.base,
            project=request.project,
            author=(request.settings.author_name, request.settings.author_email),
            message=message,
            root=(metadata.file, GIT_ATTRIBUTES),
            folders=tuple(folders),
            note=note_of(request.dry_sha),
        )

    async def _filled(self, name: str, template: str, values: dict[str, Any]) -> str:
        (filled,) = await self._templates.render(Template(orjson.dumps(template), is_go=True), (orjson.dumps(values),))
        if filled.error:
            raise InvalidInput(f"sourceHydrator.{name} of argocd-cm: {filled.error}", reason="InvalidTemplate")
        return str(orjson.loads(filled.body))
