"""The `web` metric: one HTTP request whose JSON answer (or a part of it, by JSONPath) is the measured value.

A status other than 2xx is an error of the measurement, not a failed one: a metric server that is down says nothing about
the release.
"""

from typing import Any

import orjson

from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects import jsonpath
from shipway.kube.objects.resource import Obj

METHODS = ("GET", "POST", "PUT")
DEFAULT_TIMEOUT = 10.0


async def measure(fetch: Fetch, settings: Obj) -> Sample:
    """One measurement. `settings` is the metric's `provider.web`. Raises Unavailable or InvalidInput."""
    method = (settings.get("method") or "GET").upper()
    if method not in METHODS:
        raise InvalidInput(f"web metric: method {method} is not one of {', '.join(METHODS)}")
    if settings.get("body") and settings.get("jsonBody") is not None:
        raise InvalidInput("web metric: use either body or jsonBody; both cannot exist")
    if method == "GET" and (settings.get("body") or settings.get("jsonBody") is not None):
        raise InvalidInput("web metric: body/jsonBody can only be used with POST or PUT")
    url = settings.get("url") or ""
    login: Obj = settings.get("authentication") or {}
    answer = await fetch(
        HttpCall(
            purpose=f"cannot measure by {_without_query(url)}",
            url=url,
            method=method,
            headers=_headers(settings),
            body=_body(settings),
            timeout=_timeout(settings),
            is_insecure=bool(settings.get("insecure")),
            oauth2=login.get("oauth2") or None,
            sigv4=login.get("sigv4") or None,
        )
    )
    if not answer.is_good:
        raise Unavailable(f"received non 2xx response code: {answer.status} from {_without_query(url)}")
    return read_answer(answer.body, settings.get("jsonPath") or "{$}")


def _timeout(settings: Obj) -> float:
    given = settings.get("timeoutSeconds")
    try:
        return float(given or DEFAULT_TIMEOUT)
    except (TypeError, ValueError):
        raise InvalidInput(f"web metric: timeoutSeconds {given!r} is no number of seconds") from None


def read_answer(body: bytes, path: str) -> Sample:
    """The value at `path` of a JSON body; a body that is not JSON is measured as text."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace")
        return Sample(text, text)
    found = [document] if path.strip() in ("{$}", "$", "{}", "") else jsonpath.find(path, document)
    if not found:
        raise InvalidInput(f"web metric: jsonPath {path} finds nothing in the answer", reason="NothingFound")
    return Sample(_as_go(found[0]), _text(found[0]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _as_go(value: Any) -> Any:
    """Numbers of a JSON document are floats, however they are written: so conditions see their types."""
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case list():
            return [_as_go(item) for item in value]
        case dict():
            return {key: _as_go(item) for key, item in value.items()}
        case _:
            return value


def _headers(settings: Obj) -> dict[str, str]:
    headers = {header["key"]: header.get("value") or "" for header in settings.get("headers") or []}
    if settings.get("jsonBody") is not None:
        headers.setdefault("Content-Type", "application/json")
    return headers


def _body(settings: Obj) -> bytes | None:
    if settings.get("jsonBody") is not None:
        return orjson.dumps(settings["jsonBody"])
    return settings["body"].encode() if settings.get("body") else None


def _without_query(url: str) -> str:
    """URLs stand in messages; their queries may hold keys."""
    return url.split("?", 1)[0]
