"""Everything that is no workload: Services, ConfigMaps, Secrets, Events, Ingresses, role bindings, claims."""

import re

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.naming import label_errors, label_problems
from shipway.localcluster.apiserver.problems import (
    FieldProblem,
    duplicate_value,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
    too_long,
)

_MAX_SECRET = 1024 * 1024
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_IMMUTABLE = "field is immutable"
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def service(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    if spec.get("type") not in _SERVICE_TYPES:
        problems.append(not_supported("spec.type", spec.get("type"), _SERVICE_TYPES))
    if spec.get("sessionAffinity") not in ("ClientIP", "None"):
        problems.append(not_supported("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None")))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        problems.append(required("spec.ports"))
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        problems.append(required("spec.externalName"))
    return problems + _service_ports(ports)


def _service_ports(ports: list[Obj]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name") or ""
        if not name and len(ports) > 1:
            problems.append(required(f"{path}.name"))
        elif name:
            problems += [invalid_value(f"{path}.name", name, text) for text in label_errors(name)]
            if name in names:
                problems.append(duplicate_value(f"{path}.name", name))
        names.add(name)
        problems += _port_number(port.get("port"), f"{path}.port")
        target = port.get("targetPort")
        if isinstance(target, int):
            problems += _port_number(target, f"{path}.targetPort")
        if port.get("protocol") not in _PROTOCOLS:
            problems.append(not_supported(f"{path}.protocol", port.get("protocol"), _PROTOCOLS))
    return problems + _duplicate_ports(ports)


def _duplicate_ports(ports: list[Obj]) -> list[FieldProblem]:
    """Ports that another one has taken, printed as the Go struct they are looked up by."""
    taken: set[tuple[object, object]] = set()
    problems: list[FieldProblem] = []
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        shown = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0, "NodePort": 0}
        if key in taken:
            problems.append(duplicate_value(f"spec.ports[{index}]", shown))
        taken.add(key)
    return problems


def _port_number(number: int | None, path: str) -> list[FieldProblem]:
    if number is None or not 0 < number < 65536:
        return [invalid_value(path, number or 0, "must be between 1 and 65535, inclusive")]
    return []


def service_status(obj: Obj) -> list[FieldProblem]:
    given = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if not given or (obj.get("spec") or {}).get("type") == "LoadBalancer":
        return []
    return [forbidden_field("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")]


def service_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    before, after = live.get("spec") or {}, obj.get("spec") or {}
    if "ExternalName" in (before.get("type"), after.get("type")) or not before.get("clusterIP"):
        return []
    if before["clusterIP"] == after.get("clusterIP"):
        return []
    return [invalid_value("spec.clusterIPs[0]", after.get("clusterIPs") or [after.get("clusterIP")], "may not change once set")]


