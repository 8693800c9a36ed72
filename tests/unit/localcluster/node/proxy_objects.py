"""Services, EndpointSlices and HTTPRoutes for the proxy's tests."""


def service(name, *, namespace="shop", port=80, port_name="http"):
    spec = {"ports": [{"name": port_name, "port": port}]}
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def slice_of(name, *endpoints, namespace="shop", port=8080, port_name="http"):
    """`endpoints` are ips, or (ip, conditions)."""
    pairs = [(e, {"ready": True}) if isinstance(e, str) else e for e in endpoints]
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": port_name, "port": port}],
        "endpoints": [{"addresses": [ip], "conditions": conditions} for ip, conditions in pairs],
    }


def ref(name, weight=None, **more):
    return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight}) | more


def route(name, *rules, hosts=("web.example",), namespace="shop", created="2026-01-01T00:00:00Z", parents=None):
    """Rules as in the API."""
    spec = {"rules": list(rules), "parentRefs": parents if parents is not None else [{"name": "gateway"}]}
    if hosts:
        spec["hostnames"] = list(hosts)
    meta = {"name": name, "namespace": namespace, "creationTimestamp": created, "generation": 3}
    return {"kind": "HTTPRoute", "metadata": meta, "spec": spec}


def rule(*refs, matches=None, filters=None, **more):
    spec = {"backendRefs": list(refs), **more}
    if matches:
        spec["matches"] = matches
    if filters:
        spec["filters"] = filters
    return spec
