"""What an informer holds: objects by namespace and name, and declared indexes kept as objects come and go.

A decoded object weighs six times its JSON, and most cached objects are looked at rarely. So an object is kept as its bytes
beside its version, and decoded when somebody asks; the few that were asked for last stay decoded. What an index files an
object under is computed when it arrives. Whoever is given an object never changes it.
"""

from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence

import orjson
from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import kept_json, name_of, namespace_of, resource_version_of

Changes = Iterator[tuple[Obj | None, Obj | None]]
"""(old, new) of what changed: old is None for a new object, new for one that is gone."""

IndexFunction = Callable[[Obj], Iterable[str]]
Place = tuple[str, str]
"""(namespace, name)"""

AT_HAND = 256
"""Objects of one kind that stay decoded: more than one pass looks at (about 5 MB of pods)."""


class Stored(Struct, frozen=True, gc=False):
    """An object as it is kept. `raw` is its JSON."""

    place: Place
    version: str
    raw: bytes


def stored(obj: Obj) -> Stored:
    """`obj` in the form that is kept."""
    return Stored((namespace_of(obj), name_of(obj)), resource_version_of(obj), kept_json(obj))


class _Index:
    def __init__(self, values_of: IndexFunction) -> None:
        self.values_of = values_of
        self.places: dict[Hashable, dict[Place, None]] = {}
        self._values: dict[Place, tuple[str, ...]] = {}

    def file(self, place: Place, obj: Obj | None) -> None:
        """Files the object at `place` under what it has now; None takes it out."""
        before = self._values.pop(place, ())
        after = tuple(dict.fromkeys(self.values_of(obj))) if obj is not None else ()
        for value in before:
            if value in after:
                continue
            filed = self.places[value]
            filed.pop(place, None)
            if not filed:
                del self.places[value]
        for value in after:
            self.places.setdefault(value, {})[place] = None
        if after:
            self._values[place] = after


class CacheStore:
    """Objects of one kind with their indexes. Lookups cost what they return."""

    def __init__(self, at_hand: int = AT_HAND) -> None:
        self._objects: dict[str, dict[str, Stored]] = {}
        self._indexes: dict[str, _Index] = {}
        self._decoded: OrderedDict[Place, tuple[Stored, Obj]] = OrderedDict()
        self._at_hand = at_hand

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def __iter__(self) -> Iterator[Obj]:
        return map(self._decode, [one for objects in self._objects.values() for one in objects.values()])

    def get(self, namespace: str, name: str) -> Obj | None:
        one = self._stored(namespace, name)
        return self._look(one) if one else None

    def version_of(self, namespace: str, name: str) -> str | None:
        """The version that is here, without looking at the object; None when there is none."""
        one = self._stored(namespace, name)
        return one.version if one else None

    def list(self, namespace: str = "") -> Iterable[Obj]:
        """Objects of one namespace, or of all when it is "" (as for cluster-scoped kinds)."""
        return map(self._decode, list(self._objects.get(namespace, {}).values())) if namespace else iter(self)

    def has_index(self, name: str) -> bool:
        return name in self._indexes

    def indexed(self, index: str, value: str) -> Iterable[Obj]:
        """Objects that `index` files under `value`. Raises InvalidInput for an index nobody declared."""
        known = self._indexes.get(index)
        if known is None:
            raise InvalidInput(f"no index {index!r} was declared on this watch", reason="UnknownIndex")
        return [self._look(self._objects[namespace][name]) for namespace, name in known.places.get(value, ())]

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
            index.file((namespace_of(obj), name_of(obj)), obj)

    def put(self, obj: Obj) -> Obj | None:
        """Stores `obj`; gives the object it replaces."""
        one = stored(obj)
        old = self._stored(*one.place)
        before = self._decode(old) if old else None
        self._keep(one)
        self._file(one.place, obj)
        self._remember(one, obj)
        return before

    def remove(self, namespace: str, name: str) -> Obj | None:
        """Forgets an object; gives it if it was there."""
        gone = self._take_out((namespace, name))
        if gone is None:
            return None
        obj = self._decode(gone)
        self._decoded.pop(gone.place, None)
        return obj

    def replace(self, objects: Iterable[Stored], namespace: str = "") -> Changes:
        """Makes `objects` the whole content at once, or that of one namespace; then gives (old, new) of whatever really
        changed, one by one. What has its version already may be kept more of than before."""
        fresh = {one.place: one for one in objects}
        parts = [self._objects.get(namespace, {})] if namespace else self._objects.values()
        known = {one.place: one for of_namespace in parts for one in of_namespace.values()}
        gone = [self._take_out(place) for place in known if place not in fresh]
        changed = [one for one in fresh.values() if one.place not in known or known[one.place].version != one.version]
        for one in fresh.values():
            self._keep(one)
        if self._indexes:
            for one in changed:
                self._file(one.place, orjson.loads(one.raw))
        return self._told(gone, [(known.get(one.place), one) for one in changed])

    def keep_only(self, namespaces: Container[str]) -> Changes:
        """Forgets what lies in other namespaces; then gives (old, None) of it, one by one."""
        others = [space for space in self._objects if space not in namespaces]
        places = [one.place for space in others for one in self._objects[space].values()]
        return self._told([self._take_out(place) for place in places], ())

    def _told(self, gone: Sequence[Stored | None], changed: Sequence[tuple[Stored | None, Stored]]) -> Changes:
        for one in gone:
            yield self._decode(one) if one else None, None
        for old, new in changed:
            yield self._decode(old) if old else None, self._decode(new)

    def _stored(self, namespace: str, name: str) -> Stored | None:
        objects = self._objects.get(namespace)
        return objects.get(name) if objects else None

    def _keep(self, one: Stored) -> None:
        namespace, name = one.place
        self._objects.setdefault(namespace, {})[name] = one

    def _take_out(self, place: Place) -> Stored | None:
        namespace, name = place
        objects = self._objects.get(namespace)
        old = objects.pop(name, None) if objects else None
        if old is None:
            return None
        if not objects:
            del self._objects[namespace]
        self._file(place, None)
        return old

    def _file(self, place: Place, obj: Obj | None) -> None:
        for index in self._indexes.values():
            index.file(place, obj)

    def _decode(self, one: Stored) -> Obj:
        """The object; a scan of many leaves those at hand alone."""
        known = self._decoded.get(one.place)
        return known[1] if known is not None and known[0] is one else orjson.loads(one.raw)

    def _look(self, one: Stored) -> Obj:
        """The object, which somebody may want again soon."""
        obj = self._decode(one)
        self._remember(one, obj)
        return obj

    def _remember(self, one: Stored, obj: Obj) -> None:
        self._decoded[one.place] = (one, obj)
        self._decoded.move_to_end(one.place)
        if len(self._decoded) > self._at_hand:
            self._decoded.popitem(last=False)
