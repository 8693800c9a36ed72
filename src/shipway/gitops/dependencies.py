"""What an Application depends on, in place of stages: the annotation `shipway.dev/depends-on`.

    shipway.dev/depends-on: database, platform/cache=healthy

Each entry is the name of an Application (of the same namespace unless it says another) and a condition: `ready` (Synced and
Healthy, the default), `synced` or `healthy`. New content is compared at once and synced once all of them hold; everything else
goes on meanwhile, and so does the healing of what runs. What is waited for is told in a condition, word by word.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import InvalidInput
from shipway.gitops.annotations import DEPENDS_ON, comma_list
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, is_deleting, namespace_of
from shipway.kube.runtime.controller import ObjectKey, key_of

Condition = Literal["ready", "synced", "healthy"]
Find = Callable[[ObjectKey], Obj | None]

CONDITION = "DependencyWarning"
LOOKS = "looks whether all that it depends on has taken the newest commits in, too"
_WANTED: dict[Condition, str] = {"ready": "Synced and Healthy", "synced": "Synced", "healthy": "Healthy"}


class Dependency(Struct, frozen=True):
    key: ObjectKey
    condition: Condition = "ready"


class Dependencies(Struct, frozen=True):
    """`unmet`: what is waited for, one clause each. `problem`: why the annotation cannot be followed."""

    named: tuple[Dependency, ...] = ()
    unmet: tuple[str, ...] = ()
    problem: str = ""


class Pause(Struct, frozen=True):
    """Why a sync does not begin now; `until`: when to look again without news."""

    message: str
    until: Instant | None = None


def dependencies_of(app: Obj) -> tuple[Dependency, ...]:
    """What the annotation names. Raises InvalidInput where it says something else."""
    return tuple(_parsed(entry, namespace_of(app)) for entry in comma_list(annotations_of(app), DEPENDS_ON))


def names_depended_on(app: Obj) -> Iterable[str]:
    """The index of Applications by what they depend on, each `namespace/name`; of an annotation that is wrong, nothing."""
    try:
        return tuple(str(one.key) for one in dependencies_of(app))
    except InvalidInput:
        return ()


def look_at(app: Obj, find: Find, above: Sequence[Obj] = ()) -> Dependencies:
    """How it stands with all that the Application depends on. `above`: the Applications that manage it."""
    try:
        named = dependencies_of(app)
    except InvalidInput as error:
        return Dependencies(problem=error.message)
    way = _way_back(app, named, find)
    managers = {key_of(one) for one in above}
    if not way:
        way = next(([key_of(app), one.key] for one in named if one.key in managers), [])
    if way:
        path = " -> ".join(map(str, way))
        manages = f", which manages {key_of(app)} and so waits for it" if way[-1] in managers else ""
        told = f"applications depend on each other in a circle: {path}{manages}. Take one of them out of {DEPENDS_ON}"
        return Dependencies(named, problem=told)
    return Dependencies(named, tuple(text for one in named if (text := _unmet(one, find(one.key)))))


def pause_of(dependencies: Dependencies, conditions: Sequence[Obj], delay: float, now: Instant) -> Pause | None:
    """Why new content is not synced yet, by the `conditions` told before; None: it may be.

    A commit may concern both sides, and the other one may not have seen it: once all is well it is waited `delay` seconds more.
    """
    if not dependencies.named:
        return None
    if dependencies.unmet:
        return Pause(waiting_for(dependencies))
    looking = next((one for one in conditions if (one.get("type"), one.get("message")) == (CONDITION, LOOKS)), {})
    since = parse_rfc3339(looking["lastTransitionTime"]) if looking.get("lastTransitionTime") else now
    due = Instant(since + delay)
    return Pause(LOOKS, due) if now < due else None


def waiting_for(dependencies: Dependencies) -> str:
    return f"waits for {'; and for '.join(dependencies.unmet)}"


def _parsed(entry: str, namespace: str) -> Dependency:
    place, _, condition = (part.strip() for part in entry.partition("="))
    before, found, name = place.rpartition("/")
    condition = condition or "ready"
    if not name or "/" in before or (found and not before):
        raise InvalidInput(f"annotation {DEPENDS_ON}: {entry!r} is no name of an Application: write `name` or `namespace/name`")
    if condition not in _WANTED:
        words = ", ".join(_WANTED)
        raise InvalidInput(f"annotation {DEPENDS_ON}: {entry!r} asks for {condition!r}: what can be waited for is {words}")
    return Dependency(ObjectKey(before or namespace, name), condition)


def _unmet(dependency: Dependency, app: Obj | None) -> str:
    wanted = f"Application {dependency.key} to be {_WANTED[dependency.condition]}"
    if app is None:
        return f"{wanted} (there is none of that name)"
    sync, health = (str(dig(app, "status", part, "status", default="") or "Unknown") for part in ("sync", "health"))
    holds = {"synced": sync == "Synced", "healthy": health == "Healthy"}
    is_met = all(holds.values()) if dependency.condition == "ready" else holds[dependency.condition]
    if is_deleting(app):
        return f"{wanted} (it is being deleted)"
    if app.get("operation") and dependency.condition != "healthy":
        return f"{wanted} (it is syncing)"
    return "" if is_met else f"{wanted} (it is {sync} and {health})"


def _way_back(app: Obj, named: Sequence[Dependency], find: Find) -> list[ObjectKey]:
    """The shortest way along dependencies that comes back to the Application; [] when there is none."""
    me = key_of(app)
    came_from: dict[ObjectKey, ObjectKey] = {}
    ahead = [(me, one.key) for one in named]
    for start, key in ahead:
        if key in came_from:
            continue
        came_from[key] = start
        if key == me:
            return _walked(me, came_from)
        found = find(key)
        try:
            ahead += [(key, one.key) for one in dependencies_of(found)] if found else []
        except InvalidInput:
            continue  # that one says so itself
    return []


def _walked(me: ObjectKey, came_from: dict[ObjectKey, ObjectKey]) -> list[ObjectKey]:
    way = [me, came_from[me]]
    while way[-1] != me:
        way.append(came_from[way[-1]])
    return way[::-1]
