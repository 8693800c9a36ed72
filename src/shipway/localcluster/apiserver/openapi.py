"""OpenAPI v3: an index, and one document per group version with schemas and the paths that kubectl looks for.

The documents are built when first asked for and kept as bytes; their hash in the index lets clients cache them for ever.
"""

import hashlib

import orjson

from shipway.kube.objects.openapi import REF, definition_name, openapi_components
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.etags import cacheable
from shipway.localcluster.apiserver.negotiation import JSON
from shipway.localcluster.apiserver.problems import PlainNotFound
from shipway.localcluster.apiserver.registry import Kind, Registry

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_CUSTOM_BODIES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
"""No strategic merge patch: kubectl chooses its patch by what stands here."""
_BODIES = (*_CUSTOM_BODIES[:2], "application/strategic-merge-patch+json", *_CUSTOM_BODIES[2:])


class OpenApi:
    """Answers `/openapi/v3` and what is below it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, bytes] = {}
        self._revision = -1

    def answer(self, request: Request) -> Response:
        """Raises PlainNotFound for versions that are not served, and for OpenAPI v2."""
        if self._revision != self._registry.revision:
            self._documents = {key: body for key, body in self._documents.items() if self._is_builtin(key)}
            self._revision = self._registry.revision
        path = request.path.rstrip("/")
        if path == "/openapi/v3":
            return cacheable(request, orjson.dumps({"paths": self._index()}), JSON)
        name = path.removeprefix("/openapi/v3/")
        if name not in self._names():
            raise PlainNotFound("404 page not found" if name == path else "")
        return cacheable(request, self._document(name), JSON)

    def _names(self) -> dict[str, tuple[str, str]]:
        """Group version by document name."""
        pairs = dict.fromkeys((kind.group, kind.version) for kind in self._registry)
        return {f"apis/{group}/{version}" if group else f"api/{version}": (group, version) for group, version in pairs}

    def _is_builtin(self, name: str) -> bool:
        return not any(kind.crd for kind in self._registry if (kind.group, kind.version) == self._names().get(name))

    def _index(self) -> Obj:
        entries: Obj = {}
        for name in sorted(self._names()):
            digest = hashlib.sha256(self._document(name)).hexdigest().upper()
            entries[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return entries

    def _document(self, name: str) -> bytes:
        if (body := self._documents.get(name)) is None:
            body = self._documents[name] = orjson.dumps(self._build(*self._names()[name]))
        return body

    def _build(self, group: str, version: str) -> Obj:
        kinds = [kind for kind in self._registry if (kind.group, kind.version) == (group, version)]
        schemas: Obj = {}
        if any(kind.crd is None for kind in kinds):
            schemas.update(openapi_components(group, version))
        paths: Obj = {}
        for kind in kinds:
            if kind.crd:
                schemas.update(_custom_schemas(kind))
            paths.update(_paths(kind))
        info = {"title": "Kubernetes", "version": "v1.36.3"}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _schema_name(kind: Kind) -> str:
    if kind.crd is None:
        return definition_name(kind.group, kind.version, kind.kind) or ""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _custom_schemas(kind: Kind) -> Obj:
    assert kind.crd is not None
    given = _published(kind.crd.schema_json)
    standard = {
        "apiVersion": {
            "type": "string",
            "description": "APIVersion defines the versioned schema of this representation of an object.",
        },
        "kind": {
            "type": "string",
            "description": "Kind is a string value representing the REST resource this object represents.",
        },
        "metadata": {"allOf": [{"$ref": REF + _OBJECT_META}], "description": "Standard object's metadata."},
    }
    schema = {**given, "type": "object", "properties": {**(given.get("properties") or {}), **standard}}
    schema["x-kubernetes-group-version-kind"] = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
    meta = {name: body for name, body in openapi_components("apps", "v1").items() if name.startswith(_META_PACKAGE)}
    return {**meta, _schema_name(kind): schema}


_TYPES = [{"type": "integer"}, {"type": "string"}]


def _published(schema: Obj) -> Obj:
    """A CRD's schema as it is published: an int-or-string says its types."""
    shown = dict(schema)
    if schema.get("x-kubernetes-int-or-string") and not schema.get("anyOf") and not schema.get("allOf"):
        shown["anyOf"] = _TYPES
    if fields := schema.get("properties"):
        shown["properties"] = {name: _published(child) for name, child in fields.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            shown[key] = _published(schema[key])
    return shown


_META_PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1."


def _paths(kind: Kind) -> Obj:
    """The operations of a kind, as far as clients look at them: what a body is, and which parameters a write takes."""
    base = kind.resource().path("{namespace}" if kind.namespaced else "")
    mark = {"x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind}}
    bodies = _CUSTOM_BODIES if kind.crd else _BODIES
    paths: Obj = {}
    if "get" in kind.verbs:
        paths[f"{base}/{{name}}"] = {
            "get": {"x-kubernetes-action": "get", **mark, "responses": _responses(kind)},
            "put": {"x-kubernetes-action": "put", **mark, **_body(kind, ("*/*",)), **_parameters()},
            "patch": {"x-kubernetes-action": "patch", **mark, **_body(kind, bodies), **_parameters("force")},
            "delete": {"x-kubernetes-action": "delete", **mark, "responses": _responses(kind)},
        }
    if "create" in kind.verbs:
        post = {"x-kubernetes-action": "post", **mark, **_body(kind, ("*/*",)), **_parameters()}
        paths[base] = {"post": post, "get": {"x-kubernetes-action": "list", **mark, "responses": _responses(kind)}}
    return paths


def _reference(kind: Kind) -> Obj:
    name = _schema_name(kind)
    return {"$ref": REF + name} if name else {"type": "object"}


def _responses(kind: Kind) -> Obj:
    return {"200": {"description": "OK", "content": {JSON: {"schema": _reference(kind)}}}}


def _body(kind: Kind, media: tuple[str, ...]) -> Obj:
    content = {name: {"schema": _reference(kind)} for name in media}
    return {"requestBody": {"required": True, "content": content}, "responses": _responses(kind)}


def _parameters(*more: str) -> Obj:
    names = ("dryRun", "fieldManager", "fieldValidation", *more)
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in names]}
