"""Requests about resources: the verb decides which module works, the Accept header how the answer looks."""

import orjson
from msgspec import Struct
from msgspec.structs import replace as with_fields

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import Request, Response
from shipway.kube.objects.yaml import dump
from shipway.localcluster.apiserver.advice import warning_headers
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.deleting import delete
from shipway.localcluster.apiserver.duplicates import duplicate_fields
from shipway.localcluster.apiserver.encoding import ListMeta, Look, encode_list, encode_object_as, encode_one
from shipway.localcluster.apiserver.listing import await_version, list_objects, page
from shipway.localcluster.apiserver.negotiation import JSON, YAML, decode_body, wanted
from shipway.localcluster.apiserver.options import Query, WriteOptions, delete_options, list_options, write_options
from shipway.localcluster.apiserver.patching import patch
from shipway.localcluster.apiserver.problems import Refused, bad_request, go_value, method_not_allowed, status_object
from shipway.localcluster.apiserver.reviews import answer as answer_review
from shipway.localcluster.apiserver.reviews import is_review
from shipway.localcluster.apiserver.routes import Target, resolve
from shipway.localcluster.apiserver.selection import select
from shipway.localcluster.apiserver.subresources import HANDLERS, Subresource, binding
from shipway.localcluster.apiserver.watch import Watch
from shipway.localcluster.apiserver.writing import Written, create, replace

_JSON = {"content-type": "application/json"}
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class _Call(Struct, frozen=True):
    """A request with its target, and how to show the answer."""

    request: Request
    target: Target
    look: Look


