"""Runs the step and metric plugins that are declared, one command an execution, each in a worker that can be killed.

What a plugin does wrong comes back as what it is: an execution that ended in Error, or a measurement that did, with a sentence.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence

import structlog

from shipway.adapters.plugins.answers import read_metric_answer, read_step_answer
from shipway.adapters.plugins.environment import secrets_among
from shipway.adapters.plugins.rollout_declaration import LONGEST, MOST_MEMORY, RolloutPlugin
from shipway.api.metrics import Sample
from shipway.api.plugins import DeclaredPlugins, StepReply
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.workers.pool import WorkerPool

log = structlog.get_logger()

AT_ONCE = 8
_EXCHANGE = "shipway.adapters.plugins.exchange:exchange"
_GRACE = 15.0
_OURS_TO_TRY_AGAIN = ("RenderQueueFull", "WorkersClosed")


class PluginCaller:
    """`environment`: of this process, of which plugins get what they name. `hidden`: folders that they must not see."""

    def __init__(
        self, plugins: Sequence[RolloutPlugin], clock: Clock, *, environment: Mapping[str, str], hidden: Sequence[str] = ()
    ) -> None:
        self._plugins = {(plugin.kind, plugin.name): plugin for plugin in plugins}
        self._workers = WorkerPool(
            "plugin", size=AT_ONCE, memory_bytes=MOST_MEMORY, timeout_seconds=LONGEST + _GRACE, clock=clock
        )
        self._environment = environment
        self._hidden = hidden
        self._warned: set[str] = set()

    @property
    def declared(self) -> DeclaredPlugins:
        steps = [plugin for plugin in self._plugins.values() if plugin.kind == "StepPlugin"]
        return DeclaredPlugins(
            frozenset(plugin.name for plugin in steps),
            frozenset(name for kind, name in self._plugins if kind == "MetricPlugin"),
            frozenset(plugin.name for plugin in steps if plugin.is_disabled),
        )

    async def step(self, name: str, op: str, request: bytes) -> StepReply:
        """One execution. Raises `Unavailable` only where the plugin was not reached."""
        plugin = self._plugins.get(("StepPlugin", name))
        if plugin is not None and plugin.is_disabled:
            return StepReply("Successful", f"step plugin {name} is disabled: {op} was not called")
        try:
            return read_step_answer(await self._printed(plugin, "StepPlugin", name, op, request), op)
        except ShipwayError as error:
            if error.reason in _OURS_TO_TRY_AGAIN:
                raise
            return StepReply("Error", _told(f"step plugin {name}: {op}", error))

    async def measure(self, name: str, op: str, request: bytes) -> Sample:
        """One measurement. Raises `InvalidInput` with the sentence, so that nobody but the run asks again."""
        plugin = self._plugins.get(("MetricPlugin", name))
        try:
            return read_metric_answer(await self._printed(plugin, "MetricPlugin", name, op, request), op)
        except ShipwayError as error:
            if error.reason in _OURS_TO_TRY_AGAIN:
                raise
            raise InvalidInput(_told(f"metric plugin {name}: {op}", error), reason=error.reason) from None

    async def close(self) -> None:
        """Ends every command that still runs."""
        await self._workers.close()

    async def _printed(self, plugin: RolloutPlugin | None, kind: str, name: str, op: str, request: bytes) -> bytes:
        if plugin is None:
            raise InvalidInput(undeclared(kind, name), reason="PluginUndeclared")
        env = {key: self._environment[key] for key in plugin.environment if key in self._environment}
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-plugin-")
        try:
            answered = await self._workers.call(
                _EXCHANGE,
                {
                    "what": f"{kind} {name}: {op}",
                    "command": plugin.command,
                    "scratch": scratch,
                    "request": request.decode(),
                    "env": env,
                    "seconds": plugin.seconds,
                    "memory": plugin.memory,
                    "hidden": self._hidden,
                    "secrets": secrets_among(env),
                },
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        if not answered["walled"] and name not in self._warned:
            self._warned.add(name)
            log.warning("plugin_without_walls", plugin=name, advice="allow user namespaces, or declare only whom you trust")
        return answered["printed"].encode()


def undeclared(kind: str, name: str) -> str:
    """What is said of a name that nobody has declared."""
    return f"the {kind} {name} is not declared: declare its command in the folder of `shipway run --plugins` (docs/plugins.md)"


def _told(what: str, error: ShipwayError) -> str:
    """The sentence; a lie does not say yet whose it is."""
    return f"{what} answered badly: {error.message}" if error.reason == "PluginLies" else error.message
