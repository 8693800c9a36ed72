"""Carries out the steps of a migration between a Deployment and a Rollout, until it is over."""

from collections.abc import Callable
from contextlib import suppress

from shipway.api.kinds import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, ROLLOUTS, SERVICES
from shipway.base.clock import Clock
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.gitops.annotations import TRACKING_ID
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import annotations_of, is_deleting, labels_of, metadata, name_of, spec_of, uid_of
from shipway.rollouts.migration import (
    SERVICE_NAME,
    Behind,
    Seen,
    Step,
    behind,
    given_up,
    obstacles,
    replicas_of,
    selecting,
    taken_up,
)
from shipway.rollouts.rollout.leaving import freed
from shipway.rollouts.rollout.names import HASH_LABEL

HORIZONTAL_POD_AUTOSCALERS = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LOOKS = 0.25
"""Seconds between looks while it is waited."""


async def look(client: Client, namespace: str, name: str) -> Seen:
    """Raises NotFound without the Deployment."""
    deployment = await client.get(DEPLOYMENTS, namespace, name)
    selector = label_selector_of(spec_of(deployment).get("selector"))
    sets = (await client.list(REPLICA_SETS, namespace, label_selector=str(selector))).items
    made = [one for one in sets if HASH_LABEL in labels_of(one) and _is_ours(one, name)]
    services = (await client.list(SERVICES, namespace)).items
    sent: dict[str, Behind] = {}
    if leading := selecting(deployment, services):
        theirs = f"{SERVICE_NAME} in ({','.join(map(name_of, leading))})"
        slices = (await client.list(ENDPOINT_SLICES, namespace, label_selector=theirs)).items
        sent = behind(leading, slices, (await client.list(PODS, namespace, label_selector=str(selector))).items)
    return Seen(deployment, await _maybe(client, ROLLOUTS, namespace, name), services, made, sent)


async def check(client: Client, seen: Seen, namespace: str, wanted: Obj) -> None:
    """Raises InvalidInput with everything that stands in the way."""
    scalers = (await client.list(HORIZONTAL_POD_AUTOSCALERS, namespace)).items
    tracked = annotations_of(seen.deployment).get(TRACKING_ID, "").partition(":")[0]
    found = obstacles(seen.deployment, seen.rollout or wanted, scalers, f"Application {tracked}" if tracked else "")
    if found:
        raise InvalidInput("; ".join(found), reason="CannotMigrate")


async def migrate(
    client: Client, clock: Clock, place: tuple[str, str], next_step: Callable[[Seen], Step], tell: Callable[[str], None]
) -> Step:
    """Does one step after the other; the last one is `done` or `stuck`. `place`: namespace and name."""
    told = ""
    while True:
        seen = await look(client, *place)
        step = next_step(seen)
        if step.says != told:
            tell(step.says)
            told = step.says
        if step.act in ("done", "stuck"):
            return step
        if step.act == "wait":
            await clock.sleep(LOOKS)
            continue
        await _do(client, place, step)


async def _do(client: Client, place: tuple[str, str], step: Step) -> None:
    """Each may be done twice: whoever is killed after it is followed by somebody who looks first."""
    namespace, rollout = place
    match step.act:
        case "create":
            try:
                await client.create(ROLLOUTS, step.objs[0])
            except Conflict:
                return
        case "step-aside":
            await client.patch(DEPLOYMENTS, namespace, name_of(step.objs[0]), {"spec": {"replicas": 0}})
        case "scale-up":
            deployment, taker = step.objs
            stays = {"spec": {"workloadRef": {"scaleDown": "never"}}}
            await client.patch(ROLLOUTS, namespace, name_of(taker), stays)
            body = {"spec": {"replicas": spec_of(taker).get("replicas", 1)}}
            await client.patch(DEPLOYMENTS, namespace, name_of(deployment), body)
        case "grow":
            deployment, taker = step.objs
            await client.patch(ROLLOUTS, namespace, name_of(taker), {"spec": {"replicas": replicas_of(deployment)}})
        case "let-go":
            await client.patch(ROLLOUTS, namespace, name_of(step.objs[0]), given_up(step.objs[0]))
        case "hold":
            await client.patch(ROLLOUTS, namespace, name_of(step.objs[0]), taken_up(step.objs[0]))
        case "leave":
            await client.delete(ROLLOUTS, namespace, name_of(step.objs[0]), uid=uid_of(step.objs[0]))
        case "free":
            for service in step.objs:
                await client.patch(SERVICES, namespace, name_of(service), freed(service, rollout) or {})
        case "remove":
            for one in step.objs:
                with suppress(NotFound):  # who removes what has lost its owner may be faster
                    await client.delete(REPLICA_SETS, namespace, name_of(one))
        case _:
            raise AssertionError(step.act)


async def _maybe(client: Client, resource: Resource, namespace: str, name: str) -> Obj | None:
    try:
        return await client.get(resource, namespace, name)
    except NotFound:
        return None


def _is_ours(obj: Obj, name: str) -> bool:
    """Of the Rollout: also when it is gone and nobody, or the Deployment whose pods these are too, has it now."""
    owners = [owner for owner in metadata(obj).get("ownerReferences") or [] if owner.get("controller")]
    return all(owner.get("name") == name for owner in owners) and not is_deleting(obj)
