"""What a server warns of without refusing it: settings that do not do what they seem to.

Told in Warning headers when an object is created, and again when its spec changes. Of the real server's many, the ones that
charts and people run into: ports and variables defined twice, session affinity of a headless Service.
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
    yield from _pod_spec(obj.get("spec") or {}, "spec")


def _template(obj: Obj) -> Iterator[str]:
    spec = obj.get("spec") or {}
    yield from _pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")


def _job_template(obj: Obj) -> Iterator[str]:
    spec = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    yield from _pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.jobTemplate.spec.template.spec")


def _pod_spec(spec: Obj, path: str) -> Iterator[str]:
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            yield from _variables(container, f"{path}.{field}[{index}].env")
    yield from _ports(spec, path)


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


_RULES: Mapping[tuple[str, str], Callable[[Obj], Iterator[str]]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apps", "Deployment"): _template,
    ("apps", "ReplicaSet"): _template,
    ("apps", "StatefulSet"): _template,
    ("apps", "DaemonSet"): _template,
    ("batch", "Job"): _template,
    ("batch", "CronJob"): _job_template,
}