def config_map(obj: Obj) -> list[FieldProblem]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    problems = [invalid_value(f"data[{key}]", key, _KEY_TEXT) for key in data if not _KEY.fullmatch(key)]
    problems += [invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary]
    problems += [invalid_value(f"binaryData[{key}]", key, _KEY_TEXT) for key in binary if not _KEY.fullmatch(key)]
    if sum(len(v.encode()) for v in data.values()) + sum(len(v) * 3 // 4 for v in binary.values()) > _MAX_SECRET:
        problems.append(too_long("[]", _MAX_SECRET))
    return problems


def secret(obj: Obj) -> list[FieldProblem]:
    data = obj.get("data") or {}
    problems = [invalid_value(f"data[{key}]", key, _KEY_TEXT) for key in data if not _KEY.fullmatch(key)]
    if sum(len(value) * 3 // 4 for value in data.values()) > _MAX_SECRET:
        problems.append(too_long("data", _MAX_SECRET))
    kind = obj.get("type")
    for wanted, keys in (
        ("kubernetes.io/tls", ("tls.crt", "tls.key")),
        ("kubernetes.io/dockerconfigjson", (".dockerconfigjson",)),
    ):
        if kind == wanted:
            problems += [required(f"data[{key}]") for key in keys if key not in data]
    return problems


def config_map_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    return _frozen_when_immutable(live, obj, ("data", "binaryData"))


def secret_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    problems = _frozen_when_immutable(live, obj, ("data",))
    if live.get("type") != obj.get("type"):
        problems.append(invalid_value("type", obj.get("type"), _IMMUTABLE))
    return problems


def _frozen_when_immutable(live: Obj, obj: Obj, fields: tuple[str, ...]) -> list[FieldProblem]:
    if not live.get("immutable"):
        return []
    problems: list[FieldProblem] = []
    if not obj.get("immutable"):
        problems.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
    changed = [field for field in fields if (live.get(field) or {}) != (obj.get(field) or {})]
    return problems + [forbidden_field(field, "field is immutable when `immutable` is set") for field in changed]


def event(obj: Obj) -> list[FieldProblem]:
    namespace = (obj.get("involvedObject") or {}).get("namespace") or ""
    own = obj["metadata"].get("namespace") or ""
    if (namespace and namespace != own) or (not namespace and own != "default"):
        return [invalid_value("involvedObject.namespace", namespace, "does not match event.namespace")]
    return []


def ingress(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        problems.append(invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified"))
    for index, rule in enumerate(spec.get("rules") or []):
        for number, path in enumerate((rule.get("http") or {}).get("paths") or []):
            where = f"spec.rules[{index}].http.paths[{number}]"
            if not path.get("pathType"):
                problems.append(required(f"{where}.pathType", "pathType must be specified"))
            if not path.get("backend"):
                problems.append(required(f"{where}.backend"))
    return problems


def role_binding(obj: Obj) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    reference = obj.get("roleRef") or {}
    if reference.get("kind") not in ("Role", "ClusterRole"):
        problems.append(not_supported("roleRef.kind", reference.get("kind") or "", ("Role", "ClusterRole")))
    if not reference.get("name"):
        problems.append(required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or []):
        if not subject.get("name"):
            problems.append(required(f"subjects[{index}].name"))
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            problems.append(required(f"subjects[{index}].namespace"))
    return problems


def role_binding_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    if live.get("roleRef") == obj.get("roleRef"):
        return []
    shown = {key[:1].upper() + key[1:]: value for key, value in (obj.get("roleRef") or {}).items()}
    shown = {"APIGroup": shown.pop("ApiGroup", ""), **shown}
    return [invalid_value("roleRef", shown, "cannot change roleRef")]


def horizontal_pod_autoscaler(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    least, most = spec.get("minReplicas") or 0, spec.get("maxReplicas") or 0
    if least < 1:
        problems.append(invalid_value("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        problems.append(invalid_value("spec.maxReplicas", most, "must be greater than 0"))
    elif most < least:
        problems.append(invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    for field in ("kind", "name"):
        if not (spec.get("scaleTargetRef") or {}).get(field):
            problems.append(required(f"spec.scaleTargetRef.{field}"))
    if not (spec.get("scaleTargetRef") or {}).get("apiVersion"):
        problems.append(invalid_value("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group"))
    return problems


def endpoint_slice(obj: Obj) -> list[FieldProblem]:
    kinds = ("FQDN", "IPv4", "IPv6")
    problems: list[FieldProblem] = []
    if obj.get("addressType") not in kinds:
        problems.append(
            required("addressType") if not obj.get("addressType") else not_supported("addressType", obj["addressType"], kinds)
        )
    for index, endpoint in enumerate(obj.get("endpoints") or []):
        for number, address in enumerate(endpoint.get("addresses") or []):
            if address.startswith("127."):
                text = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
                problems.append(invalid_value(f"endpoints[{index}].addresses[{number}]", address, text))
    return problems


def endpoint_slice_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    if live.get("addressType") == obj.get("addressType"):
        return []
    return [invalid_value("addressType", obj.get("addressType"), _IMMUTABLE)]


def persistent_volume_claim(obj: Obj) -> list[FieldProblem]:
    spec = obj.get("spec") or {}
    problems: list[FieldProblem] = []
    if not spec.get("accessModes"):
        problems.append(required("spec.accessModes", "at least 1 access mode is required"))
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        problems.append(required("spec.resources[storage]"))
    return problems


def network_policy(obj: Obj) -> list[FieldProblem]:
    selector = (obj.get("spec") or {}).get("podSelector") or {}
    return label_problems(selector.get("matchLabels") or {}, "spec.podSelector.matchLabels")
