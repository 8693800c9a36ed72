"""The cache of `argocd-server`: who asks at the same time shares an answer, and what goes wrong is one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from shipway.assembly.argocd_cache import ArgoCdCache
from shipway.assembly.settings import RunSettings, check_argocd_cache
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import RandomIds
from shipway.gitops.asks import ConnectionAsk
from shipway.gitops.cluster_metrics import KnownCluster
from shipway.kube.client.client import Client
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from tests.waiting import comes_to

KEY = "cluster|info|https://east.example|1.8.3"


class Clusters:
    """Knows one, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.version = "v1.36.3"
        self.away: ShipwayError | None = None
        self.answers = True

    def known(self) -> list[KnownCluster]:
        self.asked += 1
        if self.error:
            raise self.error
        return [KnownCluster("https://east.example", "east", self.version, self.answers)]

    async def connect(self, ask: ConnectionAsk) -> str:
        self.answers = self.away is None
        if self.away:
            raise self.away
        self.version = "v1.35.0"
        return self.version


@asynccontextmanager
async def serving(clusters: Any) -> AsyncGenerator[ArgoCdCache, None]:
    clock = SystemClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    client = Client(server, manager="test")
    runtime = Runtime(client, [], clock=clock)
    settings = RunSettings(argocd_cache="127.0.0.1:0")
    cache = ArgoCdCache(client, clock, runtime, clusters, settings, lambda: True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run())
        while not cache.is_serving:
            await asyncio.sleep(0)
        yield cache
        running.cancel()
    await server.close()


async def test_who_asks_at_the_same_time_shares_one_answer() -> None:
    clusters = Clusters()
    async with serving(clusters) as cache:
        first, second = await asyncio.gather(cache.value(KEY), cache.value(KEY))
        assert first == second
        assert clusters.asked == 1
        assert orjson.loads(first or b"")["serverVersion"] == "1.36"
        assert await cache.value("cluster|info|https://west.example|1.8.3") is None


@pytest.mark.parametrize(("away", "status"), [(None, "Successful"), (Unavailable("no route"), "Failed")])
async def test_a_cluster_to_which_no_application_goes_is_spoken_to_when_somebody_looks(
    away: ShipwayError | None, status: str
) -> None:
    clusters = Clusters()
    clusters.version, clusters.away = "", away
    async with serving(clusters) as cache:
        found = orjson.loads(await cache.value(KEY) or b"")
        assert found["connectionState"]["status"] == status
        assert found.get("serverVersion") == (None if away else "1.35")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotFound("gone"), "gone"),
        (ExceptionGroup("requests", [Unavailable("away")]), "away"),
        (ZeroDivisionError("a bug"), "an error of Shipway's: see its log"),
    ],
)
async def test_what_goes_wrong_is_an_answer_and_the_next_question_is_asked_anew(error: Exception, told: str) -> None:
    clusters = Clusters()
    clusters.error = error
    async with serving(clusters) as cache:
        with pytest.raises(ShipwayError, match=told):
            await cache.value(KEY)
        clusters.error = None

        async def is_answered() -> bool:  # once the first answer has stood for as long as it took
            try:
                return await cache.value(KEY) is not None
            except ShipwayError:
                return False

        await comes_to(True, is_answered)


async def test_an_application_that_nobody_knows_is_not_there() -> None:
    async with serving(Clusters()) as cache:
        assert await cache.value("app|resources-tree|shop|1.8.3.gz") is None
        assert await cache.value("app|managed-resources|shop|1.8.3.gz") is None


def test_flags_that_cannot_work() -> None:
    check_argocd_cache(RunSettings())
    check_argocd_cache(RunSettings(argocd_cache=":6379"))
    with pytest.raises(InvalidInput, match="--argocd-cache 'here' is not HOST:PORT"):
        check_argocd_cache(RunSettings(argocd_cache="here"))
    with pytest.raises(InvalidInput, match="add it to --engines"):
        check_argocd_cache(RunSettings(argocd_cache=":6379", engines=("rollouts",)))
