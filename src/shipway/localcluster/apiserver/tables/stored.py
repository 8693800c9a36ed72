"""Volumes, drivers, webhooks, admission policies, classes and device claims."""

from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.tables.admin import access_modes, created_row
from shipway.localcluster.apiserver.tables.columns import Column, Printer, Row, age_of, columns, joined

_UNSET = "<unset>"


def _row(obj: Obj, now: Instant, *cells: Any) -> Row:
    """Name, cells, age."""
    return Row([obj["metadata"]["name"], *cells, age_of(obj, now)])


def _volume(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    claim = spec.get("claimRef") or {}
    phase = status.get("phase", "")
    cells = (
        (spec.get("capacity") or {}).get("storage", ""),
        access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if obj["metadata"].get("deletionTimestamp") else phase,
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or _UNSET,
        status.get("reason", ""),
    )
    row = _row(obj, now, *cells)
    return Row([*row.cells, spec.get("volumeMode") or _UNSET])


def _driver(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    audiences = [request.get("audience", "") for request in spec.get("tokenRequests") or []]
    cells = (
        bool(spec.get("attachRequired")),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        joined(audiences) or _UNSET,
        bool(spec.get("requiresRepublish")),
        joined(spec.get("volumeLifecycleModes") or []) or "<none>",
    )
    return _row(obj, now, *cells)


def _attachment(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    volume = (spec.get("source") or {}).get("persistentVolumeName") or ""
    return _row(obj, now, spec.get("attacher", ""), volume, spec.get("nodeName", ""), bool(status_of(obj).get("attached")))


def _policy(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    parameters = spec.get("paramKind") or {}
    shown = f"{parameters['apiVersion']}/{parameters['kind']}" if parameters else _UNSET
    return _row(obj, now, len(spec.get("validations") or spec.get("mutations") or []), shown)


def _policy_binding(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    reference = spec.get("paramRef") or {}
    shown = "/".join(filter(None, (reference.get("namespace"), reference.get("name")))) or ("*" if reference else _UNSET)
    return _row(obj, now, spec.get("policyName", ""), shown)


def _claim_state(obj: Obj) -> str:
    status = status_of(obj)
    states = ["allocated" if status.get("allocation") else "", "reserved" if status.get("reservedFor") else ""]
    if obj["metadata"].get("deletionTimestamp"):
        states.insert(0, "deleted")
    return joined(filter(None, states)) or "pending"


_ADMISSION, _STORAGE, _DEVICES = "admissionregistration.k8s.io", "storage.k8s.io", "resource.k8s.io"
_HOOKS = Printer(columns("#Webhooks", "Age"), lambda obj, now: _row(obj, now, len(obj.get("webhooks") or [])))

PRINTERS = {
    ("", "PersistentVolume"): Printer(
        columns(
            "Capacity",
            "Access Modes",
            "Reclaim Policy",
            "Status",
            "Claim",
            "StorageClass",
            "VolumeAttributesClass",
            "Reason",
            "Age",
            "VolumeMode*",
        ),
        _volume,
    ),
    ("node.k8s.io", "RuntimeClass"): Printer(
        columns("Handler", "Age"), lambda obj, now: _row(obj, now, obj.get("handler", ""))
    ),
    (_STORAGE, "CSIDriver"): Printer(
        columns(
            "?AttachRequired",
            "?PodInfoOnMount",
            "?StorageCapacity",
            "TokenRequests",
            "?RequiresRepublish",
            "Modes",
            "Age",
        ),
        _driver,
    ),
    (_STORAGE, "CSINode"): Printer(
        columns("#Drivers", "Age"), lambda obj, now: _row(obj, now, len(spec_of(obj).get("drivers") or []))
    ),
    (_STORAGE, "CSIStorageCapacity"): Printer((Column("Created At", "date"),), created_row),
    (_STORAGE, "VolumeAttachment"): Printer(
        (Column("Attacher", format="name"), *columns("PV", "Node", "?Attached", "Age")), _attachment
    ),
    (_STORAGE, "VolumeAttributesClass"): Printer(
        columns("DriverName", "Age"), lambda obj, now: _row(obj, now, obj.get("driverName", ""))
    ),
    (_ADMISSION, "MutatingWebhookConfiguration"): _HOOKS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _HOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): Printer(columns("#Validations", "ParamKind", "Age"), _policy),
    (_ADMISSION, "MutatingAdmissionPolicy"): Printer(columns("#Mutations", "ParamKind", "Age"), _policy),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): Printer(columns("PolicyName", "ParamRef", "Age"), _policy_binding),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): Printer(columns("PolicyName", "ParamRef", "Age"), _policy_binding),
    (_DEVICES, "ResourceClaim"): Printer(columns("State", "Age"), lambda obj, now: _row(obj, now, _claim_state(obj))),
}
