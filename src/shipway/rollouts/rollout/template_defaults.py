"""Pod templates without the defaults that the API server fills in.

A Rollout's template is stored as written (its kind is a custom resource), a ReplicaSet's is defaulted. Both are brought to
the common form in which a field that equals its default is absent, so that they can be compared. The defaults are those of
k8s.io/kubernetes `pkg/apis/core/v1/defaults.go`.
"""

from typing import Any

from shipway.kube.objects.quantities import canonical_quantity
from shipway.kube.objects.resource import Obj

POD_DEFAULTS = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "hostNetwork": False,
    "hostPID": False,
    "hostIPC": False,
}
CONTAINER_DEFAULTS = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
PROBE_DEFAULTS = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "initialDelaySeconds": 0,
}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
FILE_MODE = {"defaultMode": 420}


def without_defaults(template: Obj) -> Obj:
    """The template in the common form; equal templates mean equal pods."""
    spec = template.get("spec") or {}
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key in ("labels", "annotations")}
    kept = {key: value for key, value in spec.items() if key != "serviceAccount"}
    if "serviceAccountName" not in kept and spec.get("serviceAccount"):
        kept["serviceAccountName"] = spec["serviceAccount"]
    kept = _less(kept, POD_DEFAULTS)
    for field in ("containers", "initContainers"):
        if field in kept:
            kept[field] = [_container(container) for container in kept[field] or []]
    if kept.get("volumes"):
        kept["volumes"] = [_volume(volume) for volume in kept["volumes"]]
    return _pruned({"metadata": metadata, "spec": kept})


def as_stored(template: Obj) -> Obj:
    """The template with the few defaults that Argo Rollouts' own CRD fills in, which its hash therefore includes."""
    spec = template.get("spec") or {}
    lists = {field: [_stored(one) for one in spec[field]] for field in ("containers", "initContainers") if spec.get(field)}
    return {**template, "spec": {**spec, **lists}} if lists else template


def _stored(container: Obj) -> Obj:
    kept = dict(container)
    if kept.get("ports"):
        kept["ports"] = [{"protocol": "TCP", **port} for port in kept["ports"]]
    for probe in PROBES:
        if (kept.get(probe) or {}).get("grpc"):
            kept[probe] = {**kept[probe], "grpc": {"service": "", **kept[probe]["grpc"]}}
    return kept


def _container(container: Obj) -> Obj:
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition(":")[2]
    pull = "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"
    kept = _less(container, {**CONTAINER_DEFAULTS, "imagePullPolicy": pull})
    if kept.get("ports"):
        kept["ports"] = [_less(port, {"protocol": "TCP"}) for port in kept["ports"]]
    if kept.get("env"):
        kept["env"] = [_env(variable) for variable in kept["env"]]
    for probe in PROBES:
        if probe in kept:
            kept[probe] = _probe(kept[probe] or {})
    if isinstance(kept.get("resources"), dict):
        kept["resources"] = {field: _quantities(values) for field, values in kept["resources"].items()}
    return kept


def _env(variable: Obj) -> Obj:
    reference = ((variable.get("valueFrom") or {}).get("fieldRef")) or {}
    if reference.get("apiVersion") == "v1":
        return {**variable, "valueFrom": {"fieldRef": _less(reference, {"apiVersion": "v1"})}}
    return _less(variable, {"value": ""})


def _probe(probe: Obj) -> Obj:
    kept = _less(probe, PROBE_DEFAULTS)
    if kept.get("httpGet"):
        kept["httpGet"] = _less(kept["httpGet"], {"scheme": "HTTP", "path": "/"})
    if kept.get("grpc"):
        kept["grpc"] = _less(kept["grpc"], {"service": ""})
    return kept


def _volume(volume: Obj) -> Obj:
    kept = dict(volume)
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if kept.get(source):
            kept[source] = _less(kept[source], FILE_MODE)
    if kept.get("hostPath"):
        kept["hostPath"] = _less(kept["hostPath"], {"type": ""})
    if kept.get("projected"):
        sources = kept["projected"].get("sources") or []
        kept["projected"] = {**kept["projected"], "sources": [_token(source) for source in sources]}
    return kept


def _token(source: Obj) -> Obj:
    token = source.get("serviceAccountToken")
    return {**source, "serviceAccountToken": _less(token, {"expirationSeconds": 3600})} if token else source


def _quantities(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {
        name: canonical_quantity(value) if isinstance(value, str | int | float) else value for name, value in values.items()
    }


def _less(obj: Obj, defaults: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in defaults or value != defaults[key]}


def _pruned(value: Any) -> Any:
    """Without nulls and empty lists or objects, which Go compares as equal to absent."""
    if isinstance(value, dict):
        inner = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None and item != {} and item != []}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value
