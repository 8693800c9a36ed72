"""The environment of a container, from its spec: values, `$(VAR)` expansion, downward API, ConfigMaps and Secrets.

Pure, in two steps, so that the caller does the reading: `needed(container)` says which ConfigMaps and Secrets are wanted,
`environment(...)` builds the variables from them. Nothing here is ever logged.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, metadata, spec_of

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


Kind = Literal["ConfigMap", "Secret"]
_FROM: tuple[tuple[str, Kind], ...] = (("configMapRef", "ConfigMap"), ("secretRef", "Secret"))
_KEY_FROM: tuple[tuple[str, Kind], ...] = (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))


class Source(Struct, frozen=True, order=True):
    """One ConfigMap or Secret that an environment reads."""

    kind: Kind
    name: str
    is_optional: bool = False


class Facts(Struct, frozen=True):
    """What the downward API can tell beyond the pod's own object."""

    pod_ip: str
    host_ip: str
    sources: Mapping[tuple[str, str], Obj]
    """(kind, name) -> the object, for those that exist."""


def needed(container: Obj) -> tuple[Source, ...]:
    """The ConfigMaps and Secrets that `environment` wants to see."""
    found: list[Source] = []
    for entry in container.get("envFrom") or ():
        for key, kind in _FROM:
            if ref := entry.get(key):
                found.append(Source(kind, ref.get("name") or "", bool(ref.get("optional"))))
    for entry in container.get("env") or ():
        for key, kind in _KEY_FROM:
            if ref := dig(entry, "valueFrom", key):
                found.append(Source(kind, ref.get("name") or "", bool(ref.get("optional"))))
    return tuple(sorted(set(found)))


def environment(pod: Obj, container: Obj, facts: Facts) -> dict[str, str]:
    """The container's variables in order. Raises InvalidInput (CreateContainerConfigError) for a missing source."""
    variables: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        variables |= _all_of(entry, facts)
    for entry in container.get("env") or ():
        name = entry.get("name") or ""
        if "valueFrom" in entry:
            value = _value_from(pod, entry["valueFrom"] or {}, facts)
            if value is not None:
                variables[name] = value
        else:
            variables[name] = expand(entry.get("value") or "", variables)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$` a dollar; what is unknown stays as it is written (Kubernetes' expansion)."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def _all_of(entry: Mapping[str, Any], facts: Facts) -> dict[str, str]:
    prefix = entry.get("prefix") or ""
    for key, kind in _FROM:
        if ref := entry.get(key):
            return {f"{prefix}{name}": value for name, value in _content(kind, ref, facts).items()}
    return {}


def _value_from(pod: Obj, source: Mapping[str, Any], facts: Facts) -> str | None:
    if ref := source.get("fieldRef"):
        return field_value(pod, ref.get("fieldPath") or "", facts)
    for key, kind in _KEY_FROM:
        if ref := source.get(key):
            content = _content(kind, ref, facts)
            wanted = ref.get("key") or ""
            if wanted in content:
                return content[wanted]
            if ref.get("optional"):
                return None
            raise _broken(f"couldn't find key {wanted} in {kind} {metadata(pod).get('namespace')}/{ref.get('name')}: add it")
    return None


def _content(kind: str, ref: Mapping[str, Any], facts: Facts) -> dict[str, str]:
    obj = facts.sources.get((kind, ref.get("name") or ""))
    if obj is None:
        if ref.get("optional"):
            return {}
        raise _broken(f'{kind.lower()} "{ref.get("name")}" not found: create it, or mark the reference optional')
    if kind == "ConfigMap":
        return dict(obj.get("data") or {})
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (obj.get("data") or {}).items()}


def field_value(pod: Obj, path: str, facts: Facts) -> str:
    """What the downward API says of a pod. Raises InvalidInput for a path that it does not know."""
    known = {
        "metadata.name": metadata(pod).get("name"),
        "metadata.namespace": metadata(pod).get("namespace"),
        "metadata.uid": metadata(pod).get("uid"),
        "spec.nodeName": spec_of(pod).get("nodeName"),
        "spec.serviceAccountName": spec_of(pod).get("serviceAccountName") or "default",
        "status.hostIP": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }
    if path in known:
        return known[path] or ""
    match = _SUBSCRIPT.fullmatch(path)
    if match:
        return (labels_of(pod) if match[1] == "labels" else annotations_of(pod)).get(match[2], "")
    raise _broken(
        f"field path \"{path}\" is not supported here: use metadata.name, .namespace, .uid, .labels['x'] or status.podIP"
    )


def _broken(message: str) -> InvalidInput:
    return InvalidInput(message, reason="CreateContainerConfigError")
