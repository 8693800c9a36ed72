"""What the garbage collector looks at: one uid, the object that has it, and the objects that name it as owner.

Every object wakes its own uid and those of its owners. What owners are there is read from metadata-only caches of all kinds
served; but the caches of two kinds move independently, and a dependent may be seen before its owner. So an owner that is
missing in the cache is asked for at the server (`OwnerAsk`) before anything is deleted because of it.
"""

from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct

from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.views import is_deleting, metadata, namespace_of, uid_of
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Ask

NOT_COLLECTED = frozenset({("", "Event"), ("events.k8s.io", "Event")})


class Kinds(Struct, frozen=True):
    """The key that keeps the watches on all kinds."""

    def __str__(self) -> str:
        return "kinds"


class Uid(Struct, frozen=True):
    """The key of everything about one uid."""

    uid: str

    def __str__(self) -> str:
        return self.uid


Key = Kinds | Uid


class OwnerAsk(Ask, frozen=True):
    """Whether the object with this uid is there, as the server says (bool). What is gone stays gone."""

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 5.0

    resource: Resource
    namespace: str
    name: str
    uid: str


class Item(Struct, frozen=True):
    """An object (metadata only) and its kind."""

    resource: Resource
    obj: Obj


class Owner(Struct, frozen=True):
    """What is known of one owner: `is_there` None means that the server must be asked first (`ask`)."""

    uid: str
    is_there: bool | None
    waits_for_dependents: bool = False
    ask: OwnerAsk | None = None


class Dependent(Struct, frozen=True):
    """An object, everything known of its owners, and whether it has dependents itself."""

    item: Item
    owners: tuple[Owner, ...] = ()
    has_dependents: bool = False


class Observed(Struct, frozen=True):
    """For `Kinds` only `kinds`; for a uid its object (None: not in the cache) and dependents."""

    uid: str = ""
    me: Item | None = None
    dependents: tuple[Dependent, ...] = ()
    kinds: tuple[Resource, ...] = ()


def own_uid(obj: Obj) -> Iterable[str]:
    return (uid_of(obj),)


def owner_uids(obj: Obj) -> Iterable[str]:
    return tuple(dict.fromkeys(ref["uid"] for ref in metadata(obj).get("ownerReferences") or () if ref.get("uid")))


def observe(key: Key, world: World) -> Observed | None:
    kinds = tuple(resource for resource in world.served() if resource.group_kind not in NOT_COLLECTED)
    if isinstance(key, Kinds):
        return Observed(kinds=kinds)
    me = _find(key.uid, kinds, world)
    if me is not None and not is_deleting(me.obj):
        # Nearly every pass ends here; looking at a thousand dependents each time one of them changes would be quadratic.
        return Observed(key.uid, me)
    dependents = tuple(_dependent(item, kinds, world) for item in _dependents(key.uid, kinds, world))
    if me is None and not dependents:
        return None
    return Observed(key.uid, me, dependents)


def _find(uid: str, kinds: tuple[Resource, ...], world: World) -> Item | None:
    return next((Item(kind, obj) for kind in kinds for obj in world.indexed(kind, "uid", uid)), None)


def _dependents(uid: str, kinds: tuple[Resource, ...], world: World) -> Iterable[Item]:
    return (Item(kind, obj) for kind in kinds for obj in world.indexed(kind, "owner", uid))


def _dependent(item: Item, kinds: tuple[Resource, ...], world: World) -> Dependent:
    has_dependents = next(iter(_dependents(uid_of(item.obj), kinds, world)), None) is not None
    references: list[Obj] = metadata(item.obj).get("ownerReferences") or []
    return Dependent(item, tuple(_owner(ref, item, kinds, world) for ref in references), has_dependents)


def _owner(reference: Obj, item: Item, kinds: tuple[Resource, ...], world: World) -> Owner:
    uid = reference.get("uid") or ""
    found = _find(uid, kinds, world)
    if found is not None:
        return Owner(uid, True, waits_for_dependents=is_waiting_for_dependents(found.obj))
    resource = world.resource_for(split_api_version(reference.get("apiVersion") or "")[0], reference.get("kind") or "")
    namespace = namespace_of(item.obj)
    if resource is None or (resource.namespaced and not namespace):
        # A kind nobody serves, or a reference that cannot be right: nothing is deleted on such a word.
        return Owner(uid, True)
    ask = OwnerAsk(resource, namespace if resource.namespaced else "", reference.get("name") or "", uid)
    answer = world.answer(ask)
    return Owner(uid, answer.value if answer else None, ask=ask)


def is_waiting_for_dependents(obj: Obj) -> bool:
    """Being deleted in the foreground."""
    meta = metadata(obj)
    return bool(meta.get("deletionTimestamp")) and "foregroundDeletion" in (meta.get("finalizers") or ())
