"""Which kinds an application has objects of: those it wants, and those it ever applied.

What left Git can only be pruned if its kind is still looked at. The status remembers the kinds of what is there, but a crash
right after an apply (or a watch that lags) can lose an object before any status has named it. So the kinds are written to an
annotation of the Application before anything of them is applied, and stay there; they are few.
"""

from collections.abc import Iterable

from shipway.gitops.annotations import KINDS, comma_list
from shipway.gitops.desired import Desired
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, status_of

GroupKind = tuple[str, str]


def known_kinds(app: Obj) -> set[GroupKind]:
    """The kinds of everything this application may have applied before."""
    status = status_of(app)
    rows: list[Obj] = [
        *dig(status, "resources", default=[]),
        *dig(status, "operationState", "syncResult", "resources", default=[]),
    ]
    return remembered_kinds(app) | {(row.get("group") or "", row.get("kind") or "") for row in rows}


def remembered_kinds(app: Obj) -> set[GroupKind]:
    """The kinds that the annotation names, each as `Kind` or `Kind.group`."""
    parts = (text.partition(".") for text in comma_list(annotations_of(app), KINDS))
    return {(group, kind) for kind, _, group in parts}


def wanted_kinds(desired: Iterable[Desired]) -> set[GroupKind]:
    return {(one.ref.group, one.ref.kind) for one in desired}


def annotation_with(app: Obj, desired: Iterable[Desired]) -> str:
    """What the annotation has to say before `desired` is applied; "" when it says so already."""
    remembered = remembered_kinds(app)
    kinds = remembered | wanted_kinds(desired)
    if kinds == remembered:
        return ""
    return ",".join(f"{kind}.{group}" if group else kind for group, kind in sorted(kinds))
