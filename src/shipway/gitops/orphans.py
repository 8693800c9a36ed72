"""Orphans: what lies in the namespace of an Application and belongs to no Application, with a guess of who made it.

As in Argo CD, what an owner brought forth, what Kubernetes itself puts into every namespace, kinds that the AppProject forbids
or that change all the time, and what `spec.orphanedResources.ignore` of the project names do not count.
"""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from shipway.api.application import ApplicationSpec, ProjectSpec
from shipway.base.globs import compile_glob
from shipway.gitops.project import DEFAULT, refusal_of
from shipway.gitops.scope import Scope
from shipway.gitops.tracking import tracked_by
from shipway.kube.objects.resource import Obj, Ref, ref_of
from shipway.kube.objects.views import annotations_of, labels_of, metadata

HELM_RELEASE = "meta.helm.sh/release-name"
MANAGED_BY = "app.kubernetes.io/managed-by"
MADE_BY_THE_SYSTEM = (("Endpoints", ""), ("EndpointSlice", "discovery.k8s.io"), ("ControllerRevision", "apps"))
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
    for obj in objects:
        ref, trackers = ref_of(obj), tuple(tracked_by(obj))
        if metadata(obj).get("ownerReferences") or not ref.namespace or any(one in instances for one in trackers):
            continue
        if _is_left_out(ref, scope) or is_ignored(ref, project):
            continue
        if not refusal_of(project, spec.project or DEFAULT, ref, True, spec.destination):
            found.append(Orphan(ref, obj, maker_of(obj)))
    return tuple(sorted(found, key=lambda one: (one.ref.kind, one.ref.name)))


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


def is_ignored(ref: Ref, project: ProjectSpec) -> bool:
    """Whether the project says not to speak of it: `group` always has to fit, `kind` and `name` where they are given."""
    rules: Iterable[Mapping[str, str]] = (project.orphaned_resources or {}).get("ignore") or ()
    return any(
        _fits(rule.get("group", ""), ref.group)
        and (not rule.get("kind") or _fits(rule["kind"], ref.kind))
        and (not rule.get("name") or _fits(rule["name"], ref.name))
        for rule in rules
    )


def rule_for(ref: Ref) -> dict[str, str]:
    """The entry of `spec.orphanedResources.ignore` for exactly this object."""
    return {"group": ref.group, "kind": ref.kind, "name": ref.name}


def _is_left_out(ref: Ref, scope: Scope) -> bool:
    if (ref.kind, ref.group) in MADE_BY_THE_SYSTEM or scope.leaves_out(ref.group, ref.kind):
        return True
    if (ref.namespace, ref.group, ref.kind, ref.name) == ("default", "", "Service", "kubernetes"):
        return True
    return not ref.group and (ref.kind, ref.name) in BELONGS_TO_THE_NAMESPACE


def _fits(pattern: str, text: str) -> bool:
    return compile_glob(pattern)(text)
