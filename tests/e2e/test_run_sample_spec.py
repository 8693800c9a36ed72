"""An Application as one team runs hundreds of: a chart with values by environment, the commit as its image tag, and each knob
of its spec does what it says."""

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import Place
from tests.e2e.running import app_is, synced_to

CHART = {
    "charts/api/Chart.yaml": "apiVersion: v2\nname: api\nversion: 1.0.0\n",
    "charts/api/values.yaml": "global: {image: {tag: none}}\nreplicas: 1\nlevel: info\n",
    "charts/api/values-staging.yaml": "level: debug\n",
    "charts/api/templates/api.yaml": """apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 0
  colour: blue
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: api
        image: registry.example/api:{{ .Values.global.image.tag }}
        env: [{name: LEVEL, value: {{ .Values.level }}}, {name: REPLICAS, value: {{ .Values.replicas | quote }}}]
""",
    "charts/api/templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n",
}


def sample(url: str) -> Obj:
    helm = {
        "releaseName": "api-staging",
        "valueFiles": ["values.yaml", "values-staging.yaml"],
        "parameters": [{"name": "global.image.tag", "value": "$ARGOCD_APP_REVISION"}],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "api", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": "charts/api", "targetRevision": "main", "helm": helm},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["Validate=false"]},
            "revisionHistoryLimit": 1,
        },
    }


@pytest.mark.proves("002-20")
async def test_every_knob_of_the_sample_does_what_it_says(place: Place) -> None:
    head = await place.push(dict(CHART))
    async with place.run() as running:
        await running.ready()
        place.git.notify(f"{running.url}/api/webhook", "")
        written = await place.client.create(APPLICATIONS, sample(place.copy.url))
        app = await app_is(place.client, "api", synced_to(head))
        assert app["spec"] == written["spec"], "field for field"
        live = await place.client.get(DEPLOYMENTS, "shop", "api-staging")
        (container,) = dig(live, "spec", "template", "spec", "containers")
        assert container["image"] == f"registry.example/api:{head}"
        assert container["env"] == [{"name": "LEVEL", "value": "debug"}, {"name": "REPLICAS", "value": "1"}]

        await place.client.patch(DEPLOYMENTS, "shop", "api-staging", {"spec": {"replicas": 3}})
        healed = One(DEPLOYMENTS, "shop", "api-staging")
        await wait_until(place.client, healed, lambda obj: dig(obj or {}, "spec", "replicas") == 0, seconds=30)

        head = await place.push({"charts/api/templates/extra.yaml": None})
        await wait_until(place.client, One(CONFIG_MAPS, "shop", "extra"), lambda obj: obj is None, seconds=30)
        app = await app_is(place.client, "api", synced_to(head))
        assert [entry["revision"] for entry in dig(app, "status", "history")] == [head]

        await place.client.patch(APPLICATIONS, "argocd", "api", {"spec": {"syncPolicy": {"syncOptions": ["Validate=true"]}}})
        await place.push({"charts/api/values-staging.yaml": "level: warn\n"})
        app = await app_is(place.client, "api", lambda app: "colour" in str(dig(app, "status", "operationState", "message")))
        live = await place.client.get(DEPLOYMENTS, "shop", "api-staging")
        assert dig(live, "spec", "template", "spec", "containers", 0, "image") == f"registry.example/api:{head}"
