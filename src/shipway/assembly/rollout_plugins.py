"""Step and metric plugins of a process: read once at its start, run when a Rollout or an analysis asks."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shipway.adapters.plugins.caller import PluginCaller
from shipway.adapters.plugins.rollout_declaration import load_rollout_plugins
from shipway.api.plugins import StepReply
from shipway.base.clock import Clock
from shipway.kube.runtime.controller import Resolver
from shipway.rollouts.rollout.plugin_calls import StepAsk

PLUGINS_DO_NOT_SEE = ("/var/run/secrets", "/run/secrets", "~/.kube", "~/.ssh", "~/.docker", "~/.aws", "~/.config", "~/.gnupg")
"""Where the logins of this process and of whoever runs it lie."""


def hidden_from_plugins(cache: Path) -> list[str]:
    """The folders of this machine that no plugin is to see."""
    return [*map(os.path.expanduser, PLUGINS_DO_NOT_SEE), str(cache.absolute())]


@asynccontextmanager
async def open_plugins(folder: Path | None, cache: Path, clock: Clock) -> AsyncIterator[PluginCaller]:
    """Those declared in `folder`; none without one. Raises `InvalidInput` with file and field."""
    plugins = load_rollout_plugins(folder) if folder is not None else ()
    caller = PluginCaller(plugins, clock, environment=os.environ, hidden=hidden_from_plugins(cache))
    try:
        yield caller
    finally:
        await caller.close()


def step_resolver(caller: PluginCaller) -> Resolver:
    """What answers a `StepAsk`."""

    async def answer(ask: StepAsk) -> StepReply:
        return await caller.step(ask.plugin, ask.op, ask.request)

    return answer
