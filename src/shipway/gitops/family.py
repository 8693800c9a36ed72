"""Applications that hold Applications: who manages whom, read from the tracking annotations that the children carry.

An application may contain itself, as self-managed installations do: it is compared and applied like any other object, but its
own health is no part of its health, and it neither prunes nor deletes itself. Two that manage each other (or more, in a circle)
would wait for one another for ever, so whoever is about to close a circle is refused, and the way round is named.
"""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.kinds import APPLICATIONS
from shipway.gitops.dependencies import Dependencies, Find
from shipway.gitops.tracking import instance_key, tracked_by
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import is_deleting
from shipway.kube.runtime.controller import ObjectKey, key_of


class Family(Struct, frozen=True):
    """`above`: the Applications that manage this one, nearest first, gathered where it matters. `problem`: why it may not be
    synced: it would manage what manages it, or depend on what depends on it."""

    above: tuple[Obj, ...] = ()
    problem: str = ""
    dependencies: Dependencies = Dependencies()


def ref_of_application(key: ObjectKey) -> Ref:
    return Ref(APPLICATIONS.group, APPLICATIONS.kind, key.namespace, key.name)


def ancestors(app: Obj, find: Find, control_namespace: str) -> tuple[Obj, ...]:
    """Whoever manages the application, then who manages that one, and so on, up to where it comes round again."""
    me = key_of(app)
    found: dict[ObjectKey, Obj] = {}
    instance = next(iter(tracked_by(app)), "")
    while instance:
        key = instance_key(instance, control_namespace)
        above = find(key) if key not in found and key != me else None
        if above is None:
            break
        found[key] = above
        instance = next(iter(tracked_by(above)), "")
    return tuple(found.values())


def circle(me: ObjectKey, above: Iterable[Obj], wanted: Iterable[Ref]) -> str:
    """What is wrong when one of those above (nearest first) is among the Applications that `me` wants; "" when nothing is."""
    wants, way = set(wanted), [me]
    for app in above:
        key = key_of(app)
        way.insert(0, key)
        if ref_of_application(key) in wants:
            path = " -> ".join(str(one) for one in [*way, key])
            return f"applications manage each other in a circle: {path}. Take Application {key} out of the sources of {me}"
    return ""


def spared(me: ObjectKey, above: Iterable[Obj]) -> frozenset[Ref]:
    """What a deletion of `me` does not wait for: itself, and those above that are going and wait for it."""
    going = (key_of(app) for app in above if is_deleting(app))
    return frozenset(map(ref_of_application, (me, *going)))
