"""Where a service of AWS is, and what it says when it refuses."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.measured import body_of
from shipway.api.metrics import HttpAnswer
from shipway.base.errors import InvalidInput

_REGION = re.compile(r"[a-z0-9-]+")
_OVERRIDES = {"monitoring": "AWS_ENDPOINT_URL_CLOUDWATCH", "sts": "AWS_ENDPOINT_URL_STS"}
_OF_LOGIN = re.compile(
    r"AccessDenied|Credential|ExpiredToken|InvalidClientTokenId|NotAuthorized|OptInRequired|Signature|Unrecognized"
)
_OF_HASTE = re.compile(r"Throttl|LimitExceeded|TooManyRequests")


class Service(Struct, frozen=True):
    """`name`: under which requests are signed (`monitoring`); `url`: of its one path."""

    name: str
    region: str
    url: str


def service_of(name: str, environment: Mapping[str, str]) -> Service:
    """By the variables that the SDKs of AWS read: AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL[_…]. Raises InvalidInput."""
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    if not _REGION.fullmatch(region):
        raise InvalidInput("cloudWatch metric: no region: set AWS_REGION where the engine runs, such as eu-west-1")
    suffix = ".cn" if region.startswith("cn-") else ""
    given = environment.get(_OVERRIDES.get(name, "")) or environment.get("AWS_ENDPOINT_URL")
    return Service(name, region, f"{(given or f'https://{name}.{region}.amazonaws.com{suffix}').rstrip('/')}/")


def check(answer: HttpAnswer, server: str) -> None:
    """Raises as `body_of` for a bad answer. AWS says by names, not by the status, what is wrong."""
    kind, message = ("", "") if answer.is_good else _refusal(answer.body)
    told = replace(answer, body=f"{kind}: {message}".encode()) if kind else answer
    body_of(told, server, 403 if _OF_LOGIN.search(kind) else 429 if _OF_HASTE.search(kind) else 0)


def _refusal(raw: bytes) -> tuple[str, str]:
    """(name, message) of an error in JSON (`__type`) or in XML (`Code`)."""
    try:
        found: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = raw.decode(errors="replace")
        return element(text, "Code"), element(text, "Message")
    if not isinstance(found, dict):
        return "", ""
    kind = str(found.get("__type") or found.get("code") or "").rpartition("#")[2]
    return kind, str(found.get("message") or found.get("Message") or "")


def element(text: str, name: str) -> str:
    """The text of the first element of a flat XML answer, "" when there is none."""
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return unescape(found.group(1)).strip() if found else ""
