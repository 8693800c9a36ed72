"""The probes of one running container, side by side: startup first, then readiness and liveness."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.localcluster.node.containers import Container
from shipway.localcluster.node.launching import ports_of
from shipway.localcluster.node.probes import EAGER_SECONDS, Probe, Streak, judge, probe_of

EAGER_FOR_SECONDS = 10.0


class Verdicts(Protocol):
    """Told what the probes found: `is_started`, `is_ready`, `is_unhealthy`, or a `problem` for an event."""

    def __call__(self, *, problem: str = "", **changes: bool) -> None: ...


Ask = Callable[[Probe], Awaitable[tuple[bool, str]]]
"""Puts one probe to the container: whether it succeeds, and what to say when it does not."""


async def watch_probes(container: Obj, ask: Ask, clock: Clock, tell: Verdicts, known: Container) -> None:
    """Runs until cancelled. A process without a readiness probe is ready once it accepts connections. `known`: what was found
    out before, by a node that had the process before this one."""
    startup = probe_of(container, "startupProbe")
    if startup is not None and not known.is_started:
        await _until_started(startup, ask, clock, tell)
    tell(is_started=True)
    readiness = probe_of(container, "readinessProbe")
    liveness = probe_of(container, "livenessProbe")
    async with asyncio.TaskGroup() as tasks:
        accepts = Probe("tcp", ports_of(container)[0])
        how = _Readiness(readiness or accepts, is_ready=known.is_ready, forever=readiness is not None)
        tasks.create_task(_readiness(how, ask, clock, tell))
        if liveness is not None:
            tasks.create_task(_liveness(liveness, ask, clock, tell))


class _Readiness(Struct, frozen=True):
    """`is_ready`: what is known before the first answer. Not `forever`: only until the first success."""

    probe: Probe
    is_ready: bool
    forever: bool


async def _until_started(probe: Probe, ask: Ask, clock: Clock, tell: Verdicts) -> None:
    await clock.sleep(probe.initial_delay)
    streak = Streak()
    while True:
        ok, problem = await ask(probe)
        streak = judge(streak, probe, ok=ok)
        if streak.verdict is True:
            return
        tell(problem=f"Startup probe failed: {problem}", **({"is_unhealthy": True} if streak.verdict is False else {}))
        await clock.sleep(probe.period)


async def _readiness(how: _Readiness, ask: Ask, clock: Clock, tell: Verdicts) -> None:
    """Knocks eagerly until the first success, then every period; ends after it when it is not `forever`."""
    probe = how.probe
    await clock.sleep(probe.initial_delay)
    streak, begun, due = Streak(verdict=how.is_ready or None), clock.now(), clock.now() + probe.period
    while True:
        now = clock.now()
        eager = streak.verdict is None and now < due and now - begun < EAGER_FOR_SECONDS
        ok, problem = await ask(probe)
        streak = judge(streak, probe, ok=ok, eager=eager)
        tell(is_ready=streak.verdict is True)
        if streak.verdict and not how.forever:
            return
        if not ok and not eager:
            tell(problem=f"Readiness probe failed: {problem}")
        await clock.sleep(probe.period if streak.verdict is not None else min(EAGER_SECONDS, probe.period))
        due = now + probe.period if not eager else due


async def _liveness(probe: Probe, ask: Ask, clock: Clock, tell: Verdicts) -> None:
    await clock.sleep(probe.initial_delay)
    streak = Streak()
    while streak.verdict is not False:
        await clock.sleep(probe.period)
        ok, problem = await ask(probe)
        streak = judge(streak, replace(probe, success_threshold=1), ok=ok)
        if not ok:
            tell(problem=f"Liveness probe failed: {problem}")
    tell(is_unhealthy=True)
