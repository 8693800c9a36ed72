"""What of an Application is really there, asked of its cluster and not of anybody's memory."""

from collections.abc import Iterable, Mapping, Sequence

from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, status_of

Kind = tuple[str, str]
"""API group and kind."""
Ref = tuple[Kind, str, str]
"""Kind, namespace ("" for none) and name."""


def wanted_of(app: Obj) -> tuple[Ref, ...]:
    """The objects that the status of an Application names, but for hooks and for what is to be pruned: those come and go."""
    rows = status_of(app).get("resources") or []
    return tuple(map(_ref, (row for row in rows if not row.get("hook") and not row.get("requiresPruning"))))


async def missing_among(client: Client, wanted: Iterable[Ref]) -> frozenset[Ref]:
    """Which of the objects the cluster does not have: one listing for each kind and namespace, of names alone."""
    known = {(one.group, one.kind): one for one in await client.discover()}
    places: dict[tuple[Kind, str], set[str]] = {}
    for kind, namespace, name in wanted:
        places.setdefault((kind, namespace), set()).add(name)
    missing: set[Ref] = set()
    for (kind, namespace), names in places.items():
        gone = names - await _names(client, known, kind, namespace)
        missing |= {(kind, namespace, name) for name in gone}
    return frozenset(missing)


def spelled(refs: Sequence[Ref]) -> str:
    """`Service shop/web, Namespace shop`, with a count of what is too much to name."""
    named = [f"{kind} {namespace}/{name}".replace(" /", " ") for (_, kind), namespace, name in sorted(refs)]
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


async def _names(client: Client, known: Mapping[Kind, Resource], kind: Kind, namespace: str) -> set[str]:
    resource = known.get(kind)
    if resource is None:  # its definition is not back yet
        return set()
    try:
        return {name_of(obj) for obj in (await client.list(resource, namespace, metadata_only=True)).items}
    except NotFound:
        return set()


def _ref(row: Obj) -> Ref:
    return (row.get("group") or "", row.get("kind") or ""), row.get("namespace") or "", row.get("name") or ""
