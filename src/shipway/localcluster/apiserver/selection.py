"""Which objects a list or watch is about: namespace, name, labels and fields.

Field selectors work on the few fields a kind offers; their values are taken out of an object once, when it is stored, so that
filtering never parses JSON.
"""

from collections.abc import Mapping

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import (
    EVERYTHING,
    FieldSelector,
    LabelSelector,
    field_value,
    parse_field_selector,
    parse_label_selector,
)
from shipway.localcluster.apiserver.history import Key, Record
from shipway.localcluster.apiserver.problems import bad_request
from shipway.localcluster.apiserver.registry import Kind

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
SELECTABLE: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("", "pods"): {
        path: path
        for path in (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    },
    ("", "events"): {
        **{f"involvedObject.{field}": f"involvedObject.{field}" for field in _INVOLVED},
        **{f"regarding.{field}": f"involvedObject.{field}" for field in _INVOLVED},
        "reason": "reason",
        "type": "type",
        "source": "source.component",
        "reportingComponent": "reportingComponent",
        "reportingController": "reportingComponent",
    },
    ("", "secrets"): {"type": "type"},
    ("", "services"): {"spec.clusterIP": "spec.clusterIP", "spec.type": "spec.type"},
    ("", "nodes"): {"spec.unschedulable": "spec.unschedulable"},
    ("", "namespaces"): {"status.phase": "status.phase"},
    ("", "replicationcontrollers"): {"status.replicas": "status.replicas"},
    ("apps", "replicasets"): {"status.replicas": "status.replicas"},
    ("batch", "jobs"): {"status.successful": "status.succeeded"},
}
"""Selectable fields of a shelf: label of the selector → path in the object."""

_DEFAULTS = {"spec.hostNetwork": "false", "spec.unschedulable": "false", "status.replicas": "0", "status.succeeded": "0"}


def selectable_fields(shelf: tuple[str, str], obj: Obj, of_crd: tuple[str, ...] = ()) -> dict[str, str]:
    """The values that field selectors compare."""
    if shelf in SELECTABLE:
        return {label: field_value(obj, path) or _DEFAULTS.get(path, "") for label, path in SELECTABLE[shelf].items()}
    return {path: field_value(obj, path) for path in of_crd}


class Selection(Struct, frozen=True):
    """What is asked for. Empty namespace or name: any."""

    namespace: str = ""
    name: str = ""
    labels: LabelSelector = EVERYTHING
    fields: FieldSelector = FieldSelector()

    @property
    def is_filtered(self) -> bool:
        return bool(self.name or self.fields.terms or not self.labels.is_everything)

    def matches_key(self, key: Key) -> bool:
        return self.namespace in ("", key[0]) and self.name in ("", key[1])

    def matches(self, record: Record) -> bool:
        if not self.matches_key(record.key):
            return False
        if not self.labels.is_everything and not self.labels.matches(record.labels):
            return False
        return all((_value(record, term.path) == term.value) == term.equal for term in self.fields.terms)


def _value(record: Record, path: str) -> str:
    if path == "metadata.name":
        return record.key[1]
    if path == "metadata.namespace":
        return record.key[0]
    return record.fields.get(path, "")


def select(kind: Kind, namespace: str, name: str, label_text: str, field_text: str) -> Selection:
    """The selection of a request's path and query. Raises Refused(400) with the parser's words."""
    try:
        labels = parse_label_selector(label_text)
        fields = parse_field_selector(field_text)
    except InvalidInput as error:
        raise bad_request(error.message) from None
    allowed = set(SELECTABLE.get(kind.shelf, ())) | {"metadata.name", "metadata.namespace"}
    if kind.crd:
        allowed |= set(kind.crd.selectable)
    for path in fields.paths:
        if path not in allowed:
            raise bad_request(_unsupported(kind, path))
    pinned = fields.required("metadata.name") or ""
    return Selection(namespace or fields.required("metadata.namespace") or "", name or pinned, labels, fields)


def _unsupported(kind: Kind, path: str) -> str:
    if kind.crd:
        return f"field label not supported: {path}"
    known = SELECTABLE.get(kind.shelf)
    return (
        f"field label not supported: {path}"
        if known
        else f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
