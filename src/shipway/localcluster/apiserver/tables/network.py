"""Services, endpoints, ingresses and what belongs to them."""

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.tables.columns import (
    NONE,
    Printer,
    Row,
    age_of,
    columns,
    joined,
    label_text,
    or_none,
    selector_text,
)

_UNSET = "<unset>"


def _service(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    cells = [
        obj["metadata"]["name"],
        spec.get("type", ""),
        or_none((spec.get("clusterIPs") or [spec.get("clusterIP") or ""])[0]),
        _external(obj),
        or_none(joined(_port(port) for port in spec.get("ports") or [])),
        age_of(obj, now),
        label_text(spec.get("selector")),
    ]
    return Row(cells)


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _external(obj: Obj) -> str:
    spec = spec_of(obj)
    own = joined(spec.get("externalIPs") or [])
    if spec.get("type") == "LoadBalancer":
        given = (status_of(obj).get("loadBalancer") or {}).get("ingress") or []
        addresses = joined(entry.get("ip") or entry.get("hostname") or "" for entry in given)
        return joined(part for part in (addresses, own) if part) or "<pending>"
    if spec.get("type") == "ExternalName":
        return spec.get("externalName", "")
    return or_none(own)


def _endpoints(obj: Obj, now: Instant) -> Row:
    shown: list[str] = []
    for subset in obj.get("subsets") or []:
        for port in subset.get("ports") or [{}]:
            for address in subset.get("addresses") or []:
                shown.append(f"{address['ip']}:{port['port']}" if port else address["ip"])
    return Row([obj["metadata"]["name"], _few(shown), age_of(obj, now)])


def _few(shown: list[str]) -> str:
    more = f" + {len(shown) - 3} more..." if len(shown) > 3 else ""
    return or_none(joined(shown[:3]) + more)


def _endpoint_slice(obj: Obj, now: Instant) -> Row:
    ports = [str(port.get("port", "*")) if port.get("port") is not None else "*" for port in obj.get("ports") or []]
    addresses = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    shown = _few(ports) if ports else _UNSET
    endpoints = _few(addresses) if addresses else _UNSET
    return Row([obj["metadata"]["name"], obj.get("addressType", ""), shown, endpoints, age_of(obj, now)])


def _ingress(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    more = f" + {len(hosts) - 3} more..." if len(hosts) > 3 else ""
    given = (status_of(obj).get("loadBalancer") or {}).get("ingress") or []
    cells = [
        obj["metadata"]["name"],
        or_none(spec.get("ingressClassName") or ""),
        joined(hosts[:3]) + more if hosts else "*",
        joined(entry.get("ip") or entry.get("hostname") or "" for entry in given),
        "80, 443" if spec.get("tls") else "80",
        age_of(obj, now),
    ]
    return Row(cells)


def _ingress_class(obj: Obj, now: Instant) -> Row:
    spec = spec_of(obj)
    parameters = spec.get("parameters") or {}
    kind = f"{parameters['kind']}.{parameters['apiGroup']}" if parameters.get("apiGroup") else parameters.get("kind", "")
    shown = f"{kind}/{parameters.get('name', '')}" if parameters else NONE
    return Row([obj["metadata"]["name"], spec.get("controller", ""), shown, age_of(obj, now)])


def _network_policy(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], selector_text(spec_of(obj).get("podSelector") or {}), age_of(obj, now)])


PRINTERS = {
    ("", "Service"): Printer(columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector*"), _service),
    ("", "Endpoints"): Printer(columns("Endpoints", "Age"), _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Printer(columns("AddressType", "Ports", "Endpoints", "Age"), _endpoint_slice),
    ("networking.k8s.io", "Ingress"): Printer(columns("Class", "Hosts", "Address", "Ports", "Age"), _ingress),
    ("networking.k8s.io", "IngressClass"): Printer(columns("Controller", "Parameters", "Age"), _ingress_class),
    ("networking.k8s.io", "NetworkPolicy"): Printer(columns("Pod-Selector", "Age"), _network_policy),
}
