{{- define "common.labels" -}}
{{- range $name, $value := .Values.labels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- define "common.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "common.labels" . | nindent 4 }}
spec:
  replicas: 1
  selector: {matchLabels: {{ .Values.labels | toJson }}}
  template:
    metadata: {labels: {{ .Values.labels | toJson }}}
    spec:
      containers:
      - {name: main, image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}", ports: [{containerPort: {{ .Values.common.port }}}]}
{{- end }}
{{- define "common.service" }}
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {{ .Values.labels | toJson }}, ports: [{port: 80, targetPort: {{ .Values.common.port }}}]}
{{ end }}
