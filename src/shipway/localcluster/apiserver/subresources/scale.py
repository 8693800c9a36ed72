"""`/scale`: the replicas of anything that has some, under one kind (autoscaling/v1 Scale).

A write changes the parent's replicas through the same path as any other change, recorded as a write of the subresource.
"""

from typing import Any

from msgspec.structs import replace as with_fields

from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import json_patch, merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import copy_obj, dig
from shipway.kube.objects.wire import Request, Response
from shipway.localcluster.apiserver.advice import warning_headers
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.negotiation import decode_json, decode_yaml
from shipway.localcluster.apiserver.options import WriteOptions, write_options
from shipway.localcluster.apiserver.patching import APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC, refused_by
from shipway.localcluster.apiserver.problems import (
    Named,
    bad_request,
    conflict,
    invalid,
    invalid_value,
    unsupported_media_type,
)
from shipway.localcluster.apiserver.registry import ScalePaths
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.subresources.bodies import answer_with, read_body
from shipway.localcluster.apiserver.writing import Written, change

_MEDIA = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


async def answer(backend: Backend, target: Target, request: Request) -> Response:
    paths = target.kind.scale or ScalePaths()
    live = backend.read(target.kind, target.namespace, target.name)
    scale = scale_of(live, paths)
    if request.method == "GET":
        return answer_with(scale)
    if request.method == "PUT":
        options = write_options(request, "UpdateOptions")
        wanted = read_body(request, "autoscaling/v1", "Scale")
    else:
        options = write_options(request, "PatchOptions")
        wanted = _patched(scale, request)
    written = _write(backend, target, live, wanted, options)
    response = answer_with(scale_of(written.obj, paths))
    response.headers = {**response.headers, **warning_headers(written.warnings)}
    return response


def scale_of(obj: Obj, paths: ScalePaths) -> Obj:
    """The Scale of an object."""
    metadata = obj["metadata"]
    kept = {
        key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in metadata
    }
    replicas = dig(obj, *paths.spec, default=0)
    status: Obj = {"replicas": dig(obj, *paths.status, default=0)}
    if selector := _selector_text(dig(obj, *paths.selector) if paths.selector else None, obj):
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": kept,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector_text(selector: Any, obj: Obj) -> str:
    if isinstance(selector, str) or selector is None:
        return selector or ""
    structured = selector if obj.get("kind") != "ReplicationController" else {"matchLabels": selector}
    return str(label_selector_of(structured))


def _patched(scale: Obj, request: Request) -> Obj:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if media == JSON_PATCH:
            return json_patch(scale, decode_json(request.body))
        if media in (MERGE_PATCH, STRATEGIC):
            return merge_patch(scale, decode_json(request.body))
        if media == APPLY:
            return merge_patch(scale, decode_yaml(request.body))
    except InvalidInput as error:
        raise refused_by(error) from None
    raise unsupported_media_type(_MEDIA)


def _write(backend: Backend, target: Target, live: Obj, wanted: Obj, options: WriteOptions) -> Written:
    paths = target.kind.scale or ScalePaths()
    replicas = dig(wanted, "spec", "replicas", default=0)
    version = dig(wanted, "metadata", "resourceVersion", default="")
    if dig(wanted, "metadata", "name", default=target.name) != target.name:
        raise bad_request("the name of the Scale does not match the name on the URL")
    if version and version != live["metadata"]["resourceVersion"]:
        raise conflict(target.kind.named(target.name))
    if not isinstance(replicas, int) or (replicas < 0 and not target.kind.crd):
        problem = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(Named("autoscaling", "", "Scale", target.name), [problem])
    changed = copy_obj(live)
    node = changed
    for step in paths.spec[:-1]:
        node = node.setdefault(step, {})
    node[paths.spec[-1]] = replicas
    return change(backend, with_fields(target, subresource="scale"), live, changed, options)
