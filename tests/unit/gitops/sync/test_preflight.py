"""What is tried before the first action of a sync, and what a refusal means."""

import pytest
from msgspec.structs import replace

from shipway.base.errors import Denied
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.comparison import Item, Live
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import Context
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.sync.actions import Hand, first_alone
from shipway.gitops.sync.preflight import preflight
from shipway.gitops.sync.tasks import Task, build_tasks
from shipway.kube.objects.resource import Obj, Resource, ref_of
from shipway.kube.runtime.decision import Answer

PODS = Resource("", "v1", "Pod", "pods")
ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts")
CONFIGS = Resource("", "v1", "ConfigMap", "configmaps")
SPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)


def wanted(resource: Resource, name: str) -> Item:
    obj: Obj = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": name, "namespace": "shop", "annotations": {}}}
    return Item(ref_of(obj), Desired(ref_of(obj), obj, resource))


def refuses_pods(ask: DryRunAsk) -> Answer:
    told = 'pods "job" is forbidden: error looking up service account shop/runner: serviceaccount "runner" not found'
    return Answer(value={}) if ask.resource == ACCOUNTS else Answer(error=Denied(told))


@pytest.mark.parametrize(("brought", "is_refused"), [("runner", False), ("run", True), ("other", True)])
def test_a_pod_whose_service_account_comes_with_the_sync_is_let_through(brought: str, is_refused: bool) -> None:
    tasks = build_tasks([wanted(PODS, "job"), wanted(ACCOUNTS, brought)], {})
    hand = Hand(Context("shop", GitOpsSettings("argocd"), refuses_pods), {}, "one")
    found = preflight(tasks, hand, lambda _: "")
    assert (bool(found.rows), found.is_pending) == (is_refused, False)


def tried(tasks: tuple[Task, ...], *, prunes: bool = False, options: dict[str, str] | None = None) -> list[str]:
    """The names of the objects that the server is asked about before the first action."""
    hand = Hand(Context("shop", GitOpsSettings("argocd"), lambda _: None), options or {}, "one")
    found = preflight(tasks, hand, lambda _: "", first_alone(tasks, hand, prunes=prunes))
    return [ask.obj["metadata"]["name"] for ask in found.asks]


def test_the_first_object_is_not_tried_because_it_goes_alone() -> None:
    tasks = build_tasks([wanted(CONFIGS, name) for name in "abc"], {})
    assert tried(tasks) == ["b", "c"]


def test_all_are_tried_where_something_runs_or_goes_before_the_first_of_them() -> None:
    migration = wanted(PODS, "migrate")
    migration.obj["metadata"]["annotations"]["argocd.argoproj.io/hook"] = "PreSync"
    hook = replace(migration, is_hook=True)
    old: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": "shop", "uid": "1"}}
    gone = Item(ref_of(old), live=Live(old, CONFIGS))
    objects = [wanted(CONFIGS, name) for name in "ab"]
    assert tried(build_tasks([hook, *objects], {})) == ["a", "b"]
    assert tried(build_tasks([gone, *objects], {}), prunes=True) == ["a", "b"]
    assert tried(build_tasks([gone, *objects], {}), prunes=False) == ["b"], "it stays, so nothing goes before them"
    assert tried(build_tasks(objects, {}, namespace=wanted(SPACES, "shop"))) == ["a", "b"]


@pytest.mark.parametrize("option", ["Force", "Replace"])
def test_all_are_tried_where_the_first_may_be_deleted_or_replaced(option: str) -> None:
    old: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop", "uid": "1"}}
    there = replace(wanted(CONFIGS, "a"), live=Live(old, CONFIGS))
    tasks = build_tasks([there, wanted(CONFIGS, "b")], {})
    assert tried(tasks, options={option: "true"}) == ["a", "b"]
    assert tried(tasks, options={"ClientSideApplyMigration": "false"}) == ["b"]
