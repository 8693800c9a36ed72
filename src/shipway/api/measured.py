"""What the answers of all metric servers have in common.

Refusals are sentences that name the server, the status and its first words. Values stand in a measurement as Go writes
them, because that is what users of Argo Rollouts have seen and compare with.
"""

import math
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from msgspec.structs import replace

from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, ShipwayError, Unavailable

EXACT = 2.0**53
"""Whole floats below are whole numbers to JSON too."""
REDACTED = "*****"
SHORT = 8
"""Characters below which a secret may well be part of a good answer's own words."""
LONGEST_TEXT = 4096
"""Characters of a value or message that are kept in a status."""
MOST_WORDS = 500
"""Characters of a server's own words that a message repeats."""


def body_of(answer: HttpAnswer, server: str, meaning: int = 0) -> bytes:
    """The body of a good answer of `server` ("Graphite at http://…"). Raises Denied, InvalidInput or Unavailable.

    `meaning`: the status that says what a server means which answers everything with the same one.
    """
    status = answer.status
    words = answer.beginning.strip()
    told = f"({status}): {words}" if words else f"({status})"
    if answer.is_good:
        return answer.body
    if (meaning or status) in (401, 403):
        raise Denied(f"{server} refuses the login {told}")
    if (meaning or status) == 429:
        raise Unavailable(f"{server} is asked too often {told}; lengthen the interval of the metric")
    if 300 <= status < 400:
        raise InvalidInput(
            f"{server} answered {status}, a redirect, which is not followed, for it would take the login along: "
            "give the address it leads to"
        )
    if 400 <= status < 500:
        raise InvalidInput(f"{server} refuses the query {told}", reason="BadQuery")
    raise Unavailable(f"{server} could not answer {told}")


def document(answer: HttpAnswer, server: str) -> Any:
    """The JSON of a good answer. Raises as `body_of`, and Unavailable for what is not JSON."""
    try:
        return orjson.loads(body_of(answer, server))
    except orjson.JSONDecodeError:
        raise Unavailable(f"{server} answered {answer.status} with something that is not JSON: is the address right?") from None


def graphql_data(answer: Any, server: str) -> Any:
    """The `data` of a GraphQL answer, None if it has none. Raises InvalidInput with the server's own errors, or TypeError."""
    if not isinstance(answer, dict):
        raise TypeError(answer)
    found = cast("dict[str, Any]", answer)
    if errors := found.get("errors"):
        raise InvalidInput(f"{server} refuses the query: {'; '.join(_graphql_errors(errors))[:MOST_WORDS]}", reason="BadQuery")
    data = found.get("data")
    if data is not None and not isinstance(data, dict):
        raise TypeError(data)
    return cast("Any", data)


def _graphql_errors(errors: Any) -> list[str]:
    given = cast("list[Any]", errors) if isinstance(errors, list) else [errors]
    return [str(cast("dict[str, Any]", one).get("message") if isinstance(one, dict) else one) for one in given]


def wrong_shape(server: str) -> Unavailable:
    """The error for JSON that the server's API does not allow."""
    return Unavailable(f"{server} answered with what its API does not allow: is the address right?")


def shown_address(address: str) -> str:
    """An address as messages may show it: without user, password and query."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an address that is no URL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def address_of(settings: Mapping[str, Any], kind: str) -> str:
    """The address of a metric's server, without a slash at its end. Raises InvalidInput for one that is missing or no URL."""
    address: str = settings.get("address") or ""
    if not address:
        raise InvalidInput(f"{kind} metric: no address; set provider.{kind}.address")
    if "://" not in address:
        raise InvalidInput(f"{kind} metric: the address {shown_address(address)} is no URL: give http://host:port")
    return address.rstrip("/")


def go_float(value: float) -> str:
    """As Go's `%v`: the fewest digits that mean the number, an exponent below 1e-4 and from 1e21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exact = Decimal(repr(value))
    if not value or -4 <= exact.adjusted() < 21:
        return f"{exact:f}".removesuffix(".0")
    digits, _, exponent = f"{exact.normalize():e}".partition("e")
    return f"{digits}e{exponent[0]}{exponent[1:].zfill(2)}"


def go_fixed(value: float, digits: int) -> str:
    """With so many digits after the point, as these providers print it."""
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value).replace("nan", "NaN").replace("inf", "Inf")


def as_go(value: Any) -> Any:
    """Numbers of a JSON document are floats, however they are written: so conditions see their types."""
    if isinstance(value, list):
        return [as_go(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: as_go(item) for key, item in cast("dict[str, Any]", value).items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def go_json(value: Any) -> str:
    """JSON as Go writes a map: keys in order, whole numbers without a point."""
    return orjson.dumps(_whole(value), option=orjson.OPT_SORT_KEYS).decode()


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in cast("dict[str, Any]", value).items()}
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


def shortened(text: str) -> str:
    """What fits into a status that holds many measurements: whoever is asked says how long a text is."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT} characters more)"


@contextmanager
def blot_out(*secrets: str) -> Generator[None]:
    """What fails within does not name a secret: servers repeat in a refusal what they were sent."""
    try:
        yield
    except ShipwayError as error:
        error.message = without(error.message, secrets)
        error.args = (error.message,)
        raise error from None  # what caused it may hold the request as it was sent


def sealed(fetch: Fetch, *secrets: str) -> Fetch:
    """The fetch, of which neither failures nor answers name a secret, nor half of one where a message cuts an answer off."""

    async def hushed(call: HttpCall) -> HttpAnswer:
        with blot_out(*secrets):
            answer = await fetch(call)
        body = answer.body
        told = [secret for secret in secrets if len(secret) >= (SHORT if answer.is_good else 1)]
        for secret in sorted(told, key=len, reverse=True):
            body = body.replace(secret.encode(), REDACTED.encode())
        return replace(answer, body=body)

    return hushed


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret blotted out, the longest first: one may hold another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text
