"""What is looked for once a migration is over: what it made and is still there, and what leads nowhere since.

A migration makes nothing that is to go again but, on the way back, the Rollout's own objects. Services and routes that a team
made by hand for the time of the migration are named, not removed: whose they are nobody else can know.
"""

from collections.abc import Iterable
from contextlib import suppress

from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS, HTTP_ROUTES, INGRESSES, SERVICES
from shipway.assembly.migrating import LOOKS, look
from shipway.base.clock import Clock
from shipway.base.errors import Denied, NotFound
from shipway.gitops.tree_details import network_of
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import controller_of, is_deleting, name_of
from shipway.rollouts.migration import held_services, leading_nowhere

PATIENCE_SECONDS = 30.0
"""So long the garbage collector may take for what has lost its owner."""


async def left_behind(client: Client, clock: Clock, place: tuple[str, str]) -> list[str]:
    """After the way back: what of the Rollout is still there, as kind and name. `place`: namespace and name."""
    end = clock.elapsed() + PATIENCE_SECONDS
    while (found := await _of_the_rollout(client, *place)) and clock.elapsed() < end:
        await clock.sleep(LOOKS)
    return found


async def needed_no_more(client: Client, place: tuple[str, str]) -> list[str]:
    """After the way there: Services that lead only to pods that the Deployment had, and routes only to those."""
    namespace, name = place
    seen = await look(client, namespace, name)
    services = [name_of(one) for one in leading_nowhere(seen)]
    found = [f"Service {one}" for one in services]
    for kind in (HTTP_ROUTES, INGRESSES):
        for route in await _all(client, kind, namespace):
            network = network_of(route)
            led = [ref for ref in network.target_refs if ref.kind == SERVICES.kind] if network else []
            if led and all(ref.namespace == namespace and ref.name in services for ref in led):
                found.append(f"{kind.kind} {name_of(route)}")
    return found


async def _of_the_rollout(client: Client, namespace: str, name: str) -> list[str]:
    seen = await look(client, namespace, name)
    found = [f"Rollout {name}"] if seen.rollout is not None else []
    found += [f"ReplicaSet {name_of(one)}" for one in seen.made]
    found += [f"Service {name_of(one)}" for one in held_services(seen)]
    for kind in (ANALYSIS_RUNS, EXPERIMENTS):
        found += [f"{kind.kind} {name_of(one)}" for one in _owned(await _all(client, kind, namespace), name)]
    return found


def _owned(objs: Iterable[Obj], name: str) -> Iterable[Obj]:
    for one in objs:
        owner = controller_of(one) or {}
        if (owner.get("kind"), owner.get("name")) == ("Rollout", name) and not is_deleting(one):
            yield one


async def _all(client: Client, kind: Resource, namespace: str) -> list[Obj]:
    """None of a kind that is not served, or that may not be listed: who migrates may see little more than workloads."""
    with suppress(NotFound, Denied):
        return list((await client.list(kind, namespace)).items)
    return []
