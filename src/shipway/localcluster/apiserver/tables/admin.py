"""Nodes, namespaces, configuration, events, claims, access and the rest."""

from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.faces import NEW_TO_CORE
from shipway.localcluster.apiserver.tables.columns import (
    NAME,
    NONE,
    UNKNOWN,
    Column,
    Printer,
    Row,
    age,
    age_of,
    columns,
    joined,
    or_none,
)

RBAC = "rbac.authorization.k8s.io"
_ROLE = "node-role.kubernetes.io/"


def _node(obj: Obj, now: Instant) -> Row:
    status = status_of(obj)
    info = status.get("nodeInfo") or {}
    addresses = {entry.get("type"): entry.get("address") for entry in status.get("addresses") or []}
    cells = [
        obj["metadata"]["name"],
        _node_status(obj),
        _roles(obj),
        age_of(obj, now),
        info.get("kubeletVersion", ""),
        or_none(addresses.get("InternalIP") or ""),
        or_none(addresses.get("ExternalIP") or ""),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]
    return Row(cells)


def _node_status(obj: Obj) -> str:
    ready = next((c for c in status_of(obj).get("conditions") or [] if c.get("type") == "Ready"), None)
    words = ["Unknown"] if ready is None else ["Ready" if ready.get("status") == "True" else "NotReady"]
    if spec_of(obj).get("unschedulable"):
        words.append("SchedulingDisabled")
    return joined(words)


def _roles(obj: Obj) -> str:
    labels = obj["metadata"].get("labels") or {}
    roles = [key[len(_ROLE) :] for key in labels if key.startswith(_ROLE)]
    if labels.get("kubernetes.io/role"):
        roles.append(labels["kubernetes.io/role"])
    return or_none(joined(sorted(filter(None, roles))))


def _namespace(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], status_of(obj).get("phase", ""), age_of(obj, now)])


def _config_map(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), age_of(obj, now)])


def _secret(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or {}), age_of(obj, now)])


