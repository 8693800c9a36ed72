"""The pace of syncs, where `controller.*` of `argocd-cmd-params-cm` says another one."""

import pytest
from msgspec.structs import replace

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, JOBS
from shipway.base.errors import Unavailable
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.timing import Timing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import config, hook
from tests.sim.gitops_world import SETTINGS, World, application, simulate


def paced(**timing: float) -> GitOpsSettings:
    return replace(SETTINGS, timing=Timing(**timing))


def message(app: Obj) -> str:
    return dig(app, "status", "operationState", "message", default="")


@pytest.mark.compat("argocd:params.sync.timeout")
def test_a_sync_that_takes_too_long_is_terminated_and_not_tried_again() -> None:
    async def story(there: World) -> None:
        retry = {"limit": 5, "backoff": {"duration": "1s"}}
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}, "retry": retry}))
        await there.until(lambda app: "waiting for completion of hook" in message(app))
        started = there.clock.now()
        app = await there.until(lambda app: app.get("status") and "operation" not in app, seconds=400)
        assert 298 <= there.clock.now() - started <= 302
        state = app["status"]["operationState"]
        said = "Operation terminated: it was not done 300 s after its start (controller.sync.timeout.seconds)"
        assert (state["phase"], state["message"]) == ("Failed", said)
        await there.settle(600)
        assert (await there.app())["status"]["operationState"] == state
        assert await there.gone(JOBS, "shop", "migrate")
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        await there.push([config()])
        await there.synced()

    simulate(story, [config(), hook("migrate", "PreSync")], settings=paced(sync_timeout=300.0))


@pytest.mark.compat("argocd:params.sync.timeout")
def test_a_sync_that_waits_for_git_is_terminated_too() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, {**application(syncPolicy={}), "operation": {"sync": {}}})
        await there.until(lambda app: "waiting for completion of hook" in message(app))
        there.repository.hangs = True
        there.restart()
        app = await there.until(lambda app: "operation" not in app, seconds=400)
        assert app["status"]["operationState"]["phase"] == "Failed"

    simulate(story, [config(), hook("migrate", "PreSync")], settings=paced(sync_timeout=300.0))


@pytest.mark.compat("argocd:params.wave.delay")
@pytest.mark.parametrize(("delay", "takes"), [(0.0, (0, 2)), (20.0, (20, 23))])
def test_waves_are_as_far_apart_as_is_said(delay: float, takes: tuple[float, float]) -> None:
    waves = [
        config(annotations={"argocd.argoproj.io/sync-wave": "0"}),
        config("late", annotations={"argocd.argoproj.io/sync-wave": "1"}),
    ]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.until(lambda app: dig(app, "status", "operationState", "startedAt"))
        started = there.clock.now()
        app = await there.synced()
        assert takes[0] <= there.clock.now() - started <= takes[1], app["status"]["operationState"]

    simulate(story, waves, settings=paced(wave_delay=delay))


@pytest.mark.compat("argocd:params.repo.grace")
def test_a_repository_that_is_away_is_forgiven_as_long_as_is_said() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        there.repository.unreachable = Unavailable("the host is away")
        there.webhook()
        await there.until(lambda app: dig(app, "status", "conditions"))
        since = there.clock.now()
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Unknown")
        assert 28 <= there.clock.now() - since <= 32

    simulate(story, [config()], settings=paced(grace=30.0))
