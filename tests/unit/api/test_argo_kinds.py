"""Rollouts, analyses and experiments as users of Argo Rollouts write them: an API server with our definitions takes them as
they are, and refuses what has the wrong shape with the field's path.
"""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from shipway.api.crds import load_crds
from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, CRDS, EXPERIMENTS, ROLLOUTS
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects import yaml
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Resource
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.rollout.spec import Invalid, parse

KINDS: dict[str, Resource] = {
    one.kind: one for one in (ROLLOUTS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, ANALYSIS_RUNS, EXPERIMENTS)
}
METRICS = """
  args: [{name: service}, {name: token, valueFrom: {secretKeyRef: {name: metrics, key: token}}}]
  metrics:
  - name: success-rate
    interval: 30s
    count: 10
    initialDelay: 1m
    successCondition: result[0] >= 0.95
    failureLimit: 3
    provider:
      prometheus: {address: "http://prometheus.test:9090", query: 'sum(rate(ok{service="{{args.service}}"}[1m]))'}
  - name: smoke
    provider: {job: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: test, image: "test:1"}]}}}}}
  dryRun: [{metricName: smoke}]
"""
POD = "{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web:v1, resources: {limits: {cpu: 500m}}}]}}"
MANIFESTS = f"""
kind: Rollout
metadata: {{name: canary}}
spec:
  replicas: 5
  revisionHistoryLimit: 2
  selector: {{matchLabels: {{app: web}}}}
  template: {POD}
  strategy:
    canary:
      canaryService: web-canary
      stableService: web-stable
      maxSurge: 25%
      maxUnavailable: 0
      analysis: {{templates: [{{templateName: success}}], startingStep: 1, args: [{{name: service, value: web}}]}}
      trafficRouting:
        istio: {{virtualService: {{name: web, routes: [primary]}}}}
        managedRoutes: [{{name: staff}}]
      steps:
      - setWeight: 20
      - pause: {{duration: 1h}}
      - setCanaryScale: {{weight: 25}}
      - setHeaderRoute: {{name: staff, match: [{{headerName: x-staff, headerValue: {{exact: "yes"}}}}]}}
      - analysis: {{templates: [{{templateName: success, clusterScope: true}}]}}
      - experiment: {{duration: 5m, templates: [{{name: new, specRef: canary, weight: 10}}]}}
      - pause: {{}}
---
kind: Rollout
metadata: {{name: blue-green}}
spec:
  workloadRef: {{apiVersion: apps/v1, kind: Deployment, name: web, scaleDown: onsuccess}}
  strategy:
    blueGreen:
      activeService: web-active
      previewService: web-preview
      autoPromotionEnabled: false
      autoPromotionSeconds: 60
      scaleDownDelaySeconds: 30
      previewReplicaCount: 1
      prePromotionAnalysis: {{templates: [{{templateName: success}}]}}
      postPromotionAnalysis:
        templates: [{{templateName: success}}]
        args: [{{name: hash, valueFrom: {{podTemplateHashValue: Latest}}}}]
---
kind: AnalysisTemplate
metadata: {{name: success}}
spec:{METRICS}
---
kind: ClusterAnalysisTemplate
metadata: {{name: success}}
spec:{METRICS}
---
kind: AnalysisRun
metadata: {{name: success}}
spec:{METRICS}
---
kind: Experiment
metadata: {{name: trial}}
spec:
  duration: 20m
  progressDeadlineSeconds: 30
  templates:
  - name: old
    replicas: 1
    selector: {{matchLabels: {{app: web}}}}
    template: {POD}
  analyses: [{{name: success, templateName: success, requiredForCompletion: true}}]
"""


def manifests() -> list[Obj]:
    objs = yaml.load_all(MANIFESTS)
    for obj in objs:
        obj["apiVersion"] = ROLLOUTS.api_version
        if KINDS[obj["kind"]].namespaced:
            obj["metadata"]["namespace"] = "default"
    return objs


@pytest_asyncio.fixture
async def client() -> AsyncGenerator[Client, None]:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    client = Client(server, manager="kubectl")
    for crd in load_crds():
        await client.create(CRDS, crd)
    async with asyncio.timeout(60):
        while not set(KINDS.values()) <= set(await client.discover()):
            await asyncio.sleep(0)
    yield client
    await server.close()


@pytest.mark.proves("004-22")
async def test_what_argo_rollouts_users_write_is_kept_as_it_is(client: Client) -> None:
    objs = manifests()
    assert {obj["kind"] for obj in objs} == set(KINDS)
    for obj in objs:
        kept = await client.create(KINDS[obj["kind"]], obj)
        assert kept["spec"] == obj["spec"]
        if obj["kind"] == "Rollout":
            assert not isinstance(parse(kept), Invalid), parse(kept)


@pytest.mark.proves("004-22")
@pytest.mark.parametrize(
    ("name", "patch", "message"),
    [
        ("canary", {"replicas": "five"}, "spec.replicas: Invalid value"),
        ("canary", {"selector": {"matchLabels": {"app": 3}}}, "spec.selector.matchLabels.app: Invalid value"),
        ("canary", {"strategy": {"canary": {"steps": [{"setWeight": "20%"}]}}}, "spec.strategy.canary.steps[0].setWeight"),
        ("canary", {"strategy": {"canary": {"steps": {"setWeight": 20}}}}, "spec.strategy.canary.steps: Invalid value"),
        ("blue-green", {"strategy": {"blueGreen": {"autoPromotionEnabled": "no"}}}, "autoPromotionEnabled: Invalid value"),
        ("blue-green", {"strategy": {"blueGreen": {"activeService": None}}}, "activeService: Required value"),
        ("success", {"metrics": {}}, "spec.metrics: Invalid value"),
        ("success", {"metrics": [{"name": "x"}]}, "spec.metrics[0].provider: Required value"),
        ("success", {"metrics": [{"provider": {}}]}, "spec.metrics[0].name: Required value"),
        ("trial", {"templates": None}, "spec.templates: Required value"),
        ("trial", {"analyses": [{"name": "x"}]}, "spec.analyses[0].templateName: Required value"),
        ("trial", {"duration": 20}, "spec.duration: Invalid value"),
    ],
)
async def test_what_has_the_wrong_shape_is_refused_by_its_path(client: Client, name: str, patch: Obj, message: str) -> None:
    for obj in manifests():
        if obj["metadata"]["name"] != name:
            continue
        with pytest.raises(InvalidInput) as refused:
            await client.create(KINDS[obj["kind"]], merge_patch(obj, {"spec": patch}))
        assert message in refused.value.message
