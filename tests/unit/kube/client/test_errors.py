"""HTTP answers and the errors they mean."""

import orjson
import pytest

from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound, NotServed, ShipwayError, Unavailable
from shipway.kube.client.errors import Expired, FieldConflict, ensure_ok, error_of
from shipway.kube.objects.wire import Response


def answer(
    code: int, reason: str = "", message: str = "no", headers: dict[str, str] | None = None, **details: object
) -> Response:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details}
    return Response(code, headers or {}, orjson.dumps(status))


@pytest.mark.parametrize(
    ("response", "error", "reason"),
    [
        (answer(404, "NotFound"), NotFound, "NotFound"),
        (answer(409, "AlreadyExists"), Conflict, "AlreadyExists"),
        (answer(409, "Conflict"), Conflict, "Conflict"),
        (answer(410, "Expired"), Expired, "Expired"),
        (answer(401, "Unauthorized"), Denied, "Unauthorized"),
        (answer(403, "Forbidden"), Denied, "Forbidden"),
        (answer(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), Denied, "NamespaceTerminating"),
        (answer(400, "BadRequest"), InvalidInput, "BadRequest"),
        (answer(405, "MethodNotAllowed"), InvalidInput, "MethodNotAllowed"),
        (answer(415, "UnsupportedMediaType"), InvalidInput, "UnsupportedMediaType"),
        (answer(422, "Invalid"), InvalidInput, "Invalid"),
        (answer(429, "TooManyRequests", causes=[{"reason": "DisruptionBudget"}]), Unavailable, "DisruptionBudget"),
        (answer(500, "InternalError"), Unavailable, "InternalError"),
        (answer(500, message="failed to create typed patch object (x): .spec.y: field not declared"), InvalidInput, "Invalid"),
        (answer(503, "ServiceUnavailable"), Unavailable, "ServiceUnavailable"),
        (Response(404, {}, b"404 page not found"), NotServed, "NotServed"),
        (answer(404, "NotFound", message="the server could not find the requested resource"), NotServed, "NotServed"),
        (Response(502, {}, b"<html>"), Unavailable, "Unavailable"),
        (Response(500, {}, b"\xff\xfe"), Unavailable, "Unavailable"),
        (Response(500, {}, b"[1]"), Unavailable, "Unavailable"),
    ],
)
def test_every_answer_has_its_error(response: Response, error: type[ShipwayError], reason: str) -> None:
    found = error_of(response, "get pods a/b")
    assert type(found) is error
    assert found.reason == reason
    assert found.message.startswith("get pods a/b: ")


def test_an_apply_conflict_names_the_owners() -> None:
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".spec.replicas"}
    found = error_of(answer(409, "Conflict", causes=[cause]), "apply")
    assert isinstance(found, FieldConflict)
    assert found.causes == (('conflict with "kubectl"', ".spec.replicas"),)


@pytest.mark.parametrize(
    ("response", "after"),
    [
        (answer(429, headers={"retry-after": "7"}), 7.0),
        (answer(503, retryAfterSeconds=3), 3),
        (answer(503, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
        (answer(503), None),
    ],
)
def test_the_server_says_when_to_come_back(response: Response, after: float | None) -> None:
    found = error_of(response, "x")
    assert isinstance(found, Unavailable)
    assert found.after == after


def test_success_is_no_error() -> None:
    ensure_ok(Response(201), "create")
