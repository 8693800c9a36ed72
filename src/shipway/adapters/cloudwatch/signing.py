"""AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"): pure, for requests with a whole body."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

from shipway.adapters.cloudwatch.service import Service
from shipway.base.clock import Instant

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Struct, frozen=True):
    """`token`: of a session; `until`: when they expire, None for never."""

    key_id: str
    secret: str
    token: str = ""
    until: Instant | None = None


def signed(
    service: Service, method: str, headers: Mapping[str, str], body: bytes, credentials: Credentials, now: Instant
) -> dict[str, str]:
    """The headers of a request to `service.url`, with those that sign it. The host is signed and not among them."""
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    sent = {**headers, "X-Amz-Date": stamp}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    parts = urlsplit(service.url)
    lines = {name.lower(): re.sub(r" +", " ", value.strip()) for name, value in sent.items()} | {"host": parts.netloc}
    names = ";".join(sorted(lines))
    canonical = [
        method,
        quote(parts.path or "/", safe="/~"),
        _query(parts.query),
        *(f"{name}:{lines[name]}" for name in sorted(lines)),
        "",
        names,
        hashlib.sha256(body).hexdigest(),
    ]
    scope = f"{stamp[:8]}/{service.region}/{service.name}/aws4_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    signature = _hmac(_key(credentials, scope), f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}").hex()
    credential = f"{credentials.key_id}/{scope}"
    return {**sent, "Authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"}


def _query(query: str) -> str:
    pairs = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in parse_qsl(query, keep_blank_values=True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _key(credentials: Credentials, scope: str) -> bytes:
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
