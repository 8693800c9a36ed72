"""An index of what belongs to no Application, by namespace, kept up object by object.

Of each object only one word is kept: the Application that it says it belongs to, "" for none. An event that leaves the word as
it is (a leader that renews its lock, a status that ticks) ends there. Applications that come and go are told likewise, and
concern the namespaces in which something says that it is theirs; so are StatefulSets, whose claims name no owner and are none
while it is there. Nothing here looks at all objects or at all Applications.
"""

from collections import defaultdict
from collections.abc import Callable

from shipway.api.kinds import STATEFUL_SETS
from shipway.gitops.orphans import CLAIM, is_claim_of, may_be_orphan
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.resource import Obj, Ref, Resource

NOBODY = ""


class Strays:
    """`exists` says whether there is an Application of that name; `on_change` is told of each namespace with news."""

    def __init__(self, exists: Callable[[str], bool], on_change: Callable[[str], object]) -> None:
        self._exists = exists
        self._on_change = on_change
        self._owners: dict[Ref, str] = {}
        """Of everything that may be an orphan."""
        self._kinds: defaultdict[tuple[str, str], dict[Ref, None]] = defaultdict(dict)
        self._owned: defaultdict[str, defaultdict[str, set[Ref]]] = defaultdict(lambda: defaultdict(set))
        """By what owns them, then by namespace; NOBODY is one of the owners."""
        self._sets: defaultdict[str, set[str]] = defaultdict(set)
        """By namespace, the StatefulSets there."""
        self._claims: defaultdict[str, dict[Ref, str | None]] = defaultdict(dict)
        """By namespace, the word of each claim that may be one of a StatefulSet's, if it is not."""
        self._lost: defaultdict[str, set[str]] = defaultdict(set)
        """By namespace, the owners there that do not exist."""

    def of(self, namespace: str) -> frozenset[Ref]:
        """What belongs to no Application. Costs what it returns."""
        return frozenset(ref for owner in self._lost.get(namespace, ()) for ref in self._owned[owner][namespace])

    def met(self, resource: Resource, obj: Obj) -> None:
        """An object is there; its metadata says enough."""
        meta = obj["metadata"]
        ref = Ref(resource.group, resource.kind, meta.get("namespace") or "", meta["name"])
        owner = next(iter(tracked_by(obj)), NOBODY) if may_be_orphan(ref, obj) else None
        if resource.group_kind == STATEFUL_SETS.group_kind:
            self._set_changed(ref, self._sets[ref.namespace].add)
        elif resource.group_kind == CLAIM:
            self._claims[ref.namespace][ref] = owner
            owner = None if is_claim_of(ref, self._sets[ref.namespace]) else owner
        self._file(ref, owner)

    def lost(self, resource: Resource, namespace: str, name: str) -> None:
        """An object is gone."""
        ref = Ref(resource.group, resource.kind, namespace, name)
        if resource.group_kind == STATEFUL_SETS.group_kind:
            self._set_changed(ref, self._sets[namespace].discard)
        elif resource.group_kind == CLAIM:
            self._claims[namespace].pop(ref, None)
        self._file(ref, None)

    def only(self, resource: Resource, is_there: Callable[[str, str], bool]) -> None:
        """All objects of a kind have been met; the others are gone."""
        known = {(ref.namespace, ref.name) for ref in self._kinds.get(resource.group_kind, ())}
        if resource.group_kind == STATEFUL_SETS.group_kind:
            known |= {(namespace, name) for namespace, names in self._sets.items() for name in names}
        elif resource.group_kind == CLAIM:
            known |= {(ref.namespace, ref.name) for claims in self._claims.values() for ref in claims}
        for namespace, name in known:
            if not is_there(namespace, name):
                self.lost(resource, namespace, name)

    def _set_changed(self, ref: Ref, add_or_drop: Callable[[str], object]) -> None:
        """A StatefulSet has come or gone, and its claims with it."""
        sets = self._sets[ref.namespace]
        known = len(sets)
        add_or_drop(ref.name)
        for claim, owner in self._claims[ref.namespace].items() if len(sets) != known else ():
            self._file(claim, None if is_claim_of(claim, sets) else owner)

    def application_changed(self, instance: str) -> None:
        """An Application has come or gone."""
        for namespace in self._owned.get(instance, ()):
            self._sort(instance, namespace)
            self._on_change(namespace)

    def _file(self, ref: Ref, owner: str | None) -> None:
        before = self._owners.get(ref)
        if before == owner:
            return
        if before is not None:
            self._take_out(ref, before)
        if owner is None:
            self._owners.pop(ref)
            kind = self._kinds[(ref.group, ref.kind)]
            del kind[ref]
            if not kind:
                del self._kinds[(ref.group, ref.kind)]
        else:
            self._owners[ref] = owner
            self._kinds[(ref.group, ref.kind)][ref] = None
            self._owned[owner][ref.namespace].add(ref)
            self._sort(owner, ref.namespace)
        if any(one is not None and not self._is_known(one) for one in (before, owner)):
            self._on_change(ref.namespace)

    def _take_out(self, ref: Ref, owner: str) -> None:
        places = self._owned[owner]
        places[ref.namespace].discard(ref)
        if not places[ref.namespace]:
            del places[ref.namespace]
            self._let_go(owner, ref.namespace)
        if not places:
            del self._owned[owner]

    def _sort(self, owner: str, namespace: str) -> None:
        """Whether what the owner has in the namespace belongs to nobody."""
        if self._is_known(owner):
            self._let_go(owner, namespace)
        else:
            self._lost[namespace].add(owner)

    def _let_go(self, owner: str, namespace: str) -> None:
        if owners := self._lost.get(namespace):
            owners.discard(owner)
            if not owners:
                del self._lost[namespace]

    def _is_known(self, owner: str) -> bool:
        return owner != NOBODY and self._exists(owner)
