"""Where people reach what an application runs: `status.summary.externalURLs`, read from its Ingresses and from annotations.

Ingress                                     one URL for each host and path; https where `tls` names the host
link.argocd.argoproj.io/…                   a URL that somebody wrote at an object himself
argocd.argoproj.io/ignore-default-links     "true": only what was written counts
"""

from collections.abc import Iterator

from shipway.gitops.annotations import IGNORE_DEFAULT_LINKS, LINK
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of, dig, spec_of


def external_urls(obj: Obj) -> tuple[str, ...]:
    """The URLs that a live object is reached at; each once."""
    annotations = annotations_of(obj)
    written = [url for name, url in annotations.items() if name.startswith(LINK)]
    found = () if annotations.get(IGNORE_DEFAULT_LINKS) == "true" else _of_ingress(obj)
    return tuple(dict.fromkeys((*found, *written)))


def _of_ingress(obj: Obj) -> Iterator[str]:
    ref = ref_of(obj)
    if (ref.group, ref.kind) not in (("networking.k8s.io", "Ingress"), ("extensions", "Ingress")):
        return
    spec = spec_of(obj)
    secured = {host for tls in spec.get("tls") or () for host in tls.get("hosts") or ()}
    for rule in spec.get("rules") or ():
        host = rule.get("host") or _address(obj)
        if not host:
            continue
        scheme = "https" if host in secured else "http"
        for path in dig(rule, "http", "paths", default=[]):
            yield f"{scheme}://{host}{(path.get('path') or '').removesuffix('*')}"


def _address(obj: Obj) -> str:
    """Where the load balancer is, for a rule without a host."""
    places = dig(obj, "status", "loadBalancer", "ingress", default=[])
    return next((place.get("hostname") or place.get("ip") or "" for place in places), "")
