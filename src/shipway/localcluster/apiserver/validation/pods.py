"""Pods and pod templates."""

from typing import Any

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj
from shipway.localcluster.apiserver.naming import label_errors, label_problems
from shipway.localcluster.apiserver.problems import (
    FieldProblem,
    duplicate_value,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)

_RESTART = ("Always", "OnFailure", "Never")
_PULL = ("Always", "IfNotPresent", "Never")
_OLD_SOURCES = ("emptyDir", "hostPath", "gitRepo", "secret", "nfs", "iscsi", "persistentVolumeClaim", "rbd")
_NEW_SOURCES = ("downwardAPI", "fc", "configMap", "projected", "csi", "ephemeral", "image")
_VOLUME_SOURCES = _OLD_SOURCES + _NEW_SOURCES
"""In the order in which a real server looks at them: it objects to every one after the first."""
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def pod(obj: Obj) -> list[FieldProblem]:
    return pod_spec(obj.get("spec") or {}, "spec", restart=_RESTART)


def pod_template(obj: Obj) -> list[FieldProblem]:
    return template(obj.get("template") or {}, "template", restart=_RESTART)


def template(obj: Obj, path: str, *, restart: tuple[str, ...] = ("Always",)) -> list[FieldProblem]:
    """A pod template; `restart` lists the restart policies that its owner supports."""
    problems = label_problems((obj.get("metadata") or {}).get("labels") or {}, f"{path}.metadata.labels")
    return problems + pod_spec(obj.get("spec") or {}, f"{path}.spec", restart=restart)


def pod_spec(spec: Obj, path: str, *, restart: tuple[str, ...]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    volumes = [volume.get("name") or "" for volume in spec.get("volumes") or []]
    problems += _names(volumes, f"{path}.volumes")
    for index, volume in enumerate(spec.get("volumes") or []):
        problems += _one_source(volume, f"{path}.volumes[{index}]")
    if not spec.get("containers"):
        problems.append(required(f"{path}.containers"))
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            where = f"{path}.{field}[{index}]"
            problems += _name(container.get("name") or "", f"{where}.name", seen)
            problems += _container(container, where, set(volumes))
    if spec.get("restartPolicy") not in restart:
        listed = ", ".join(f'"{policy}"' for policy in restart)
        # Jobs have no policy that could be a default, so a real server calls the default one missing.
        wrong = required(f"{path}.restartPolicy", f"valid values: {listed}")
        problems.append(
            wrong if len(restart) == 2 else not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), restart)
        )
    return problems


def _one_source(volume: Obj, path: str) -> list[FieldProblem]:
    """A volume comes from one place; a merge may have left it two."""
    sources = [source for source in _VOLUME_SOURCES if volume.get(source) is not None]
    return [forbidden_field(f"{path}.{source}", "may not specify more than 1 volume type") for source in sources[1:]]


def _names(names: list[str], path: str) -> list[FieldProblem]:
    seen: set[str] = set()
    return [problem for index, name in enumerate(names) for problem in _name(name, f"{path}[{index}].name", seen)]


def _name(name: str, path: str, seen: set[str]) -> list[FieldProblem]:
    """A name that must be a label and the only one of its kind; it is added to `seen`."""
    if not name:
        return [required(path)]
    if name in seen:
        return [duplicate_value(path, name)]
    seen.add(name)
    return [invalid_value(path, name, text) for text in label_errors(name)]


def _container(container: Obj, path: str, volumes: set[str]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if not container.get("image"):
        problems.append(required(f"{path}.image"))
    if container.get("imagePullPolicy") not in _PULL:
        problems.append(not_supported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL))
    for index, port in enumerate(container.get("ports") or []):
        problems += _port(port, f"{path}.ports[{index}]")
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            problems.append(required(f"{path}.env[{index}].name"))
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            problems.append(invalid_value(f"{path}.env[{index}].valueFrom", "", text))
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") not in volumes:
            text = f'Not found: "{mount.get("name") or ""}"'
            problems.append(FieldProblem(f"{path}.volumeMounts[{index}].name", "FieldValueNotFound", text))
        if not mount.get("mountPath"):
            problems.append(required(f"{path}.volumeMounts[{index}].mountPath"))
    return problems + _probes(container, path)


def _port(port: Obj, path: str) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    number = port.get("containerPort")
    if not number:
        problems.append(required(f"{path}.containerPort"))
    elif not 0 < number < 65536:
        problems.append(invalid_value(f"{path}.containerPort", number, "must be between 1 and 65535, inclusive"))
    if port.get("protocol") not in _PROTOCOLS:
        problems.append(not_supported(f"{path}.protocol", port.get("protocol"), _PROTOCOLS))
    return problems


def _probes(container: Obj, path: str) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe: dict[str, Any] | None = container.get(name)
        if probe is not None and not any(probe.get(handler) for handler in ("httpGet", "tcpSocket", "exec", "grpc")):
            problems.append(required(f"{path}.{name}", "must specify a handler type"))
    return problems


_FROZEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_change(live: Obj, obj: Obj) -> list[FieldProblem]:
    """Of a pod's spec only images, the deadline and additional tolerations may change."""
    before, after = copy_obj(live.get("spec") or {}), copy_obj(obj.get("spec") or {})
    for spec in (before, after):
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
            container.pop("image", None)
        spec.pop("activeDeadlineSeconds", None)
        if live["metadata"].get("deletionTimestamp"):
            spec.pop("terminationGracePeriodSeconds", None)
        if _gated(live):
            spec.pop("nodeSelector", None)
            spec.pop("affinity", None)
            spec.pop("schedulingGates", None)
    kept = before.pop("tolerations", None) or []
    wanted = after.pop("tolerations", None) or []
    if before == after and all(toleration in wanted for toleration in kept):
        return []
    return [forbidden_field("spec", _FROZEN)]


def _gated(live: Obj) -> bool:
    return bool((live.get("spec") or {}).get("schedulingGates"))
