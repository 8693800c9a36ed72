"""What a server warns of without refusing it: settings that do not do what they seem to.

Told in Warning headers when an object is created, and again when its spec changes. Of the real server's many, the ones that
charts and people run into: what is defined twice, what is deprecated, what does nothing any more.
"""

from collections.abc import Callable, Iterator, Mapping

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.registry import Kind


def advice(kind: Kind, obj: Obj, live: Obj | None = None) -> tuple[str, ...]:
    """The warnings about `obj`, new or changed from `live`."""
    rule = _RULES.get(kind.group_kind)
    if rule is None or (live is not None and (kind.group_kind == ("", "Pod") or _same_spec(kind, live, obj))):
        return ()
    return tuple(rule(obj))


def warning_headers(warnings: tuple[str, ...]) -> dict[str, str]:
    """One Warning header; several warnings are joined as HTTP allows."""
    quoted = ['299 - "' + _printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"' for text in warnings]
    return {"warning": ", ".join(quoted)} if quoted else {}


def _printable(text: str) -> str:
    """What may stand in a header."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)


def _same_spec(kind: Kind, live: Obj, obj: Obj) -> bool:
    return kind.generation and live.get("spec") == obj.get("spec")


def _pod(obj: Obj) -> Iterator[str]:
    yield from _pod_of(obj, "")


def _template(obj: Obj) -> Iterator[str]:
    yield from _pod_of((obj.get("spec") or {}).get("template") or {}, "spec.template.")


def _job(obj: Obj) -> Iterator[str]:
    if "." in (obj["metadata"].get("name") or ""):
        why = "this is used in Pod names and hostnames, which can result in surprising behavior"
        yield f"metadata.name: {why}; a DNS label is recommended: [must not contain dots]"
    yield from _template(obj)


def _job_template(obj: Obj) -> Iterator[str]:
    spec = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    yield from _pod_of(spec.get("template") or {}, "spec.jobTemplate.spec.template.")


def _pod_of(obj: Obj, path: str) -> Iterator[str]:
    """Of a pod, or of a template that stands at `path`."""
    spec, where = obj.get("spec") or {}, f"{path}spec"
    yield from _placement(spec, where)
    for key, text in _ANNOTATIONS.items():
        if key in ((obj.get("metadata") or {}).get("annotations") or {}):
            yield f"{path}metadata.annotations[{key}]: {text}"
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from (f"{where}.volumes[{index}].{kind}: {text}" for kind, text in _VOLUMES.items() if kind in volume)
    for index, secret in enumerate(spec.get("imagePullSecrets") or []):
        if not secret.get("name"):
            yield f'{where}.imagePullSecrets[{index}].name: invalid empty name ""'
    seen: set[str] = set()
    for index, alias in enumerate(spec.get("hostAliases") or []):
        if (ip := alias.get("ip", "")) in seen:
            yield f'{where}.hostAliases[{index}].ip: duplicate ip "{ip}"'
        seen.add(ip)
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            yield from _amounts(container, f"{where}.{field}[{index}].resources")
            yield from _variables(container, f"{where}.{field}[{index}].env")
    yield from _ports(spec, where)


_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
"""Labels of nodes that have another name: since when, and which."""
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": 'non-functional in v1.27+; use the "seccompProfile" field instead',
}
_VOLUMES = {
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
}


def _placement(spec: Obj, path: str) -> Iterator[str]:
    for key in sorted(spec.get("nodeSelector") or {}):
        if key in _LABELS:
            since, better = _LABELS[key]
            yield f'{path}.nodeSelector[{key}]: deprecated since {since}; use "{better}" instead'
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or []):
        where, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in _LABELS:
            since, better = _LABELS[key]
            yield f'{where}.topologyKey: {key} is deprecated since {since}; use "{better}" instead'
        if constraint.get("labelSelector") is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"


def _amounts(container: Obj, path: str) -> Iterator[str]:
    for field in ("limits", "requests"):
        amount = str(((container.get("resources") or {}).get(field) or {}).get("memory", ""))
        if amount.endswith("m"):
            yield f'{path}.{field}[memory]: fractional byte value "{amount}" is invalid, must be an integer'


def _variables(container: Obj, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or []):
        name = variable.get("name", "")
        if name in seen:
            yield f'{path}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(spec: Obj, path: str) -> Iterator[str]:
    ports = [
        (f"{path}.containers[{index}].ports[{number}]", port)
        for index, container in enumerate(spec.get("containers") or [])
        for number, port in enumerate(container.get("ports") or [])
    ]
    seen: dict[tuple[object, ...], str] = {}
    for where, port in ports:
        key = (port.get("containerPort"), port.get("protocol"), port.get("hostPort"), port.get("hostIP"))
        if (first := seen.setdefault(key, where)) != where:
            yield f"{where}: duplicate port definition with {first}"
    names: dict[str, str] = {}
    for where, port in ports:
        if not (name := port.get("name")):
            continue
        if (first := names.setdefault(name, where)) != where:
            what = f'duplicate port name "{name}" with {first}'
            yield f"{where}: {what}, services and probes that select ports by name will use {first}"


def _service(obj: Obj) -> Iterator[str]:
    spec = obj.get("spec") or {}
    if spec.get("clusterIP") == "None" and spec.get("sessionAffinity") == "ClientIP":
        yield "spec.SessionAffinity is ignored for headless services"


def _claim(obj: Obj) -> Iterator[str]:
    key = "volume.beta.kubernetes.io/storage-class"
    if key in (obj["metadata"].get("annotations") or {}):
        yield f'metadata.annotations[{key}]: deprecated since v1.8; use "storageClassName" attribute instead'


_RULES: Mapping[tuple[str, str], Callable[[Obj], Iterator[str]]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("apps", "Deployment"): _template,
    ("apps", "ReplicaSet"): _template,
    ("apps", "StatefulSet"): _template,
    ("apps", "DaemonSet"): _template,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _job_template,
}
