"""Refusals: every way in which the API server says no, as the Status objects a real one sends.

A handler raises `Refused`; the front of the server (`server.py`) turns it into an HTTP answer. Clients decide by `code` and
`reason`, people read `message`, and tools such as kubectl print `details.causes`, so all three follow the real server
word for word. `FieldProblem` is one entry of a 422 answer, with the wording of apimachinery's `field.Error`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from shipway.base.errors import ShipwayError
from shipway.kube.objects.resource import Obj


class Refused(ShipwayError):
    """A request answered with a Status object of `code` and `reason`; some answers of a real server have no reason."""

    default_reason = ""

    def __init__(
        self, code: int, reason: str, message: str, *, details: Obj | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.code = code
        self.details = details
        self.headers = headers or {}
        self.fresh_token = ""

    def status(self) -> Obj:
        """The `v1.Status` object that is sent; `fresh_token` lets a list go on that can not be consistent any more."""
        status = status_object(self.code, self.reason, self.message, self.details)
        if self.fresh_token:
            status["metadata"]["continue"] = self.fresh_token
        return status


class PlainNotFound(ShipwayError):
    """A path nobody serves: the real server answers `404 page not found` as plain text, and clients rely on the difference."""


class FieldProblem(Struct, frozen=True):
    """One invalid field: `reason` is the cause type (FieldValueInvalid …), `message` what is wrong with it."""

    field: str
    reason: str
    message: str


class Named(Struct, frozen=True):
    """What a refusal is about: group, plural and kind of the resource, and the object's name."""

    group: str
    plural: str
    kind: str
    name: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def details(self, **more: Any) -> Obj:
        fields = {"name": self.name, "group": self.group, "kind": self.plural, **more}
        return {key: value for key, value in fields.items() if value}


def status_object(code: int, reason: str, message: str, details: Obj | None = None) -> Obj:
    """A failed `v1.Status`."""
    status: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    status["code"] = code
    return status


def not_found(what: Named) -> Refused:
    return Refused(404, "NotFound", f'{what.qualified} "{what.name}" not found', details=what.details())


def unknown_resource() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(what: Named) -> Refused:
    return Refused(409, "AlreadyExists", f'{what.qualified} "{what.name}" already exists', details=what.details())


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(what: Named, why: str = MODIFIED) -> Refused:
    message = f'Operation cannot be fulfilled on {what.qualified} "{what.name}": {why}'
    return Refused(409, "Conflict", message, details=what.details())


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def forbidden(what: Named, why: str, causes: Sequence[FieldProblem] = ()) -> Refused:
    message = f'{what.qualified} "{what.name}" is forbidden: {why}'
    more = {"causes": [cause_object(cause) for cause in causes]} if causes else {}
    return Refused(403, "Forbidden", message, details=what.details(**more))


def method_not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={})


def not_acceptable(types: Sequence[str]) -> Refused:
    streams = [f"{media};stream=watch" for media in (types[0], types[-1])]
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join([*types, *streams])}"
    return Refused(406, "NotAcceptable", message, details={})


def unsupported_patch_type() -> Refused:
    """A PATCH whose media type no kind takes."""
    return Refused(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def unsupported_media_type(types: Sequence[str]) -> Refused:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(types)}"
    return Refused(415, "UnsupportedMediaType", message)


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)


def too_large_version(wanted: int, current: int) -> Refused:
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Too large resource version: {wanted}, current: {current}"
    return Refused(504, "Timeout", f"Timeout: {message}", details=details, headers={"retry-after": "1"})


def internal(message: str) -> Refused:
    details = {"causes": [{"message": message}]}
    return Refused(500, "InternalError", f"Internal error occurred: {message}", details=details)


def cause_object(problem: FieldProblem) -> Obj:
    return {"reason": problem.reason, "message": problem.message, "field": problem.field}


def invalid(what: Named, problems: Sequence[FieldProblem]) -> Refused:
    """422 with one cause per problem."""
    texts = list(dict.fromkeys(f"{problem.field}: {problem.message}" for problem in problems))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": what.name, "group": what.group, "kind": what.kind, "causes": [cause_object(p) for p in problems]}
    message = f'{what.qualified_kind} "{what.name}" is invalid: {joined}'
    return Refused(422, "Invalid", message, details={key: value for key, value in details.items() if value})


def go_value(value: Any) -> str:
    """A value as `field.Error` prints it: strings quoted, the rest as JSON."""
    return orjson.dumps(value).decode()


def required(field: str, detail: str = "") -> FieldProblem:
    return FieldProblem(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def invalid_value(field: str, value: Any, detail: str) -> FieldProblem:
    return FieldProblem(field, "FieldValueInvalid", f"Invalid value: {go_value(value)}: {detail}")


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldProblem:
    listed = ", ".join(go_value(choice) for choice in supported)
    return FieldProblem(field, "FieldValueNotSupported", f"Unsupported value: {go_value(value)}: supported values: {listed}")


def forbidden_field(field: str, detail: str) -> FieldProblem:
    return FieldProblem(field, "FieldValueForbidden", f"Forbidden: {detail}")


def duplicate_value(field: str, value: Any) -> FieldProblem:
    return FieldProblem(field, "FieldValueDuplicate", f"Duplicate value: {go_value(value)}")


def too_long(field: str, limit: int) -> FieldProblem:
    return FieldProblem(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")
