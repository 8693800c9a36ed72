"""Cluster IPs and node ports for Services, handed out from fixed ranges.

What is taken is read from the Services themselves, so nothing else needs to be stored. The search goes on where the last one
ended: an address is not reused at once, and a simulation gets the same addresses each time.
"""

import ipaddress
from collections.abc import Container

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.problems import FieldProblem, invalid_value
from shipway.localcluster.apiserver.store import Store, decode_object

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
FIRST_DYNAMIC = 0x0A60_0010
"""10.96.0.16: those below are for well-known services (10.96.0.1 is `kubernetes`, 10.96.0.10 DNS)."""
NODE_PORTS = range(30000, 32768)
_SERVICES = ("", "services")


def _family_problems(spec: Obj) -> list[FieldProblem]:
    """There is one family of addresses here, as on most clusters."""
    problems: list[FieldProblem] = []
    if spec["ipFamilyPolicy"] == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        problems.append(invalid_value("spec.ipFamilyPolicy", "RequireDualStack", text))
    for index, family in enumerate(spec["ipFamilies"]):
        if family != "IPv4":
            problems.append(invalid_value(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
    return problems


class Addresses:
    """The allocator. `assign` fills what a Service still lacks and says what cannot be had."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_ip = FIRST_DYNAMIC
        self._next_port = NODE_PORTS.start

    def assign(self, service: Obj, live: Obj | None = None) -> list[FieldProblem]:
        """Gives `service` its cluster IP and node ports in place; `live` is what it was before, whose addresses it keeps."""
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
            return []
        before = (live or {}).get("spec") or {}
        # Nothing but its owner knows what is behind a headless Service without a selector, so it may be any family.
        is_open = spec.get("clusterIP") == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", before.get("ipFamilies") or (["IPv4", "IPv6"] if is_open else ["IPv4"]))
        spec.setdefault("ipFamilyPolicy", before.get("ipFamilyPolicy") or ("RequireDualStack" if is_open else "SingleStack"))
        problems = [] if is_open else _family_problems(spec)
        problems += self._cluster_ip(spec, before)
        return problems + self._node_ports(service, before)

    def _cluster_ip(self, spec: Obj, before: Obj) -> list[FieldProblem]:
        wanted = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0] or before.get("clusterIP") or ""
        problems: list[FieldProblem] = []
        if wanted and wanted not in ("None", before.get("clusterIP")):
            problems = self._check_ip(spec, wanted)
        if not wanted:
            wanted = self._free_ip()
        spec["clusterIP"] = wanted
        spec["clusterIPs"] = [wanted]
        return problems

    def _check_ip(self, spec: Obj, wanted: str) -> list[FieldProblem]:
        given = spec.get("clusterIPs") or [wanted]
        prefix = f"failed to allocate IP {wanted}: "
        try:
            inside = ipaddress.IPv4Address(wanted) in SERVICE_NETWORK
        except ValueError:
            return [
                invalid_value("spec.clusterIPs[0]", wanted, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
            ]
        if not inside:
            text = f"{prefix}the provided network does not match the current range"
            return [invalid_value("spec.clusterIPs", given, text)]
        if wanted in self._taken_ips():
            return [invalid_value("spec.clusterIPs", given, f"{prefix}provided IP is already allocated")]
        return []

    def _taken_ips(self) -> Container[str]:
        return {record.fields.get("spec.clusterIP", "") for record in self._store.shelf(_SERVICES).records.values()}

    def _free_ip(self) -> str:
        taken = self._taken_ips()
        for _ in range(SERVICE_NETWORK.num_addresses):
            address = str(ipaddress.IPv4Address(self._next_ip))
            self._next_ip += 1
            if self._next_ip >= int(SERVICE_NETWORK.broadcast_address):
                self._next_ip = FIRST_DYNAMIC
            if address not in taken:
                return address
        raise RuntimeError("no free cluster IP is left in 10.96.0.0/16: delete Services")

    def _node_ports(self, service: Obj, before: Obj) -> list[FieldProblem]:
        spec = service["spec"]
        if spec.get("type") not in ("NodePort", "LoadBalancer") or spec.get("allocateLoadBalancerNodePorts") is False:
            if before and before.get("type") != spec.get("type"):
                for port in spec.get("ports") or []:
                    port.pop("nodePort", None)
            return []
        held = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or []}
        taken = self._taken_ports(service)
        problems: list[FieldProblem] = []
        for index, port in enumerate(spec.get("ports") or []):
            wanted = port.get("nodePort") or held.get((port.get("port"), port.get("protocol")))
            if wanted and wanted in taken:
                problems.append(invalid_value(f"spec.ports[{index}].nodePort", wanted, "provided port is already allocated"))
            elif wanted and wanted not in NODE_PORTS:
                text = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                problems.append(invalid_value(f"spec.ports[{index}].nodePort", wanted, text))
            port["nodePort"] = wanted or self._free_port(taken)
            taken.add(port["nodePort"])
        return problems

    def _taken_ports(self, service: Obj) -> set[int]:
        own = (service["metadata"].get("namespace") or "", service["metadata"]["name"])
        taken: set[int] = set()
        for key, record in self._store.shelf(_SERVICES).records.items():
            if key != own and record.fields.get("spec.type") in ("NodePort", "LoadBalancer"):
                spec = decode_object(record, "Service", "v1")["spec"]
                taken |= {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}
        return taken

    def _free_port(self, taken: Container[int]) -> int:
        for _ in NODE_PORTS:
            port = self._next_port
            self._next_port = port + 1 if port + 1 in NODE_PORTS else NODE_PORTS.start
            if port not in taken:
                return port
        raise RuntimeError("no free node port is left in 30000-32767: delete Services")
