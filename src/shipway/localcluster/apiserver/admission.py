"""From what a client wrote to what may be stored: the object's form, its defaults, its validity.

Built-in kinds go through the round trip of their Go type, then defaults, then hand-written rules. Custom resources are pruned,
defaulted and validated by their CRD's schema. Unknown fields are errors (Strict), warnings (Warn) or nothing (Ignore).
"""

from collections.abc import Sequence

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver import custom
from shipway.localcluster.apiserver.defaults import fill_builtin_defaults
from shipway.localcluster.apiserver.gotypes import Found, WrongType, normal_form
from shipway.localcluster.apiserver.options import FieldValidation
from shipway.localcluster.apiserver.problems import bad_request, invalid
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.validation import creation_problems, update_problems


def check_type(kind: Kind, body: object) -> Obj:
    """The body as an object of `kind`; missing kind and apiVersion are taken from the URL. Raises Refused(400)."""
    if not isinstance(body, dict):
        raise bad_request(f"the body must be a {kind.kind} object")
    found_version, found_kind = body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind
    if found_kind != kind.kind:
        raise bad_request(f'{found_kind} in version "{kind.version}" cannot be handled as a {kind.kind}')
    if found_version != kind.api_version:
        message = f"the API version in the data ({found_version}) does not match the expected API version ({kind.api_version})"
        raise bad_request(message)
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: metadata must be an object'
        )
    return {"kind": kind.kind, "apiVersion": kind.api_version, **body, "metadata": dict(metadata or {})}


def settle(kind: Kind, obj: Obj) -> Obj:
    """The object in the form in which it would be stored: normal form and defaults, unknown fields gone. Raises
    Refused(400)."""
    return _settle(kind, obj, Found([]))


def _settle(kind: Kind, obj: Obj, found: Found) -> Obj:
    if kind.crd:
        return custom.settle(kind, obj, found)
    try:
        formed = normal_form(obj, kind.api_version, kind.kind, found)
        fill_builtin_defaults(kind, formed)
        return normal_form(formed, kind.api_version, kind.kind)
    except WrongType as error:
        raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}') from None


def admit(kind: Kind, obj: Obj, validation: FieldValidation) -> tuple[Obj, tuple[str, ...]]:
    """What a client sent, settled, and the warnings about it. Raises Refused(400) for unknown fields under Strict."""
    found = Found([])
    settled = _settle(kind, obj, found)
    texts = [f'unknown field "{path}"' for path in found.unknown]
    if texts and validation == "Strict":
        raise bad_request(f"{_strict_prefix(kind)}strict decoding error: {', '.join(texts)}")
    return settled, tuple(texts) if validation == "Warn" else ()


def _strict_prefix(kind: Kind) -> str:
    return "" if kind.crd else f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '


def check_new(kind: Kind, obj: Obj) -> None:
    """Raises Refused(422) when the object may not be created."""
    _refuse(kind, obj, creation_problems(kind, obj))


def check_changed(kind: Kind, live: Obj, obj: Obj, subresource: str) -> None:
    """Raises Refused(422) when `live` may not become `obj`."""
    _refuse(kind, obj, update_problems(kind, live, obj, subresource))


def _refuse(kind: Kind, obj: Obj, problems: Sequence[object]) -> None:
    if problems:
        raise invalid(kind.named(obj["metadata"].get("name") or obj["metadata"].get("generateName") or ""), problems)  # type: ignore[arg-type]