def _event(obj: Obj, now: Instant) -> Row:
    involved, source, series = obj.get("involvedObject") or {}, obj.get("source") or {}, obj.get("series") or {}
    first = age(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = age(
        series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("firstTimestamp") or obj.get("eventTime"), now
    )
    origin = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    cells = [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        joined(filter(None, (origin, host))) if origin else "",
        (obj.get("message") or obj.get("note") or "").strip(),
        first,
        series.get("count") or obj.get("count") or 1,
        obj["metadata"]["name"],
    ]
    return Row(cells)


def _event_face(obj: Obj, now: Instant) -> Row:
    """An `events.k8s.io` Event prints as the core one that it is."""
    return _event({**obj, **{core: obj[new] for new, core in NEW_TO_CORE.items() if new in obj}}, now)


def _claim(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    bound = bool(spec.get("volumeName"))
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    cells = [
        obj["metadata"]["name"],
        phase,
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        access_modes(status.get("accessModes")) if bound else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        age_of(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]
    return Row(cells)


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: list[str] | None) -> str:
    """As kubectl abbreviates them."""
    return joined(_MODES.get(mode, mode) for mode in modes or [])


def created_row(obj: Obj, now: Instant) -> Row:
    """Name and the time itself, for kinds that kubectl shows no age of."""
    return Row([obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", UNKNOWN)])


def _lease(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], spec_of(obj).get("holderIdentity") or "", age_of(obj, now)])


def _binding(obj: Obj, now: Instant) -> Row:
    role, subjects = obj.get("roleRef") or {}, obj.get("subjects") or []
    named: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in subjects:
        name = subject.get("name", "")
        shown = f"{subject.get('namespace', '')}/{name}" if subject.get("kind") == "ServiceAccount" else name
        named.setdefault(subject.get("kind", ""), []).append(shown)
    cells: list[Any] = [obj["metadata"]["name"], f"{role.get('kind', '')}/{role.get('name', '')}", age_of(obj, now)]
    return Row([*cells, *(", ".join(named[kind]) for kind in ("User", "Group", "ServiceAccount"))])


def _storage_class(obj: Obj, now: Instant) -> Row:
    name = obj["metadata"]["name"]
    if (obj["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true":
        name += " (default)"
    cells = [
        name,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", ""),
        obj.get("volumeBindingMode", ""),
        bool(obj.get("allowVolumeExpansion")),
        age_of(obj, now),
    ]
    return Row(cells)


def _quota(obj: Obj, now: Instant) -> Row:
    status = status_of(obj)
    hard, used = status.get("hard") or {}, status.get("used") or {}
    pairs = [(name, f"{name}: {used.get(name, 0)}/{amount}") for name, amount in sorted(hard.items())]
    requests = ", ".join(text for name, text in pairs if not name.startswith("limits"))
    limits = ", ".join(text for name, text in pairs if name.startswith("limits"))
    return Row([obj["metadata"]["name"], requests, limits, age_of(obj, now)])


def _revision(obj: Obj, now: Instant) -> Row:
    owner = next((r for r in obj["metadata"].get("ownerReferences") or [] if r.get("controller")), None)
    kind = f"{owner['kind'].lower()}.{owner['apiVersion'].partition('/')[0]}/{owner['name']}" if owner else NONE
    return Row([obj["metadata"]["name"], kind, obj.get("revision", 0), age_of(obj, now)])


def _priority_class(obj: Obj, now: Instant) -> Row:
    cells = [obj["metadata"]["name"], obj.get("value", 0), bool(obj.get("globalDefault")), age_of(obj, now)]
    return Row([*cells, obj.get("preemptionPolicy", "")])


_CREATED = (Column("Created At", "date"),)
_EVENT = columns("Last Seen", "Type", "Reason", "Object", "Subobject*", "Source*", "Message", "First Seen*", "Count*")
_EVENT_NAME = Column("Name", wide=True, format="name", description=NAME.description)
_BINDINGS = columns("Role", "Age", "Users*", "Groups*", "ServiceAccounts*")

PRINTERS = {
    ("", "Node"): Printer(
        columns(
            "Status",
            "Roles",
            "Age",
            "Version",
            "Internal-IP*",
            "External-IP*",
            "OS-Image*",
            "Kernel-Version*",
            "Container-Runtime*",
        ),
        _node,
    ),
    ("", "Namespace"): Printer(columns("Status", "Age"), _namespace),
    ("", "ConfigMap"): Printer(columns("Data", "Age"), _config_map),
    ("", "Secret"): Printer(columns("Type", "Data", "Age"), _secret),
    ("", "Event"): Printer((*_EVENT, _EVENT_NAME), _event, named=False),
    ("events.k8s.io", "Event"): Printer((*_EVENT, _EVENT_NAME), _event_face, named=False),
    ("", "LimitRange"): Printer(_CREATED, created_row),
    ("", "PersistentVolumeClaim"): Printer(
        columns("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age", "VolumeMode*"),
        _claim,
    ),
    ("", "ResourceQuota"): Printer(columns("Request", "Limit", "Age"), _quota),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Printer(_CREATED, created_row),
    ("coordination.k8s.io", "Lease"): Printer(columns("Holder", "Age"), _lease),
    (RBAC, "Role"): Printer(_CREATED, created_row),
    (RBAC, "ClusterRole"): Printer(_CREATED, created_row),
    (RBAC, "RoleBinding"): Printer(_BINDINGS, _binding),
    (RBAC, "ClusterRoleBinding"): Printer(_BINDINGS, _binding),
    ("storage.k8s.io", "StorageClass"): Printer(
        columns("Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"), _storage_class
    ),
    ("apps", "ControllerRevision"): Printer(columns("Controller", "Revision", "Age"), _revision),
    ("scheduling.k8s.io", "PriorityClass"): Printer(
        columns("#Value", "?Global-Default", "Age", "PreemptionPolicy"), _priority_class
    ),
}
