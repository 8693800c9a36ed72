"""What a node of a resource tree says of its object: a few facts in words, its images, and where its traffic goes.

The names and shapes are those of Argo CD's tree (`Status Reason`, `Containers`, `Revision`; `targetRefs`, `externalURLs`), so
that whoever reads that one reads ours.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from shipway.gitops.sync.tasks import images_of
from shipway.kube.objects.pod_summary import Summary
from shipway.kube.objects.resource import Obj, Ref, split_api_version
from shipway.kube.objects.views import annotations_of, dig, labels_of, namespace_of, spec_of

LINK = "link.argocd.argoproj.io/"
"""Annotations that begin so are links for people: a URL, or `title|URL`."""
IGNORE_DEFAULT_LINKS = "argocd.argoproj.io/ignore-default-links"
_REVISIONS = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision")
_INGRESS_GROUPS = ("networking.k8s.io", "extensions")
_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


class Network(Struct, frozen=True):
    """Where traffic goes: to pods with `target_labels`, to the objects of `target_refs`; `labels` are a pod's own. `ingress`:
    addresses at which it comes in, `urls`: what a person can open."""

    target_labels: dict[str, str] = {}
    target_refs: tuple[Ref, ...] = ()
    labels: dict[str, str] = {}
    ingress: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


def info_of(obj: Obj) -> tuple[tuple[str, str], ...]:
    """(name, value) of what is worth telling."""
    if _kind(obj) == ("", "Pod"):
        return _pod(obj)
    numbers = (annotations_of(obj).get(key) for key in _REVISIONS)
    if obj.get("kind") == "ControllerRevision":
        numbers = (str(obj.get("revision") or ""),)
    revision = next((number for number in numbers if number), "")
    return (("Revision", f"Rev:{revision}"),) if revision else ()


def images_in(obj: Obj) -> tuple[str, ...]:
    """The images of a pod; those of a workload are what its pods say."""
    return images_of(obj) if _kind(obj) == ("", "Pod") else ()


def network_of(obj: Obj) -> Network | None:
    """None for what has nothing to do with traffic."""
    group, kind = _kind(obj)
    links = _links(obj)
    if (group, kind) == ("", "Pod"):
        return Network(labels=labels_of(obj), urls=links)
    if (group, kind) == ("", "Service"):
        is_public = spec_of(obj).get("type") == "LoadBalancer"
        return Network(spec_of(obj).get("selector") or {}, ingress=_addresses(obj) if is_public else (), urls=links)
    if kind == "Ingress" and group in _INGRESS_GROUPS:
        return _ingress(obj, links)
    if (group, kind) == ("networking.istio.io", "VirtualService"):
        return Network(target_refs=_unique(_virtual_service_targets(obj)), urls=links)
    if group == "gateway.networking.k8s.io" and kind in _ROUTES:
        return Network(target_refs=_unique(_route_targets(obj)), urls=links)
    return Network(urls=links) if links else None


def _kind(obj: Obj) -> tuple[str, str]:
    return split_api_version(obj.get("apiVersion") or "")[0], obj.get("kind") or ""


def _pod(obj: Obj) -> tuple[tuple[str, str], ...]:
    summary = Summary(obj)
    facts = [
        ("Status Reason", summary.reason),
        ("Node", spec_of(obj).get("nodeName") or ""),
        ("Containers", f"{summary.ready}/{summary.total}"),
        ("Restart Count", str(summary.restarts) if summary.restarts else ""),
    ]
    return tuple(fact for fact in facts if fact[1])


def _links(obj: Obj) -> tuple[str, ...]:
    """Only what a browser opens as a page: a link that is a script is none."""
    found = [value for key, value in sorted(annotations_of(obj).items()) if key.startswith(LINK)]
    return tuple(link for link in found if link.rpartition("|")[2].startswith(("http://", "https://")))


def _addresses(obj: Obj) -> tuple[str, ...]:
    entries: list[Obj] = dig(obj, "status", "loadBalancer", "ingress", default=[])
    return tuple(address for entry in entries if (address := entry.get("hostname") or entry.get("ip")))


def _ingress(obj: Obj, links: tuple[str, ...]) -> Network:
    spec, addresses = spec_of(obj), _addresses(obj)
    services = [_service_name(spec.get("defaultBackend") or spec.get("backend") or {})]
    urls: list[str] = []
    for rule in spec.get("rules") or []:
        host = rule.get("host") or next(iter(addresses), "")
        for path in dig(rule, "http", "paths", default=[]):
            services.append(_service_name(path.get("backend") or {}))
            if host:
                scheme = "https" if _is_secure(spec, host) else "http"
                urls.append(f"{scheme}://{host}{(path.get('path') or '').removesuffix('*')}")
    if annotations_of(obj).get(IGNORE_DEFAULT_LINKS) == "true":
        urls = []
    targets = [Ref("", "Service", namespace_of(obj), name) for name in services if name]
    return Network(target_refs=_unique(targets), ingress=addresses, urls=tuple(dict.fromkeys((*links, *urls))))


def _service_name(backend: Obj) -> str:
    return dig(backend, "service", "name", default="") or backend.get("serviceName") or ""


def _is_secure(spec: Obj, host: str) -> bool:
    """Argo CD takes any certificate of the Ingress for one of every host."""
    entries: list[Obj] = spec.get("tls") or []
    return any(entry.get("secretName") or host in (entry.get("hosts") or []) for entry in entries)


def _virtual_service_targets(obj: Obj) -> Iterable[Ref]:
    for rule in spec_of(obj).get("http") or []:
        for route in rule.get("route") or []:
            host = dig(route, "destination", "host", default="")
            name, _, rest = host.partition(".")
            if name:
                yield Ref("", "Service", rest.split(".")[0] or namespace_of(obj), name)


def _route_targets(obj: Obj) -> Iterable[Ref]:
    rules: list[Any] = spec_of(obj).get("rules") or []
    for backend in (one for rule in rules for one in rule.get("backendRefs") or []):
        if backend.get("name"):
            where = backend.get("namespace") or namespace_of(obj)
            yield Ref(backend.get("group") or "", backend.get("kind") or "Service", where, backend["name"])


def _unique(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    return tuple(dict.fromkeys(refs))
