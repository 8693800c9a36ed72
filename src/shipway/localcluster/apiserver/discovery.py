"""Which groups, versions and resources there are: the aggregated form that current clients ask for, and the legacy one."""

from collections.abc import Callable, Iterable

import orjson

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.etags import cacheable
from shipway.localcluster.apiserver.negotiation import JSON
from shipway.localcluster.apiserver.problems import PlainNotFound, method_not_allowed, unknown_resource
from shipway.localcluster.apiserver.registry import Kind, Registry

_GROUP = "apidiscovery.k8s.io"
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_SUBRESOURCE_KINDS: dict[str, Obj] = {
    "scale": _SCALE,
    "eviction": {"group": "policy", "version": "v1", "kind": "Eviction"},
    "binding": {"group": "", "version": "v1", "kind": "Binding"},
    "token": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
    "exec": {"group": "", "version": "v1", "kind": "PodExecOptions"},
    "attach": {"group": "", "version": "v1", "kind": "PodAttachOptions"},
    "portforward": {"group": "", "version": "v1", "kind": "PodPortForwardOptions"},
}
_SUBRESOURCE_VERBS: dict[str, tuple[str, ...]] = {
    "log": ("get",),
    "eviction": ("create",),
    "binding": ("create",),
    "token": ("create",),
    "finalize": ("update",),
    "exec": ("create", "get"),
    "attach": ("create", "get"),
    "portforward": ("create", "get"),
}
_READ_WRITE = ("get", "patch", "update")


class Discovery:
    """Answers `/api`, `/apis`, `/apis/G` and `/apis/G/V`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._cache: dict[str, bytes] = {}
        self._revision = -1

    def answer(self, request: Request, parts: list[str]) -> Response | None:
        """None when the path is no discovery path. Raises PlainNotFound and Refused(404) for what is not there."""
        builder = self._builder(request, parts)
        if builder is None:
            return None
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        content_type, build = builder
        if self._revision != self._registry.revision:
            self._cache.clear()
            self._revision = self._registry.revision
        key = f"{request.path.rstrip('/')} {content_type}"
        if (body := self._cache.get(key)) is None:
            body = self._cache[key] = orjson.dumps(build())
        return cacheable(request, body, content_type)

    def _builder(self, request: Request, parts: list[str]) -> tuple[str, Callable[[], Obj]] | None:
        match parts:
            case ["api"] | ["apis"]:
                core = parts == ["api"]
                if media := _aggregated(request.headers.get("accept", "")):
                    return media, lambda: self._aggregate(core=core)
                return JSON, self._versions if core else self._groups
            case ["api", version] if self._registry.has_version("", version):
                return JSON, lambda: self._resources("", version)
            case ["apis", group] if group and self._registry.has_group(group):
                return JSON, lambda: {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}
            case ["apis", group, version] if self._registry.has_version(group, version):
                return JSON, lambda: self._resources(group, version)
            case ["apis", group, _] if group and self._registry.has_group(group):
                raise unknown_resource()
            case ["api", _]:
                raise unknown_resource()
            case ["apis", _] | ["apis", _, _]:
                raise PlainNotFound("404 page not found")
        return None

    def _versions(self) -> Obj:
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}

    def _groups(self) -> Obj:
        groups = [self._group(name) for name in self.group_names() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _group(self, name: str) -> Obj:
        versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in self.versions_of(name)]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def group_names(self) -> list[str]:
        return list(dict.fromkeys(kind.group for kind in self._registry))

    def versions_of(self, group: str) -> list[str]:
        """Preferred first."""
        found = {kind.version for kind in self._registry if kind.group == group}
        return sorted(found, key=version_priority, reverse=True)

    def _kinds(self, group: str, version: str) -> list[Kind]:
        found = (kind for kind in self._registry if (kind.group, kind.version) == (group, version))
        return sorted(found, key=lambda kind: kind.plural)

    def _resources(self, group: str, version: str) -> Obj:
        listed = [entry for kind in self._kinds(group, version) for entry in _legacy_entries(kind)]
        if not group:
            return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}", "resources": listed}

    def _aggregate(self, *, core: bool) -> Obj:
        names = [name for name in self.group_names() if (name == "") == core]
        items = [self._aggregate_group(name) for name in names]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": f"{_GROUP}/v2", "metadata": {}, "items": items}

    def _aggregate_group(self, group: str) -> Obj:
        versions = [
            {
                "version": version,
                "resources": [_aggregate_entry(kind) for kind in self._kinds(group, version)],
                "freshness": "Current",
            }
            for version in self.versions_of(group)
        ]
        return {"metadata": {"name": group} if group else {}, "versions": versions}


def _aggregated(accept: str) -> str:
    """The media type of aggregated discovery, if the client puts it before plain JSON."""
    for entry in accept.split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media == JSON and given.get("g") == _GROUP and given.get("as") == "APIGroupDiscoveryList":
            if given.get("v") == "v2":
                return f"{JSON};g={_GROUP};v=v2;as=APIGroupDiscoveryList"
        elif media in (JSON, "*/*"):
            return ""
    return ""


def version_priority(version: str) -> tuple[int, int, int]:
    """Sorts as `apimachinery/version.CompareKubeAwareVersionStrings`: v2 > v1 > v1beta2 > v1alpha1 > anything else."""
    stages = {"": 3, "beta": 2, "alpha": 1}
    for stage in ("alpha", "beta"):
        head, found, tail = version.partition(stage)
        if found and head[1:].isdigit() and head[:1] == "v":
            return stages[stage], int(head[1:]), int(tail) if tail.isdigit() else 0
    if version[:1] == "v" and version[1:].isdigit():
        return stages[""], int(version[1:]), 0
    return 0, 0, 0


def _legacy_entries(kind: Kind) -> Iterable[Obj]:
    entry: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    yield entry
    for name in kind.subresources:
        answers = _subresource_kind(kind, name)
        own = (answers["group"], answers["version"]) == (kind.group, kind.version)
        where = {} if own else {"group": answers["group"], "version": answers["version"]}
        yield {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **where,
            "kind": answers["kind"],
            "verbs": list(_SUBRESOURCE_VERBS.get(name, _READ_WRITE)),
        }


def _subresource_kind(kind: Kind, name: str) -> Obj:
    return _SUBRESOURCE_KINDS.get(name, {"group": kind.group, "version": kind.version, "kind": kind.kind})


def _aggregate_entry(kind: Kind) -> Obj:
    entry: Obj = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _subresource_kind(kind, name),
                "verbs": list(_SUBRESOURCE_VERBS.get(name, _READ_WRITE)),
            }
            for name in kind.subresources
        ]
    return entry
