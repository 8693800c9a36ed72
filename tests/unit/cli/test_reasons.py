"""Who did it and why, of every act of a command: told in the very write that acts, and asked for where a project wants it."""

import getpass
from collections.abc import Awaitable, Callable

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS
from shipway.api.ledger import Entry
from shipway.base.errors import InvalidInput
from shipway.cli.app import sync_app
from shipway.cli.app_actions import RunFlags, Which, run_action
from shipway.cli.app_acts import delete, terminate
from shipway.cli.app_rollback import RollbackFlags, resume, roll_back
from shipway.cli.app_set import WhileFlags, follow_for, set_spec
from shipway.cli.app_spec import SpecFlags
from shipway.cli.app_sync import SyncFlags
from shipway.cli.dashboard import acting_on_applications
from shipway.gitops.annotations import HOLD
from shipway.gitops.hold import annotation, hold_at
from shipway.gitops.ledger import waiting_on
from shipway.gitops.operation import reason_in
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.server.dashboard.application_rest import Deed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

ME = getpass.getuser()
RUNNING = {"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running"}}}
HELD = annotation(
    hold_at(
        {"id": 0, "revision": "f" * 40, "source": {"repoURL": "https://git.example/shop.git"}}, since="2026-11-21T00:00:00Z"
    )
)
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
    },
}

Act = Callable[[Shop, str], Awaitable[object]]
SYNCS: dict[str, Act] = {
    "sync": lambda shop, why: sync_app(shop.session, "shop", SyncFlags(wait=False, reason=why)),
    "sync on the page": lambda shop, why: acting_on_applications(shop.session)(Deed("argocd", "shop", "sync", reason=why)),
}
ACTS: dict[str, tuple[str, Act]] = {
    "rollback": ("hold", lambda shop, why: roll_back(shop.session, "shop", 0, RollbackFlags(wait=False, reason=why))),
    "resume": ("resume", lambda shop, why: resume(shop.session, "shop", why)),
    "terminate": ("terminate", lambda shop, why: terminate(shop.session, "shop", why)),
    "set": ("set", lambda shop, why: set_spec(shop.session, "shop", SpecFlags(revision="v2"), reason=why)),
    "set --for": ("hold", lambda shop, why: follow_for(shop.session, "shop", "v2", WhileFlags(3600.0, why))),
    "delete": ("delete", lambda shop, why: delete(shop.session, "shop", "foreground", why)),
    "actions run": (
        "action restart",
        lambda shop, why: run_action(shop.session, "shop", "restart", Which(kind="Deployment"), RunFlags(reason=why)),
    ),
    "rollback on the page": (
        "hold",
        lambda shop, why: acting_on_applications(shop.session)(Deed("argocd", "shop", "rollback", 0, why)),
    ),
    "resume on the page": (
        "resume",
        lambda shop, why: acting_on_applications(shop.session)(Deed("argocd", "shop", "resume", reason=why)),
    ),
    "terminate on the page": (
        "terminate",
        lambda shop, why: acting_on_applications(shop.session)(Deed("argocd", "shop", "terminate", reason=why)),
    ),
}


async def made(shop: Shop, name: str) -> None:
    """An Application to which that can be done; a finalizer of somebody else keeps it where it is deleted."""
    row = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web"}
    await shop.create(APPLICATIONS, application(resources=[row]))
    await shop.create(DEPLOYMENTS, DEPLOYMENT)
    patch: Obj = {"metadata": {"finalizers": ["mine/keep"]}}
    if "resume" in name:
        patch["metadata"]["annotations"] = {HOLD: HELD}
    if "terminate" in name:
        patch |= RUNNING
    await shop.client.patch(APPLICATIONS, "argocd", "shop", patch)


async def has_project(shop: Shop, name: str, *, wants_reason: bool) -> None:
    annotations = {"shipway.dev/require-reason": "true"} if wants_reason else {}
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"namespace": "argocd", "name": name, "annotations": annotations},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
    }
    await shop.create(APP_PROJECTS, project)


async def waiting(shop: Shop) -> tuple[Entry, ...]:
    return waiting_on(await shop.app("shop"))


@pytest.mark.proves("000-21")
@pytest.mark.parametrize("name", ACTS)
async def test_an_act_says_who_and_why(shop: Shop, name: str) -> None:
    await made(shop, name)
    verb, act = ACTS[name]
    await act(shop, " it is slow ")
    (told,) = await waiting(shop)
    assert (told.verb, told.by, told.reason) == (verb, ME, "it is slow")
    assert told.began


@pytest.mark.proves("000-21")
@pytest.mark.parametrize("name", SYNCS)
async def test_a_sync_says_who_and_why(shop: Shop, name: str) -> None:
    await made(shop, name)
    await SYNCS[name](shop, "it is slow")
    operation = (await shop.app("shop"))["operation"]
    assert (operation["initiatedBy"]["username"], reason_in(operation)) == (ME, "it is slow")


@pytest.mark.proves("000-21")
@pytest.mark.parametrize("name", [*ACTS, *SYNCS])
async def test_where_the_project_wants_a_reason_nothing_is_done_without(shop: Shop, name: str) -> None:
    await made(shop, name)
    await has_project(shop, "default", wants_reason=True)
    before = (await shop.app("shop"), await shop.client.get(DEPLOYMENTS, "shop", "web"))
    act = SYNCS[name] if name in SYNCS else ACTS[name][1]
    for reason in ("", "  "):
        with pytest.raises(InvalidInput, match=r"AppProject argocd/default asks for a reason .*: say --reason TEXT"):
            await act(shop, reason)
    assert (await shop.app("shop"), await shop.client.get(DEPLOYMENTS, "shop", "web")) == before
    await act(shop, "it is slow")
    assert (await shop.app("shop"), await shop.client.get(DEPLOYMENTS, "shop", "web")) != before


async def test_a_project_inherits_that_it_wants_reasons(shop: Shop) -> None:
    await made(shop, "set")
    await has_project(shop, "base", wants_reason=True)
    await has_project(shop, "default", wants_reason=False)
    assert await set_spec(shop.session, "shop", SpecFlags(revision="v2")) == 0
    data = {"globalProjects": "- labelSelector: {}\n  projectName: base\n"}
    meta = {"namespace": "argocd", "name": "argocd-cm"}
    await shop.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    with pytest.raises(InvalidInput, match="asks for a reason"):
        await set_spec(shop.session, "shop", SpecFlags(revision="v3"))


async def test_what_was_set_is_told_without_its_values(shop: Shop) -> None:
    """A parameter may be a secret. What revision is followed is none."""
    await made(shop, "set")
    await set_spec(shop.session, "shop", SpecFlags(revision="v2", helm_set=("password=hunter2",)))
    (told,) = await waiting(shop)
    assert told.what == "spec.source.helm.parameters, spec.source.targetRevision: main -> v2"


async def test_acts_are_told_in_order_and_stay_until_they_are_recorded(shop: Shop) -> None:
    await made(shop, "terminate")
    await set_spec(shop.session, "shop", SpecFlags(revision="v2"), reason="one")
    await terminate(shop.session, "shop", "two")
    await delete(shop.session, "shop", "none", "three")
    told = await waiting(shop)
    assert [one.reason for one in told] == ["one", "two", "three"]
    assert len({one.id for one in told}) == 3
    assert dig(await shop.app("shop"), "status", "operationState", "phase") == "Terminating"
