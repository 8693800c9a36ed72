"""What the server serves: every kind at every version, built in or defined by a CRD.

`Kind` is one row: a resource at one version with all that discovery, routing and the write path ask about it. Built-in rows
come from the table in `builtin_kinds.py`; rows of a CRD are put in and taken out as the CRD comes and goes. Several versions of
one CRD, and the two faces of Event, share one shelf of the store (`storage`).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from shipway.kube.objects.resource import Obj, Resource
from shipway.localcluster.apiserver.problems import Named

STANDARD_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""The same verbs in the order in which a real server lists them for custom resources."""
CREATE_ONLY = ("create",)


class ScalePaths(Struct, frozen=True):
    """Where `/scale` finds its numbers; `selector` may name a label selector object or a string."""

    spec: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


class PrinterColumn(Struct, frozen=True, rename="camel"):
    """A CRD's `additionalPrinterColumns` entry."""

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


class CrdVersion(Struct, frozen=True):
    """What a version of a CRD adds to its row: the compiled schema, its JSON, its rules (`rules.compiled.RuleNode`), and the
    columns of its tables."""

    schema: Any
    schema_json: Obj
    columns: tuple[PrinterColumn, ...]
    crd_name: str
    terminating: bool = False
    defaults_on_read: bool = False
    selectable: tuple[str, ...] = ()
    rules: Any = None


class Kind(Struct, frozen=True):
    """A resource at one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    generation: bool = False
    create_on_update: bool = False
    deprecation: str = ""
    storage: tuple[str, str] = ("", "")
    scale: ScalePaths | None = None
    crd: CrdVersion | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> tuple[str, str]:
        return (self.group, self.kind)

    @property
    def shelf(self) -> tuple[str, str]:
        """Key of the store's shelf that holds the objects."""
        return self.storage if self.storage[1] else (self.group, self.plural)

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    def named(self, name: str = "") -> Named:
        return Named(self.group, self.plural, self.kind, name)

    def resource(self) -> Resource:
        return Resource(self.group, self.version, self.kind, self.plural, self.namespaced, self.has_status)


class Registry:
    """The rows, found by path. `revision` grows whenever the set changes: discovery and OpenAPI then build theirs again."""

    def __init__(self, builtin: Iterable[Kind]) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._selectable: dict[tuple[str, str], tuple[str, ...]] = {}
        self.revision = 0
        for kind in builtin:
            self._kinds[(kind.group, kind.version, kind.plural)] = kind

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._kinds.get((group, version, plural))

    def of_kind(self, group: str, kind: str, version: str = "") -> Kind | None:
        """The row of a kind, at `version` or at whichever comes first."""
        for row in self._kinds.values():
            if row.group == group and row.kind == kind and version in ("", row.version):
                return row
        return None

    def selectable_of(self, shelf: tuple[str, str]) -> tuple[str, ...]:
        """The selectable fields that CRDs define for a shelf."""
        return self._selectable.get(shelf, ())

    def has_version(self, group: str, version: str) -> bool:
        return any(row.group == group and row.version == version for row in self._kinds.values())

    def has_group(self, group: str) -> bool:
        return any(row.group == group for row in self._kinds.values())

    def replace_crd(self, group: str, plural: str, rows: Iterable[Kind]) -> None:
        """Puts the served versions of one CRD in place of those that were there; no rows: it is gone."""
        self._kinds = {key: row for key, row in self._kinds.items() if not (key[0] == group and key[2] == plural and row.crd)}
        for row in rows:
            self._kinds[(row.group, row.version, row.plural)] = row
        fields = {
            field for row in self._kinds.values() if row.shelf == (group, plural) and row.crd for field in row.crd.selectable
        }
        self._selectable[(group, plural)] = tuple(sorted(fields))
        self.revision += 1
