"""ControllerRevisions: how StatefulSets and DaemonSets remember the templates they had.

A revision's name is derived from the template it holds, so the same template is the same revision; going back to an old one
gives it the highest number. Pods carry the name of theirs in the label `controller-revision-hash`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from shipway.base.ids import derived_suffix
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, name_of, namespace_of, spec_of, uid_of
from shipway.kube.runtime.decision import Action, Create, Delete, Patch
from shipway.localcluster.controllers.kinds import CONTROLLER_REVISIONS

HASH_LABEL = "controller-revision-hash"


def template_of(revision: Obj) -> Obj:
    return revision["data"]["spec"]["template"]


def revision_hash(template: Obj) -> str:
    return derived_suffix(orjson.dumps(template, option=orjson.OPT_SORT_KEYS).decode(), length=10)


def number_of(revision: Obj) -> int:
    return int(revision.get("revision") or 0)


def revision_name(owner: Obj) -> str:
    """The name of the revision that holds the owner's present template."""
    return f"{name_of(owner)}-{revision_hash(spec_of(owner)['template'])}"


def record(owner: Obj, revisions: Sequence[Obj]) -> tuple[Action, ...]:
    """Makes the present template the newest revision, if it is not."""
    highest = max(map(number_of, revisions), default=0)
    found = next((r for r in revisions if name_of(r) == revision_name(owner)), None)
    if found is None:
        return (Create(CONTROLLER_REVISIONS, _revision(owner, highest + 1)),)
    if number_of(found) < highest:
        body = {"revision": highest + 1}
        return (Patch(CONTROLLER_REVISIONS, namespace_of(found), name_of(found), body, uid=uid_of(found)),)
    return ()


def forgotten(owner: Obj, revisions: Sequence[Obj], in_use: Iterable[str]) -> tuple[Action, ...]:
    """Deletes old revisions beyond `revisionHistoryLimit` that no pod has."""
    used = {*in_use, revision_name(owner)}
    limit = spec_of(owner).get("revisionHistoryLimit", 10)
    idle = sorted((r for r in revisions if name_of(r) not in used), key=number_of)
    doomed = idle[: max(0, len(idle) - int(limit))]
    return tuple(Delete(CONTROLLER_REVISIONS, namespace_of(r), name_of(r), uid=uid_of(r)) for r in doomed)


def _revision(owner: Obj, number: int) -> Obj:
    template: dict[str, Any] = spec_of(owner)["template"]
    labels = {**labels_of(template), HASH_LABEL: revision_hash(template)}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "namespace": namespace_of(owner),
            "name": revision_name(owner),
            "labels": labels,
            "ownerReferences": [controller_ref(owner)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
