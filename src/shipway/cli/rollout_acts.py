"""What a person does to a Rollout, carried out: the pure patches of `rollouts.actions`, sent and answered for.

Patches are made from what was just read and carry its version: when the controller has moved on meanwhile, the Rollout is
read again and the patches are made anew, so that a promotion never skips a step that nobody saw.
"""

from collections.abc import Callable

from msgspec import Struct

from shipway.api.kinds import REPLICA_SETS, ROLLOUTS
from shipway.base.errors import InvalidInput
from shipway.cli.rollout_family import find_rollout
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Session
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import controller_of, dig, name_of, namespace_of, resource_version_of, uid_of
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches


class Done(Struct, frozen=True):
    """The Rollout after the act; `changed` is False when there was nothing to do."""

    rollout: Obj
    changed: bool


async def act(session: Session, name: str, patches_for: Callable[[Obj], Patches]) -> Done:
    """Reads the Rollout, makes the patches, sends them. Raises Conflict when it is written all the time."""

    async def attempt(rollout: Obj) -> Done:
        patches = patches_for(rollout)
        return Done(await send(session.client, ROLLOUTS, rollout, patches.root, patches.status), not patches.is_nothing)

    return await unbeaten(name, lambda: find_rollout(session, name), attempt)


async def undo(session: Session, name: str, to_revision: int) -> Done:
    """Puts the pod template of an earlier revision back (0: the one before)."""

    async def attempt(rollout: Obj) -> Done:
        refuse_referenced(rollout, "undo")
        sets = (await session.client.list(REPLICA_SETS, namespace_of(rollout))).items
        owned = [rs for rs in sets if (controller_of(rs) or {}).get("uid") == uid_of(rollout)]
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version_of(rollout)}
        body = [guard, *actions.undo(rollout, owned, to_revision)]
        after = await session.client.patch(ROLLOUTS, namespace_of(rollout), name_of(rollout), body, type="json")
        return Done(after, resource_version_of(after) != resource_version_of(rollout))

    return await unbeaten(name, lambda: find_rollout(session, name), attempt)


def refuse_referenced(rollout: Obj, verb: str) -> None:
    """Raises InvalidInput when the pod template stands in another object."""
    reference = dig(rollout, "spec", "workloadRef")
    if reference:
        where = f"{reference.get('kind')} {reference.get('name')}"
        raise InvalidInput(
            f"{verb}: the pods of {name_of(rollout)} come from {where}: change its template", reason="WorkloadRef"
        )


def read_images(arguments: tuple[str, ...]) -> dict[str, str]:
    """{container: image} of `container=image` arguments. Raises InvalidInput."""
    images: dict[str, str] = {}
    for argument in arguments:
        container, _, image = argument.partition("=")
        if not container or not image:
            raise InvalidInput(f'"{argument}" is not container=image: write it like web=registry/web:1.2 or *=registry/web:1.2')
        images[container] = image
    if not images:
        raise InvalidInput("no image given: write container=image after the name of the Rollout")
    return images
