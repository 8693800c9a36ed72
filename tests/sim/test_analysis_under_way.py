"""Measurements that go on at the metric server, in virtual time: engines die, and what was begun is not begun again."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, CRDS
from shipway.api.metrics import Sample
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of
from shipway.kube.runtime.runtime import Runtime
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from tests.sim.cluster_world import Cluster, simulate

METRIC = {"name": "score", "provider": {"kayenta": {"address": "http://kayenta"}}}
RUN: Obj = {
    "apiVersion": ANALYSIS_RUNS.api_version,
    "kind": ANALYSIS_RUNS.kind,
    "metadata": {"name": "check", "namespace": "default"},
    "spec": {"metrics": [METRIC]},
}


class Executions:
    """A server that takes `seconds` for each execution. `begun`: their ids; `asked`: for which, and after how long."""

    def __init__(self, cluster: Cluster, seconds: float) -> None:
        self._clock = cluster.clock
        self._seconds = seconds
        self.begun: dict[str, float] = {}
        self.asked: list[tuple[str, float]] = []

    async def measure(self, ask: MeasureAsk) -> Sample:
        if ask.request.op == "run":
            name = f"01{len(self.begun)}"
            self.begun[name] = self._clock.now()
            return Sample(None, "", {"canaryExecutionId": name}, phase="Running", resume_after=15.0)
        name = orjson.loads(ask.request.measurement)["metadata"]["canaryExecutionId"]
        age = self._clock.now() - self.begun[name]
        self.asked.append((name, age))
        if age < self._seconds:
            return Sample(None, "", {"canaryExecutionId": name}, phase="Running", resume_after=15.0)
        return Sample(90, "90", phase="Successful")


@asynccontextmanager
async def engine(cluster: Cluster, server: Executions) -> AsyncGenerator[None, None]:
    client = Client(cluster.server, manager="shipway")
    resolvers = {MeasureAsk: server.measure}
    runtime = Runtime(client, [AnalysisRunController()], clock=cluster.clock, resolvers=resolvers, rng=random.Random(7))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(runtime.run())
        yield
        task.cancel()


async def has_phase(cluster: Cluster, phase: str) -> Obj:
    """The status once its only measurement is in the phase."""

    async def found() -> Obj | None:
        status = status_of(await cluster.user.get(ANALYSIS_RUNS, "default", "check"))
        return status if dig(status, "metricResults", 0, "measurements", 0, "phase") == phase else None

    return await cluster.until(found, 400)


def played(seconds: float, story: Callable[[Cluster, Executions], Awaitable[Any]]) -> None:
    async def main(cluster: Cluster) -> None:
        for crd in load_crds():
            await cluster.user.create(CRDS, crd)
        while ANALYSIS_RUNS not in await cluster.user.discover():
            await cluster.clock.sleep(0.1)
        await cluster.user.create(ANALYSIS_RUNS, RUN)
        await story(cluster, Executions(cluster, seconds))

    simulate(main)


@pytest.mark.compat("rollouts:provider.kayenta")
@pytest.mark.parametrize("deaths", [0, 1, 5])
def test_what_was_begun_is_gone_on_with_by_the_next_engine(deaths: int) -> None:
    async def story(cluster: Cluster, server: Executions) -> None:
        for _ in range(deaths):
            async with engine(cluster, server):
                await has_phase(cluster, "Running")
                await cluster.clock.sleep(8.0)
        async with engine(cluster, server):
            status = await has_phase(cluster, "Successful")
        assert list(server.begun) == ["010"]
        assert {name for name, _ in server.asked} == {"010"}
        assert status["phase"] == "Successful"
        assert dig(status, "metricResults", 0, "measurements", 0, "metadata") == {"canaryExecutionId": "010"}

    played(60.0, story)


def test_the_server_is_asked_every_fifteen_seconds_and_no_more() -> None:
    async def story(cluster: Cluster, server: Executions) -> None:
        async with engine(cluster, server):
            await has_phase(cluster, "Successful")
        ages = [age for _, age in server.asked]
        assert ages == pytest.approx([15, 30, 45, 60], abs=4.0)

    played(55.0, story)


def test_terminating_ends_the_measurement_at_once() -> None:
    async def story(cluster: Cluster, server: Executions) -> None:
        async with engine(cluster, server):
            await has_phase(cluster, "Running")
            await cluster.user.patch(ANALYSIS_RUNS, "default", "check", {"spec": {"terminate": True}})
            status = await has_phase(cluster, "Successful")
        assert dig(status, "metricResults", 0, "measurements", 0, "message") == "Metric Terminated"
        assert (status["phase"], status["message"]) == ("Successful", "Run Terminated")

    played(1e9, story)
