"""Renders a source with the plugin that it names, or with the one that finds its own in the folder.

A plugin is a stranger's command: it works in a copy of the whole repository, in a worker, as `worker` says. So all of the
repository counts as read, as in Argo CD, and the revision is told always.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from shipway.adapters.plugins.declaration import Plugin
from shipway.adapters.plugins.environment import environment_of, secrets_in
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.api.sources import Fact
from shipway.base.errors import InvalidInput
from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.plugins.worker"
SECONDS = 90.0
"""Until a plugin has to be done, init included: Argo CD's limit for a command (ARGOCD_EXEC_TIMEOUT)."""


class _Copy(Struct):
    """What a plugin works in, made when the first command needs it."""

    scratch: str
    is_written: bool = False

    async def written(self, snapshot: Snapshot) -> None:
        if not self.is_written:
            await asyncio.to_thread(snapshot.write, [""], os.path.join(self.scratch, "tree"))
            self.is_written = True


class PluginEngine:
    """Options: Argo CD's `spec.source.plugin`. `hidden`: folders of this machine that plugins must not see."""

    def __init__(
        self, plugins: Sequence[Plugin], workers: WorkerPool, *, seconds: float = SECONDS, hidden: Sequence[str] = ()
    ) -> None:
        self._plugins = plugins
        self._workers = workers
        self._seconds = seconds
        self._hidden = [os.path.expanduser(folder) for folder in hidden]

    async def claims(self, snapshot: Snapshot, job: RenderJob) -> bool:
        """Whether a source that names no tool is a plugin's."""
        if not any(plugin.discovers for plugin in self._plugins):
            return False
        async with _copy() as copy:
            return await self._finder(snapshot, job, copy) is not None

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        """Raises `InvalidInput` with what the plugin said, `Unavailable` (RenderTimeout) for one that does not end."""
        env = environment_of(job.options, dict(job.build_env))
        if lacks := _lacking(job):
            await asyncio.to_thread(snapshot.kind, "")  # all will be read: whoever asks again has the same read set
            return Manifests((), tool="plugin", lacks=lacks)
        async with _copy() as copy:
            plugin = await self._chosen(snapshot, job, copy)
            await copy.written(snapshot)
            payload = self._payload(plugin, job, copy, env)
            made = await self._workers.call(f"{_WORKER}:generate", payload)
        return Manifests(
            tuple(made["objects"]), tool=plugin.name, warnings=tuple(made["warnings"]), origins=tuple(made["origins"])
        )

    async def _chosen(self, snapshot: Snapshot, job: RenderJob, copy: _Copy) -> Plugin:
        name = str(job.options.get("name") or "")
        if not name:
            if plugin := await self._finder(snapshot, job, copy):
                return plugin
            raise _refusal("spec.source.plugin names no plugin, and none discovers this folder as its own: add a name")
        named = next((plugin for plugin in self._plugins if plugin.name == name), None)
        if named is None:
            known = ", ".join(plugin.name for plugin in self._plugins) or "none"
            raise _refusal(
                f'couldn\'t find cmp-server plugin with name "{name}" supporting the given repository: declared here: {known}; '
                "declare it in the folder of `shipway run --plugins`"
            )
        if named.discovers and not await self._finds(named, snapshot, job, copy):
            raise _refusal(
                f'couldn\'t find cmp-server plugin with name "{name}" supporting the given repository: its spec.discover finds '
                f"nothing in {job.path or '.'}: correct the path, or the declaration"
            )
        return named

    async def _finder(self, snapshot: Snapshot, job: RenderJob, copy: _Copy) -> Plugin | None:
        for plugin in self._plugins:
            if plugin.discovers and await self._finds(plugin, snapshot, job, copy):
                return plugin
        return None

    async def _finds(self, plugin: Plugin, snapshot: Snapshot, job: RenderJob, copy: _Copy) -> bool:
        """Of fileName, glob and command the first that is declared counts."""
        if plugin.file_name or plugin.glob:
            return await asyncio.to_thread(plugin.finds, snapshot, job.path)
        await copy.written(snapshot)
        env = environment_of(job.options, dict(job.build_env))
        return await self._workers.call(f"{_WORKER}:discover", self._payload(plugin, job, copy, env))

    def _payload(self, plugin: Plugin, job: RenderJob, copy: _Copy, env: dict[str, str]) -> dict[str, Any]:
        return {
            "plugin": plugin.name,
            "init": plugin.init,
            "generate": plugin.generate,
            "find": plugin.find,
            "scratch": copy.scratch,
            "path": job.path,
            "env": env,
            "secrets": secrets_in(env),
            "seconds": self._seconds,
            "network": plugin.may_use_network,
            "hidden": self._hidden,
        }


def _lacking(job: RenderJob) -> tuple[Fact, ...]:
    told = {name for name, _ in job.build_env}
    lacks: list[Fact] = [] if "ARGOCD_APP_REVISION" in told else ["revision"]
    return tuple(lacks if job.kube_version else [*lacks, "cluster"])


@asynccontextmanager
async def _copy() -> AsyncIterator[_Copy]:
    scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-plugin-")
    try:
        yield _Copy(scratch)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


def _refusal(message: str) -> InvalidInput:
    return InvalidInput(message, reason="UnsupportedSource")
