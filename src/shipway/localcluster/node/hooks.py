"""Lifecycle hooks of a container that is a process: `exec`, `httpGet` and `sleep`, right after its start and before its end."""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec.structs import replace

from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.localcluster.node.probes import Probe, probe_of

Hook = Literal["postStart", "preStop"]
LONGEST_SECONDS = 3600.0
"""A hook has no time limit of its own; what ends it is the grace period, or the end of the container."""


async def run_hook(container: Obj, which: Hook, ask: Callable[[Probe], Awaitable[tuple[bool, str]]], clock: Clock) -> str:
    """What went wrong, empty if nothing did. `ask` runs commands and requests in the container, as for its probes."""
    hook: Obj = dig(container, "lifecycle", which, default={})
    if seconds := dig(hook, "sleep", "seconds"):
        await clock.sleep(float(seconds))
        return ""
    if "tcpSocket" in hook:
        return "tcpSocket hooks are not run, as on a real node: use exec, httpGet or sleep"
    probe = probe_of({**container, which: hook}, which)
    if probe is None:
        return ""
    succeeded, problem = await ask(replace(probe, timeout=LONGEST_SECONDS))
    return "" if succeeded else problem
