"""Where the logins of metric servers are kept: Secrets of the engine's own namespace, written as for Argo Rollouts."""

from shipway.adapters.influxdb import provider as influxdb
from shipway.adapters.newrelic import provider as newrelic
from shipway.adapters.wavefront import provider as wavefront
from shipway.api.kinds import SECRETS
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values


class MetricLogins:
    """`namespace`: where the engine runs. Every method takes the metric's provider settings and raises InvalidInput."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def for_newrelic(self, settings: Obj) -> newrelic.Login:
        name = settings.get("profile") or newrelic.SECRET
        values = await self._values("newRelic", name, "personal-api-key and account-id")
        try:
            return newrelic.login_of(values)
        except InvalidInput as error:
            raise self._incomplete("newRelic", name, error.message) from None

    async def for_influxdb(self, settings: Obj) -> influxdb.Login:
        name = settings.get("profile") or influxdb.SECRET
        login = influxdb.login_of(await self._values("influxdb", name, "address, authToken and org"))
        if login is None:
            raise self._incomplete("influxdb", name, "authToken, org, or address not found")
        return login

    async def for_wavefront(self, settings: Obj) -> str:
        """The token for the metric's address."""
        address = settings.get("address") or ""
        values = await self._values("wavefront", wavefront.SECRET, f"a token under the key {address}")
        token = values.get(address, "").strip()
        if not token:
            raise self._incomplete("wavefront", wavefront.SECRET, f"API token not found: give it a key {address}")
        return token

    async def _values(self, kind: str, name: str, wanted: str) -> dict[str, str]:
        try:
            return secret_values(await self._client.get(SECRETS, self._namespace, name))
        except NotFound:
            raise InvalidInput(
                f"{kind} metric: Secret {self._namespace}/{name} not found: give it {wanted}", reason="NoLogin"
            ) from None

    def _incomplete(self, kind: str, name: str, problem: str) -> InvalidInput:
        return InvalidInput(f"{kind} metric: Secret {self._namespace}/{name}: {problem}", reason="NoLogin")
