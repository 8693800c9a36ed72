"""From a URL path to what it addresses: a kind, perhaps a namespace, a name and a subresource."""

from msgspec import Struct

from shipway.localcluster.apiserver.problems import PlainNotFound, unknown_resource
from shipway.localcluster.apiserver.registry import Kind, Registry

NAMESPACE_SUBRESOURCES = ("status", "finalize")


class Target(Struct, frozen=True):
    """What a request is about. `watch` is set by the legacy `/watch/` paths."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False


def resolve(registry: Registry, path: str) -> Target:
    """The target of `/api/v1/…` or `/apis/g/v/…`. Raises PlainNotFound for an unknown group version, Refused(404) for an
    unknown resource in a known one."""
    parts = [part for part in path.split("/") if part]
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        group, version, rest = parts[1], parts[2], parts[3:]
    if not registry.has_version(group, version):
        raise PlainNotFound("404 page not found")
    watch = rest[:1] == ["watch"]
    if watch:
        rest = rest[1:]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES and not group):
        namespace, rest = rest[1], rest[2:]
    kind = registry.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise unknown_resource()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in kind.subresources:
        raise unknown_resource()
    return Target(kind, namespace, name, subresource, watch)
