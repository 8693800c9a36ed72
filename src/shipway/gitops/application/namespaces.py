"""The namespace that a sync creates first (CreateNamespace=true), with the labels and annotations that the user wants on it."""

from collections.abc import Mapping

from shipway.api.application import ManagedNamespace
from shipway.api.kinds import NAMESPACES
from shipway.gitops.application.observe import Observed
from shipway.gitops.comparison import Item, Live
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import our_entry
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, dig, labels_of


def namespace_item(observed: Observed, options: dict[str, str], live: Mapping[Ref, Live]) -> Item | None:
    """What has to be applied before everything else; None where the namespace is as it should be or Git brings it.

    It is neither tracked nor deleted with the application. Where namespaces are not managed, it counts as being there.
    """
    spec, target = observed.spec, observed.sync_target
    if not observed.place.reach.covers(NAMESPACES):
        return None
    if spec is None or target is None or options.get("CreateNamespace") != "true" or not spec.destination.namespace:
        return None
    name = spec.destination.namespace
    ref = Ref("", "Namespace", "", name)
    if any(desired.ref == ref for desired in target.prepared.objects):
        return None
    managed = spec.sync_policy.managed_namespace_metadata if spec.sync_policy else None
    if observed.namespace is not None and (managed is None or _carries(observed.namespace, managed, observed)):
        return None
    meta: Obj = {"name": name}
    if managed and managed.labels:
        meta["labels"] = dict(managed.labels)
    if managed and managed.annotations:
        meta["annotations"] = dict(managed.annotations)
    obj: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    kind = NAMESPACES.on(observed.place.key)
    there = live.get(ref) or (Live(observed.namespace, kind) if observed.namespace is not None else None)
    return Item(ref, Desired(ref, obj, kind), there)


def _carries(namespace: Obj, managed: ManagedNamespace, observed: Observed) -> bool:
    """Whether it has these labels and annotations, and none that we put there before and that are not wanted any more."""
    ours: Obj = dig(our_entry(namespace, observed.settings.manager) or {}, "fieldsV1", "f:metadata", default={})
    for field, wanted, there in (
        ("f:labels", managed.labels, labels_of(namespace)),
        ("f:annotations", managed.annotations, annotations_of(namespace)),
    ):
        stale = {name[2:] for name in ours.get(field) or {} if name.startswith("f:")} - wanted.keys()
        if stale or any(there.get(name) != value for name, value in wanted.items()):
            return False
    return True
