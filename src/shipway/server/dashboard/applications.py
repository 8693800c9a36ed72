"""What the dashboard answers of an Application: a row of the list, and all that its own page shows. Pure.

Nothing here judges: states, messages and history are what the GitOps engine (or Argo CD) wrote, the sentence is that of `app
why`. Left out is what may hold secrets: annotations, and the parameters and values of sources. Logins in URLs are hidden.
"""

from collections.abc import Iterable

from shipway.adapters.git.urls import redact
from shipway.api.application import cluster_shown, control_namespace_of
from shipway.api.kinds import APP_PROJECTS
from shipway.base.clock import Instant
from shipway.gitops.annotations import HOLD
from shipway.gitops.pinned import path_of, revision_of, spec_sources, target_of
from shipway.gitops.project import requires_reason
from shipway.gitops.tracking import instance_key, tracked_by
from shipway.gitops.tree import Tree, told_of
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    container_names,
    controller_of,
    dig,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.server.dashboard.choices import Choice
from shipway.server.dashboard.measured import Shape


class Parent(Shape, frozen=True):
    """Who made it: an Application that holds it, or the ApplicationSet that generated it."""

    kind: str
    name: str


class ApplicationRow(Shape, frozen=True):
    """One Application of the list. `sources`: what is read, where and at which target; `why`: its sentence."""

    name: str
    namespace: str
    project: str
    cluster: str
    target: str
    parent: Parent | None
    sync: str
    health: str
    phase: str
    revision: str
    sources: list[str]
    images: list[str]
    is_held: bool
    deployed_at: str
    labels: dict[str, str]
    why: str


class Around(Shape, frozen=True):
    """What may be known around an Application: what `why` reads of, its resource tree (None where that may not be read), and
    the pods in that."""

    children: tuple[Obj, ...] = ()
    tree: Tree | None = None
    pods: tuple[Obj, ...] = ()


NOTHING = Around()


class ResourceRow(Shape, frozen=True):
    """An object of it; `depth`: below how many it stands, 0 for what it manages itself. `containers` of a pod: those whose
    logs can be asked for."""

    depth: int
    group: str
    kind: str
    namespace: str
    name: str
    sync: str
    health: str
    message: str
    containers: tuple[str, ...] = ()


class DeploymentRow(Shape, frozen=True):
    """An entry of its history; `by` is "" for automated sync."""

    id: int
    deployed_at: str
    revision: str
    by: str


class ConditionRow(Shape, frozen=True):
    type: str
    message: str


class ApplicationInfo(Shape, frozen=True):
    """Its own page: resources as a tree, or those in trouble first; deployments newest first."""

    row: ApplicationRow
    message: str
    conditions: list[ConditionRow]
    resources: list[ResourceRow]
    history: list[DeploymentRow]
    choices: list[Choice]


def row_of(app: Obj, now: Instant, children: Iterable[Obj] = ()) -> ApplicationRow:
    """`children`: what is known around it, as for `why`; more makes the sentence longer."""
    status = status_of(app)
    destination = dig(app, "spec", "destination", default={})
    history = status.get("history") or []
    return ApplicationRow(
        name=name_of(app),
        namespace=namespace_of(app),
        project=dig(app, "spec", "project", default="default"),
        cluster=cluster_shown(destination),
        target=destination.get("namespace") or "",
        parent=_parent(app),
        sync=dig(status, "sync", "status", default="Unknown"),
        health=dig(status, "health", "status", default="Unknown"),
        phase=dig(status, "operationState", "phase", default=""),
        revision=revision_of(dig(status, "sync", default={})),
        sources=[_source(one) for one in spec_sources(app)[0]],
        images=list(dig(status, "summary", "images", default=[])),
        is_held=HOLD in annotations_of(app),
        deployed_at=(history[-1].get("deployedAt") or "") if history else "",
        labels=labels_of(app),
        why=why(app, children, now),
    )


def info_of(app: Obj, now: Instant, around: Around = NOTHING) -> ApplicationInfo:
    """All that the page of one Application shows."""
    status = status_of(app)
    return ApplicationInfo(
        row=row_of(app, now, around.children),
        message=dig(status, "operationState", "message", default=""),
        conditions=[ConditionRow(one.get("type") or "", one.get("message") or "") for one in status.get("conditions") or []],
        resources=_in_tree(around.tree, around.pods) if around.tree is not None else _in_status(app),
        history=[_deployment(one) for one in reversed(status.get("history") or [])],
        choices=choices(app, needs_reason=any(requires_reason(one) for one in around.children if _is_project(one))),
    )


