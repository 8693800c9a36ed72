"""A Prometheus server's view of a running engine, and the events that `kubectl describe` shows of an application."""

import pytest

from shipway.api.kinds import APPLICATIONS
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import World, application, simulate
from tests.sim.prometheus_lines import value

SERVER = "https://kubernetes.default.svc"


@pytest.mark.proves("gitops:metrics")
@pytest.mark.compat("argocd:metrics.app", "argocd:metrics.cluster")
def test_figures_follow_an_application_and_go_with_it() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.clock.sleep(1)
        lines = there.scraped()
        assert value(lines, "argocd_app_info", name="shop", sync_status="Synced", autosync_enabled="true") == 1
        assert value(lines, "argocd_app_sync_total", name="shop", phase="Succeeded", dest_server=SERVER) == 1
        written = value(lines, "argocd_app_k8s_request_total", resource_kind="ConfigMap", verb="Patch", response_code="200")
        assert written == 1
        assert (value(lines, "argocd_app_reconcile_count", namespace="argocd", dest_server=SERVER) or 0) > 2
        assert value(lines, "argocd_cluster_info", server=SERVER, k8s_version="v1.36.3+shipway", name="in-cluster") == 1
        assert value(lines, "argocd_cluster_connection_status", server=SERVER) == 1
        kinds = value(lines, "argocd_cluster_api_resources", server=SERVER) or 0
        objects = value(lines, "argocd_cluster_api_resource_objects", server=SERVER) or 0
        assert 5 < kinds < 20 < objects
        assert (value(lines, "argocd_cluster_events_total", group="argoproj.io", kind="Application") or 0) >= 2
        assert (value(lines, "argocd_cluster_cache_age_seconds", server=SERVER) or 0) > 0
        await there.push(InvalidInput("app.yaml: line 3: nonsense"))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Unknown")
        lines = there.scraped()
        assert value(lines, "argocd_app_info", name="shop", sync_status="Unknown") == 1
        assert value(lines, "argocd_app_info", name="shop", sync_status="Synced") is None
        assert value(lines, "argocd_app_condition", name="shop", condition="ComparisonError") == 1
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.clock.sleep(5)
        assert not [line for line in there.scraped() if line.startswith("argocd_app") and 'name="shop"' in line]

    simulate(story, [config(), service()])


@pytest.mark.proves("gitops:events")
@pytest.mark.compat("argocd:events")
def test_events_have_the_reasons_and_words_of_argo_cd() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        head = (await there.synced())["status"]["sync"]["revision"]
        await there.clock.sleep(1)
        told = await reasons(there)
        assert ("OperationStarted", f"Initiated automated sync to {head}") in told
        assert ("OperationCompleted", f"Sync operation to {head} succeeded") in told
        updated = [message for reason, message in told if reason == "ResourceUpdated"]
        for part, now in (("sync", "Synced"), ("health", "Healthy")):
            assert [one for one in updated if one.startswith(f"Updated {part} status: ") and one.endswith(f" -> {now}")], part
        part: Obj = {"initiatedBy": {"username": "eve"}, "sync": {"resources": [{"kind": "ConfigMap", "name": "settings"}]}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": part})
        await there.clock.sleep(2)
        told = await reasons(there)
        assert ("OperationStarted", f"eve initiated sync to {head}") in told
        assert ("OperationCompleted", f"Partial sync operation to {head} succeeded") in told

    simulate(story, [config(), service()])


async def reasons(there: World) -> list[tuple[str, str]]:
    return [(event["reason"], event["message"]) for event in await there.events()]
