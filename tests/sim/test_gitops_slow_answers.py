"""A watch tells of a write before the server has answered it, as on real clusters: nothing that was done is forgotten."""

import pytest

from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import application, world


class Slow:
    """A transport whose writes are answered half a second late."""

    def __init__(self, server: Transport, clock: Clock) -> None:
        self._server, self._clock = server, clock

    async def send(self, request: Request) -> Response:
        response = await self._server.send(request)
        if request.method != "GET" and "/applications/" not in request.path:
            await self._clock.sleep(0.5)
        return response

    async def close(self) -> None:
        """The server belongs to the test."""


def told(app: Obj) -> list[tuple[str, str, str]]:
    rows = dig(app, "status", "operationState", "syncResult", "resources", default=[])
    return [(row["kind"], row["name"], row["message"]) for row in rows]


@pytest.mark.compat("argocd:option.ApplyOutOfSyncOnly", "argocd:option.CreateNamespace", "argocd:status.operationState")
@pytest.mark.parametrize("option", ["ApplyOutOfSyncOnly=false", "ApplyOutOfSyncOnly=true"])
def test_every_object_that_was_written_or_pruned_has_a_row(option: str) -> None:
    async def main() -> None:
        async with world([config(), service()], wrap=Slow) as there:
            app = application(syncPolicy={"syncOptions": ["CreateNamespace=true", option]})
            app["spec"]["destination"]["namespace"] = "new"
            await there.user.create(APPLICATIONS, {**app, "operation": {"sync": {}}})
            app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Succeeded")
            assert set(told(app)) == {
                ("Namespace", "new", "namespace/new created"),
                ("ConfigMap", "settings", "configmap/settings created"),
                ("Service", "web", "service/web created"),
            }
            await there.push([config()])
            await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
            await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"prune": True}}})
            app = await there.until(lambda app: "operation" not in app and ("Service", "web", "pruned") in told(app))

    run_in_virtual_time(main())
