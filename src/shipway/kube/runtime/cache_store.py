"""What an informer holds: objects by namespace and name, and declared indexes kept as objects come and go.

Objects are plain dicts behind this small interface, so that slimmer forms can take their place without anybody noticing.
Whoever is given one never changes it.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of

Changes = list[tuple[Obj | None, Obj | None]]
"""(old, new) of what changed: old is None for a new object, new for one that is gone."""

IndexFunction = Callable[[Obj], Iterable[str]]
Place = tuple[str, str]
"""(namespace, name)"""


class _Index:
    def __init__(self, values_of: IndexFunction) -> None:
        self.values_of = values_of
        self.places: dict[Hashable, dict[Place, None]] = {}

    def move(self, place: Place, old: Obj | None, new: Obj | None) -> None:
        before = dict.fromkeys(self.values_of(old)) if old is not None else {}
        after = dict.fromkeys(self.values_of(new)) if new is not None else {}
        for value in before:
            if value in after:
                continue
            filed = self.places[value]
            filed.pop(place, None)
            if not filed:
                del self.places[value]
        for value in after:
            self.places.setdefault(value, {})[place] = None


class CacheStore:
    """Objects of one kind with their indexes. Lookups cost what they return."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Obj]] = {}
        self._indexes: dict[str, _Index] = {}

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def __iter__(self) -> Iterator[Obj]:
        for objects in list(self._objects.values()):
            yield from list(objects.values())

    def get(self, namespace: str, name: str) -> Obj | None:
        objects = self._objects.get(namespace)
        return objects.get(name) if objects else None

    def list(self, namespace: str = "") -> Iterable[Obj]:
        """Objects of one namespace, or of all when it is "" (as for cluster-scoped kinds)."""
        return list(self._objects.get(namespace, {}).values()) if namespace else list(self)

    def has_index(self, name: str) -> bool:
        return name in self._indexes

    def indexed(self, index: str, value: str) -> Iterable[Obj]:
        """Objects that `index` files under `value`. Raises InvalidInput for an index nobody declared."""
        known = self._indexes.get(index)
        if known is None:
            raise InvalidInput(f"no index {index!r} was declared on this watch", reason="UnknownIndex")
        return [self._objects[namespace][name] for namespace, name in known.places.get(value, ())]

    def add_index(self, name: str, values_of: IndexFunction) -> None:
        """Declares an index; what is already stored is filed at once. Declaring it again changes nothing.

        Caches are shared, so a name means one thing: another function under it raises InvalidInput.
        """
        known = self._indexes.get(name)
        if known is not None:
            if known.values_of != values_of:
                raise InvalidInput(f"index {name!r} is declared with two meanings on one cache", reason="TwoIndexes")
            return
        index = self._indexes[name] = _Index(values_of)
        for obj in self:
            index.move((namespace_of(obj), name_of(obj)), None, obj)

    def put(self, obj: Obj) -> Obj | None:
        """Stores `obj`; gives the object it replaces."""
        namespace, name = place = (namespace_of(obj), name_of(obj))
        objects = self._objects.setdefault(namespace, {})
        old = objects.get(name)
        objects[name] = obj
        for index in self._indexes.values():
            index.move(place, old, obj)
        return old

    def remove(self, namespace: str, name: str) -> Obj | None:
        """Forgets an object; gives it if it was there."""
        objects = self._objects.get(namespace)
        old = objects.pop(name, None) if objects else None
        if old is None:
            return None
        if not objects:
            del self._objects[namespace]
        for index in self._indexes.values():
            index.move((namespace, name), old, None)
        return old

    def replace(self, objects: Iterable[Obj]) -> Changes:
        """Makes `objects` the whole content; gives (old, new) of whatever really changed."""
        fresh = {(namespace_of(obj), name_of(obj)): obj for obj in objects}
        changes: Changes = []
        for obj in self:
            if (namespace_of(obj), name_of(obj)) not in fresh:
                changes.append((self.remove(namespace_of(obj), name_of(obj)), None))
        for (namespace, name), obj in fresh.items():
            known = self.get(namespace, name)
            if known is None or resource_version_of(known) != resource_version_of(obj):
                changes.append((self.put(obj), obj))
        return changes
