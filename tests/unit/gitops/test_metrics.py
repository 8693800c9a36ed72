"""The figures that dashboards for Argo CD ask for."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS
from shipway.base.errors import Conflict, Unavailable
from shipway.gitops.metrics import CONTROLLER, ApplicationMetrics
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Apply, Create, Decision, Delete, Note, Outcome

ROOT = Path(__file__).parents[3]
KEY = ObjectKey("argocd", "shop")
HERE = "https://kubernetes.default.svc"
APP: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"namespace": "argocd", "name": "shop"},
    "spec": {
        "project": "team",
        "source": {"repoURL": "https://me:s3cret@Git.test/Shop.git", "path": "."},
        "destination": {"server": HERE, "namespace": "shop"},
        "syncPolicy": {"automated": {}},
    },
    "status": {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}},
}
NAMED = 'name="shop",namespace="argocd"'


def with_state(phase: str, **more: Any) -> Obj:
    app = copy_obj(APP)
    app["status"]["operationState"] = {
        "phase": phase,
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:07Z",
        **more,
    }
    return app


def counted(app: Obj = APP) -> ApplicationMetrics:
    metrics = ApplicationMetrics(GitOpsSettings("argocd"))
    metrics.on_change_of(APPLICATIONS)(None, app)
    return metrics


def printed(metrics: ApplicationMetrics, family: str = "") -> set[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if not line.startswith("#") and line.startswith(family)}


def ended(reason: str = "OperationCompleted") -> Note:
    return Note({"kind": "Application", "namespace": "argocd", "name": "shop"}, reason, "Sync operation to x succeeded")


@pytest.mark.proves("gitops:metrics")
@pytest.mark.compat("argocd:metrics.app")
def test_an_application_as_it_is() -> None:
    app = copy_obj(APP)
    app["status"]["conditions"] = [{"type": "SyncError"}, {"type": "SharedResourceWarning"}, {"type": "SharedResourceWarning"}]
    app["operation"] = {"sync": {}}
    assert printed(counted(app)) == {
        f'argocd_app_info{{autosync_enabled="true",dest_namespace="shop",dest_server="{HERE}",health_status="Healthy",{NAMED},'
        'operation="sync",project="team",repo="https://git.test/shop",sync_status="Synced"} 1.0',
        f'argocd_app_condition{{condition="SyncError",{NAMED},project="team"}} 1.0',
        f'argocd_app_condition{{condition="SharedResourceWarning",{NAMED},project="team"}} 2.0',
    }


BARE: Obj = {"metadata": {"namespace": "argocd", "name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


@pytest.mark.proves("gitops:metrics")
def test_an_application_of_which_nothing_is_known() -> None:
    assert printed(counted(BARE)) == {
        f'argocd_app_info{{autosync_enabled="false",dest_namespace="",dest_server="{HERE}",health_status="Unknown",{NAMED},'
        'operation="delete",project="default",repo="",sync_status="Unknown"} 1.0'
    }


@pytest.mark.parametrize("is_told_first", [True, False])
@pytest.mark.proves("gitops:metrics")
@pytest.mark.compat("argocd:metrics.app")
def test_a_sync_is_counted_once_by_who_ended_it(is_told_first: bool) -> None:
    metrics = counted(with_state("Running"))
    take = metrics.on_change_of(APPLICATIONS)
    metrics.told(ended("OperationStarted"))
    if is_told_first:
        metrics.told(ended())
    take(None, with_state("Succeeded"))
    if not is_told_first:
        assert not printed(metrics, "argocd_app_sync_total"), "another replica ended it, for all we know"
        metrics.told(ended())
    take(None, with_state("Succeeded"))
    assert printed(metrics, "argocd_app_sync") == {
        f'argocd_app_sync_total{{dest_server="{HERE}",dry_run="false",{NAMED},phase="Succeeded",project="team"}} 1.0',
        f'argocd_app_sync_duration_seconds_total{{dest_server="{HERE}",{NAMED},project="team"}} 7.0',
    }
    metrics.told(ended())
    later = with_state("Failed", startedAt="2026-01-01T00:01:00Z", operation={"sync": {"dryRun": True}})
    take(None, later)
    assert f'argocd_app_sync_total{{dest_server="{HERE}",dry_run="true",{NAMED},phase="Failed",project="team"}} 1.0' in printed(
        metrics, "argocd_app_sync_total"
    )


@pytest.mark.proves("gitops:metrics")
@pytest.mark.compat("argocd:metrics.app")
def test_what_passes_took_and_wrote() -> None:
    metrics = counted()
    for seconds in (0.1, 0.3, 20.0):
        metrics.passed(CONTROLLER, KEY, seconds)
    metrics.passed("rollout", KEY, 1.0)
    web = {"metadata": {"namespace": "shop", "name": "web"}}
    metrics.did(
        CONTROLLER,
        KEY,
        (
            Outcome(Apply(DEPLOYMENTS, web, "m"), result=web),
            Outcome(Create(CONFIG_MAPS, web), result=web),
            Outcome(Create(CONFIG_MAPS, web), error=Conflict("taken")),
            Outcome(Delete(CONFIG_MAPS, "shop", "old"), error=Unavailable("away")),
            Outcome(Delete(CONFIG_MAPS, "shop", "never reached")),
        ),
    )
    where = f'{{dest_server="{HERE}",namespace="argocd"}}'
    assert {f"argocd_app_reconcile_count{where} 3.0", f"argocd_app_reconcile_sum{where} 20.4"} <= printed(metrics)
    assert f'argocd_app_reconcile_bucket{{dest_server="{HERE}",le="0.5",namespace="argocd"}} 2.0' in printed(metrics)
    found = re.findall(r'resource_kind="(\w+)".*response_code="(\d+)".*verb="(\w+)"', "\n".join(sorted(printed(metrics))))
    assert found == [
        ("ConfigMap", "0", "Delete"),
        ("ConfigMap", "201", "Create"),
        ("ConfigMap", "409", "Create"),
        ("Deployment", "200", "Patch"),
    ]


@pytest.mark.proves("gitops:metrics", "002-31")
@pytest.mark.compat("argocd:metrics.app")
def test_orphans_are_counted_as_long_as_somebody_looks_for_them() -> None:
    metrics = counted()
    for figures, lines in (
        ((("orphans", 3.0),), {f'argocd_app_orphaned_resources_count{{{NAMED},project="team"}} 3.0'}),
        ((), set()),
    ):
        metrics.decided(CONTROLLER, KEY, Decision(figures=figures))
        assert printed(metrics, "argocd_app_orphaned") == lines
    metrics.decided("rollout", KEY, Decision(figures=(("orphans", 3.0),)))
    assert not printed(metrics, "argocd_app_orphaned")


@pytest.mark.proves("gitops:metrics")
def test_what_is_gone_leaves_nothing() -> None:
    metrics = counted(with_state("Succeeded"))
    metrics.told(ended())
    metrics.on_change_of(APPLICATIONS)(APP, None)
    metrics.passed(CONTROLLER, KEY, 1.0)
    metrics.told(ended())
    assert printed(metrics) == set()


def test_applications_of_other_namespaces_are_not_counted() -> None:
    other = {**BARE, "metadata": {"namespace": "elsewhere", "name": "shop"}}
    assert printed(counted(other)) == set()


def test_every_family_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    families = {family.name for family in ApplicationMetrics(GitOpsSettings("argocd")).collect()}
    assert families - set(re.findall(r"`(\w+?)(?:_total)?`", page)) == set()
