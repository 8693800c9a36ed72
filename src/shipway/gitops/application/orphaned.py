"""What an application knows of the orphans in its namespace, where its AppProject asks for them (`spec.orphanedResources`).

What lies there and belongs to nobody is one standing question of all applications that go there; which of it the project
speaks of is counted once for all applications of the project.
"""

from collections import OrderedDict

from msgspec import Struct

from shipway.api.application import ApplicationSpec, Destination
from shipway.gitops.application.destinations import Place
from shipway.gitops.application.projects import ReadProject
from shipway.gitops.asks import OrphansAsk
from shipway.gitops.orphans import of_project
from shipway.gitops.project import DEFAULT
from shipway.gitops.scope import Scope
from shipway.kube.objects.resource import Ref
from shipway.kube.runtime.controller import World

KEPT = 1024
"""Destinations whose orphans stay counted."""


class Orphaned(Struct, frozen=True):
    """`ask` None: the project does not want to know. `count` None: it is not known yet. `strays`: what lies there and belongs
    to nobody, whether the project speaks of it or not."""

    ask: OrphansAsk | None = None
    count: int | None = None
    warns: bool = False
    strays: frozenset[Ref] = frozenset()

    @property
    def condition(self) -> str:
        """What the application says of it; "" where it has nothing to say."""
        return f"Application has {self.count} orphaned resources" if self.count and self.warns else ""


class _Counted(Struct, frozen=True):
    found: frozenset[Ref]
    project: ReadProject
    count: int


class OrphanCounts:
    """A memory of what was counted; it may be dropped at any moment."""

    def __init__(self) -> None:
        self._counted: OrderedDict[tuple[str, Destination], _Counted] = OrderedDict()

    def look(self, world: World, place: Place, spec: ApplicationSpec | None, project: ReadProject, scope: Scope) -> Orphaned:
        settings = project.spec.orphaned_resources if project.spec else None
        if settings is None or spec is None or place.cluster is None or not spec.destination.namespace:
            return Orphaned()
        ask = OrphansAsk(place.key, spec.destination.namespace, scope)
        answer = world.answer(ask)
        found: frozenset[Ref] | None = answer.value if answer and not place.away else None
        count = None if found is None else self._count(found, spec, project)
        return Orphaned(ask, count, settings.get("warn") is not False, found or frozenset())

    def _count(self, found: frozenset[Ref], spec: ApplicationSpec, project: ReadProject) -> int:
        if not found or project.spec is None:
            return 0
        key = (spec.project or DEFAULT, spec.destination)
        known = self._counted.get(key)
        if known is None or known.found is not found or known.project is not project:
            counts = of_project(spec, project.spec)
            known = self._counted[key] = _Counted(found, project, sum(map(counts, found)))
            self._counted.move_to_end(key)
            if len(self._counted) > KEPT:
                self._counted.popitem(last=False)
        return known.count
