"""Answers what a write would do: the same request, marked as a trial."""

from shipway.gitops.asks import DryRunAsk
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj


async def dry_run(client: Client, ask: DryRunAsk) -> Obj:
    """The object as the server would have it. Raises what the server refuses with."""
    if ask.how == "apply":
        return await client.apply(ask.resource, ask.obj, manager=ask.manager, dry_run=True)
    if ask.how == "create":
        return await client.create(ask.resource, ask.obj, manager=ask.manager, dry_run=True)
    return await client.patch(ask.resource, ask.namespace, ask.name, ask.obj, type=ask.how, manager=ask.manager, dry_run=True)
