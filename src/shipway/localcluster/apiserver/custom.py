"""Custom resources on their way in and out: what the schema of their CRD version makes of them.

In: metadata in normal form, then pruned, without nulls, with defaults. Out: defaults that the schema gained since the object
was written. Validation forgives what was already wrong before a change and stays as it is.
"""

from collections.abc import Sequence

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.structural import fill_defaults, prune, unknown_fields, validate
from shipway.kube.objects.views import dig
from shipway.localcluster.apiserver.gotypes import Found, WrongType, normal_form
from shipway.localcluster.apiserver.problems import FieldProblem, bad_request, invalid_value
from shipway.localcluster.apiserver.registry import CrdVersion, Kind
from shipway.localcluster.apiserver.rules.judge import Verdicts, judge

_BLOCKING = {
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid",
}  # fmt: skip
_NOT_ASKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
)


def _crd(kind: Kind) -> CrdVersion:
    assert kind.crd is not None
    return kind.crd


def settle(kind: Kind, obj: Obj, found: Found, *, sent: bool) -> Obj:
    """`obj` pruned and with defaults; paths that the schema does not know go to `found`. Raises Refused(400).

    `sent`: by a client, so nulls mean absent; what a merge on the server made null is refused by validation.
    """
    try:
        metadata = normal_form({"metadata": obj.get("metadata") or {}}, "v1", "ConfigMap", found)["metadata"]
    except WrongType as error:
        raise bad_request(f"{kind.kind} cannot be handled: {error}") from None
    schema = _crd(kind).schema
    content = {key: value for key, value in obj.items() if key != "metadata"}
    found.unknown += unknown_fields(content, schema)
    settled = fill_defaults(prune(content, schema), schema, keep_nulls=not sent)
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata, **settled}


def problems(kind: Kind, obj: Obj, live: Obj | None = None) -> list[FieldProblem]:
    """What the schema of the CRD version has against `obj`, but for what was the same in `live`."""
    schema = _crd(kind).schema
    forgiven = set(validate(live, schema)) if live else set()
    found = [FieldProblem(p.path, p.type, p.detail) for p in validate(obj, schema) if p not in forgiven]
    return found + _scale_problems(kind, obj)


def judge_rules(kind: Kind, obj: Obj, live: Obj | None, found: Sequence[FieldProblem]) -> Verdicts:
    """What the CEL rules of the CRD version have against `obj`. They are not asked about an object whose form is wrong already
    (`found`)."""
    tree = kind.crd.rules if kind.crd else None
    if tree is None:
        return Verdicts([], [])
    if any(problem.reason in _BLOCKING for problem in found):
        return Verdicts([invalid_value("<nil>", None, _NOT_ASKED)], [])
    return judge(tree, obj, live)


def _scale_problems(kind: Kind, obj: Obj) -> list[FieldProblem]:
    """What the scale subresource has against the replicas, beside the schema."""
    paths = kind.scale
    replicas = dig(obj, *paths.spec, default=0) if paths else 0
    if not isinstance(replicas, int) or replicas >= 0 or paths is None:
        return []
    return [invalid_value("." + ".".join(paths.spec), replicas, "should be a non-negative integer")]


def shown(kind: Kind, obj: Obj) -> Obj:
    """A stored object as it is read."""
    return fill_defaults(obj, _crd(kind).schema) if _crd(kind).defaults_on_read else obj
