"""The Kubernetes client: verbs on kinds over a `Transport`.

It knows URLs, media types, paging and the error tree, and nothing about any kind. The transport is the network
(`HttpTransport`) or the embedded API server itself, which has the same `send`. Objects come and go as plain dicts; what is
given is never changed. Answers of lists and watches carry the kind's own apiVersion and kind, metadata-only ones too.
"""

import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypedDict, Unpack

import orjson

from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.client.discovery import api_versions, discover
from shipway.kube.client.errors import Expired, ensure_ok, error_of
from shipway.kube.client.watching import Item, Listing, WatchEvent, calm_collector, decode_page, events_of, objects_of
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.objects.wire import IMPERSONATE_USER, Request, Response, Transport

PatchType = Literal["merge", "json", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]
Query = list[tuple[str, str]]

_PATCH_MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PAGE_SIZE = 1000


class LogOptions(TypedDict, total=False):
    """Which part of a pod's log is wanted; None or left out: all of it, of its only container."""

    container: str
    follow: bool
    tail_lines: int | None
    since_seconds: float | None
    previous: bool
    timestamps: bool


def _as_it_is(obj: Obj) -> Any:
    return obj


class Client:
    """One API server. `manager` is the field manager of writes that do not name another."""

    def __init__(self, transport: Transport, *, user_agent: str = "shipway", manager: str = "shipway") -> None:
        self.transport = transport
        self.manager = manager
        self._headers = {"user-agent": user_agent, "accept": "application/json"}

    def acting_as(self, user: str) -> "Client":
        """This client with the rights of somebody else, for whom ours have to suffice; itself for ""."""
        if not user:
            return self
        client = Client(self.transport, manager=self.manager)
        client._headers = {**self._headers, IMPERSONATE_USER: user}
        return client

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Obj:
        """One object. Raises NotFound."""
        path = resource.path(namespace, _named(resource, name, "get"), subresource)
        return await self._object("GET", path, [])

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = "",
        metadata_only: bool = False, keep: Callable[[Obj], Item] = _as_it_is,
    ) -> Listing[Item]:  # fmt: skip
        """All objects, page after page. A page token that expired on the way starts over without pages.

        `keep` makes of each object what is wanted of it before the next one is decoded, so that a long list never stands
        in memory decoded."""
        query = _selectors(label_selector, field_selector)
        accept = _METADATA_LIST if metadata_only else "application/json"
        try:
            return await self._pages(resource, namespace, [*query, ("limit", str(_PAGE_SIZE))], accept, keep)
        except Expired:
            return await self._pages(resource, namespace, query, accept, keep)

    async def try_list(self, resource: Resource, namespace: str = "") -> None:
        """Raises what listing a kind would raise; asks for one object."""
        answer = await self.raw("GET", resource.path(namespace), query=[("limit", "1")], headers={"accept": _METADATA_LIST})
        ensure_ok(answer, f"list {resource.plural}")

    async def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str, label_selector: str = "",
        field_selector: str = "", metadata_only: bool = False, timeout_seconds: float | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:  # fmt: skip
        """Events after `resource_version` with bookmarks, until the server ends it. Raises Expired when that is too old."""
        query = _selectors(label_selector, field_selector)
        query += [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", resource_version)]
        if timeout_seconds is not None:
            query.append(("timeoutSeconds", str(max(1, int(timeout_seconds)))))
        headers = {"accept": _METADATA_ONE} if metadata_only else {}
        response = await self.raw("GET", resource.path(namespace), query=query, headers=headers)
        ensure_ok(response, f"watch {resource.plural}")
        if response.stream is None:
            raise Unavailable(f"watch {resource.plural}: the answer is not a stream", reason="BadAnswer")
        async with aclosing(events_of(response.stream, resource)) as events:
            async for event in events:
                yield event

    async def create(self, resource: Resource, obj: Obj, *, dry_run: bool = False, manager: str | None = None) -> Obj:
        """Raises Conflict with reason AlreadyExists when the name is taken."""
        return await self._object("POST", resource.path(namespace_of(obj)), self._writing(dry_run, manager), obj)

    async def replace(self, resource: Resource, obj: Obj, *, subresource: str = "", manager: str | None = None) -> Obj:
        """PUT; with a resourceVersion in `obj` only if it is still that one, else Conflict."""
        path = resource.path(namespace_of(obj), _named(resource, name_of(obj), "replace"), subresource)
        return await self._object("PUT", path, self._writing(False, manager), obj)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, *, type: PatchType = "merge", subresource: str = "",
        dry_run: bool = False, manager: str | None = None,
    ) -> Obj:  # fmt: skip
        """A merge, JSON, strategic merge or apply patch; the result as the server stored it."""
        path = resource.path(namespace, _named(resource, name, "patch"), subresource)
        return await self._object("PATCH", path, self._writing(dry_run, manager), body, media=_PATCH_MEDIA[type])

    async def apply(
        self, resource: Resource, obj: Obj, *, manager: str, force: bool = True, dry_run: bool = False, subresource: str = ""
    ) -> Obj:  # fmt: skip
        """Server-side apply. Without `force`, fields of others raise FieldConflict naming them."""
        path = resource.path(namespace_of(obj), _named(resource, name_of(obj), "apply"), subresource)
        query = [*self._writing(dry_run, manager), ("force", "true" if force else "false")]
        return await self._object("PATCH", path, query, obj, media=_PATCH_MEDIA["apply"])

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
        propagation: Propagation = "Background", grace_seconds: int | None = None,
    ) -> Obj:  # fmt: skip
        """The object if it stays for a while (finalizers, grace), else a Status. Raises NotFound, Conflict."""
        preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions:
            options["preconditions"] = preconditions
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return await self._object("DELETE", resource.path(namespace, _named(resource, name, "delete")), [], options)

    async def evict(self, namespace: str, name: str) -> None:
        """Evict a pod. Raises Unavailable with reason DisruptionBudget when a budget forbids it now."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": namespace, "name": name}}
        await self._object("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", [], body)

    async def bind(self, namespace: str, name: str, node: str) -> None:
        """Bind a pod to a node, as a scheduler does. Raises Conflict when it is bound already."""
        body: Obj = {
            "apiVersion": "v1", "kind": "Binding", "metadata": {"namespace": namespace, "name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }  # fmt: skip
        await self._object("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", [], body)

    async def logs(self, namespace: str, name: str, **options: Unpack[LogOptions]) -> AsyncGenerator[bytes, None]:
        """A pod's log in chunks of any size. Raises NotFound, InvalidInput (the container has not started)."""
        since = options.get("since_seconds")
        query: Query = [("container", options.get("container") or "")]
        query += [("tailLines", str(tail))] if (tail := options.get("tail_lines")) is not None else []
        query += [("sinceSeconds", str(max(1, math.ceil(since))))] if since is not None else []
        query += [(flag, "true") for flag in ("follow", "previous", "timestamps") if options.get(flag)]
        query = [(key, value) for key, value in query if value]
        response = await self.raw("GET", f"/api/v1/namespaces/{namespace}/pods/{name}/log", query=query)
        ensure_ok(response, f"get the log of pod {namespace}/{name}")
        if response.stream is None:
            yield response.body
            return
        async with aclosing(response.stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def discover(self) -> tuple[Resource, ...]:
        """All kinds that can be listed and watched, preferred version first."""
        return await discover(lambda path, accept: self.raw("GET", path, headers={"accept": accept}))

    async def api_versions(self) -> tuple[str, ...]:
        """Everything served, as `group/version` and `group/version/Kind`."""
        return await api_versions(lambda path, accept: self.raw("GET", path, headers={"accept": accept}))

    async def raw(
        self, method: str, path: str, *, query: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:  # fmt: skip
        """One request as it is; the answer of any status as it is. Raises Unavailable when there is none."""
        return await self.transport.send(Request(method, path, tuple(query), {**self._headers, **(headers or {})}, body))

    async def close(self) -> None:
        await self.transport.close()

    async def _pages(
        self, resource: Resource, namespace: str, query: Query, accept: str, keep: Callable[[Obj], Item]
    ) -> Listing[Item]:
        items: list[Item] = []
        token = ""
        while True:
            asked = [*query, ("continue", token)] if token else query
            response = await self.raw("GET", resource.path(namespace), query=asked, headers={"accept": accept})
            ensure_ok(response, f"list {resource.plural}")
            page = decode_page(response.body, resource)
            with calm_collector():
                items += map(keep, objects_of(page, resource))
            token = page.metadata.continue_token
            if not token:
                return Listing(items, page.metadata.resource_version)

    def _writing(self, dry_run: bool, manager: str | None) -> Query:
        query: Query = [("fieldManager", manager or self.manager)]
        return [*query, ("dryRun", "All")] if dry_run else query

    async def _object(self, method: str, path: str, query: Query, body: Any = None, *, media: str = "application/json") -> Obj:
        headers = {"content-type": media} if body is not None else {}
        raw = orjson.dumps(body) if body is not None else b""
        response = await self.raw(method, path, query=query, headers=headers, body=raw)
        if response.status >= 400:
            raise error_of(response, f"{_VERBS[method]} {path}")
        try:
            with calm_collector():
                return orjson.loads(response.body)
        except ValueError as error:
            raise Unavailable(f"{_VERBS[method]} {path}: the answer is not JSON", reason="BadAnswer") from error


_VERBS = {"GET": "get", "POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def _named(resource: Resource, name: str, verb: str) -> str:
    """Refuses what would address another URL: without a name a delete would mean the whole collection."""
    if not name or "/" in name or name in (".", ".."):
        raise InvalidInput(f"{verb} {resource.plural}: {name!r} is not a name")
    return name


def _selectors(label_selector: str, field_selector: str) -> Query:
    pairs = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return [(key, value) for key, value in pairs if value]
