{{/* comments go */}}
{{- define "names.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- define "names.twice" }}first{{ end }}
{{- define "names.item" }}
- name: {{ .item.name | quote }}
  of: {{ include "names.fullname" .root }}
  ports: [{{ range $i, $p := .item.ports }}{{ if $i }}, {{ end }}{{ $p }}{{ end }}]
{{- end }}
