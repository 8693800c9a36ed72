"""Deleting an Application: with the resources finalizer everything it tracks goes first, the last wave before the first.

`resources-finalizer.argocd.argoproj.io` (or `…/foreground`) waits for dependents, `…/background` does not. Objects that carry
`Delete=false` (or Helm's `resource-policy: keep`) stay. The finalizer goes when nothing that has to go is live any more.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.gitops.annotations import HELM_RESOURCE_POLICY, RESOURCES_FINALIZER
from shipway.gitops.comparison import Item, Live
from shipway.gitops.order import kind_rank, wave_of
from shipway.gitops.sync.hooks import removal
from shipway.gitops.sync.tasks import option_of
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of, is_deleting, metadata, name_of, namespace_of, uid_of
from shipway.kube.runtime.decision import Action, Batch, Delete, Propagation


class Cascade(Struct, frozen=True):
    """`batches` to delete next; `finalizers`: what is left of the list once all is gone (None: keep waiting)."""

    batches: tuple[Batch, ...] = ()
    finalizers: tuple[str, ...] | None = None


def our_finalizer(app: Obj) -> str:
    """The resources finalizer of the application, "" if it has none."""
    finalizers = metadata(app).get("finalizers") or []
    return next((one for one in finalizers if one.split("/")[0] == RESOURCES_FINALIZER), "")


def cascade(app: Obj, live: Sequence[Live], options: dict[str, str]) -> Cascade:
    """The next step of the deletion. `live` is everything the application tracks, of kinds that have all been listed."""
    finalizer = our_finalizer(app)
    doomed = [one for one in live if _is_doomed(one.obj, options)]
    if not doomed:
        left = tuple(one for one in metadata(app).get("finalizers") or [] if one != finalizer)
        return Cascade(finalizers=left)
    last = max(wave_of(one.obj) for one in doomed)
    wave = sorted((one for one in doomed if wave_of(one.obj) == last), key=lambda one: -kind_rank(one.obj.get("kind", "")))
    propagation: Propagation = "Background" if finalizer.endswith("/background") else "Foreground"
    steps = [_delete(one, propagation) for one in wave]
    return Cascade(batches=tuple(Batch(step, on_failure="continue") for step in steps if step))


def _is_doomed(obj: Obj, options: dict[str, str]) -> bool:
    keeps = option_of(obj, options, "Delete") == "false" or annotations_of(obj).get(HELM_RESOURCE_POLICY) == "keep"
    return not keeps


def _delete(one: Live, propagation: Propagation) -> tuple[Action, ...]:
    obj = one.obj
    release = tuple(action for action in removal(Item(ref_of(obj), None, one)) if not isinstance(action, Delete))
    if is_deleting(obj):
        return release
    return (Delete(one.resource, namespace_of(obj), name_of(obj), uid=uid_of(obj), propagation=propagation), *release)
