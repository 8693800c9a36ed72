"""Orphans: what lies in the namespace of an Application and belongs to no Application, with a guess of who made it.

As in Argo CD, what an owner brought forth, what Kubernetes itself puts into every namespace, kinds that the AppProject forbids
or that change all the time, and what `spec.orphanedResources.ignore` of the project names do not count. Some name no owner and
have one: claims of a StatefulSet, tokens of a service account, and what an operator group copies.

    may_be_orphan     of one object, whatever any project says: what the engine keeps an index of (`strays`)
    is_claim_of       of one object beside the StatefulSets of its namespace
    of_project        what of these one project speaks of
    orphans           both at once, over a list, with who made each: what a person is shown
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from shipway.api.application import ApplicationSpec, ProjectSpec
from shipway.api.kinds import STATEFUL_SETS
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob
from shipway.gitops.project import DEFAULT, refusal_of
from shipway.gitops.scope import Scope
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.resource import Obj, Ref, ref_of
from shipway.kube.objects.views import annotations_of, labels_of, metadata

CONDITION = "OrphanedResourceWarning"
CLAIM = ("", "PersistentVolumeClaim")
FIGURE = "orphans"
"""What a pass says of their number to the metrics; no status tells it where the project does not warn."""
HELM_RELEASE = "meta.helm.sh/release-name"
MANAGED_BY = "app.kubernetes.io/managed-by"
MADE_BY_THE_SYSTEM = (("Endpoints", ""), ("EndpointSlice", "discovery.k8s.io"), ("ControllerRevision", "apps"))
MADE_BY_ANNOTATION = {
    ("Secret", ""): ("kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"),
    ("ClusterServiceVersion", "operators.coreos.com"): ("olm.operatorGroup",),
}
"""Annotations that say, all of them together, that somebody else's controller made the object."""
BELONGS_TO_THE_NAMESPACE = (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))


class Orphan(Struct, frozen=True):
    ref: Ref
    obj: Obj
    maker: str
    """Who made it, as far as the object tells."""


def orphans(
    objects: Iterable[Obj], spec: ApplicationSpec, project: ProjectSpec, scope: Scope, instances: Collection[str]
) -> tuple[Orphan, ...]:
    """Those among the objects of one namespace. `instances`: what the Applications that exist are called in tracking ids."""
    found: list[Orphan] = []
    counts = of_project(spec, project)
    by_ref = {ref_of(obj): obj for obj in objects}
    stateful_sets = {ref.name for ref in by_ref if (ref.group, ref.kind) == STATEFUL_SETS.group_kind}
    for ref, obj in by_ref.items():
        if leaves_out_kind(ref.group, ref.kind, scope) or not may_be_orphan(ref, obj) or is_claim_of(ref, stateful_sets):
            continue
        if counts(ref) and not any(one in instances for one in tracked_by(obj)):
            found.append(Orphan(ref, obj, maker_of(obj)))
    return tuple(sorted(found, key=lambda one: (one.ref.kind, one.ref.name)))


def leaves_out_kind(group: str, kind: str, scope: Scope, cluster: str = "") -> bool:
    """Whether no object of a kind ever counts, so that it need not even be watched."""
    return (kind, group) in MADE_BY_THE_SYSTEM or scope.leaves_out(group, kind, cluster)


def may_be_orphan(ref: Ref, obj: Obj) -> bool:
    """Whether an object counts if no Application tracks it. Its metadata says enough."""
    if not ref.namespace or metadata(obj).get("ownerReferences"):
        return False
    if (ref.namespace, ref.group, ref.kind, ref.name) == ("default", "", "Service", "kubernetes"):
        return False
    made_by = MADE_BY_ANNOTATION.get((ref.kind, ref.group))
    if made_by and all(annotations_of(obj).get(key) for key in made_by):
        return False
    return bool(ref.group) or (ref.kind, ref.name) not in BELONGS_TO_THE_NAMESPACE


def is_claim_of(ref: Ref, stateful_sets: Collection[str]) -> bool:
    """Whether it has the name that a StatefulSet among these gives its claims, `<template>-<set>-<ordinal>`."""
    if (ref.group, ref.kind) != CLAIM:
        return False
    stem, _, ordinal = ref.name.rpartition("-")
    tails = (stem[at + 1 :] for at, letter in enumerate(stem) if letter == "-" and at)
    return ordinal.isdigit() and any(tail in stateful_sets for tail in tails)


def of_project(spec: ApplicationSpec, project: ProjectSpec) -> Callable[[Ref], bool]:
    """Whether an orphan is one that the project speaks of, to an application with this spec."""
    ignored = ignored_by(project)

    def counts(ref: Ref) -> bool:
        return not ignored(ref) and not refusal_of(project, spec.project or DEFAULT, ref, True, spec.destination)

    return counts


def maker_of(obj: Obj) -> str:
    """Who made an object: its last Application, its Helm release, who says to manage it, or who wrote its first field."""
    if gone := next(iter(tracked_by(obj)), ""):
        return f"Application {gone}, which is gone"
    if release := annotations_of(obj).get(HELM_RELEASE):
        return f"Helm release {release}"
    manager = labels_of(obj).get(MANAGED_BY, "")
    if manager == "Helm":
        return "Helm"
    entries: list[Mapping[str, str]] = metadata(obj).get("managedFields") or []
    writers = sorted((entry.get("time", ""), entry.get("manager", "")) for entry in entries if not entry.get("subresource"))
    return manager or next((writer for _, writer in writers if writer), "")


def ignored_by(project: ProjectSpec) -> Callable[[Ref], bool]:
    """What the project says not to speak of: `group` always has to fit, `kind` and `name` where they are given. As in Argo CD,
    a rule that is no valid pattern fits nothing."""
    written: Iterable[Mapping[str, str]] = (project.orphaned_resources or {}).get("ignore") or ()
    rules = [rule for one in written if (rule := _compiled(one))]
    return lambda ref: any(rule(ref) for rule in rules)


def _compiled(rule: Mapping[str, str]) -> Callable[[Ref], bool] | None:
    try:
        group = compile_glob(rule.get("group") or "")
        kind, name = (compile_glob(rule.get(part) or "*") for part in ("kind", "name"))
    except InvalidInput:
        return None
    return lambda ref: group(ref.group) and kind(ref.kind) and name(ref.name)


def rule_for(ref: Ref) -> dict[str, str]:
    """The entry of `spec.orphanedResources.ignore` for exactly this object."""
    return {"group": ref.group, "kind": ref.kind, "name": ref.name}