class Resources:
    """Answers everything under `/api/…` and `/apis/…` that is not discovery."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def answer(self, request: Request) -> Response:
        """Raises Refused and PlainNotFound."""
        target = resolve(self._backend.registry, request.path)
        response = await self._answer(request, target)
        if target.kind.deprecation:
            response.headers = {**response.headers, **warning_headers((target.kind.deprecation,))}
        return as_yaml(response) if response.stream is None and wants_yaml(request) else response

    async def _answer(self, request: Request, target: Target) -> Response:
        if not target.name and request.method in _VERBS and self._verb(request, target) not in target.kind.verbs:
            raise method_not_allowed()
        if target.subresource in HANDLERS:
            return await self._subresource(HANDLERS[target.subresource], request, target)
        look = self._look(request, target)
        call = _Call(request, target, look)
        match request.method:
            case "GET":
                return await self._read(call)
            case "POST" if not target.name:
                return await self._create(call)
            case "PUT" if target.name:
                return self._replace(call)
            case "PATCH" if target.name:
                return self._patch(call)
            case "DELETE" if not target.subresource:
                return self._delete(call) if target.name else self._delete_collection(call)
            case _:
                raise method_not_allowed()

    @staticmethod
    def _verb(request: Request, target: Target) -> str:
        return "deletecollection" if request.method == "DELETE" and not target.name else _VERBS[request.method]

    def _look(self, request: Request, target: Target) -> Look:
        accept = wanted(request.headers.get("accept", ""))
        include = Query(request.query).text("includeObject") or "Metadata"
        if accept.shape == "table" and include not in ("Metadata", "Object", "None"):
            why = f"includeObject: Invalid value: {go_value(include)}: must be 'Metadata', 'Object', 'None', or empty"
            raise bad_request(f"Unable to convert to Table as requested: {why}")
        return Look(target.kind, accept, include, self._backend.clock.now())

    async def _subresource(self, handler: Subresource, request: Request, target: Target) -> Response:
        if request.method not in handler.methods or not target.name:
            raise method_not_allowed()
        return await handler.answer(self._backend, target, request)

    async def _read(self, call: _Call) -> Response:
        target, backend = call.target, self._backend
        if "get" not in target.kind.verbs:
            raise method_not_allowed()
        options = list_options(call.request)
        if target.name and not target.watch and not options.watch:
            await await_version(backend, options.version)
            record = backend.record(target.kind, target.namespace, target.name)
            return Response(200, _JSON, encode_one(record, call.look))
        selection = select(target.kind, target.namespace, target.name, options.labels, options.fields)
        if options.watch or target.watch:
            headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
            return Response(200, headers, stream=Watch(backend, selection, options, call.look).stream())
        await await_version(backend, options.version)
        return Response(200, _JSON, list_objects(backend, target.kind, selection, options, call.look))

    def _body(self, call: _Call) -> object:
        kind = call.target.kind
        return decode_body(call.request.body, call.request.headers.get("content-type", ""), kind.api_version, kind.kind)

    def _checked(self, call: _Call, options: WriteOptions) -> tuple[object, WriteOptions]:
        """The body, and the options with the keys that it gives twice."""
        body, media = self._body(call), call.request.headers.get("content-type", JSON)
        if options.validation == "Ignore" or not media.startswith(JSON):
            return body, options
        return body, with_fields(options, duplicates=duplicate_fields(call.request.body, body))

    async def _bind(self, call: _Call) -> Response:
        """POST of a Binding to its own collection is the same as to the pod's."""
        pods = self._backend.registry.find("", "v1", "pods")
        body = self._body(call)
        assert pods is not None
        name = dig(body, "metadata", "name", default="")
        return await binding.answer(self._backend, Target(pods, call.target.namespace, name, "binding"), call.request)

    async def _create(self, call: _Call) -> Response:
        if is_review(call.target):
            return answer_review(self._backend, call.target, call.request)
        if call.target.kind.kind == "Binding":
            return await self._bind(call)
        options = write_options(call.request, "CreateOptions")
        body, options = self._checked(call, options)
        return self._written(create(self._backend, call.target, body, options), call)

    def _replace(self, call: _Call) -> Response:
        options = write_options(call.request, "UpdateOptions")
        body, options = self._checked(call, options)
        return self._written(replace(self._backend, call.target, body, options), call)

    def _patch(self, call: _Call) -> Response:
        request = call.request
        options = write_options(request, "PatchOptions")
        written = patch(self._backend, call.target, request.body, request.headers.get("content-type", ""), options)
        return self._written(written, call)

    def _written(self, written: Written, call: _Call) -> Response:
        headers = _JSON | warning_headers(written.warnings)
        return Response(201 if written.created else 200, headers, encode_object_as(written.obj, call.look))

    def _delete(self, call: _Call) -> Response:
        deleted = delete(self._backend, call.target, delete_options(call.request))
        if deleted.returns_object:
            return Response(200, _JSON, encode_object_as(deleted.obj, call.look))
        return Response(200, _JSON, orjson.dumps(success(call.target, deleted.obj)))

    def _delete_collection(self, call: _Call) -> Response:
        target, backend = call.target, self._backend
        options = list_options(call.request)
        how = delete_options(call.request)
        selection = select(target.kind, target.namespace, "", options.labels, options.fields)
        records, _ = page(backend, target.kind, selection, options)
        for record in records:
            one = Target(target.kind, record.key[0], record.key[1])
            try:
                delete(backend, one, how)
            except Refused as refusal:
                if refusal.code != 404:
                    raise
        return Response(200, _JSON, encode_list(records, ListMeta(backend.store.version), call.look))


def wants_yaml(request: Request) -> bool:
    return wanted(request.headers.get("accept", "")).yaml


def as_yaml(response: Response) -> Response:
    """The same answer in YAML, if it is JSON."""
    if response.headers.get("content-type") != JSON:
        return response
    headers = {**response.headers, "content-type": YAML}
    return Response(response.status, headers, dump(orjson.loads(response.body)).encode())


def success(target: Target, obj: Obj) -> Obj:
    """The Status of a delete that is done."""
    status = status_object(200, "", "")
    details = {**target.kind.named(obj["metadata"]["name"]).details(), "uid": obj["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": status["metadata"], "status": "Success", "details": details}
