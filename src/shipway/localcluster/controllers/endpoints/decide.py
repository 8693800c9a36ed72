"""From a Service and its pods to EndpointSlices, and to the Endpoints that old clients read.

Pods are grouped by what the service's ports mean on them (a named target port may differ from pod to pod). Within a group an
endpoint stays in the slice it is in, so that one pod's change rewrites one slice; slices hold a hundred. Names of slices are
derived, so an old picture cannot make a second one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from shipway.api.kinds import ENDPOINT_SLICES
from shipway.base.clock import Instant
from shipway.base.ids import derived_suffix
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    dig,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Batch, Create, Decision, Delete, Replace
from shipway.localcluster.controllers.endpoints.observe import Observed
from shipway.localcluster.controllers.kinds import ENDPOINTS
from shipway.localcluster.controllers.pods import is_finished, is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
LARGEST_SLICE = 100
LARGEST_ENDPOINTS = 1000

Ports = tuple[tuple[str, str, int, str], ...]
"""(name, protocol, number, appProtocol) of each service port as one pod understands it."""


def decide(observed: Observed, now: Instant) -> Decision:
    """Creates, rewrites and deletes slices; the same for the Endpoints object."""
    service = observed.service
    if is_deleting(service) or not dig(service, "spec", "selector") or spec_of(service).get("type") == "ExternalName":
        return Decision()
    wanted = list(_slices(observed))
    names = {name_of(made) for made in wanted}
    here = {name_of(piece): piece for piece in observed.slices}
    actions: list[Action] = [_write(ENDPOINT_SLICES, here.get(name_of(made)), made) for made in wanted
                             if not _is_same(here.get(name_of(made)), made)]  # fmt: skip
    actions += [
        Delete(ENDPOINT_SLICES, namespace_of(piece), name, uid=uid_of(piece))
        for name, piece in here.items()
        if name not in names and not is_deleting(piece)
    ]
    legacy = _endpoints(observed)
    if not _is_same(observed.endpoints, legacy):
        actions.append(_write(ENDPOINTS, observed.endpoints, legacy))
    return Decision((Batch(tuple(actions), on_failure="continue"),) if actions else ())


def ports_on(service: Obj, pod: Obj) -> Ports:
    """The service's ports as this pod serves them; a named port that the pod has not is left out (FindPort)."""
    found: list[tuple[str, str, int, str]] = []
    for port in spec_of(service).get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        target = port.get("targetPort", port["port"])
        number = _named_port(pod, target, protocol) if isinstance(target, str) else int(target or port["port"])
        if number:
            found.append((port.get("name") or "", protocol, number, port.get("appProtocol") or ""))
    return tuple(found)


def endpoint_of(service: Obj, pod: Obj) -> dict[str, Any]:
    """One endpoint: ready only while the pod is ready and stays (unless the service publishes all), serving while ready."""
    serving = is_ready(pod)
    ready = bool(spec_of(service).get("publishNotReadyAddresses")) or (serving and not is_deleting(pod))
    made: dict[str, Any] = {
        "addresses": [status_of(pod)["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": is_deleting(pod)},
        "targetRef": {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)},
    }
    if node := spec_of(pod).get("nodeName"):
        made["nodeName"] = node
    if (host := spec_of(pod).get("hostname")) and spec_of(pod).get("subdomain") == name_of(service):
        made["hostname"] = host
    return made


def _slices(observed: Observed) -> Iterable[Obj]:
    service, groups = observed.service, dict[Ports, list[Obj]]()
    for pod in _reachable(observed.pods):
        groups.setdefault(ports_on(service, pod), []).append(pod)
    taken: set[str] = set()
    for ports in sorted(groups) or [()]:
        here = [piece for piece in observed.slices if _ports_of(piece) == ports and not is_deleting(piece)]
        for name, pods in _placed(service, groups.get(ports, []), here, taken):
            taken.add(name)
            yield _slice(service, name, ports, pods)