def _is_project(obj: Obj) -> bool:
    return obj.get("kind") == APP_PROJECTS.kind


def choices(app: Obj, *, needs_reason: bool = False) -> list[Choice]:
    """What a person can do to it now, and what each would bring about; one way back for each earlier deployment, newest
    first."""
    reason = "required" if needs_reason else "optional"
    name, is_busy = name_of(app), bool(app.get("operation"))
    history = status_of(app).get("history") or []
    is_held, is_free = HOLD in annotations_of(app), not is_busy and not is_deleting(app)
    target = ", ".join(map(target_of, spec_sources(app)[0]))

    def choice(verb: str, label: str, is_possible: bool, says: str) -> Choice:
        return Choice(verb, label, is_possible, says, verb, reason="" if verb == "refresh" else reason)

    return [
        choice("sync", "Sync", is_free, f"{name} is made what Git says at {target}. Objects that Git no longer has stay."),
        choice("refresh", "Refresh", not is_deleting(app), f"{name} is compared with the newest commit of {target}."),
        choice("terminate", "Terminate", is_busy, f"The operation of {name} ends; what it applied stays."),
        choice("resume", "Resume", is_held, f"The hold of {name} is lifted: what Git says counts again."),
        *(_way_back(name, entry, reason, is_possible=is_free) for entry in reversed(history[:-1])),
    ]


def _way_back(name: str, entry: Obj, reason: str, *, is_possible: bool) -> Choice:
    number, when = entry.get("id", 0), entry.get("deployedAt") or "an unknown time"
    says = (
        f"{name} goes back to deployment {number} ({revision_of(entry)}, of {when}) and stays there for a day, also with "
        "automated sync; Resume ends that earlier. What Git says stays as it is."
    )
    return Choice(f"rollback-{number}", f"Back to {number}", is_possible, says, f"rollback/{number}", reason=reason)


def _parent(app: Obj) -> Parent | None:
    owner = controller_of(app) or {}
    if owner.get("kind") == "ApplicationSet":
        return Parent("ApplicationSet", owner.get("name") or "")
    instance = next(iter(tracked_by(app)), "")
    key = instance_key(instance, control_namespace_of(app)) if instance else None
    return Parent("Application", key.name) if key and key.name != name_of(app) else None


def _source(source: Obj) -> str:
    return f"{redact(source.get('repoURL') or '')} {path_of(source)} at {target_of(source)}"


def _in_tree(tree: Tree, pods: Iterable[Obj]) -> list[ResourceRow]:
    containers = {uid_of(pod): tuple(container_names(spec_of(pod))) for pod in pods}
    depths: dict[str, int] = {}
    rows: list[ResourceRow] = []
    for node in tree.nodes:  # parents come before their children
        depth = depths[node.uid] = depths.get(node.above, -1) + 1
        health = node.health.status if node.health else ""
        ref, message = node.ref, told_of(node)
        inside = containers.get(node.uid, ())
        rows.append(ResourceRow(depth, ref.group, ref.kind, ref.namespace, ref.name, node.sync, health, message, inside))
    return rows


def _in_status(app: Obj) -> list[ResourceRow]:
    rows = [_resource(one) for one in status_of(app).get("resources") or []]
    return sorted(rows, key=_trouble_first)


def _resource(row: Obj) -> ResourceRow:
    return ResourceRow(
        depth=0,
        group=row.get("group") or "",
        kind=row.get("kind") or "",
        namespace=row.get("namespace") or "",
        name=row.get("name") or "",
        sync=row.get("status") or "",
        health=dig(row, "health", "status", default=""),
        message=dig(row, "health", "message", default="") or ("to be pruned" if row.get("requiresPruning") else ""),
    )


def _trouble_first(row: ResourceRow) -> tuple[bool, bool, str, str, str]:
    return (row.health in ("", "Healthy"), row.sync != "OutOfSync", row.kind, row.namespace, row.name)


def _deployment(entry: Obj) -> DeploymentRow:
    by = dig(entry, "initiatedBy", "username", default="")
    return DeploymentRow(entry.get("id", 0), entry.get("deployedAt") or "", revision_of(entry), by)
