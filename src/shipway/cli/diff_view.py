"""Differences between live and desired objects as lines, pure.

What the server adds by itself (status, versions, managers) is left out. The values of Secrets never appear: the lines say
which keys differ, and nothing that a value could be guessed from.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shipway.cli.output import PLAIN, Paint
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, metadata
from shipway.kube.objects.yaml import dump

SERVER_SIDE = frozenset({"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"})
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Holds a copy of the whole manifest, of a Secret's values too."""
HIDDEN, HIDDEN_BEFORE, HIDDEN_AFTER = "********", "******** (live)", "******** (desired)"
HEADINGS = {"create": "would be created", "update": "would be changed", "prune": "is not in Git: a sync with prune deletes it"}
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class Change(Protocol):
    """One object that a sync would change; without `live` it would be created, without `desired` pruned."""

    @property
    def ref(self) -> Ref: ...
    @property
    def live(self) -> Obj | None: ...
    @property
    def desired(self) -> Obj | None: ...


def diff_lines(change: Change, paint: Paint = PLAIN, headings: Mapping[str, str] = HEADINGS) -> list[str]:
    """A unified diff from live to desired, under a heading that names the object and says what would happen to it."""
    live, desired = _comparable(change.live, change.desired)
    before = dump(live).splitlines() if live else []
    after = dump(desired).splitlines() if desired else []
    _, _, *body = difflib.unified_diff(before, after, lineterm="") if before != after else ("", "")
    heading = f"===== {change.ref} {headings[_action(change)]} ====="
    return [heading, *(paint(line, COLOURS.get(line[:1], "")) for line in body)]


def document(changes: Sequence[Change]) -> Obj:
    """The same for programs."""
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "ApplicationDiff",
        "items": [
            {
                "group": change.ref.group,
                "kind": change.ref.kind,
                "namespace": change.ref.namespace,
                "name": change.ref.name,
                "action": _action(change),
                "diff": "\n".join(diff_lines(change)[1:]),
            }
            for change in changes
        ],
    }


def masked(obj: Obj) -> Obj:
    """Without the values of a Secret, which also stand in the annotation that `kubectl apply` keeps."""
    if obj.get("kind") != "Secret" or obj.get("apiVersion") != "v1":
        return obj
    hidden = {field: dict.fromkeys(obj[field], HIDDEN) for field in ("data", "stringData") if obj.get(field)}
    annotations = {key: value for key, value in annotations_of(obj).items() if key != LAST_APPLIED}
    return {**obj, **hidden, "metadata": {**metadata(obj), **({"annotations": annotations} if annotations_of(obj) else {})}}


def _action(change: Change) -> str:
    if change.live is None:
        return "create"
    return "prune" if change.desired is None else "update"


def _comparable(live: Obj | None, desired: Obj | None) -> tuple[Obj | None, Obj | None]:
    kind = (live or desired or {}).get("kind")
    before, after = _plain(live), _plain(desired)
    return (_hide(before, after, HIDDEN_BEFORE), _hide(after, before, HIDDEN_AFTER)) if kind == "Secret" else (before, after)


def _plain(obj: Obj | None) -> Obj | None:
    if obj is None:
        return None
    kept = {key: value for key, value in metadata(obj).items() if key not in SERVER_SIDE}
    annotations = {key: value for key, value in (kept.pop("annotations", None) or {}).items() if key != LAST_APPLIED}
    kept |= {"annotations": annotations} if annotations else {}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": kept}


def _hide(secret: Obj | None, other: Obj | None, differing: str) -> Obj | None:
    """Values that are the same on both sides get one mask, others a mask of their side."""
    if secret is None:
        return None
    hidden: dict[str, Any] = {}
    for field in ("data", "stringData"):
        values: Mapping[str, Any] = secret.get(field) or {}
        others: Mapping[str, Any] = (other or {}).get(field) or {}
        if values:
            hidden[field] = {key: HIDDEN if others.get(key) == value else differing for key, value in values.items()}
    return {**secret, **hidden}
