"""An embedded API server with the real engine for analyses, for tests in which the metric servers are the real thing."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from shipway.api.crds import load_crds
from shipway.api.kinds import CRDS, NAMESPACES
from shipway.assembly.measuring import MetricServers
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController


@asynccontextmanager
async def analysis_engine(servers_of: Callable[[Client], MetricServers]) -> AsyncGenerator[Client, None]:
    """A client of the API server, which has the namespace `shop`; the engine measures what `servers_of` the client reach."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        stack.push_async_callback(server.close)
        client = Client(server, manager="test")
        for crd in load_crds():
            await client.create(CRDS, crd)
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        resolvers = {MeasureAsk: servers_of(client).measure}
        runtime = Runtime(client, [AnalysisRunController()], clock=clock, resolvers=resolvers)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(runtime.run())
        stack.callback(running.cancel)
        yield client
