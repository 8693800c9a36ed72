"""What an engine keeps, read and put back through the proxy of a real API server by somebody with a client certificate."""

import socket
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct
from prometheus_client import CollectorRegistry

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER
from shipway.api.kinds import APPLICATIONS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES
from shipway.api.ledger import SIGHT, START, Entry
from shipway.assembly.installation import applied_key, install_crds, make_applied_key
from shipway.assembly.keeping import EngineKeeper, PutBack, Restored, StoreKeeper
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, ShipwayError
from shipway.cli.app_audit import AuditFlags, rows_of
from shipway.cli.session import Session
from shipway.gitops.backup import KeptApplication, Wanted
from shipway.gitops.ledger import sight
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.controllers.kinds import ENDPOINTS
from shipway.server.http import HttpServer
from shipway.server.webhook import PushEvent
from tests.e2e.running import application
from tests.kube.control_plane import ControlPlane
from tests.waiting import comes_to

NAMESPACE, CLOCK = "behind-a-service", SystemClock()
POD = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "engine", "image": "shipway.test/shipway:1"}]}}


class Engine:
    """Tells of a ledger who shows that the Application can be got, and of what is kept the holder of the key."""

    def __init__(self, client: Client, chain: Chain, keeper: StoreKeeper) -> None:
        self._client = client
        self._chain = chain
        self._keeper = keeper

    def is_ready(self) -> bool:
        return True

    def pushed(self, event: PushEvent) -> int:
        return 0

    def shadows(self) -> Sequence[Struct]:
        return ()

    def webhook_secrets(self) -> Mapping[str, str]:
        return {}

    async def kept(self, sealed: bytes) -> bytes:
        return await self._keeper.answer(sealed)

    async def ledger(self, application: str, sight_shown: str) -> Sequence[Struct]:
        if sight(await self._client.get(APPLICATIONS, *application.split("/"))) != sight_shown:
            raise Denied("who are you", reason="NotSeen")
        return await self._chain.read(application)


def address() -> str:
    """One of this machine that the API server may send to: none of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        return one.getsockname()[0]


@asynccontextmanager
async def served(client: Client, folder: Path) -> AsyncGenerator[Chain, None]:
    """The engine behind the Service `shipway`, with a ledger of its own."""
    key, chain = await applied_key(client, NAMESPACE), Chain(Sqlite(folder / "history.db", LEDGER))
    async with StoreKeeper.open(RunSettings(cache=folder), key, CLOCK) as keeper:
        engine = Engine(client, chain, keeper)
        server = HttpServer(engine, CollectorRegistry(), engine.webhook_secrets)
        where = address()
        await server.start(where, 0)
        meta: Obj = {"name": "shipway", "namespace": NAMESPACE}
        port = int(server.url.rpartition(":")[2])
        spec = {"ports": [{"name": "http", "port": 80, "targetPort": port}]}
        await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
        await wait_until(client, One(SERVICE_ACCOUNTS, NAMESPACE, "default"), bool)
        pod = await client.create(PODS, {**POD, "metadata": {"name": "engine", "namespace": NAMESPACE}})
        await client.patch(
            PODS, NAMESPACE, "engine", {"status": {"podIP": where, "podIPs": [{"ip": where}]}}, subresource="status"
        )
        target = {"kind": "Pod", "name": "engine", "namespace": NAMESPACE, "uid": uid_of(pod)}  # it sends to nothing else
        subset = {"addresses": [{"ip": where, "targetRef": target}], "ports": [{"name": "http", "port": port}]}
        await client.create(ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]})
        try:
            yield chain
        finally:
            await server.stop()
            await chain.close()


@pytest.mark.proves("000-21", "fleets:backup")
async def test_a_client_certificate_reads_the_ledger_and_puts_back_what_was_kept(
    real_control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The proxy takes logins off and passes all other headers on, in both directions of both requests."""
    client = Client(HttpTransport(load_kubeconfig(real_control_plane.kubeconfig)), manager="ada")
    try:
        await install_crds(client)
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        await make_applied_key(client, NAMESPACE)
        body = application("shop", "https://git.example/shop.git", "deploy")
        app = await client.create(APPLICATIONS, {**body, "metadata": {"name": "shop", "namespace": NAMESPACE}})
        subject, uid, session = f"{NAMESPACE}/shop", uid_of(app), Session(client, CLOCK, NAMESPACE)
        async with served(client, tmp_path) as chain:
            await chain.add(uid, subject, START, [Entry("op-1", "sync", by="ada")], "2026-11-28T00:00:00Z")

            async def first() -> str:
                """As soon as the API server has heard of the endpoint."""
                try:
                    return (await rows_of(session, subject, AuditFlags(), app))[0].entry
                except ShipwayError as error:
                    return error.message

            await comes_to("op-1", first)
            path = f"/api/v1/namespaces/{NAMESPACE}/services/shipway:http/proxy/ledger/{subject}"
            assert (await client.raw("GET", path, headers={SIGHT: "guessed"})).status == 403
            keeper = EngineKeeper(client, NAMESPACE, await applied_key(client, NAMESPACE))
            found = await keeper.of(Wanted(subject, uid, ()))
            assert [row.told.by for row in found.rows] == ["ada"]
            packed = zlib.compress(b"[]")
            kept = KeptApplication(subject, uid, {"third": packed}, rows=found.rows)
            assert await keeper.put_back(PutBack(kept, uid)) == Restored(1, 0, 0)
            assert (await keeper.of(Wanted(subject, uid, ("third", "fourth")))).deployments == {"third": packed}
            with pytest.raises(Denied):
                await EngineKeeper(client, NAMESPACE, b"guessed" * 9).of(Wanted(subject, uid, ()))
    finally:
        await client.close()
