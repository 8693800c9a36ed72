"""GET from a chart repository or a registry: bounded in size and time, with the login that Secrets give for the URL.

A login never leaves the host it was configured for: aiohttp drops it where a redirect leads elsewhere.
"""

import asyncio
import os
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Mapping

import aiohttp
from msgspec import Struct

from shipway.api.repositories import Credentials
from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.tls import trusting

_SECONDS = aiohttp.ClientTimeout(total=60, connect=10, sock_read=20)


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Remote:
    """GET over one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, url: str, login: Credentials, *, largest: int, headers: Mapping[str, str] | None = None) -> Answer:
        """Any answer. Raises `Unavailable` (no answer in time), `InvalidInput` (SourceTooLarge, no such URL)."""
        sent = {"Accept-Encoding": "identity", **_authorization(login), **(headers or {})}
        try:
            context = await asyncio.to_thread(_tls, login) if url.startswith("https:") else True
            async with self._session.get(
                url, headers=sent, ssl=context, timeout=_SECONDS, proxy=login.proxy or None, max_redirects=5
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > largest:
                        raise InvalidInput(
                            f"{url}: larger than {largest >> 20} MiB: use a smaller repository", reason="SourceTooLarge"
                        )
                return Answer(response.status, response.headers, bytes(body))
        except aiohttp.InvalidURL:
            raise InvalidInput(f"{url}: not a URL: correct spec.source.repoURL", reason="InvalidRepository") from None
        except TimeoutError:
            raise Unavailable(f"{url} did not answer in time", reason="ChartTimeout") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{url}: {_said(error, login)}", reason="ChartFailed") from None


def _authorization(login: Credentials) -> dict[str, str]:
    if login.bearer_token:
        return {"Authorization": f"Bearer {login.bearer_token}"}
    if not (login.username or login.password):
        return {}
    return {"Authorization": f"Basic {b64encode(f'{login.username}:{login.password}'.encode()).decode()}"}


def _tls(login: Credentials) -> ssl.SSLContext:
    context = trusting(insecure=login.insecure)
    if login.ca_bundle:
        context.load_verify_locations(cadata=login.ca_bundle)
    if login.client_cert:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # ssl reads a key from a file only; it is 0600
            pair.write(f"{login.client_cert}\n{login.client_key}\n")
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _said(error: Exception, login: Credentials) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    text = str(error) or type(error).__name__
    for secret in login.secrets:
        text = text.replace(secret, "***")
    return text