def _placed(service: Obj, pods: Sequence[Obj], here: Sequence[Obj], taken: set[str]) -> Iterable[tuple[str, list[Obj]]]:
    """(slice name, its pods): who is in a slice stays, the others fill up, new slices take the rest."""
    home = {dig(e, "targetRef", "uid"): name_of(piece) for piece in here for e in piece.get("endpoints") or ()}
    rooms: dict[str, list[Obj]] = {name_of(piece): [] for piece in sorted(here, key=name_of)}
    homeless: list[Obj] = []
    for pod in sorted(pods, key=name_of):
        place = home.get(uid_of(pod))
        (rooms[place] if place else homeless).append(pod)
    names = _names(service, taken | {name_of(piece) for piece in here})
    for pod in homeless:
        room = next((name for name, inside in rooms.items() if len(inside) < LARGEST_SLICE), None) or next(names)
        rooms.setdefault(room, []).append(pod)
    kept = [(name, sorted(inside, key=name_of)) for name, inside in rooms.items() if inside]
    if kept or taken:
        return kept
    return [(next(iter(rooms), None) or next(names), [])]


def _names(service: Obj, taken: set[str]) -> Iterator[str]:
    for ordinal in count():
        name = f"{name_of(service)}-"[:58] + derived_suffix(uid_of(service), str(ordinal), length=5)
        if name not in taken:
            yield name


def _slice(service: Obj, name: str, ports: Ports, pods: Sequence[Obj]) -> Obj:
    labels = {**labels_of(service), SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER}
    if spec_of(service).get("clusterIP") == "None":
        labels[HEADLESS] = ""
    meta = {
        "namespace": namespace_of(service),
        "name": name,
        "generateName": f"{name_of(service)}-",
        "labels": labels,
        "ownerReferences": [controller_ref(service)],
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": [endpoint_of(service, pod) for pod in pods],
        "ports": [_port(port) for port in ports],
    }


def _port(port: tuple[str, str, int, str]) -> dict[str, Any]:
    name, protocol, number, application = port
    made: dict[str, Any] = {"name": name, "protocol": protocol, "port": number}
    return {**made, "appProtocol": application} if application else made


def _ports_of(piece: Obj) -> Ports:
    return tuple(
        (p.get("name") or "", p.get("protocol") or "TCP", p.get("port") or 0, p.get("appProtocol") or "")
        for p in piece.get("ports") or ()
    )


def _endpoints(observed: Observed) -> Obj:
    """The old form: one subset per group of ports, ready and not ready addresses apart; terminating ones are not ready."""
    service, groups = observed.service, dict[Ports, list[Obj]]()
    for pod in sorted(_reachable(observed.pods), key=name_of)[:LARGEST_ENDPOINTS]:
        groups.setdefault(ports_on(service, pod), []).append(pod)
    subsets: list[Obj] = []
    for ports in sorted(groups):
        sides: dict[str, list[Obj]] = {"addresses": [], "notReadyAddresses": []}
        for pod in groups[ports]:
            endpoint = endpoint_of(service, pod)
            address = {"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]}
            address |= {"nodeName": endpoint["nodeName"]} if "nodeName" in endpoint else {}
            sides["addresses" if endpoint["conditions"]["ready"] else "notReadyAddresses"].append(address)
        named = [{k: v for k, v in _port(port).items() if k != "name" or v} for port in ports]
        subsets.append({key: value for key, value in {**sides, "ports": named}.items() if value})
    labels = {**labels_of(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    meta = {"namespace": namespace_of(service), "name": name_of(service), "labels": labels}
    made: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
    return {**made, "subsets": subsets} if subsets else made


def _reachable(pods: Iterable[Obj]) -> Iterable[Obj]:
    return (pod for pod in pods if status_of(pod).get("podIP") and not is_finished(pod))


def _named_port(pod: Obj, name: str, protocol: str) -> int:
    containers: list[dict[str, Any]] = [*(spec_of(pod).get("containers") or ()), *(spec_of(pod).get("initContainers") or ())]
    for container in containers:
        for port in container.get("ports") or ():
            if port.get("name") == name and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return 0


def _is_same(here: Obj | None, wanted: Obj) -> bool:
    if here is None:
        return False
    same_labels = labels_of(here) == labels_of(wanted)
    return same_labels and all((here.get(key) or []) == (wanted.get(key) or []) for key in ("endpoints", "ports", "subsets"))


def _write(resource: Any, here: Obj | None, wanted: Obj) -> Action:
    if here is None:
        return Create(resource, wanted)
    # The old metadata with our labels: annotations and owners that others wrote stay.
    meta = {**metadata(here), "labels": labels_of(wanted), "resourceVersion": resource_version_of(here)}
    return Replace(resource, {**wanted, "metadata": meta})
