"""From what a client wrote to what may be stored: the object's form, its defaults, its validity.

Built-in kinds go through the round trip of their Go type, then defaults, then hand-written rules. Custom resources are pruned,
defaulted and validated by their CRD's schema. Unknown fields are errors (Strict), warnings (Warn) or nothing (Ignore).
"""

from collections.abc import Sequence

import orjson

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver import custom
from shipway.localcluster.apiserver.defaults import fill_builtin_defaults
from shipway.localcluster.apiserver.gotypes import Found, WrongType, normal_form
from shipway.localcluster.apiserver.options import WriteOptions
from shipway.localcluster.apiserver.problems import FieldProblem, Named, Refused, bad_request, invalid, invalid_value
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.validation import creation_problems, update_problems


class Unfit(Refused):
    """A body that is not of its kind: wrong types, another kind, or unknown fields under `fieldValidation=Strict`. `texts` says
    what is wrong; where a patch came to it, the answer speaks of the patch."""

    def __init__(self, kind: Kind, found: str, texts: str) -> None:
        super().__init__(400, "BadRequest", f"{_unfit(kind, found)}: {texts}")
        self.texts = texts


def _unfit(kind: Kind, found: str) -> str:
    return f'{found} in version "{kind.version}" cannot be handled as a {kind.kind}'


def check_type(kind: Kind, body: object) -> Obj:
    """The body as an object of `kind`; missing kind and apiVersion are taken from the URL. Raises Refused(400)."""
    if body is None and not kind.crd:
        body = {}
    if not isinstance(body, dict):
        raise bad_request(f"the body must be a {kind.kind} object")
    found_version, found_kind = body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind
    if not all(isinstance(body.get(key), str | None) for key in ("apiVersion", "kind")):
        raise bad_request("couldn't get version/kind; json parse error: kind and apiVersion must be texts")
    if kind.crd:
        _check_custom_type(kind, body)
    if found_kind != kind.kind:
        raise Unfit(kind, found_kind, f"converting (v1.{found_kind}) to (core.{kind.kind}): unknown conversion")
    if found_version != kind.api_version:
        message = f"the API version in the data ({found_version}) does not match the expected API version ({kind.api_version})"
        raise bad_request(message)
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise bad_request(f"{_unfit(kind, kind.kind)}: metadata must be an object")
    return {"kind": kind.kind, "apiVersion": kind.api_version, **body, "metadata": dict(metadata or {})}


def _check_custom_type(kind: Kind, body: Obj) -> None:
    """Custom resources must say what they are."""
    if not body.get("kind"):
        text = orjson.dumps(body).decode()
        why = f"Object 'Kind' is missing in '{text}'"
        raise bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {why} ({text[:26]} ...)")
    if body["kind"] != kind.kind:
        what = Named(kind.group, kind.plural, body["kind"], (body.get("metadata") or {}).get("name") or "")
        raise invalid(what, [invalid_value("kind", body["kind"], f"must be {kind.kind}")])


def settle(kind: Kind, obj: Obj) -> Obj:
    """The object in the form in which it would be stored: normal form and defaults, unknown fields gone. Raises
    Refused(400)."""
    return _settle(kind, obj, Found([]), sent=False)


def reform(kind: Kind, obj: Obj) -> Obj:
    """A settled object in normal form again, after the server added to it."""
    return obj if kind.crd else normal_form(obj, kind.api_version, kind.kind)


def _settle(kind: Kind, obj: Obj, found: Found, *, sent: bool) -> Obj:
    if kind.crd:
        return custom.settle(kind, obj, found, sent=sent)
    try:
        formed = normal_form(obj, kind.api_version, kind.kind, found)
        fill_builtin_defaults(kind, formed)
        return normal_form(formed, kind.api_version, kind.kind, Found([], found.keep_empty))
    except WrongType as error:
        raise Unfit(kind, kind.kind, str(error)) from None


def admit(kind: Kind, obj: Obj, options: WriteOptions) -> tuple[Obj, tuple[str, ...]]:
    """What a client sent, settled, and the warnings about it. Raises Refused(400) for unknown and doubled fields under
    Strict."""
    found = Found([], keep_empty=True)
    settled = _settle(kind, obj, found, sent=True)
    texts = [f'duplicate field "{path}"' for path in options.duplicates]
    texts += [f'unknown field "{path}"' for path in found.unknown]
    if texts and options.validation == "Strict":
        raise Unfit(kind, kind.kind, f"strict decoding error: {', '.join(texts)}")
    return settled, tuple(texts) if options.validation == "Warn" else ()


def check_new(kind: Kind, obj: Obj) -> tuple[str, ...]:
    """Warnings about a new object. Raises Refused(422) when it may not be created."""
    return _checked(kind, obj, None, creation_problems(kind, obj))


def check_changed(kind: Kind, live: Obj, obj: Obj, subresource: str) -> tuple[str, ...]:
    """Warnings about a change. Raises Refused(422) when `live` may not become `obj`."""
    return _checked(kind, obj, live, update_problems(kind, live, obj, subresource))


def _checked(kind: Kind, obj: Obj, live: Obj | None, problems: Sequence[FieldProblem]) -> tuple[str, ...]:
    judged = custom.judge_rules(kind, obj, live, problems)
    _refuse(kind, obj, [*problems, *judged.problems])
    return tuple(judged.warnings)


def _refuse(kind: Kind, obj: Obj, problems: Sequence[FieldProblem]) -> None:
    if problems:
        raise invalid(kind.named(obj["metadata"].get("name") or obj["metadata"].get("generateName") or ""), problems)
