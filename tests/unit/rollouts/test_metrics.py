"""The figures that dashboards for Argo Rollouts ask for."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Note
from shipway.rollouts.metrics import RolloutMetrics, phase_label, provider_label
from shipway.rollouts.rollout.facts import regarding_of
from shipway.rollouts.settings import RolloutSettings
from tests.unit.rollouts.rollout.sandbox import Sandbox, blue_green, deployed, routed, template

ROOT = Path(__file__).parents[3]
KEY = ObjectKey("shop", "web")


def printed(metrics: RolloutMetrics) -> set[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def counted(world: Sandbox) -> RolloutMetrics:
    metrics = RolloutMetrics(RolloutSettings())
    for resource in metrics.followed:
        for obj in world.list(resource):
            metrics.on_change_of(resource)(None, obj)
    return metrics


@pytest.mark.compat("rollouts:metrics")
@pytest.mark.proves("rollouts:metrics")
def test_a_rollout_in_the_middle_of_an_update() -> None:
    world = deployed(routed({"setWeight": 20}, {"pause": {}}, replicas=4))
    world.set_image("shop/web:v2")
    world.settle()
    lines = printed(counted(world))
    assert {
        'rollout_info{name="web",namespace="shop",phase="Paused",strategy="canary",'
        'traffic_router="argoproj-labs/gatewayAPI"} 1.0',
        'rollout_info_replicas_available{name="web",namespace="shop"} 5.0',
        'rollout_info_replicas_unavailable{name="web",namespace="shop"} 0.0',
        'rollout_info_replicas_desired{name="web",namespace="shop"} 4.0',
        'rollout_info_replicas_updated{name="web",namespace="shop"} 1.0',
        'rollout_phase{name="web",namespace="shop",phase="Paused",strategy="canary"} 1.0',
        'rollout_phase{name="web",namespace="shop",phase="Completed",strategy="canary"} 0.0',
        'analysis_template_info{name="errors",namespace="shop"} 1.0',
        'shipway_prevented_incidents_total{name="web",namespace="shop"} 0.0',
        'analysis_template_metric_info{metric="errors",name="errors",namespace="shop",type="WebMetric"} 1.0',
    } == {line for line in lines if not line.startswith("rollout_phase") or "Paused" in line or "Completed" in line}


RUN = {
    "metadata": {"namespace": "shop", "name": "web-1"},
    "spec": {"metrics": [{"name": "a", "provider": {"prometheus": {}}}, {"name": "b", "provider": {"job": {}}}]},
    "status": {"phase": "Running", "metricResults": [{"name": "a", "phase": "Failed", "dryRun": True}]},
}


@pytest.mark.compat("rollouts:metrics")
@pytest.mark.proves("rollouts:metrics")
def test_a_run_with_its_metrics() -> None:
    metrics = RolloutMetrics(RolloutSettings())
    metrics.on_change_of(ANALYSIS_RUNS)(None, RUN)
    ones = {line for line in printed(metrics) if line.endswith(" 1.0")}
    assert ones == {
        'analysis_run_info{name="web-1",namespace="shop",phase="Running"} 1.0',
        'analysis_run_phase{name="web-1",namespace="shop",phase="Running"} 1.0',
        'analysis_run_metric_type{metric="a",name="web-1",namespace="shop",type="Prometheus"} 1.0',
        'analysis_run_metric_type{metric="b",name="web-1",namespace="shop",type="Job"} 1.0',
        'analysis_run_metric_phase{dry_run="true",metric="a",name="web-1",namespace="shop",'
        'phase="Failed",type="Prometheus"} 1.0',
        'analysis_run_metric_phase{dry_run="false",metric="b",name="web-1",namespace="shop",phase="Pending",type="Job"} 1.0',
    }


@pytest.mark.proves("rollouts:metrics")
def test_passes_failures_and_events_until_the_rollout_is_gone() -> None:
    world = deployed(blue_green())
    metrics = counted(world)
    note = Note(regarding_of(world.rollout), "RolloutCompleted", "done")
    for seconds in (0.002, 0.2, 3.0):
        metrics.passed("rollout", KEY, seconds)
    metrics.failed("rollout", KEY, "Unavailable")
    metrics.told(note)
    metrics.told(note)
    lines = printed(metrics)
    assert {
        'rollout_reconcile_bucket{le="0.01",name="web",namespace="shop"} 1.0',
        'rollout_reconcile_bucket{le="0.25",name="web",namespace="shop"} 2.0',
        'rollout_reconcile_bucket{le="+Inf",name="web",namespace="shop"} 3.0',
        'rollout_reconcile_count{name="web",namespace="shop"} 3.0',
        'rollout_reconcile_sum{name="web",namespace="shop"} 3.202',
        'rollout_reconcile_error{name="web",namespace="shop"} 1.0',
        'rollout_events_total{name="web",namespace="shop",reason="RolloutCompleted",type="Normal"} 2.0',
    } <= lines
    metrics.on_change_of(ROLLOUTS)(world.rollout, None)
    metrics.passed("rollout", KEY, 0.1)
    metrics.told(note)
    assert not [line for line in printed(metrics) if line.startswith("rollout")]


def test_rollouts_of_another_instance_are_not_counted() -> None:
    world = deployed(blue_green())
    metrics = RolloutMetrics(RolloutSettings("other"))
    metrics.on_change_of(ROLLOUTS)(None, world.rollout)
    assert printed(metrics) == set()


def test_passes_of_other_engines_are_none_of_ours() -> None:
    metrics = RolloutMetrics(RolloutSettings())
    metrics.passed("gitops-application", "any key", 1.0)
    assert printed(metrics) == set()


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ([], "Progressing"),
        ([{"type": "Progressing", "reason": "NewReplicaSetAvailable"}], "Completed"),
        ([{"type": "Progressing", "reason": "ReplicaSetUpdated"}], "Progressing"),
        ([{"type": "Progressing", "reason": "RolloutPaused"}], "Paused"),
        ([{"type": "Progressing", "reason": "ReplicaSetCreateError"}], "Error"),
        ([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}], "Timeout"),
        ([{"type": "Progressing", "reason": "RolloutAborted"}], "Abort"),
        ([{"type": "InvalidSpec"}, {"type": "Progressing", "reason": "RolloutPaused"}], "InvalidSpec"),
    ],
)
def test_phases(conditions: list[Obj], phase: str) -> None:
    assert phase_label({"status": {"conditions": conditions}}) == phase


def test_a_provider_that_is_a_plugin_goes_by_its_own_name() -> None:
    assert provider_label({"provider": {"plugin": {"argoproj-labs/sample": {}}}}) == "argoproj-labs/sample"
    assert provider_label({}) == "Unknown Provider"


def test_a_changed_template_replaces_its_figures() -> None:
    metrics = RolloutMetrics(RolloutSettings())
    take = metrics.on_change_of(ANALYSIS_TEMPLATES)
    take(None, template("t", "a", "b"))
    take(template("t", "a", "b"), template("t", "c"))
    assert {line.split("{")[0] for line in printed(metrics)} == {"analysis_template_info", "analysis_template_metric_info"}
    assert len(printed(metrics)) == 2


def test_every_family_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    families = {family.name for family in RolloutMetrics(RolloutSettings()).collect()}
    assert families - set(re.findall(r"`(\w+?)(?:_total)?`", page)) == set()
