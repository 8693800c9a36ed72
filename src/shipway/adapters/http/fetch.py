"""HTTP calls to metric servers and forges: bounded in time and size, whatever the server does.

A server that hangs, sends 100 MB or something that is not HTTP costs one measurement and says why. Providers are given a
`Fetch` and know nothing of connections.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import orjson

from shipway.api.metrics import HttpAnswer, HttpCall, basic_auth
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.base.tls import trusting

LARGEST = 8 * 2**20
"""Bytes of an answer that are read at most."""
LONGEST = 300.0
"""Seconds that a template may wait for one answer."""


def http_session() -> aiohttp.ClientSession:
    """One that trusts whom we trust, and shares its connections."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting()))


class HttpFetch:
    """A `Fetch` over one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, call: HttpCall) -> HttpAnswer:
        """Raises Unavailable (no answer in time, too large), InvalidInput (no such URL) or Denied (no token)."""
        if any((call.sigv4 or {}).values()):
            raise InvalidInput(f"{call.purpose}: authentication.sigv4 does not work here")
        headers = dict(call.headers)
        if call.oauth2 is not None:
            headers["Authorization"] = f"Bearer {await self._token(call, call.oauth2)}"
        try:
            return await self._exchange(call, headers)
        except aiohttp.InvalidURL as error:
            raise InvalidInput(f"{call.purpose}: its URL is not one: give http://host/path or https://host/path") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"{call.purpose}: {_said(error)}") from error

    async def _exchange(self, call: HttpCall, headers: dict[str, str]) -> HttpAnswer:
        async with self._session.request(
            call.method,
            call.url,
            params=dict(call.query) or None,
            headers=headers,
            data=call.body,
            timeout=aiohttp.ClientTimeout(total=min(call.timeout, LONGEST)),
            ssl=not call.is_insecure,
            allow_redirects=call.follows_redirects,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    raise Unavailable(f"{call.purpose}: the answer is larger than {LARGEST // 2**20} MiB: ask for less")
            said = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status, bytes(body), said)

    async def _token(self, call: HttpCall, login: Mapping[str, Any]) -> str:
        """An access token by the client credentials grant (RFC 6749, 4.4)."""
        missing = [name for name in ("tokenUrl", "clientId", "clientSecret") if not login.get(name)]
        if missing:
            raise InvalidInput(f"{call.purpose}: authentication.oauth2 lacks {', '.join(missing)}")
        identity = (quote_plus(str(login["clientId"])), quote_plus(str(login["clientSecret"])))
        form = {"grant_type": "client_credentials"}
        if login.get("scopes"):
            form["scope"] = " ".join(map(str, login["scopes"]))
        asked = HttpCall(
            purpose=f"{call.purpose}: cannot log in",
            url=str(login["tokenUrl"]),
            method="POST",
            headers={
                "Authorization": basic_auth(*identity),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode(form).encode(),
            timeout=call.timeout,
            is_insecure=call.is_insecure,
        )
        answer = await self(asked)
        try:
            token = orjson.loads(answer.body).get("access_token") if answer.is_good else None
        except (orjson.JSONDecodeError, AttributeError):
            token = None
        if not isinstance(token, str) or not token:
            raise Denied(f"{asked.purpose}: the token endpoint answered {answer.status} without an access token")
        return token


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:  # unknown names have negative numbers
        return os.strerror(error.errno)
    return f"{type(error).__name__}: {error}"
