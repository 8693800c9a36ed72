"""A resource tree as lines for people and as a document for programs, pure.

The document is Argo CD's resource tree (`nodes` with `parentRefs`, `networkingInfo` …) with the sync state of what is managed.
In the lines a sign never stands without its word.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.cli.output import MOODS, PLAIN, Paint, since
from shipway.gitops.health import Health
from shipway.gitops.pinned import revision_of
from shipway.gitops.tree import Node, Tree, told_of
from shipway.gitops.tree_document import filled, node_document
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import dig, metadata, name_of

HEADINGS = ("NAME", "SYNC", "HEALTH", "AGE", "INFO")
SIGNS = {"Healthy": "✔", "Progressing": "◌", "Suspended": "॥", "Degraded": "✖", "Missing": "⚠", "Unknown": "?"}


class Line(Struct, frozen=True):
    """Cells under `HEADINGS`, before they are laid out."""

    name: str
    sync: str
    health: str
    age: str
    info: str


def tree_lines(app: Obj, tree: Tree, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """The tree as a table whose first column is drawn; the Application is its root."""
    sync = dig(app, "status", "sync", default={})
    health = Health(
        dig(app, "status", "health", "status", default="Unknown"), dig(app, "status", "health", "message", default="")
    )
    age = since(metadata(app).get("creationTimestamp") or "", now)
    top = Line(f"Application/{name_of(app)}", sync.get("status") or "Unknown", health.status, age, revision_of(sync))
    lines = [top, *_branches(tree, tree.tops, "", now)]
    return _laid_out([Line(*HEADINGS), *lines], paint)


def only_troubled(tree: Tree) -> Tree:
    """What is out of sync or not healthy, and everything that it stands below."""
    wanted: set[str] = set()
    kept: list[Node] = []
    for node in reversed(tree.nodes):  # children come after their parents
        is_well = node.sync in ("", "Synced") and (node.health is None or node.health.status in ("Healthy", "Suspended"))
        if not is_well or node.uid in wanted:
            kept.append(node)
            wanted.add(node.above)
    return Tree(tuple(reversed(kept)))


def names(tree: Tree) -> list[str]:
    """`deployment.apps/web` of every object that is there, as kubectl spells it."""
    return [_kubectl_name(node.ref) for node in tree.nodes if node.is_live]


def document(app: Obj, tree: Tree) -> Obj:
    """The whole tree for programs."""
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "ApplicationTree",
        "metadata": {"name": name_of(app), "namespace": metadata(app).get("namespace") or ""},
        "nodes": [{**node_document(node), **filled({"status": node.sync})} for node in tree.nodes],
    }


def _branches(tree: Tree, nodes: Sequence[Node], before: str, now: Instant) -> list[Line]:
    lines: list[Line] = []
    below = tree.below
    for position, node in enumerate(nodes):
        is_last = position == len(nodes) - 1
        lines.append(_line(node, before + ("└─" if is_last else "├─"), now))
        lines += _branches(tree, below.get(node.uid, ()) if node.uid else (), before + ("  " if is_last else "│ "), now)
    return lines


def _line(node: Node, stroke: str, now: Instant) -> Line:
    health = node.health.status if node.health else ""
    return Line(f"{stroke}{node.ref.kind}/{node.ref.name}", node.sync, health, since(node.created, now), told_of(node))


def _laid_out(lines: Sequence[Line], paint: Paint) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*(_cells(line) for line in lines), strict=True)]
    laid_out: list[str] = []
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(_cells(line), widths, strict=True)]
        if number:
            cells[1] = paint(cells[1], MOODS.get(line.sync, ""))
            cells[2] = paint(cells[2], MOODS.get(line.health, ""))
        laid_out.append("   ".join(cells).rstrip())
    return laid_out


def _cells(line: Line) -> tuple[str, ...]:
    sign = SIGNS.get(line.health)
    return (line.name, line.sync, f"{sign} {line.health}" if sign else line.health, line.age, line.info)


def _kubectl_name(ref: Ref) -> str:
    kind = ref.kind.lower()
    return f"{kind}.{ref.group}/{ref.name}" if ref.group else f"{kind}/{ref.name}"
