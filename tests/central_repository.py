"""A repository as many have one: everybody's configuration, one shared chart, and the Applications that say what feeds what.

charts/common                      the chart that web and api share, with helpers
values/global.yaml                 what all say, and values/ENV/global.yaml
values/ENV/web.yaml, api.yaml      what a service says in an environment; api has parameters and a release name besides
manifests/ledger/ENV               plain manifests
kustomize/worker                   a base and its overlays
argocd/*.yaml                      the Applications
"""

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import dump
from tests.e2e.running import application as automated

ENVIRONMENTS = ("staging", "production")
SERVICES = ("api", "ledger", "web", "worker")

HELPERS = """\
{{- define "common.name" -}}{{ .Values.nameOverride | default .Release.Name | trunc 63 }}{{- end }}
{{- define "common.labels" -}}
app.kubernetes.io/name: {{ include "common.name" . }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
team: {{ .Values.global.team }}
{{- end }}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "common.name" . }}
  labels: {{- include "common.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ include "common.name" . }}}}
  template:
    metadata:
      labels: {app: {{ include "common.name" . }}}
      annotations: {checksum/config: {{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}}
    spec:
      containers:
      - name: app
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
        resources: {{- toYaml .Values.resources | nindent 10 }}
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.name" . }}
  labels: {{- include "common.labels" . | nindent 4 }}
data:
{{- range $key, $value := .Values.config }}
  {{ $key }}: {{ $value | quote }}
{{- end }}
"""
SERVICE = """\
{{- if .Values.port }}
apiVersion: v1
kind: Service
metadata: {name: {{ include "common.name" . }}}
spec: {selector: {app: {{ include "common.name" . }}}, ports: [{port: {{ .Values.port }}}]}
{{- end }}
"""


def config_map(name: str, **data: str) -> str:
    return dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def central_files() -> dict[str, str | bytes | None]:
    """All but the Applications."""
    files: dict[str, str | bytes | None] = {
        "README.md": "Ask the platform team before you touch anything.\n",
        "charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 1.4.0\n",
        "charts/common/values.yaml": "# of everybody\nreplicas: 1\nport: 80\nresources: {}\nconfig: {}\n",
        "charts/common/templates/_helpers.tpl": HELPERS,
        "charts/common/templates/deployment.yaml": DEPLOYMENT,
        "charts/common/templates/config.yaml": CONFIG,
        "charts/common/templates/service.yaml": SERVICE,
        "values/global.yaml": "global: {team: shop}\nresources: {requests: {cpu: 50m}}\nconfig: {LOG: json}\n",
        "kustomize/worker/base/kustomization.yaml": "resources: [worker.yaml]\n",
        "kustomize/worker/base/worker.yaml": config_map("worker", QUEUE="orders"),
    }
    for number, env in enumerate(ENVIRONMENTS, 1):
        files |= {
            f"values/{env}/global.yaml": f"config: {{ENVIRONMENT: {env}, LOG: text}}\n",
            f"values/{env}/web.yaml": f"# web in {env}\nreplicas: {2 * number}\nimage: {{repository: web, tag: v{number}}}\n",
            f"values/{env}/api.yaml": "image: {repository: shop/api, tag: '1.0'}\nport: null\n",
            f"manifests/ledger/{env}/10-config.yaml": config_map("ledger", ENVIRONMENT=env),
            f"manifests/ledger/{env}/20-more.yaml": f"{config_map('one')}---\n{config_map('two')}",
            f"manifests/ledger/{env}/notes.txt": "no manifest\n",
            f"kustomize/worker/overlays/{env}/kustomization.yaml": f"resources: [../../base]\nnamePrefix: {env}-\n",
        }
    return files


def application(name: str, repo_url: str, source: Obj, namespace: str = "shop") -> Obj:
    destination = {"server": "https://kubernetes.default.svc", "namespace": namespace}
    source = {"repoURL": repo_url, "targetRevision": "main", **source}
    return automated(name, repo_url, "", source=source, destination=destination)


def applications(repo_url: str) -> list[Obj]:
    """Of four services in two environments."""
    found: list[Obj] = []
    for env in ENVIRONMENTS:
        values = ["../../values/global.yaml", f"/values/{env}/global.yaml"]
        web: Obj = {"valueFiles": [*values, f"../../values/{env}/web.yaml"]}
        api: Obj = {
            "valueFiles": [*values, f"../../values/{env}/api.yaml", f"../../values/{env}/api-secret.yaml"],
            "ignoreMissingValueFiles": True,
            "releaseName": "api",
            "parameters": [{"name": "image.tag", "value": "2.10", "forceString": True}],
            "valuesObject": {"replicas": 3},
        }
        found += [
            application(f"web-{env}", repo_url, {"path": "charts/common", "helm": web}, f"shop-{env}"),
            application(f"api-{env}", repo_url, {"path": "charts/common", "helm": api}, f"shop-{env}"),
            application(f"ledger-{env}", repo_url, {"path": f"manifests/ledger/{env}"}, f"shop-{env}"),
            application(f"worker-{env}", repo_url, {"path": f"kustomize/worker/overlays/{env}"}, f"shop-{env}"),
        ]
    return found
