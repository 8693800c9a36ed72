"""Applications that are deleted, in virtual time: hooks before and after, confirmations, and Git that is away."""

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, CRDS, JOBS, SERVICES
from shipway.base.clock import rfc3339
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.gitops_objects import WIDGETS, config, deployment, hook, service
from tests.sim.gitops_world import World, application, condition_types, end_job, simulate, world

RESOURCES = "resources-finalizer.argocd.argoproj.io"
PRE, POST = "pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"


def doomed(*finalizers: str) -> Obj:
    app = application()
    app["metadata"]["finalizers"] = list(finalizers)
    return app


async def gone(there: World, seconds: float = 60.0) -> None:
    """Waits until the application is gone."""
    for _ in range(int(seconds / 0.1)):
        try:
            await there.app()
        except NotFound:
            return
        await there.clock.sleep(0.1)
    raise AssertionError(f"still there: {(await there.app())['metadata']}")


@pytest.mark.compat("argocd:hook.PreDelete", "argocd:finalizer.hooks")
def test_hooks_run_before_and_after_and_are_tidied_up_by_their_policy() -> None:
    before = hook("backup", "PreDelete")
    after = hook("tidy", "PostDelete", **{"argocd.argoproj.io/hook-delete-policy": "HookSucceeded"})

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        app = await there.synced()
        assert app["metadata"]["finalizers"] == [RESOURCES, PRE, f"{PRE}/cleanup", POST, f"{POST}/cleanup"]
        assert await there.gone(JOBS, "shop", "backup") and await there.gone(JOBS, "shop", "tidy")
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(30)
        assert not await there.gone(CONFIG_MAPS, "shop", "settings"), "nothing goes before the backup is made"
        await end_job(there, "backup")
        await there.settle(5)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert (await there.app())["metadata"]["finalizers"] == [POST, f"{POST}/cleanup"]
        await end_job(there, "tidy")
        await gone(there)
        assert await there.gone(JOBS, "shop", "tidy"), "its policy says so"

    simulate(story, [config(), before, after])


@pytest.mark.compat("argocd:hook.PreDelete", "argocd:status.conditions")
def test_a_hook_that_fails_is_told_and_tried_anew() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        first = await end_job(there, "tidy", succeeded=False)
        app = await there.until(lambda app: "DeletionError" in condition_types(app))
        await there.clock.sleep(1)
        told = {event["message"] for event in await there.events() if event["reason"] == "StatusRefreshed"}
        assert any(message.startswith("Unable to delete application resources: ") for message in told)
        assert "hook Job/tidy failed: job has failed" in str(app["status"]["conditions"])
        await there.settle(15)
        second = await end_job(there, "tidy")
        assert first["metadata"]["uid"] != second["metadata"]["uid"]
        await gone(there)

    simulate(story, [config(), hook("tidy", "PostDelete")])


@pytest.mark.compat("argocd:finalizer.resources", "argocd:operation.terminate")
@pytest.mark.parametrize("terminated", [False, True])
def test_an_operation_that_runs_comes_to_its_end_before_anything_goes(terminated: bool) -> None:
    async def story(there: World) -> None:
        app = doomed(RESOURCES)
        app["spec"]["syncPolicy"] = {}
        await there.user.create(APPLICATIONS, {**app, "operation": {"sync": {}}})
        await there.until(lambda app: "completion of hook" in dig(app, "status", "operationState", "message", default=""))
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(30)
        assert dig(await there.app(), "status", "operationState", "phase") == "Running"
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")
        if terminated:
            state = {"status": {"operationState": {"phase": "Terminating"}}}
            await there.user.patch(APPLICATIONS, "argocd", "shop", state)
        else:
            await end_job(there, "check")
        await gone(there)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), hook("check", "PostSync")])


