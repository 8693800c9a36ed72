"""The `web` metric: one HTTP request whose JSON answer (or a part of it, by JSONPath) is the measured value.

A status other than 2xx is an error of the measurement, not a failed one: a metric server that is down says nothing about
the release.
"""

import os
from typing import Any

import aiohttp
import orjson

from shipway.api.metrics import Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects import jsonpath
from shipway.kube.objects.resource import Obj

METHODS = ("GET", "POST", "PUT")
DEFAULT_TIMEOUT = 10.0
LARGEST = 8 * 2**20
"""Bytes of an answer that are read at most."""


async def measure(session: aiohttp.ClientSession, settings: Obj) -> Sample:
    """One measurement. `settings` is the metric's `provider.web`. Raises Unavailable or InvalidInput."""
    method = (settings.get("method") or "GET").upper()
    if method not in METHODS:
        raise InvalidInput(f"web metric: method {method} is not one of {', '.join(METHODS)}")
    url = settings.get("url") or ""
    timeout = aiohttp.ClientTimeout(total=float(settings.get("timeoutSeconds") or DEFAULT_TIMEOUT))
    verify = not settings.get("insecure")
    try:
        async with session.request(
            method, url, headers=_headers(settings), data=_body(settings), timeout=timeout, ssl=verify
        ) as response:
            body = await response.content.read(LARGEST)
            if not 200 <= response.status < 300:
                raise Unavailable(f"received non 2xx response code: {response.status} from {_without_query(url)}")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"cannot measure by {_without_query(url)}: {_said(error)}") from error
    return read_answer(body, settings.get("jsonPath") or "{$}")


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and (error.errno or 0) > 0:  # names that cannot be resolved have negative numbers
        return os.strerror(error.errno)
    return f"{type(error).__name__}: {error}"


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
    return Sample(found[0], _text(found[0]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


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
