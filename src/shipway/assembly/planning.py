"""What would a sync do? The engine's eyes look at an application that carries the operation, in this process only."""

from pathlib import Path

from shipway.assembly.onlooking import look
from shipway.base.clock import Instant
from shipway.gitops.application.plan import Plan, plan_of, unanswered
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj


async def plan(
    client: Client, application: Obj, cache: Path, now: Instant, *, operation: Obj, local: Path | None = None
) -> Plan:
    """The plan of `operation`; `local`: see `look`. Raises what the engine would report of the sources."""
    return plan_of(await look(client, application, cache, as_if=operation, further=unanswered, local=local), now)


async def manifests(
    client: Client, application: Obj, cache: Path, *, operation: Obj | None = None, local: Path | None = None
) -> tuple[Obj, ...]:
    """What the sources give, as it would be applied: at the tracked revisions, at those that `operation` names, or in a working
    copy (`local`)."""
    observed = await look(client, application, cache, as_if=operation, local=local)
    target = observed.sync_target if operation else observed.target
    return tuple(desired.obj for desired in target.prepared.objects) if target else ()
