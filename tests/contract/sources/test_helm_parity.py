"""The two ways to Helm give the same objects: the SDK in the worker, and the program, on one awkward chart."""

import pytest

from tests.contract.sources.rendering import Bench

CHART = """\
apiVersion: v2
name: shop
version: 0.1.0
appVersion: "7"
dependencies:
- {name: sub, version: 1.0.0, alias: first, condition: first.enabled}
- {name: sub, version: 1.0.0, alias: second, condition: second.enabled}
- {name: lib, version: 1.0.0}
"""
VALUES = """\
global: {tier: gold}
text: "0777"
number: 1234567
octal: 0777
float: 1.50
on: yes
nothing: ~
gone: {a: 1, b: 2}
list: [{n: 1}, {n: 2}]
second: {enabled: false, size: 1}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "lib.name" . }}
  labels: {chart: {{ .Chart.Name }}-{{ .Chart.Version }}, service: {{ .Release.Service }}}
  annotations: {revision: "{{ .Release.Revision }}", install: "{{ .Release.IsInstall }}"}
data:
  values: {{ .Values | toJson | quote }}
  yaml: {{ .Values.list | toYaml | quote }}
  number: {{ .Values.number | quote }}
  octal: {{ .Values.octal | quote }}
  float: {{ .Values.float | quote }}
  text: {{ .Values.text | quote }}
  live: {{ lookup "v1" "Secret" "ns" "x" | toJson | quote }}
  file: {{ .Files.Get "files/note.txt" | quote }}
  glob: {{ (.Files.Glob "files/*").AsConfig | quote }}
  sha: {{ "x" | sha256sum }}
  semver: {{ semverCompare ">=1.20-0" .Capabilities.KubeVersion.Version | quote }}
  apis: {{ .Capabilities.APIVersions.Has "example.com/v1" | quote }}
  tpl: {{ tpl "{{ .Values.global.tier }}-{{ .Release.Name }}" . | quote }}
  default: {{ .Values.nowhere | default "d" | quote }}
---
{{- range .Values.list }}
apiVersion: v1
kind: Secret
metadata: {name: item-{{ .n }}}
stringData: {n: "{{ .n }}"}
---
{{- end }}
"""
HOOKS = """\
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}}
---
apiVersion: v1
kind: Pod
metadata: {name: check, annotations: {helm.sh/hook: test-success}}
---
apiVersion: v1
kind: Pod
metadata: {name: both, annotations: {helm.sh/hook: "post-install, test"}}
"""
SUB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Chart.Name }}'}\ndata: {v: {{ .Values | toJson | quote }}}\n"
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: %s.example.com}\n"
FILES = {
    "app/Chart.yaml": CHART,
    "app/values.yaml": VALUES,
    "app/more.yaml": "gone: {b: null}\nlist: [{n: 3}]\nsecond: {size: 2}\nextra: {deep: {er: x}}\n",
    "app/.helmignore": "*.bak\n",
    "app/templates/all.yaml": TEMPLATE,
    "app/templates/hooks.yaml": HOOKS,
    "app/templates/broken.yaml.bak": "{{ nonsense",
    "app/templates/NOTES.txt": "Thanks {{ .Values.text }}\n",
    "app/files/note.txt": "one\ntwo\n",
    "app/crds/foo.yaml": CRD % "foos",
    "app/charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    "app/charts/sub/values.yaml": "size: 0\nkeep: true\n",
    "app/charts/sub/templates/x.yaml": SUB,
    "app/charts/sub/templates/NOTES.txt": "sub\n",
    "app/charts/sub/crds/bar.yaml": CRD % "bars",
    "app/charts/lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
    "app/charts/lib/templates/_names.tpl": '{{ define "lib.name" }}{{ .Release.Name }}-lib{{ end }}',
}
CASES = {
    "as it is": {},
    "value files": {"valueFiles": ["more.yaml"]},
    "a null takes a default away": {"valuesObject": {"gone": None, "list": None}},
    "a subchart more": {"parameters": [{"name": "second.enabled", "value": "true"}]},
    "a subchart less": {"parameters": [{"name": "first.enabled", "value": "false"}], "valueFiles": ["more.yaml"]},
    "parameters into lists and maps": {
        "valueFiles": ["more.yaml"],
        "parameters": [
            {"name": "list[0].m", "value": "7"},
            {"name": "list[1].n", "value": "8"},
            {"name": "extra.a\\.b", "value": "x,y"},
            {"name": "octal", "value": "0123"},
            {"name": "number", "value": "99", "forceString": True},
            {"name": "tags", "value": "{a,b}"},
        ],
    },
    "a file as a parameter": {"fileParameters": [{"name": "extra.note", "path": "files/note.txt"}]},
    "everything inline": {"values": "text: |\n  a\n  b\non: no\nfloat: 1e3\n", "skipCrds": True, "releaseName": "other"},
    "capabilities": {"kubeVersion": "1.19.0", "apiVersions": ["example.com/v1"]},
}


async def rendered_by(way: str, folder, files, case: str):
    """The objects that a helm gives, in one order; "" is the SDK."""
    bench = Bench(folder, files, helm=way)
    try:
        rendered = await bench.render({"path": "app", "helm": CASES[case]}, kube_version="v1.31.0")
    finally:
        await bench.close()
    return sorted(rendered.objects, key=lambda o: (o["kind"], o["metadata"]["name"]))


@pytest.mark.proves("002-06")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.compat("argocd:helm.lookup")
async def test_the_sdk_and_the_program_agree(tmp_path, program, case):
    found = await rendered_by("", tmp_path / "sdk", FILES, case)
    assert found == await rendered_by(program("helm"), tmp_path / "program", FILES, case)
    names = [o["metadata"]["name"] for o in found]
    assert "migrate" in names and "both" in names and "check" not in names


@pytest.mark.parametrize("case", CASES)
async def test_helm_3_agrees_but_for_defaults_that_are_null(tmp_path, program, case):
    """Helm 3 hands a chart's own `nothing: ~` to its templates, Helm 4 leaves it out."""
    files = {**FILES, "app/values.yaml": VALUES.replace("nothing: ~\n", "")}
    older = await rendered_by(program("helm3"), tmp_path / "helm3", files, case)
    assert older == await rendered_by(program("helm"), tmp_path / "helm", files, case)
