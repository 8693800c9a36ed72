"""What is tried before the first action of a sync, and what a refusal means."""

import pytest

from shipway.base.errors import Denied
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.comparison import Item
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import Context
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.sync.actions import Hand
from shipway.gitops.sync.preflight import preflight
from shipway.gitops.sync.tasks import build_tasks
from shipway.kube.objects.resource import Obj, Resource, ref_of
from shipway.kube.runtime.decision import Answer

PODS = Resource("", "v1", "Pod", "pods")
ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts")


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
    found = preflight(tasks, hand, lambda _: "", try_all=False)
    assert (bool(found.rows), found.is_pending) == (is_refused, False)
