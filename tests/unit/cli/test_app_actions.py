"""`shipway app actions` against an embedded API server, without any script of a team."""

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, DEPLOYMENTS, JOBS, ROLLOUTS
from shipway.base.errors import Denied, InvalidInput, NotFound, NotYet
from shipway.cli.app_actions import RunFlags, Which, list_actions, read_params, run_action
from shipway.kube.objects.resource import Resource
from shipway.kube.objects.views import dig
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application, family
from tests.unit.cli.test_app_diff import PROJECT
from tests.unit.cli.test_app_tree import row, workload

CRON_JOBS = Resource("batch", "v1", "CronJob", "cronjobs")
PLAIN = RunFlags()
DEPLOYMENT, ROLLOUT, CRON_JOB = Which(kind="Deployment"), Which(kind="Rollout"), Which(kind="CronJob")


@pytest.fixture
async def delivered(shop: Shop) -> Shop:
    """An Application with a Deployment, a Rollout that waits at a step, and a CronJob."""
    await shop.create(APP_PROJECTS, PROJECT)
    await shop.create(DEPLOYMENTS, workload("Deployment", "api", {"app": "api"}))
    await shop.create_family(family())
    pods = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "shop/report:1"}]}
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": pods}}}}
    meta = {"name": "report", "namespace": "shop"}
    await shop.create(CRON_JOBS, {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec})
    rows = [row("Deployment", "api", "apps"), row("Rollout", "web", "argoproj.io"), row("CronJob", "report", "batch")]
    await shop.create(APPLICATIONS, application(resources=rows))
    return shop


async def test_what_can_be_done_is_listed_with_its_parameters(delivered: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await list_actions(delivered.session, "shop", DEPLOYMENT) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "GROUP KIND NAMESPACE NAME ACTION DISABLED PARAMETERS",
        "apps Deployment shop api pause",
        "apps Deployment shop api restart",
        "apps Deployment shop api resume true",
        "apps Deployment shop api scale replicas=1",
    ]
    await list_actions(delivered.session, "shop", ROLLOUT, "json")
    items = orjson.loads(capsys.readouterr().out)["items"]
    assert {item["name"]: item["disabled"] for item in items} == {
        "abort": False, "pause": False, "promote-full": False, "restart": False, "resume": False, "retry": True,
    }  # fmt: skip
    await list_actions(delivered.session, "shop", Which(), "name")
    assert "create-job" in capsys.readouterr().out.splitlines()


async def test_a_restart_and_a_scale_are_one_write_each(delivered: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_action(delivered.session, "shop", "restart", DEPLOYMENT, PLAIN) == 0
    assert await run_action(delivered.session, "shop", "scale", DEPLOYMENT, RunFlags(("replicas=4",))) == 0
    assert capsys.readouterr().out == "deployment.apps/api\ndeployment.apps/api\n"
    api = await delivered.client.get(DEPLOYMENTS, "shop", "api")
    restarted = dig(api, "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
    assert (restarted, api["spec"]["replicas"]) == ("2026-11-21T10:00:00Z", 4)


async def test_a_rollout_is_aborted_and_retried_by_its_status(delivered: Shop) -> None:
    await run_action(delivered.session, "shop", "abort", ROLLOUT, PLAIN)
    assert (await delivered.rollout())["status"]["abort"] is True
    await run_action(delivered.session, "shop", "retry", ROLLOUT, PLAIN)
    assert (await delivered.rollout())["status"]["abort"] is False
    await run_action(delivered.session, "shop", "resume", ROLLOUT, PLAIN)
    assert "pauseConditions" not in (await delivered.rollout())["status"]
    with pytest.raises(NotYet, match="resume cannot be done to Rollout web as it is now"):
        await run_action(delivered.session, "shop", "resume", ROLLOUT, PLAIN)
    await delivered.client.get(ROLLOUTS, "shop", "web")


async def test_a_job_is_created_where_the_project_lets_it(delivered: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_action(delivered.session, "shop", "create-job", CRON_JOB, PLAIN, "name") == 0
    assert capsys.readouterr().out == "job.batch/report-202611211000\n"
    (job,) = (await delivered.client.list(JOBS, "shop")).items
    assert job["metadata"]["ownerReferences"][0]["name"] == "report"
    await delivered.client.delete(JOBS, "shop", "report-202611211000")
    denied = {"spec": {"namespaceResourceBlacklist": [{"group": "batch", "kind": "Job"}]}}
    await delivered.client.patch(APP_PROJECTS, "argocd", "default", denied)
    with pytest.raises(Denied, match="resource batch:Job is not permitted in project default"):
        await run_action(delivered.session, "shop", "create-job", CRON_JOB, PLAIN)


async def test_what_is_not_clear_is_refused_before_anything_is_written(delivered: Shop) -> None:
    session = delivered.session
    await delivered.create(DEPLOYMENTS, workload("Deployment", "other", {"app": "other"}))
    rows = [row("Deployment", "api", "apps"), row("Deployment", "other", "apps"), row("Deployment", "gone", "apps")]
    await delivered.client.patch(APPLICATIONS, "argocd", "shop", {"status": {"resources": rows}})
    with pytest.raises(InvalidInput, match="--kind Deployment"):
        await run_action(session, "shop", "restart", Which(), PLAIN)
    with pytest.raises(InvalidInput, match=r"several objects fit \(deployment.apps/api, deployment.apps/other\)"):
        await run_action(session, "shop", "restart", DEPLOYMENT, PLAIN)
    with pytest.raises(NotFound, match="no live StatefulSet that fits"):
        await run_action(session, "shop", "restart", Which(kind="StatefulSet"), PLAIN)
    with pytest.raises(NotFound, match="has no action dance: it has pause, restart, resume, scale"):
        await run_action(session, "shop", "dance", Which(kind="Deployment", resource_name="api"), PLAIN)
    with pytest.raises(InvalidInput, match="takes no parameters"):
        await run_action(session, "shop", "restart", Which(kind="Deployment", resource_name="api"), RunFlags(("fast=1",)))
    with pytest.raises(InvalidInput, match="has no parameter size: it has replicas"):
        await run_action(session, "shop", "scale", Which(kind="Deployment", resource_name="api"), RunFlags(("size=1",)))
    assert await run_action(session, "shop", "restart", DEPLOYMENT, RunFlags(every=True)) == 0
    names = [one["metadata"]["name"] for one in (await delivered.client.list(DEPLOYMENTS, "shop")).items]
    assert names == ["api", "other"]


def test_parameters_are_pairs() -> None:
    assert read_params(["replicas=3", "note=a=b"]) == {"replicas": "3", "note": "a=b"}
    with pytest.raises(InvalidInput, match="--param replicas=3"):
        read_params(["replicas"])
