"""Requests to other servers that ask for AWS signatures, such as a managed Prometheus: `authentication.sigv4` of a metric."""

from msgspec.structs import replace
from yarl import URL

from shipway.adapters.cloudwatch.credentials import AwsIdentity
from shipway.adapters.cloudwatch.service import Service
from shipway.adapters.cloudwatch.signing import signed
from shipway.api.measured import sealed
from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput

SERVICE = "aps"
"""What Argo Rollouts signs for: Amazon Managed Service for Prometheus."""
_UNREAD = ("profile", "roleArn")


class SigningFetch:
    """A `Fetch` that signs those calls that ask for it, with the identity of the pod."""

    def __init__(self, fetch: Fetch, identity: AwsIdentity, clock: Clock) -> None:
        self._fetch = fetch
        self._identity = identity
        self._clock = clock

    async def __call__(self, call: HttpCall) -> HttpAnswer:
        """Raises InvalidInput for settings that do not work, and what the pod's identity and the server raise."""
        if not any((call.sigv4 or {}).values()):
            return await self._fetch(call)
        region = _region(call)
        now = self._clock.now()
        credentials = await self._identity.credentials(now)
        url = URL(call.url).update_query(dict(call.query)) if call.query else URL(call.url)
        service = Service(SERVICE, region, str(url))
        headers = signed(service, call.method, call.headers, call.body or b"", credentials, now)
        signed_call = replace(call, url=str(url), query={}, headers=headers, follows_redirects=False, sigv4=None)
        return await sealed(self._fetch, credentials.secret, credentials.token)(signed_call)


def _region(call: HttpCall) -> str:
    """What does not work here is said: another identity than the one that was named must not sign."""
    settings = call.sigv4 or {}
    if given := [name for name in _UNREAD if settings.get(name)]:
        raise InvalidInput(
            f"{call.purpose}: authentication.sigv4.{given[0]} does not work; requests are signed as the pod "
            f"(its variables, IAM role for service accounts, pod identity or node)"
        )
    if not settings.get("region"):
        raise InvalidInput(f"{call.purpose}: authentication.sigv4 has no region, such as eu-west-1")
    return str(settings["region"])
