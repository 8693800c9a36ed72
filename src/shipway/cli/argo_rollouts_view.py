"""Lists and trees in the columns of Argo Rollouts' plugin. Pure.

The trees are those of `rollout_tree`, without our sentence; the lists have widths of their own, which only long names
and states move.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.experiment import read_experiment, read_experiment_status
from shipway.base.clock import Instant, rfc3339
from shipway.base.durations import format_age
from shipway.cli import rollout_tree
from shipway.cli.experiment import remaining
from shipway.cli.output import PLAIN, Paint, age
from shipway.cli.rollout_tree import BUSY, RUN_SIGNS, SIGN_COLOURS, Line, sign_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of
from shipway.rollouts.experiment.spec import duration_of
from shipway.rollouts.rollout.names import EXPERIMENT_TEMPLATE
from shipway.rollouts.rollout.replica_set import read_replica_set
from shipway.rollouts.view import Family, created_at, owned_by, replica_set_view, run_view, view_of

ROLLOUT_COLUMNS = (
    ("STRATEGY", 9), ("STATUS", 12), ("STEP", 4), ("SET-WEIGHT", 10), ("READY", 5), ("DESIRED", 7), ("UP-TO-DATE", 10),
    ("AVAILABLE", 9),
)  # fmt: skip
EXPERIMENT_COLUMNS = (("STATUS", 6), ("DURATION", 8), ("REMAINING", 9), ("AGE", 3))
SHORTEST_NAME, SHORTEST_NAMESPACE = 10, 9


class Listing(Struct, frozen=True):
    """The columns of a list, chosen once: rows that come later stand below the first ones."""

    columns: tuple[tuple[str, int], ...]
    with_namespace: bool = False
    with_time: bool = False

    @classmethod
    def of(
        cls, rows: Sequence[tuple[Obj, Sequence[str]]], columns: Sequence[tuple[str, int]], *, everywhere: bool, timed: bool
    ) -> "Listing":
        """Wide enough for `rows`: objects and their cells."""
        objs = [obj for obj, _ in rows]
        widths = [max(width, *(len(cells[at]) for _, cells in rows)) for at, (_, width) in enumerate(columns)]
        widened = [(title, width) for (title, _), width in zip(columns, widths, strict=True)]
        names = ("NAME", max([SHORTEST_NAME, *(len(name_of(obj)) for obj in objs)]))
        namespaces = ("NAMESPACE", max([SHORTEST_NAMESPACE, *(len(namespace_of(obj)) for obj in objs)]))
        leading = [("TIMESTAMP", 20)] * timed + [namespaces] * everywhere + [names]
        return cls((*leading, *widened), everywhere, timed)

    @property
    def heading(self) -> str:
        return self._laid_out([title for title, _ in self.columns]).rstrip()

    def row(self, obj: Obj, cells: Sequence[str], now: Instant) -> str:
        leading = [rfc3339(now)] * self.with_time + [namespace_of(obj)] * self.with_namespace
        return self._laid_out([*leading, name_of(obj), *cells])

    def _laid_out(self, cells: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, (_, width) in zip(cells, self.columns, strict=True))


def rollout_cells(rollout: Obj, now: Instant) -> list[str]:
    """What `list rollouts` says behind the name."""
    return rollout_tree.list_row(view_of(Family(rollout)), now)[1:-1]


def experiment_cells(experiment: Obj, now: Instant) -> list[str]:
    """What `list experiments` says behind the name."""
    try:
        spec, status = read_experiment(experiment), read_experiment_status(experiment)
        duration = duration_of(spec)
    except ValueError:
        return ["-", "-", "-", age(experiment, now)]
    lasting = "-" if duration is None else format_age(duration)
    left = remaining(spec, status, now)
    return [status.phase or "-", lasting, "-" if left == "0s" else left, age(experiment, now)]


def rollout_lines(family: Family, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`get rollout`."""
    view = view_of(family)
    ordered = replace(view, images=tuple(sorted(view.images, key=lambda image: image.image)))
    return [*rollout_tree.header(ordered, paint), "", *rollout_tree.tree(ordered, now, paint)]


def experiment_lines(experiment: Obj, family: Family, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`get experiment`. `family` holds what may belong to it; its Rollout is not looked at."""
    phase, message = dig(experiment, "status", "phase", default=""), dig(experiment, "status", "message", default="")
    sign = RUN_SIGNS.get(phase) or (sign_of(phase) if phase else BUSY)
    sets = sorted(owned_by(experiment, family.replica_sets), key=name_of)
    children = [
        *(replica_set_view(read_replica_set(rs), family.pods, ()) for rs in sets),
        *(run_view(run) for run in sorted(owned_by(experiment, family.runs), key=name_of)),
    ]
    lines = [Line("", f"Σ {name_of(experiment)}", "Experiment", phase, created_at(experiment), sign=sign)]
    for position, child in enumerate(children):
        lines += rollout_tree.branch(child, "", position == len(children) - 1, now)
    facts = [
        ("Name:", name_of(experiment)),
        ("Namespace:", namespace_of(experiment)),
        ("Status:", f"{paint(sign, SIGN_COLOURS[sign])} {phase}"),
        ("Message:", message),
        *zip(("Images:", *[""] * len(sets)), sorted(_images(sets)), strict=False),
    ]
    header = [f"{label:<17}{value}" for label, value in facts if value]
    return [*header, "", *rollout_tree.laid_out(lines, now, paint)]


def _images(sets: Sequence[Obj]) -> Iterator[str]:
    """Of ReplicaSets with pods, each image with the templates that run it."""
    users: dict[str, list[str]] = {}
    for rs in sets:
        if dig(rs, "spec", "replicas", default=1):
            for container in dig(rs, "spec", "template", "spec", "containers", default=[]):
                users.setdefault(container.get("image") or "", []).append(annotations_of(rs).get(EXPERIMENT_TEMPLATE, ""))
    for image, templates in users.items():
        yield f"{image} ({', '.join(f'Σ:{name}' for name in templates)})"
