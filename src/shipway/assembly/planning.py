"""What would a sync do? The engine's eyes look at an application that carries the operation, in this process only."""

from pathlib import Path

from shipway.assembly.onlooking import look
from shipway.base.clock import Instant
from shipway.gitops.application.plan import Plan, plan_of, unanswered
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj


async def plan(client: Client, application: Obj, cache: Path, now: Instant, *, operation: Obj) -> Plan:
    """The plan of `operation`. Raises what the engine would report of the sources."""
    return plan_of(await look(client, application, cache, as_if=operation, further=unanswered), now)


async def manifests(client: Client, application: Obj, cache: Path, *, operation: Obj | None = None) -> tuple[Obj, ...]:
    """What the sources give, as it would be applied: at the tracked revisions, or at those that `operation` names."""
    observed = await look(client, application, cache, as_if=operation)
    target = observed.sync_target if operation else observed.target
    return tuple(desired.obj for desired in target.prepared.objects) if target else ()
