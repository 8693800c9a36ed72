"""Who asks AWS: what the pod was given, in the order in which the SDKs of AWS look for it.

Keys in the environment; a web identity (IAM roles for service accounts); the credentials endpoint of the container (EKS pod
identities, ECS); the role of the node. What expires is kept until five minutes before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from shipway.adapters.cloudwatch.service import check, element, service_of
from shipway.adapters.cloudwatch.signing import Credentials
from shipway.api.measured import body_of, sealed, shown_address
from shipway.api.metrics import Fetch, HttpCall
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable

SPARE = 300.0
"""Seconds before they expire from which credentials are not used any more."""
TIMEOUT = 10.0
INSTANCE_TIMEOUT = 2.0
"""Seconds. Where there is no such endpoint, nobody answers."""
ROLES = "/latest/meta-data/iam/security-credentials/"
NONE = (
    "no AWS credentials: give the pod AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or its service account a role "
    "(the annotation eks.amazonaws.com/role-arn, or a pod identity)"
)
Source = Callable[[], Awaitable[Credentials]]


class AwsIdentity:
    """`environment`: the variables of the pod."""

    def __init__(self, fetch: Fetch, environment: Mapping[str, str]) -> None:
        self._fetch = fetch
        self._environment = environment
        self._kept: Credentials | None = None

    async def credentials(self, now: Instant) -> Credentials:
        """Raises InvalidInput when the pod has none, Denied or Unavailable when whoever issues them gives none."""
        kept = self._kept
        if kept is None or (kept.until is not None and kept.until - now < SPARE):
            kept = self._kept = await self._source()()
        return kept

    def _source(self) -> Source:
        given = self._environment
        if given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"):
            return self._of_environment
        if given.get("AWS_WEB_IDENTITY_TOKEN_FILE") and given.get("AWS_ROLE_ARN"):
            return self._of_web_identity
        if given.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or given.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return self._of_container
        return self._of_instance

    async def _of_environment(self) -> Credentials:
        given = self._environment
        return Credentials(
            given["AWS_ACCESS_KEY_ID"].strip(),
            given["AWS_SECRET_ACCESS_KEY"].strip(),
            given.get("AWS_SESSION_TOKEN", "").strip(),
        )

    async def _of_web_identity(self) -> Credentials:
        """STS, AssumeRoleWithWebIdentity: the one call that is not signed."""
        service = service_of("sts", self._environment)
        token = await self._file("AWS_WEB_IDENTITY_TOKEN_FILE")
        server = f"AWS STS at {shown_address(service.url).rstrip('/')}"
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": self._environment["AWS_ROLE_ARN"],
            "RoleSessionName": self._environment.get("AWS_ROLE_SESSION_NAME") or "shipway",
            "WebIdentityToken": token,
        }
        call = HttpCall(
            purpose=f"cannot ask {server} for credentials",
            url=service.url,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            timeout=TIMEOUT,
            follows_redirects=False,
        )
        answer = await sealed(self._fetch, token)(call)
        check(answer, server)
        said = answer.body.decode(errors="replace")
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        return _issued({name: element(said, name) for name in names}, server)

    async def _of_container(self) -> Credentials:
        given = self._environment
        relative = given.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = f"http://169.254.170.2{relative}" if relative else given["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        token = given.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if given.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = await self._file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        server = f"the credentials of the container at {shown_address(url)}"
        headers = {"Authorization": token} if token else {}
        return _issued(await self._said(url, headers, server, TIMEOUT), server)

    async def _of_instance(self) -> Credentials:
        """The instance metadata service, version 2. Where nobody answers, the pod has no credentials at all."""
        if self._environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise InvalidInput(NONE, reason="NoLogin")
        base = (self._environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254").rstrip("/")
        server = f"the instance metadata at {shown_address(base)}"
        call = HttpCall(
            purpose=f"cannot ask {server}",
            url=f"{base}/latest/api/token",
            method="PUT",
            headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"},
            timeout=INSTANCE_TIMEOUT,
            follows_redirects=False,
        )
        try:
            token = body_of(await self._fetch(call), server).decode(errors="replace").strip()
            headers = {"X-aws-ec2-metadata-token": token}
            role = (await self._body(f"{base}{ROLES}", headers, server, INSTANCE_TIMEOUT)).decode(errors="replace").split()
            if not role:
                raise InvalidInput(f"{server} names no role")
            return _issued(await self._said(f"{base}{ROLES}{role[0]}", headers, server, INSTANCE_TIMEOUT), server)
        except ShipwayError as error:
            raise InvalidInput(f"{NONE}; {error.message}", reason="NoLogin") from None

    async def _said(self, url: str, headers: Mapping[str, str], server: str, timeout: float) -> Any:
        try:
            return orjson.loads(await self._body(url, headers, server, timeout))
        except orjson.JSONDecodeError:
            return None

    async def _body(self, url: str, headers: Mapping[str, str], server: str, timeout: float) -> bytes:
        call = HttpCall(f"cannot ask {server}", url, headers=headers, timeout=timeout, follows_redirects=False)
        return body_of(await sealed(self._fetch, *headers.values())(call), server)

    async def _file(self, variable: str) -> str:
        path = self._environment[variable]
        try:
            return (await asyncio.to_thread(Path(path).read_text)).strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise InvalidInput(f"cannot read {path}, which {variable} names: {why}", reason="NoLogin") from None


def _issued(found: Any, server: str) -> Credentials:
    """What an issuer gave: AccessKeyId, SecretAccessKey, Token or SessionToken, Expiration."""
    try:
        key, secret, end = found["AccessKeyId"], found["SecretAccessKey"], found.get("Expiration")
        token = found.get("Token") or found.get("SessionToken") or ""
        if not key or not secret or not all(isinstance(part, str) for part in (key, secret, token)):
            raise ValueError
        return Credentials(key, secret, token, parse_rfc3339(end) if end else None)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unavailable(f"{server} answered without credentials") from None
