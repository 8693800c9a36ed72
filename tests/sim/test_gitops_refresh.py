"""Git is looked at at the worst moment, or gives nothing at all."""

import pytest

from shipway.api.kinds import APPLICATIONS, JOBS
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput
from shipway.kube.client.client import Client
from shipway.kube.objects.views import annotations_of, dig
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.gitops_objects import config, hook
from tests.sim.gitops_world import World, application, condition_types, end_job, simulate, world

WISH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


class Wishing:
    """A transport before whose first write to a Job's finalizers somebody asks for a refresh."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.user = Client(server, manager="argocd-server")
        self.wishes = 0

    async def send(self, request: Request) -> Response:
        if request.method == "PATCH" and "/jobs/" in request.path and not self.wishes:
            self.wishes += 1
            await self.user.patch(APPLICATIONS, "argocd", "shop", WISH)
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


@pytest.mark.compat("argocd:annotation.refresh")
def test_a_refresh_that_is_asked_for_while_a_hook_is_tidied_up_is_done() -> None:
    """`argocd app sync` asks for one as soon as the operation is over, and waits until it is done."""
    wishing: list[Wishing] = []

    def wrap(server: Transport, _: Clock) -> Transport:
        wishing.append(Wishing(server))
        return wishing[-1]

    async def main() -> None:
        async with world([config(), hook("migrate", "PreSync")], wrap=wrap) as there:
            await there.user.create(APPLICATIONS, {**application(syncPolicy={}), "operation": {"sync": {}}})
            before = there.repository.heads
            await end_job(there, "migrate")
            await there.until(lambda _: any(one.wishes for one in wishing))
            await there.until(lambda app: "argocd.argoproj.io/refresh" not in annotations_of(app), seconds=5)
            assert there.repository.heads > before
            assert not await there.gone(JOBS, "shop", "migrate")

    run_in_virtual_time(main())


@pytest.mark.compat("argocd:annotation.refresh")
@pytest.mark.parametrize("hangs", [False, True])
def test_a_sync_that_comes_with_a_wish_for_a_refresh_begins_with_what_was_just_pushed(hangs: bool) -> None:
    """So whoever pushes and says `shipway app sync` gets what was pushed, webhook or not. A hanging Git costs ten seconds."""

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        before = there.repository.head
        there.repository.commit([config("other")])
        there.repository.hangs = hangs
        await there.user.patch(APPLICATIONS, "argocd", "shop", {**WISH, "operation": {"sync": {}}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Succeeded", seconds=15)
        wanted = before if hangs else there.repository.head
        assert dig(app, "status", "operationState", "syncResult", "revision") == wanted

    simulate(story, [config()])


@pytest.mark.compat("argocd:operation.sync.revision")
def test_a_sync_to_a_commit_that_nobody_told_of_has_the_branch_looked_at() -> None:
    """`argocd-server` finds out itself where the branch stands, and names the commit."""

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        newer = there.repository.commit([config("other")])
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"revision": newer}}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", seconds=10)
        assert dig(await there.app(), "status", "sync", "revision") == newer

    simulate(story, [config()])


def test_an_application_that_was_never_rendered_is_not_unhealthy() -> None:
    """Nothing of it is live, so nothing is wrong with it; its sync state is what nobody knows."""

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert (app["status"]["sync"]["status"], app["status"]["health"]["status"]) == ("Unknown", "Healthy")

    simulate(story, InvalidInput("garbage: app path does not exist"))
