"""What a namespace's deletion looks at: everything that is still in it, of every kind that lives in namespaces.

What is left is read from metadata-only caches. Those may lag behind, and a namespace that goes too early leaves objects that
nobody can reach; so when the caches show nothing more, the server itself is asked (`ContentAsk`). Nothing can be created in a
namespace that is being deleted, so its "nothing" is final.
"""

from typing import ClassVar

from msgspec import Struct

from shipway.api.kinds import NAMESPACES
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import is_deleting, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Ask


class ContentAsk(Ask, frozen=True):
    """Which of `kinds` have objects in the namespace, as the server says (plurals, tuple[str, ...])."""

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 1.0

    namespace: str
    uid: str
    kinds: tuple[Resource, ...]


class Content(Struct, frozen=True):
    """All objects (metadata only) of one kind in the namespace."""

    resource: Resource
    objects: tuple[Obj, ...]


class Observed(Struct, frozen=True):
    """`kinds` are all that live in namespaces; `is_synced` that the content of all of them is known.

    `ask` is set when the caches show nothing more; `is_empty` when the server has confirmed it.
    """

    namespace: Obj
    kinds: tuple[Resource, ...] = ()
    is_synced: bool = False
    content: tuple[Content, ...] = ()
    ask: ContentAsk | None = None
    is_empty: bool = False


def observe(key: ObjectKey, world: World) -> Observed | None:
    found = world.get(NAMESPACES, "", key.name)
    if found is None or not is_deleting(found):
        return None
    kinds = tuple(resource for resource in world.served() if resource.namespaced)
    parts = (Content(kind, tuple(world.list(kind, key.name))) for kind in kinds)
    content = tuple(part for part in parts if part.objects)
    # No kinds at all means that discovery has not answered yet, not that there is nothing.
    is_synced = bool(kinds) and all(world.is_synced(kind) for kind in kinds)
    if content or not is_synced:
        return Observed(found, kinds, is_synced, content)
    ask = ContentAsk(key.name, uid_of(found), kinds)
    answer = world.answer(ask)
    return Observed(found, kinds, is_synced, ask=ask, is_empty=answer is not None and answer.value == ())
