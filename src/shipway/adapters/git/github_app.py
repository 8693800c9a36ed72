"""Logging in as a GitHub App: we sign who we are, GitHub lends a token for an hour. Git uses it as a password, and whoever asks
its API sends it along.

GitHub's REST API: `POST /app/installations/{id}/access_tokens` with a JSON Web Token (RS256) that the App's private key signed.
GitHub Enterprise has the same below its own base URL. A token is asked for once and used until shortly before its end.
"""

import asyncio
from base64 import urlsafe_b64encode
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.repositories import Credentials, GitHubApp
from shipway.base.clock import Clock, Instant, parse_rfc3339
from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.tls import trusting

USERNAME = "x-access-token"
_API = "https://api.github.com"
_SIGNED_SECONDS = 540
"""GitHub takes ten minutes at most, by its own clock; ours may be a little ahead."""
_SPARE_SECONDS = 300.0
_FAILED_SECONDS = 5.0
_LARGEST = 4 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


class _Lent(Struct, frozen=True):
    """A token, or why there is none, until when it counts."""

    until: Instant
    token: str = ""
    error: Unavailable | None = None


class InstallationTokens:
    """Tokens by App and installation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lent: dict[tuple[GitHubApp, str], _Lent] = {}
        self._lock = asyncio.Lock()

    async def login(self, credentials: Credentials, address: str) -> Credentials:
        """With the App's token as password; any other login as it is. `address`: the repository's, whose owner the App is
        installed for. Raises `InvalidInput` (InvalidLogin) for a key that is none, `Unavailable` (LoginRefused) with advice.
        """
        app = credentials.github_app
        if app is None:
            return credentials
        token = await self.token(credentials, app, _owner_of(address))
        return replace(credentials, username=USERNAME, password=token, github_app=None)

    async def token(self, credentials: Credentials, app: GitHubApp, owner: str) -> str:
        """What the App's installation for an owner lends. `credentials`: by which way to GitHub. Raises as `login`."""
        async with self._lock:
            key = (app, "" if app.installation_id else owner)
            lent = self._lent.get(key)
            if lent is None or lent.until <= self._clock.now():
                lent = self._lent[key] = await self._ask(credentials, app, key[1])
        if lent.error is not None:
            raise Unavailable(lent.error.message, after=lent.error.after, reason=lent.error.reason)
        return lent.token

    async def _ask(self, credentials: Credentials, app: GitHubApp, owner: str) -> _Lent:
        now = self._clock.now()
        call = _Call(credentials, (app.base_url or _API).rstrip("/"), signed(app, now))
        try:
            found = app.installation_id or await call.installation_of(owner)
            token, ends = await call.token(found)
        except Unavailable as error:
            return _Lent(Instant(now + _FAILED_SECONDS), error=error)
        return _Lent(Instant(max(now + 1.0, ends - _SPARE_SECONDS)), token)


class _Call(Struct, frozen=True):
    """One conversation with the API, as the App."""

    credentials: Credentials
    api: str
    jwt: str

    async def installation_of(self, owner: str) -> str:
        listed = await self._send("GET", "/app/installations?per_page=100", "list its installations")
        for one in listed if isinstance(listed, list) else ():
            account = one.get("account") if isinstance(one, dict) else None
            if isinstance(account, dict) and str(account.get("login")).lower() == owner.lower():
                return str(one.get("id"))
        raise Unavailable(
            f"the GitHub App is not installed for {owner}: install it, or give githubAppInstallationID", reason="LoginRefused"
        )

    async def token(self, installation: str) -> tuple[str, float]:
        path = f"/app/installations/{installation}/access_tokens"
        lent = await self._send("POST", path, f"use its installation {installation}")
        try:
            return str(lent["token"]), parse_rfc3339(lent["expires_at"])
        except (KeyError, TypeError, ValueError):
            raise Unavailable(f"{self.api}: the answer holds no token: check githubAppEnterpriseBaseUrl") from None

    async def _send(self, method: str, path: str, what: str) -> Any:
        headers = {"Authorization": f"Bearer {self.jwt}", "Accept": "application/vnd.github+json"}
        login = self.credentials
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=not login.proxy) as session,
                session.request(
                    method,
                    f"{self.api}{path}",
                    headers=headers,
                    ssl=trusting(ca=login.ca_bundle, insecure=login.insecure),
                    proxy=login.proxy or None,
                    allow_redirects=False,
                ) as answer,
            ):
                body = await answer.content.read(_LARGEST)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"{self.api} does not answer: {type(error).__name__}", reason="GitHubFailed") from None
        if status in (200, 201):
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                raise Unavailable(f"{self.api}: no JSON: check githubAppEnterpriseBaseUrl", reason="GitHubFailed") from None
        advice = {
            401: "check githubAppID and githubAppPrivateKey",
            403: "check whether it is suspended",
            404: "check githubAppInstallationID",
        }
        if status in advice:
            raise Unavailable(f"GitHub does not let the App {what} ({status}): {advice[status]}", reason="LoginRefused")
        raise Unavailable(f"{self.api} answered {status}", reason="GitHubFailed")


def signed(app: GitHubApp, now: Instant) -> str:
    """The JSON Web Token that says who we are. Raises `InvalidInput` (InvalidLogin)."""
    try:
        key = load_pem_private_key(app.private_key.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidInput("githubAppPrivateKey is no RSA private key in PEM without a passphrase", reason="InvalidLogin")
    claims = {"iat": int(now) - 60, "exp": int(now) + _SIGNED_SECONDS - 60, "iss": app.app_id}
    text = b".".join(_part(orjson.dumps(one)) for one in ({"alg": "RS256", "typ": "JWT"}, claims))
    return b".".join((text, _part(key.sign(text, padding.PKCS1v15(), hashes.SHA256())))).decode()


def _part(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _owner_of(address: str) -> str:
    """`shop` of `https://github.com/shop/web.git` and of `git@github.com:shop/web.git`."""
    path = address.partition("://")[2].partition("/")[2] or address.partition(":")[2]
    return path.strip("/").partition("/")[0]
