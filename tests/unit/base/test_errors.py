"""Every error has exactly one answer, and everything that is not ours is a bug."""

import pytest

from shipway.base import errors
from shipway.base.clock import Instant

TABLE = [
    (errors.InvalidInput("m"), "on_change", "Stalled", 422, 2),
    (errors.Denied("m"), "on_change", "Stalled", 403, 3),
    (errors.NotYet("m", until=Instant(7.0)), "at_until", "Reconciling", 409, 4),
    (errors.Conflict("m"), "at_once", "Unchanged", 409, 4),
    (errors.NotFound("m"), "on_change", "Stalled", 404, 4),
    (errors.Unavailable("m", after=3.0), "backoff", "Reconciling", 503, 5),
]


@pytest.mark.parametrize(("error", "retry", "condition", "status", "code"), TABLE)
def test_verdict(error: errors.ShipwayError, retry: str, condition: str, status: int, code: int) -> None:
    found = errors.verdict(error)
    assert (found.retry, found.condition, found.http_status, found.exit_code) == (retry, condition, status, code)
    assert (found.reason, found.message) == (type(error).__name__, "m")


def test_the_table_is_total() -> None:
    ours = {cls for cls in errors.ShipwayError.__subclasses__() if cls.__module__ == errors.__name__}
    assert {type(case[0]) for case in TABLE} == ours


@pytest.mark.parametrize("error", [ValueError("broken"), errors.ShipwayError("bare"), KeyError("name"), TimeoutError()])
def test_anything_else_is_our_bug(error: Exception) -> None:
    found = errors.verdict(error)
    assert (found.reason, found.condition) == ("InternalError", "InternalError")
    assert (found.retry, found.http_status, found.exit_code) == ("backoff", 500, 70)
    assert type(error).__name__ in found.message


def test_a_subclass_answers_as_its_class_with_its_own_reason() -> None:
    class Expired(errors.Conflict):
        default_reason = "Expired"

    assert (errors.verdict(Expired("m")).reason, errors.verdict(Expired("m")).exit_code) == ("Expired", 4)
    assert errors.verdict(errors.Conflict("m", reason="AlreadyExists")).reason == "AlreadyExists"
    assert (errors.verdict(errors.NotServed("m")).retry, errors.verdict(errors.NotServed("m")).exit_code) == ("backoff", 4)
    assert str(errors.Conflict("what, where, what to do")) == "what, where, what to do"
