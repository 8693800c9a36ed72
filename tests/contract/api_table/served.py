"""Kinds that are stored for others, kinds of the cluster, OpenAPI, and reviews. One case per line, so lines are long."""
# ruff: noqa: E501

from typing import Any

from tests.contract.api_table.steps import (
    CORE,
    CRDS,
    DEPLOYMENTS,
    PODS,
    TABLE,
    Case,
    crd,
    delete,
    deployment,
    get,
    named,
    patch,
    pod,
    post,
)

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_STORAGE = "/apis/storage.k8s.io/v1"
_DEVICES = "/apis/resource.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1"
_HOOK = {"name": "a.b.c", "clientConfig": {"url": "https://x.y/z"}, "admissionReviewVersions": ["v1"], "sideEffects": "None"}
_HPA_V1, _HPA_V2 = (f"/apis/autoscaling/{version}/namespaces/{{ns}}/horizontalpodautoscalers" for version in ("v1", "v2"))
_HPA_SPEC = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}
_HPA_METRICS = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "rate", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "AverageValue", "averageValue": "5"},
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "s"},
            "metric": {"name": "hits"},
            "target": {"type": "Value", "value": "9"},
        },
    },
    {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "2"}}},
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
]
_RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]

STORED: list[tuple[str, str, Any]] = [
    ("pv", "/api/v1/persistentvolumes", {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}),
    ("ingress-class", "/apis/networking.k8s.io/v1/ingressclasses", {"spec": {"controller": "a.b/c"}}),
    ("runtime-class", "/apis/node.k8s.io/v1/runtimeclasses", {"handler": "runc"}),
    ("priority-class", "/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 10}),
    ("cluster-role", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
    ("cluster-role-binding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {"roleRef": {"kind": "ClusterRole", "name": "x"}, "subjects": [{"kind": "Group", "name": "g"}]}),
    ("storage-class", f"{_STORAGE}/storageclasses", {"provisioner": "a.b/c", "parameters": {"a": "b"}}),
    ("csi-driver", f"{_STORAGE}/csidrivers", {"spec": {}}),
    ("csi-node", f"{_STORAGE}/csinodes", {"spec": {"drivers": []}}),
    ("csi-capacity", f"{_STORAGE}/namespaces/{{ns}}/csistoragecapacities", {"storageClassName": "x", "capacity": "1Gi"}),
    ("attachment", f"{_STORAGE}/volumeattachments", {"spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "p"}}}),
    ("attributes-class", f"{_STORAGE}/volumeattributesclasses", {"driverName": "a.b", "parameters": {"a": "b"}}),
    ("mutating-hook", f"{_ADMISSION}/mutatingwebhookconfigurations", {"webhooks": [{**_HOOK, "rules": _RULES}]}),
    ("validating-hook", f"{_ADMISSION}/validatingwebhookconfigurations", {"webhooks": [{**_HOOK, "rules": _RULES}]}),
    ("validating-policy", f"{_ADMISSION}/validatingadmissionpolicies", {"spec": {"matchConstraints": {"resourceRules": _RULES}, "validations": [{"expression": "true"}]}}),
    ("validating-policy-binding", f"{_ADMISSION}/validatingadmissionpolicybindings", {"spec": {"policyName": "none", "validationActions": ["Deny"]}}),
    ("service-cidr", "/apis/networking.k8s.io/v1/servicecidrs", {"spec": {"cidrs": ["10.97.0.0/16"]}}),
    ("device-class", f"{_DEVICES}/deviceclasses", {"spec": {}}),
    ("claim", f"{_DEVICES}/namespaces/{{ns}}/resourceclaims", {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}),
    ("claim-template", f"{_DEVICES}/namespaces/{{ns}}/resourceclaimtemplates", {"spec": {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}}),
]  # fmt: skip

DEFAULTS_OF_STORED = [Case(f"default-stored-{name}", [post(path, named(f"stored-{name}", **body))]) for name, path, body in STORED] + [
    Case("default-config-map", [post(f"{CORE}/configmaps", named("c"))]),
    Case("default-event", [post(f"{CORE}/events", named("e", involvedObject={"kind": "Pod", "name": "p", "namespace": "{ns}"}))]),
    Case("default-crd", [post(CRDS, {"metadata": {"name": "lamps.defaults.shipway.dev"}, "spec": {**crd("lamps", "Lamp")["spec"], "group": "defaults.shipway.dev"}}, only=("code", "spec"))]),
    Case("default-hpa-v1", [post(_HPA_V1, named("h", spec=_HPA_SPEC)), get(f"{_HPA_V2}/h")]),
    Case("default-hpa-v1-cpu", [post(_HPA_V1, named("h", spec={**_HPA_SPEC, "targetCPUUtilizationPercentage": 60})), get(f"{_HPA_V2}/h"), get(_HPA_V1)]),
    Case("default-hpa-v2-at-v1", [post(_HPA_V2, named("h", spec={**_HPA_SPEC, "metrics": _HPA_METRICS, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 30}}})), get(f"{_HPA_V1}/h"),
        patch(f"{_HPA_V1}/h", {"spec": {"maxReplicas": 9}}), get(f"{_HPA_V2}/h")]),
    Case("default-hpa-behavior", [post("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", named("h", spec={
        "maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}, "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}},
        "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}}]}))]),
    Case("default-pdb-selectorless", [post("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", named("p", spec={"maxUnavailable": "25%"}))]),
    Case("default-service-account-full", [post(f"{CORE}/serviceaccounts", named("s", automountServiceAccountToken=False, imagePullSecrets=[{"name": "p"}], secrets=[{"name": "x"}]))]),
    Case("default-cron-job-full", [post("/apis/batch/v1/namespaces/{ns}/cronjobs", named("c", spec={"schedule": "@hourly", "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 5,
        "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "busybox"}]}}}}}))]),
    Case("default-ingress-backend", [post("/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses", named("i", spec={"defaultBackend": {"service": {"name": "s", "port": {"name": "http"}}}}))]),
    Case("default-pvc-full", [post(f"{CORE}/persistentvolumeclaims", named("c", spec={"accessModes": ["ReadWriteMany"], "storageClassName": "s", "volumeMode": "Block", "dataSource": {"kind": "PersistentVolumeClaim", "name": "o"}, "resources": {"requests": {"storage": "1024Mi"}}}))]),
]  # fmt: skip

TABLES_OF_STORED = [
    Case(f"table-stored-{name}", [post(path, named(f"shown-{name}", **body)), get(f"{path}/shown-{name}", accept=TABLE)])
    for name, path, body in STORED
    if name != "service-cidr"
] + [
    Case("table-namespace", [get("/api/v1/namespaces/{ns}", accept=TABLE)]),
    Case("table-node", [post("/api/v1/nodes", named("node-table")), get("/api/v1/nodes/node-table", accept=TABLE)]),
    Case("table-crd", [get(f"{CRDS}/widgets.oracle.shipway.dev", accept=TABLE)]),
    Case("table-empty", [get(PODS, accept=TABLE)]),
    Case("table-include-object", [post(PODS, pod()), get(f"{PODS}?includeObject=None", accept=TABLE), get(f"{PODS}?includeObject=Sometimes", accept=TABLE)]),
    Case("table-status", [get(f"{PODS}/none", accept=TABLE)]),
    Case("table-pod-waiting", [post(PODS, pod(nodeName="n")), patch(f"{PODS}/p/status", {"status": {"phase": "Pending", "containerStatuses": [
        {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}), get(PODS, accept=TABLE)]),
    Case("table-pod-ended", [post(PODS, pod(nodeName="n")), patch(f"{PODS}/p/status", {"status": {"phase": "Failed", "containerStatuses": [
        {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]}}), get(PODS, accept=TABLE)]),
    Case("table-pod-evicted", [post(PODS, pod(nodeName="n")), patch(f"{PODS}/p/status", {"status": {"phase": "Failed", "reason": "Evicted"}}), get(PODS, accept=TABLE)]),
    Case("table-pod-init", [post(PODS, pod(nodeName="n", initContainers=[{"name": "i", "image": "b"}, {"name": "j", "image": "b"}])), patch(f"{PODS}/p/status", {"status": {"phase": "Pending", "initContainerStatuses": [
        {"name": "i", "image": "b", "imageID": "", "ready": True, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}},
        {"name": "j", "image": "b", "imageID": "", "ready": False, "restartCount": 1, "state": {"running": {}}}]}}), get(PODS, accept=TABLE)]),
    Case("table-pod-terminating", [post(PODS, pod(nodeName="n")), delete(f"{PODS}/p", only=("code",)), get(PODS, accept=TABLE)]),
    Case("table-pod-ready", [post(PODS, pod(nodeName="n", readinessGates=[{"conditionType": "a.b/c"}])), patch(f"{PODS}/p/status", {"status": {"phase": "Running", "podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "a.b/c", "status": "True"}], "containerStatuses": [
        {"name": "c", "image": "i", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}}), get(PODS, accept=TABLE)]),
    Case("table-deployment-status", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 3, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1}}), get(DEPLOYMENTS, accept=TABLE)]),
    Case("table-service-lb", [post(f"{CORE}/services", named("s", spec={"clusterIP": "10.96.111.1", "type": "LoadBalancer", "selector": {"a": "b"}, "ports": [{"port": 80, "nodePort": 30333, "name": "a"}, {"port": 53, "protocol": "UDP", "nodePort": 30334, "name": "b"}]})),
                              get(f"{CORE}/services", accept=TABLE), patch(f"{CORE}/services/s/status", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, only=("code",)), get(f"{CORE}/services", accept=TABLE)]),
    Case("table-service-external", [post(f"{CORE}/services", named("s", spec={"type": "ExternalName", "externalName": "x.y"})), get(f"{CORE}/services", accept=TABLE)]),
]  # fmt: skip

_SCHEMAS = ("components", "schemas")
_APPS = "/openapi/v3/apis/apps/v1"


def _field(path: str, kind: str, *more: str) -> Case:
    """One part of a kind's schema."""
    name = "-".join([kind.rpartition(".")[2], *more]).lower()
    return Case(f"openapi-{name}", [get(path, at=(*_SCHEMAS, kind, *more))])


OPENAPI = [
    Case("openapi-unknown", [get("/openapi/v3/apis/nothing.io/v1")]),
    Case("openapi-head", [get(_APPS, only=("code", "openapi"))]),
    _field(_APPS, "io.k8s.api.apps.v1.Deployment", "x-kubernetes-group-version-kind"),
    _field(_APPS, "io.k8s.api.apps.v1.DeploymentSpec", "required"),
    _field(_APPS, "io.k8s.api.apps.v1.DeploymentSpec", "properties", "replicas"),
    _field(_APPS, "io.k8s.api.apps.v1.DeploymentSpec", "properties", "paused"),
    _field(_APPS, "io.k8s.api.apps.v1.DeploymentStatus", "properties", "conditions", "x-kubernetes-list-map-keys"),
    _field("/openapi/v3/api/v1", "io.k8s.api.core.v1.PodSpec", "properties", "containers", "x-kubernetes-patch-merge-key"),
    _field("/openapi/v3/api/v1", "io.k8s.api.core.v1.ServiceSpec", "properties", "ports", "x-kubernetes-list-map-keys"),
    _field("/openapi/v3/api/v1", "io.k8s.api.core.v1.Container", "properties", "imagePullPolicy", "description"),
    _field("/openapi/v3/api/v1", "io.k8s.api.core.v1.Container", "properties", "image", "description"),
    _field("/openapi/v3/api/v1", "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "oneOf"),
    _field("/openapi/v3/apis/oracle.shipway.dev/v1", "dev.shipway.oracle.v1.Widget", "properties", "spec"),
    _field("/openapi/v3/apis/oracle.shipway.dev/v1", "dev.shipway.oracle.v1.Widget", "x-kubernetes-group-version-kind"),
    Case("openapi-patch", [get(_APPS, at=("paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch", "x-kubernetes-group-version-kind"))]),
]  # fmt: skip

MORE_DISCOVERY = [
    Case("discovery-core", [get("/api/v1")]),
    Case("discovery-autoscaling-v1", [get("/apis/autoscaling/v1")]),
    Case("discovery-unknown-version", [get("/apis/apps/v9")]),
    Case("discovery-unknown-group", [get("/apis/nothing.io")]),
    Case("discovery-custom-group", [get("/apis/oracle.shipway.dev")]),
    Case("version", [get("/version", only=("code", "major", "minor"))]),
    Case("health", [get("/livez"), get("/readyz"), get("/healthz")]),
    Case("no-such-path", [get("/nowhere")]),
    *OPENAPI,
]

_ACCESS = {"resourceAttributes": {"namespace": "{ns}", "verb": "get", "resource": "pods"}}
REVIEWS = [
    Case("review-self-rules", [post(f"{_REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "{ns}"}}, only=("code", "kind", "spec"))]),
    Case("review-access", [post(f"{_REVIEWS}/subjectaccessreviews", {"spec": {**_ACCESS, "user": "u", "groups": ["system:masters"]}}, at=("status", "allowed"))]),
    Case("review-access-nobody", [post(f"{_REVIEWS}/subjectaccessreviews", {"spec": _ACCESS})]),
    Case("review-access-both", [post(f"{_REVIEWS}/subjectaccessreviews", {"spec": {**_ACCESS, "user": "u", "nonResourceAttributes": {"path": "/", "verb": "get"}}})]),
    Case("review-access-neither", [post(f"{_REVIEWS}/selfsubjectaccessreviews", {"spec": {}})]),
    Case("review-access-local", [post(f"{_REVIEWS}/namespaces/{{ns}}/localsubjectaccessreviews", {"metadata": {"namespace": "{ns}"}, "spec": {**_ACCESS, "user": "u", "groups": ["system:masters"]}}, at=("status", "allowed"))]),
    Case("review-access-elsewhere", [post(f"{_REVIEWS}/namespaces/{{ns}}/localsubjectaccessreviews", {"metadata": {"namespace": "{ns}"}, "spec": {"resourceAttributes": {"namespace": "other", "verb": "get", "resource": "pods"}, "user": "u"}})]),
    Case("review-self-kind", [post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, only=("code", "kind"))]),
    Case("review-token-garbage", [post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "garbage"}}, at=("status", "authenticated"))]),
    Case("review-token-none", [post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}})]),
    Case("token-missing-account", [post(f"{CORE}/serviceaccounts/none/token", {"spec": {}}, only=("code", "reason", "details"))]),
    Case("token-too-short", [post(f"{CORE}/serviceaccounts", named("s")), post(f"{CORE}/serviceaccounts/s/token", {"spec": {"expirationSeconds": 5}})]),
    Case("scale-replica-set", [post("/apis/apps/v1/namespaces/{ns}/replicasets", named("r", spec={"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}})),
                               get("/apis/apps/v1/namespaces/{ns}/replicasets/r/scale"), patch("/apis/apps/v1/namespaces/{ns}/replicasets/r/scale", {"spec": {"replicas": 2}})]),
    Case("scale-stateful-set", [post("/apis/apps/v1/namespaces/{ns}/statefulsets", named("r", spec={"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}})),
                                patch("/apis/apps/v1/namespaces/{ns}/statefulsets/r/scale", {"spec": {"replicas": 2}}), get("/apis/apps/v1/namespaces/{ns}/statefulsets/r/scale")]),
    Case("scale-controller", [post(f"{CORE}/replicationcontrollers", named("r", spec={"template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}})), get(f"{CORE}/replicationcontrollers/r/scale")]),
    Case("scale-daemon-set", [get("/apis/apps/v1/namespaces/{ns}/daemonsets/d/scale")]),
    Case("scale-dry-run", [post(DEPLOYMENTS, deployment()), patch(f"{DEPLOYMENTS}/d/scale?dryRun=All", {"spec": {"replicas": 7}}), get(f"{DEPLOYMENTS}/d/scale")]),
    Case("eviction-missing", [post(f"{PODS}/none/eviction", named("none"))]),
    Case("eviction-other-name", [post(PODS, pod()), post(f"{PODS}/p/eviction", named("q"))]),
    Case("eviction-dry-run", [post(PODS, pod(nodeName="n")), post(f"{PODS}/p/eviction", {**named("p"), "deleteOptions": {"dryRun": ["All"]}}), get(f"{PODS}/p")]),
    Case("eviction-wrong-uid", [post(PODS, pod()), post(f"{PODS}/p/eviction", {**named("p"), "deleteOptions": {"preconditions": {"uid": "x"}}}, only=("code", "reason"))]),
    Case("eviction-done", [post(PODS, pod(nodeName="n")), patch(f"{PODS}/p/status", {"status": {"phase": "Succeeded"}}, only=("code",)), post(f"{PODS}/p/eviction", named("p")), get(f"{PODS}/p", only=("code",))]),
    Case("status-missing", [get(f"{DEPLOYMENTS}/none/status"), patch(f"{DEPLOYMENTS}/none/status", {"status": {}})]),
    Case("status-read", [post(DEPLOYMENTS, deployment()), get(f"{DEPLOYMENTS}/d/status")]),
    Case("finalize-namespace", [post("/api/v1/namespaces", named("sub-finalize")), post("/api/v1/namespaces/sub-finalize/finalize", named("sub-finalize"), only=("code",))]),
]  # fmt: skip

NAMESPACES = [
    Case("namespace-get", [get("/api/v1/namespaces/{ns}")]),
    Case("namespace-missing", [get("/api/v1/namespaces/nowhere")]),
    Case("namespace-twice", [post("/api/v1/namespaces", named("{ns}"))]),
    Case("namespace-label", [patch("/api/v1/namespaces/{ns}", {"metadata": {"labels": {"kubernetes.io/metadata.name": "other", "a": "b"}}})]),
    Case("namespace-terminating", [post(f"{CORE}/configmaps", {"metadata": {"name": "kept", "finalizers": ["a.b/c"]}}),
                                   delete("/api/v1/namespaces/{ns}"), get("/api/v1/namespaces/{ns}"), post(f"{CORE}/configmaps", named("new")), delete("/api/v1/namespaces/{ns}")]),
    Case("namespace-finalize", [delete("/api/v1/namespaces/{ns}", only=("code",)), patch("/api/v1/namespaces/{ns}", {"spec": {"finalizers": []}}, only=("code", "spec"))]),
    Case("namespace-no-collection", [delete("/api/v1/namespaces")]),
    Case("namespace-selector", [get("/api/v1/namespaces?fieldSelector=metadata.name={ns}&labelSelector=kubernetes.io/metadata.name={ns}", only=("code", "items"))]),
    Case("owner-stored", [post(f"{CORE}/configmaps", {"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "blockOwnerDeletion": True}]}})]),
    Case("owner-event", [post(f"{CORE}/configmaps", {"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "o", "uid": "u"}]}})]),
]  # fmt: skip
