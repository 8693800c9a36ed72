"""Syncs and deletions that are made as a service account of their destination, in virtual time."""

from collections.abc import Awaitable, Callable

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.base.clock import Clock
from shipway.gitops.annotations import RESOURCES_FINALIZER
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import IMPERSONATE_USER, Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.gitops_objects import config, hook
from tests.sim.gitops_world import World, application, condition_types, end_job, simulate, world
from tests.sim.test_gitops_settings import say, settings

DEPLOYER = "system:serviceaccount:shop:deployer"


def with_account(*accounts: dict[str, str]) -> Obj:
    spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    spec |= {"clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "destinationServiceAccounts": list(accounts)}
    meta = {"name": "team", "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}


@pytest.mark.compat("argocd:project.destinationServiceAccounts", "argocd:cm.application.sync.impersonation")
def test_a_sync_is_made_as_the_account_of_its_destination_and_nothing_else_is() -> None:
    async def story(there: World) -> None:
        on = {"application.sync.impersonation.enabled": "true"}
        await there.user.create(CONFIG_MAPS, settings(**on))
        await there.user.create(
            APP_PROJECTS, with_account({"server": "*", "namespace": "sh*", "defaultServiceAccount": "deployer"})
        )
        options = {"syncOptions": ["CreateNamespace=true"], "automated": {"prune": True}}
        await there.user.create(APPLICATIONS, application(project="team", syncPolicy=options))
        await end_job(there, "before")
        await there.synced()
        await there.push([config("other")])
        await there.until(lambda app: dig(app, "status", "sync", "revision") == there.repository.head)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert {user for user, _ in there.engine.written_as} == {DEPLOYER}
        as_deployer = {path for _, path in there.engine.written_as}
        configs = "/api/v1/namespaces/shop/configmaps"
        assert as_deployer >= {f"{configs}/settings", f"{configs}/other"}
        assert not any("argoproj.io" in path or path.endswith("/events") for path in as_deployer)
        ours = {path for _, path in there.engine.writes} - as_deployer
        assert not any(path.startswith("/api/v1/namespaces/shop/configmaps") for path in ours)

    simulate(story, [config(), hook("before", "PreSync")])


@pytest.mark.compat("argocd:cm.application.sync.impersonation")
def test_without_an_account_nothing_is_synced_unless_the_settings_say_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings(**{"application.sync.impersonation.enabled": "true"}))
        await there.user.create(
            APP_PROJECTS, with_account({"server": "*", "namespace": "other", "defaultServiceAccount": "deployer"})
        )
        await there.user.create(APPLICATIONS, application(project="team"))
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        told = "failed to find a matching service account to impersonate: no matching service account found for destination"
        assert app["status"]["conditions"][0]["message"].startswith(told)
        assert dig(app, "status", "sync", "status") == "OutOfSync"
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert told in app["status"]["operationState"]["message"]
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        await say(there, "application.sync.impersonation.enforced", "false")
        await there.synced()
        assert there.engine.written_as == []

    simulate(story, [config()])


class Rights:
    """Refuses deletions to accounts, as an API server does whose RBAC does not grant them."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.refuses = False
        self.deleted_as: list[tuple[str, str]] = []
        """(user, name) of what was deleted below the destination; "" for the engine itself."""

    async def send(self, request: Request) -> Response:
        user = request.headers.get(IMPERSONATE_USER, "")
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE" and "argoproj.io" not in request.path:
            if self.refuses and user:
                said = {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"}
                said["message"] = f'configmaps "{name}" is forbidden: User "{user}" cannot delete resource "configmaps"'
                return Response(403, {"content-type": "application/json"}, orjson.dumps(said))
            self.deleted_as.append((user, name))
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def deletion_as_somebody(story: Callable[[World, Rights], Awaitable[None]], objects: list[Obj]) -> None:
    """Plays `story` in a world where syncs are made as `DEPLOYER` and an application with the finalizer is synced."""
    rights: list[Rights] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        rights.append(Rights(server))
        return rights[0]

    async def main() -> None:
        async with world(objects, wrap=wrap) as there:
            await there.user.create(CONFIG_MAPS, settings(**{"application.sync.impersonation.enabled": "true"}))
            await there.user.create(
                APP_PROJECTS, with_account({"server": "*", "namespace": "*", "defaultServiceAccount": "deployer"})
            )
            app = application(project="team")
            app["metadata"]["finalizers"] = [RESOURCES_FINALIZER]
            await there.user.create(APPLICATIONS, app)
            await there.synced()
            await story(there, rights[0])

    run_in_virtual_time(main())


async def is_gone(there: World) -> bool:
    return await there.gone(APPLICATIONS, "argocd", "shop")


@pytest.mark.compat("argocd:cm.application.sync.impersonation")
def test_a_deletion_and_its_hooks_are_made_as_the_account_and_what_gives_it_rights_goes_last() -> None:
    meta = {"name": "deployer", "annotations": {"argocd.argoproj.io/sync-wave": "5"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": []}

    async def story(there: World, rights: Rights) -> None:
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await end_job(there, "backup")
        await there.settle(10)
        assert await is_gone(there)
        assert rights.deleted_as and {user for user, _ in rights.deleted_as} == {DEPLOYER}
        assert [name for _, name in rights.deleted_as][-1] == "deployer", "it goes last, whatever its wave says"
        made = {path for user, path in there.engine.written_as if user == DEPLOYER}
        assert "/apis/batch/v1/namespaces/shop/jobs" in made, "the hook is made as the account"

    deletion_as_somebody(story, [config(), role, hook("backup", "PreDelete")])


@pytest.mark.compat("argocd:cm.application.sync.impersonation", "argocd:status.conditions")
def test_a_deletion_that_the_account_may_not_make_says_what_to_do_and_goes_on_once_it_may() -> None:
    async def story(there: World, rights: Rights) -> None:
        rights.refuses = True
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        app = await there.until(lambda app: "DeletionError" in condition_types(app))
        (said,) = [one["message"] for one in app["status"]["conditions"] if one["type"] == "DeletionError"]
        assert f'User "{DEPLOYER}" cannot delete resource "configmaps"' in said
        assert said.endswith("Grant it to the account, or take the finalizer away: then what is left stays")
        await there.settle(120)
        app = await there.app()
        assert "DeletionError" in condition_types(app) and app["metadata"]["finalizers"] == [RESOURCES_FINALIZER]
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")
        rights.refuses = False
        await there.clock.sleep(400)
        assert await is_gone(there) and rights.deleted_as == [(DEPLOYER, "settings")]

    deletion_as_somebody(story, [config()])


@pytest.mark.compat("argocd:cm.application.sync.impersonation")
@pytest.mark.parametrize("how", ["no account fits", "no project"])
def test_without_an_account_nothing_is_deleted_with_our_own_rights(how: str) -> None:
    async def story(there: World, rights: Rights) -> None:
        if how == "no project":
            await there.user.delete(APP_PROJECTS, "argocd", "team")
        else:
            await there.user.patch(APP_PROJECTS, "argocd", "team", {"spec": {"destinationServiceAccounts": None}})
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        app = await there.until(lambda app: "DeletionError" in condition_types(app))
        (said,) = [one["message"] for one in app["status"]["conditions"] if one["type"] == "DeletionError"]
        why = "project team which does not exist" if how == "no project" else "no matching service account found"
        assert why in said and said.endswith("Mend that, or take the finalizer away: then what is left stays")
        await there.settle(30)
        assert rights.deleted_as == [] and not await is_gone(there)
        await say(there, "application.sync.impersonation.enforced", "false")
        await there.settle(10)
        assert await is_gone(there) and rights.deleted_as == [("", "settings")]

    deletion_as_somebody(story, [config()])
