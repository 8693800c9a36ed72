{{/* The manifests that the values ask for, one path a line. */}}
{{- define "shipway.files" -}}
service-account.yaml
engines.yaml
managed.yaml
deployment.yaml
{{- if .Values.networkPolicy.enabled }}
network-policy/network-policy.yaml
{{- end }}
{{- if .Values.manage.rbacObjects }}
rbac-objects/roles.yaml
{{- end }}
{{- if .Values.manage.impersonation }}
impersonation/impersonate.yaml
{{- end }}
{{- range $router, $wanted := .Values.manage.routers }}
{{- if $wanted }}
routers/{{ $router }}.yaml
{{- end }}
{{- end }}
{{- end }}

{{/* Puts the object into the namespace of the release, and its subjects likewise. */}}
{{- define "shipway.place" -}}
{{- $namespace := .root.Release.Namespace }}
{{- if .object.metadata.namespace }}
{{- $_ := set .object.metadata "namespace" $namespace }}
{{- end }}
{{- range .object.subjects }}
{{- $_ := set . "namespace" $namespace }}
{{- end }}
{{- end }}

{{/* Changes the Deployment as the values say. */}}
{{- define "shipway.deployment" -}}
{{- $values := .root.Values }}
{{- $spec := .object.spec }}
{{- $pod := $spec.template.spec }}
{{- $main := index $pod.containers 0 }}
{{- $_ := set $spec "replicas" ($values.replicas | int) }}
{{- $_ := set $main "image" (printf "%s:%s" $values.image.repository ($values.image.tag | default .root.Chart.AppVersion)) }}
{{- $_ := set $main "imagePullPolicy" $values.image.pullPolicy }}
{{- $_ := set $main "resources" $values.resources }}
{{- if gt ($values.replicas | int) 1 }}
{{- $_ := set $main "args" (append $main.args "--share") }}
{{- $_ := set $spec "strategy" (dict "type" "RollingUpdate") }}
{{- end }}
{{- if $values.argocdCache.enabled }}
{{- $_ := set $main "args" (append $main.args "--argocd-cache=0.0.0.0:6379") }}
{{- $_ := set $main "ports" (append $main.ports (dict "name" "argocd-cache" "containerPort" 6379)) }}
{{- end }}
{{- with $values.plugins.volume }}
{{- $folder := "/etc/shipway/plugins" }}
{{- $mount := dict "name" "plugins" "mountPath" $folder "readOnly" true }}
{{- $source := deepCopy . }}
{{- with .configMap }}
{{- $_ := set $source "configMap" (merge (deepCopy .) (dict "defaultMode" 365)) }}{{/* 0555: programs of a declaration are run */}}
{{- end }}
{{- $_ := set $main "args" (append $main.args (printf "--plugins=%s" $folder)) }}
{{- $_ := set $main "volumeMounts" (append $main.volumeMounts $mount) }}
{{- $_ := set $pod "volumes" (append $pod.volumes (merge (dict "name" "plugins") $source)) }}
{{- end }}
{{- $_ := set $main "args" (concat $main.args $values.extraArgs) }}
{{- $_ := set $main "env" (concat $main.env $values.extraEnv) }}
{{- with $values.history.urlSecret }}
{{- if .name }}
{{- $from := dict "secretKeyRef" (dict "name" .name "key" .key) }}
{{- $_ := set $main "env" (append $main.env (dict "name" "SHIPWAY_HISTORY" "valueFrom" $from)) }}
{{- end }}
{{- end }}
{{- if $values.persistence.enabled }}
{{- $claim := dict "claimName" ($values.persistence.existingClaim | default "shipway") }}
{{- $kept := list (dict "name" "state" "persistentVolumeClaim" $claim) }}
{{- range $pod.volumes }}
{{- if ne .name "state" }}
{{- $kept = append $kept . }}
{{- end }}
{{- end }}
{{- $_ := set $pod "volumes" $kept }}
{{- end }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" }}
{{- with index $values $key }}
{{- $_ := set $pod $key . }}
{{- end }}
{{- end }}
{{- with $values.podAnnotations }}
{{- $_ := set $spec.template.metadata "annotations" . }}
{{- end }}
{{- end }}

{{/* Lets the NetworkPolicy through what the values ask for. */}}
{{- define "shipway.networkPolicy" -}}
{{- $values := .root.Values }}
{{- $spec := .object.spec }}
{{- $out := index $spec.egress 0 }}
{{- $more := $values.networkPolicy.ports }}
{{- if $values.history.urlSecret.name }}
{{- $more = append $more $values.history.port }}
{{- end }}
{{- range $more }}
{{- $_ := set $out "ports" (append $out.ports (dict "protocol" "TCP" "port" (. | int))) }}
{{- end }}
{{- if $values.argocdCache.enabled }}
{{- $server := dict "podSelector" (dict "matchLabels" (dict "app.kubernetes.io/name" "argocd-server")) }}
{{- $way := dict "from" (list $server) "ports" (list (dict "protocol" "TCP" "port" 6379)) }}
{{- $_ := set $spec "ingress" (append $spec.ingress $way) }}
{{- end }}
{{- end }}
