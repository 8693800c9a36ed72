"""What a kind is called and where it lives: `Resource` names a kind at one API version, `Ref` one object of a kind.

`Ref` leaves the version out on purpose: an object is the same object whichever version it is read at.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

Obj = dict[str, Any]
"""A Kubernetes object as plain JSON. Never mutated by whoever was given it."""

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
"""Any JSON value; spelled out so that `isinstance` narrows it to something typed."""


class Resource(Struct, frozen=True, order=True, repr_omit_defaults=True):
    """A kind at one version on one cluster, with what is needed to build its URL.

    `cluster` is the server URL of a destination; "" is the cluster that the engines live in. Whatever names a kind (a watch,
    an action, an ask) so names the cluster too.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    status_subresource: bool = True
    cluster: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> tuple[str, str]:
        return (self.group, self.kind)

    def on(self, cluster: str) -> "Resource":
        """The same kind on another cluster."""
        return self if cluster == self.cluster else replace(self, cluster=cluster)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path; without a namespace a namespaced kind is addressed across all namespaces."""
        parts = ["/api", self.version] if not self.group else ["/apis", self.group, self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class Ref(Struct, frozen=True, order=True):
    """One object: group, kind, namespace ("" when the kind has none) and name."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """("apps", "v1") of "apps/v1"; ("", "v1") of "v1"."""
    group, _, version = api_version.rpartition("/")
    return group, version


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The identity of an object that carries apiVersion and kind."""
    group, _ = split_api_version(obj.get("apiVersion", ""))
    metadata: dict[str, Any] = obj.get("metadata") or {}
    return Ref(group, obj.get("kind", ""), metadata.get("namespace") or "", metadata.get("name") or "")
