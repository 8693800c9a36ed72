"""HTTPRoute filters as values. Pure. Unknown filters are left out here and reported by the route's status."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from shipway.localcluster.node.proxy.table import Backend, Filters, HeaderChange, Mirror, Redirect, Rewrite

MakeBackend = Callable[[Mapping[str, Any]], Backend]


def filters_of(specs: Iterable[Mapping[str, Any]], mirror: MakeBackend) -> Filters:
    """The filters of one rule; `mirror` resolves the backend of a RequestMirror."""
    request, response, redirect, rewrite = None, None, None, None
    mirrors: list[Mirror] = []
    for spec in specs:
        match spec.get("type"):
            case "RequestHeaderModifier":
                request = header_change(spec.get("requestHeaderModifier") or {})
            case "ResponseHeaderModifier":
                response = header_change(spec.get("responseHeaderModifier") or {})
            case "RequestRedirect":
                redirect = _redirect(spec.get("requestRedirect") or {})
            case "URLRewrite":
                change = spec.get("urlRewrite") or {}
                rewrite = Rewrite(change.get("hostname") or "", _path(change))
            case "RequestMirror":
                copy = spec.get("requestMirror") or {}
                mirrors.append(Mirror(mirror(copy.get("backendRef") or {}), _percent(copy)))
            case _:
                continue
    return Filters(request, response, redirect, rewrite, tuple(mirrors))


def header_change(spec: Mapping[str, Any]) -> HeaderChange:
    pairs = {key: tuple((h.get("name") or "", h.get("value") or "") for h in spec.get(key) or ()) for key in ("set", "add")}
    return HeaderChange(pairs["set"], pairs["add"], tuple(spec.get("remove") or ()))


def _percent(copy: Mapping[str, Any]) -> float:
    if fraction := copy.get("fraction"):
        return 100.0 * (fraction.get("numerator") or 0) / (fraction.get("denominator") or 100)
    return 100.0 if copy.get("percent") is None else float(copy["percent"])


def _redirect(spec: Mapping[str, Any]) -> Redirect:
    return Redirect(
        spec.get("statusCode") or 302, spec.get("scheme") or "", spec.get("hostname") or "", spec.get("port") or 0, _path(spec)
    )


def _path(spec: Mapping[str, Any]) -> tuple[Literal["full", "prefix"], str] | None:
    path = spec.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        return ("full", path.get("replaceFullPath") or "/")
    if path.get("type") == "ReplacePrefixMatch":
        return ("prefix", path.get("replacePrefixMatch") or "/")
    return None
