"""Which kinds an API server serves.

Newer servers answer two requests with everything (`apidiscovery.k8s.io/v2`); older ones are asked group by group. Only kinds
that can be listed and watched are given: nothing else can be kept in sync. Groups come in the server's order, and inside a
group its preferred version first.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson

from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.client.errors import ensure_ok
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Response

Fetch = Callable[[str, str], Awaitable[Response]]
"""GET of a path with an Accept header."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_NEEDED = frozenset({"list", "watch"})


async def discover(fetch: Fetch) -> tuple[Resource, ...]:
    """All kinds that can be listed and watched. Raises what the client raises; a group that fails alone is left out."""
    found: list[Resource] = []
    for root in ("/api", "/apis"):
        response = await fetch(root, f"{AGGREGATED},application/json")
        ensure_ok(response, f"get {root}")
        document = _document(response, root)
        if document.get("kind") == "APIGroupDiscoveryList":
            found.extend(_aggregated(document))
        elif root == "/api":
            for version in document.get("versions") or ():
                found.extend(await _group_version(fetch, "", version))
        else:
            found.extend(await _groups(fetch, document.get("groups") or ()))
    return tuple(found)


async def api_versions(fetch: Fetch) -> tuple[str, ...]:
    """Everything served, as Helm's `.Capabilities.APIVersions` spells it: `apps/v1`, `apps/v1/Deployment`; sorted."""
    found: set[str] = set()
    for root in ("/api", "/apis"):
        response = await fetch(root, f"{AGGREGATED},application/json")
        ensure_ok(response, f"get {root}")
        document = _document(response, root)
        if document.get("kind") != "APIGroupDiscoveryList":
            served = await discover(fetch)
            return tuple(sorted({text for kind in served for text in (kind.api_version, f"{kind.api_version}/{kind.kind}")}))
        for group in document.get("items") or ():
            name = dig(group, "metadata", "name", default="")
            for version in group["versions"]:
                spelled = f"{name}/{version['version']}" if name else version["version"]
                kinds = {row["responseKind"]["kind"] for row in version.get("resources") or () if row.get("responseKind")}
                found |= {spelled, *(f"{spelled}/{kind}" for kind in kinds)}
    return tuple(sorted(found))


def _aggregated(document: dict[str, Any]) -> Iterable[Resource]:
    groups: list[Obj] = document.get("items") or []
    for group in groups:
        name = str(dig(group, "metadata", "name", default=""))
        rows = [(version["version"], row) for version in group["versions"] for row in version.get("resources") or ()]
        for version, row in rows:
            if set(row.get("verbs") or ()) >= _NEEDED:
                subresources = {sub.get("subresource") for sub in row.get("subresources") or ()}
                yield Resource(
                        name, version, row["responseKind"]["kind"], row["resource"],
                        namespaced=row.get("scope") == "Namespaced", status_subresource="status" in subresources,
                    )  # fmt: skip


async def _groups(fetch: Fetch, groups: Iterable[dict[str, Any]]) -> list[Resource]:
    found: list[Resource] = []
    for group in groups:
        preferred = str(dig(group, "preferredVersion", "version", default=""))
        versions: list[str] = [row["version"] for row in group.get("versions") or ()]
        for version in sorted(versions, key=lambda v: v != preferred):
            try:
                found.extend(await _group_version(fetch, group["name"], version))
            except ShipwayError:
                # An aggregated API whose backend is down must not hide all the others.
                continue
    return found


async def _group_version(fetch: Fetch, group: str, version: str) -> list[Resource]:
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    response = await fetch(path, "application/json")
    ensure_ok(response, f"get {path}")
    rows: list[dict[str, Any]] = _document(response, path).get("resources") or []
    names = {row["name"] for row in rows}
    return [
        Resource(group, version, row["kind"], row["name"], row["namespaced"], f"{row['name']}/status" in names)
        for row in rows
        if "/" not in row["name"] and set(row.get("verbs") or ()) >= _NEEDED
    ]


def _document(response: Response, path: str) -> dict[str, Any]:
    try:
        return orjson.loads(response.body)
    except ValueError as error:
        raise Unavailable(f"get {path}: the answer is not JSON", reason="BadAnswer") from error
