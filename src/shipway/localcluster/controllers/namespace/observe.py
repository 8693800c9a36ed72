"""What a namespace's deletion looks at: everything that is still in it, of every kind that lives in namespaces."""

from msgspec import Struct

from shipway.api.kinds import NAMESPACES
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import is_deleting
from shipway.kube.runtime.controller import ObjectKey, World


class Content(Struct, frozen=True):
    """All objects (metadata only) of one kind in the namespace."""

    resource: Resource
    objects: tuple[Obj, ...]


class Observed(Struct, frozen=True):
    """`kinds` are all that live in namespaces; `is_synced` that the content of all of them is known."""

    namespace: Obj
    kinds: tuple[Resource, ...] = ()
    is_synced: bool = False
    content: tuple[Content, ...] = ()


def observe(key: ObjectKey, world: World) -> Observed | None:
    found = world.get(NAMESPACES, "", key.name)
    if found is None or not is_deleting(found):
        return None
    kinds = tuple(resource for resource in world.served() if resource.namespaced)
    content = (Content(kind, tuple(world.list(kind, key.name))) for kind in kinds)
    return Observed(found, kinds, all(world.is_synced(kind) for kind in kinds), tuple(part for part in content if part.objects))