class Hasty:
    """A transport by which somebody deletes the application in the moment in which its operation begins."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.user = Client(server, manager="argocd-server")

    async def send(self, request: Request) -> Response:
        response = await self._server.send(request)
        if request.method == "PUT" and b'"waiting to start"' in (request.body or b""):
            await self.user.delete(APPLICATIONS, "argocd", "shop")
        return response

    async def close(self) -> None:
        """The server belongs to the test."""


@pytest.mark.compat("argocd:finalizer.resources", "argocd:operation.terminate")
def test_an_operation_that_is_about_to_act_comes_to_its_end_too() -> None:
    async def main() -> None:
        async with world([config(), hook("check", "PreSync")], wrap=lambda server, _: Hasty(server)) as there:
            app = doomed(RESOURCES)
            app["spec"]["syncPolicy"] = {}
            await there.user.create(APPLICATIONS, {**app, "operation": {"sync": {}}})
            app = await there.until(lambda app: "completion of" in dig(app, "status", "operationState", "message", default=""))
            assert "deletionTimestamp" in app["metadata"]
            await end_job(there, "check")
            await gone(there)

    run_in_virtual_time(main())


@pytest.mark.compat("argocd:finalizer.resources", "argocd:operation.retry")
def test_an_operation_that_only_waits_for_its_next_try_keeps_nothing() -> None:
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"] = []

    async def story(there: World) -> None:
        app = doomed(RESOURCES)
        app["spec"]["syncPolicy"] = {"retry": {"limit": -1, "backoff": {"duration": "1h"}}}
        operation = {"sync": {}, "retry": {"limit": -1, "backoff": {"duration": "1h"}}}
        await there.user.create(APPLICATIONS, {**app, "operation": operation})
        await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 1)
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await gone(there)

    simulate(story, [broken])


@pytest.mark.compat("argocd:finalizer.hooks")
def test_finalizers_follow_the_hooks_in_git() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        assert app["metadata"]["finalizers"] == [POST, f"{POST}/cleanup"]
        await there.push([config()])
        await there.until(lambda app: "finalizers" not in app["metadata"])

    simulate(story, [config(), hook("tidy", "PostDelete")])


@pytest.mark.parametrize("restarted", [False, True])
def test_an_unreachable_repository_holds_up_only_what_needs_it(restarted: bool) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        await there.synced()
        there.repository.unreachable = Unavailable("git.test does not answer")
        if restarted:
            there.restart()
        await there.settle(5)
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await gone(there)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


def test_hooks_that_cannot_be_read_are_told_and_run_once_git_is_mended() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        await there.synced()
        await there.push(InvalidInput("deploy/web.yaml is no YAML"))
        await there.until(lambda app: "ComparisonError" in condition_types(app))
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        app = await there.until(lambda app: "DeletionError" in condition_types(app))
        told = "the PostDelete hooks cannot be read from Git: deploy/web.yaml is no YAML. Mend that, or take the finalizer away"
        assert dig(app, "status", "conditions", -1, "message") == told
        assert await there.gone(CONFIG_MAPS, "shop", "settings"), "what needs no Git is done"
        await there.push([config(), hook("tidy", "PostDelete")])
        await end_job(there, "tidy")
        await gone(there)

    simulate(story, [config(), hook("tidy", "PostDelete")])


@pytest.mark.compat("argocd:option.Delete=confirm", "argocd:annotation.deletion-approved")
def test_a_deletion_waits_for_its_confirmation_with_all_it_would_delete() -> None:
    kept = service()
    kept["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "Delete=confirm"}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        app = await there.until(lambda app: "DeletionError" in condition_types(app))
        assert "waiting for confirmation to delete Service/web: set the annotation" in str(app["status"]["conditions"])
        await there.settle(300)
        assert not await there.gone(CONFIG_MAPS, "shop", "settings") and not await there.gone(SERVICES, "shop", "web")
        approved = {"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": rfc3339(there.clock.now())}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", approved)
        await gone(there)
        assert await there.gone(CONFIG_MAPS, "shop", "settings") and await there.gone(SERVICES, "shop", "web")

    simulate(story, [config(), kept])


@pytest.mark.compat("argocd:finalizer.none")
def test_without_a_finalizer_everything_stays() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(10)
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


@pytest.mark.compat("argocd:finalizer.resources")
def test_a_definition_stays_with_every_object_of_its_kind() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(RESOURCES))
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await gone(there)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert not await there.gone(CRDS, "", "widgets.example.com")

    simulate(story, [config(), WIDGETS])


@pytest.mark.compat("argocd:finalizer.resources")
def test_waves_go_in_reverse_each_once_the_later_is_gone() -> None:
    first, last = config("first", annotations={"argocd.argoproj.io/sync-wave": "1"}), config("last")
    first["metadata"]["finalizers"] = ["test/hold"]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, doomed(f"{RESOURCES}/background"))
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(30)
        assert not await there.gone(CONFIG_MAPS, "shop", "last")
        await there.user.patch(CONFIG_MAPS, "shop", "first", {"metadata": {"finalizers": None}})
        await gone(there)
        assert await there.gone(CONFIG_MAPS, "shop", "last")

    simulate(story, [first, last])
