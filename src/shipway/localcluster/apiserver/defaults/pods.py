"""Pod, pod template, container, probe and volume defaults (core/v1 defaults.go, and the admission plugins of a default
cluster)."""

from typing import Any

from shipway.kube.objects.resource import Obj

_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"


def pod(obj: Obj) -> None:
    """A pod: the template's defaults, and what only pods get."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("enableServiceLinks", True)
    pod_spec(spec)
    for container in _containers(spec):
        _requests_from_limits(container)


def admit_pod(spec: Obj) -> None:
    """What the admission plugins of a default cluster add to a new pod: service account, tolerations, priority. In place."""
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    readmit_pod(spec)


def readmit_pod(spec: Obj) -> None:
    """The part of it that is done at each change: tolerations and priority. In place."""
    _tolerate(spec)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def pod_template_object(obj: Obj) -> None:
    template(obj.setdefault("template", {}))


def template(obj: Obj) -> None:
    """A pod template inside a workload."""
    obj.setdefault("metadata", {})
    pod_spec(obj.setdefault("spec", {}))


def pod_spec(spec: Obj) -> None:
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for volume in spec.get("volumes") or []:
        _volume(volume)
    for container in _containers(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))


def _containers(spec: Obj) -> list[Obj]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or []), *(spec.get("ephemeralContainers") or [])]


def _container(container: Obj, *, host_network: bool) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if _is_latest(container.get("image") or "") else "IfNotPresent"
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if host_network:
            port.setdefault("hostPort", port.get("containerPort"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet"):
            _http_get(hook["httpGet"])
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            reference.setdefault("apiVersion", "v1")


def _is_latest(image: str) -> bool:
    """Whether the image's tag is `latest` or missing; a digest is neither."""
    if "@" in image:
        return False
    _, _, tag = image.rpartition("/")[2].partition(":")
    return tag in ("", "latest")


def _probe(probe: Obj) -> None:
    for field, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(field):
            probe[field] = value
    if probe.get("httpGet"):
        _http_get(probe["httpGet"])
    if probe.get("grpc"):
        probe["grpc"].setdefault("service", "")


def _http_get(action: Obj) -> None:
    action.setdefault("path", "/")
    action.setdefault("scheme", "HTTP")


def _volume(volume: Obj) -> None:
    sources = [key for key in volume if key != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for source, mode_field in (("secret", 420), ("configMap", 420), ("downwardAPI", 420), ("projected", 420)):
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", mode_field)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    for item in (volume.get("downwardAPI") or {}).get("items") or []:
        _field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or []:
        if source.get("serviceAccountToken"):
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in (source.get("downwardAPI") or {}).get("items") or []:
            _field_ref(item)


def _field_ref(item: Obj) -> None:
    if item.get("fieldRef"):
        item["fieldRef"].setdefault("apiVersion", "v1")


def _requests_from_limits(container: Obj) -> None:
    resources = container["resources"]
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _tolerate(spec: Obj) -> None:
    """The DefaultTolerationSeconds admission plugin."""
    tolerations: list[Any] = list(spec.get("tolerations") or [])
    for key in (_NOT_READY, _UNREACHABLE):
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec["tolerations"] = tolerations


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, from cpu and memory of all containers."""
    every = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    resources = [container.get("resources") or {} for container in every]
    asked = [
        {name: amount for name, amount in (part.get(side) or {}).items() if name in ("cpu", "memory")}
        for part in resources
        for side in ("requests", "limits")
    ]
    if not any(asked):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(part.get("limits") or {})
        and all((part.get("requests") or {}).get(name) == part["limits"][name] for name in ("cpu", "memory"))
        for part in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"
