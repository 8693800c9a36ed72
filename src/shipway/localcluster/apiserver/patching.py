"""PATCH: five media types, one result each, then the same path as every other change.

A JSON, merge or strategic patch makes the wanted object from the live one; the resource version in it, if there is one, is a
precondition. Server-side apply merges with ownership and may create.
"""

from collections.abc import Callable
from typing import Any

import orjson

from shipway.base.errors import InvalidInput
from shipway.kube.objects.apply import ApplyConflict, server_side_apply
from shipway.kube.objects.patches import json_patch, merge_patch
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.strategic import strategic_merge
from shipway.localcluster.apiserver.admission import Unfit, check_new, check_type, settle
from shipway.localcluster.apiserver.advice import advice
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.negotiation import decode_json, decode_yaml
from shipway.localcluster.apiserver.options import WriteOptions, check_patch_options
from shipway.localcluster.apiserver.ownership import schema_of, writer_of
from shipway.localcluster.apiserver.problems import (
    Named,
    Refused,
    bad_request,
    conflict,
    invalid,
    invalid_value,
    not_found,
    unsupported_media_type,
    unsupported_patch_type,
)
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.strategies import strip_status
from shipway.localcluster.apiserver.writing import (
    Written,
    change,
    check_identity,
    check_namespace,
    check_versions,
    complete_new,
    finish_change,
    new_metadata,
    save,
    shape,
)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_BUILTIN = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)
_CUSTOM = (JSON_PATCH, MERGE_PATCH, APPLY)

_CODES = {"BadRequest": (400, "BadRequest"), "InternalError": (500, ""), "Invalid": (422, "Invalid"),
          "UnprocessableEntity": (422, "Invalid"), "RequestEntityTooLarge": (413, "RequestEntityTooLarge")}  # fmt: skip


def refused_by(error: InvalidInput) -> Refused:
    """The answer to a patch that the rules of `kube.objects` refuse."""
    code, reason = _CODES.get(error.reason, (422, "Invalid"))
    return Refused(code, reason, error.message, details={} if code == 422 else None)


def patch(backend: Backend, target: Target, body: bytes, content_type: str, options: WriteOptions) -> Written:
    """PATCH on a name, of the object or its status. Raises Refused."""
    media = content_type.split(";")[0].strip().lower()
    supported = _CUSTOM if target.kind.crd else _BUILTIN
    if media not in _BUILTIN:
        raise unsupported_patch_type()
    if media not in supported:
        raise unsupported_media_type(supported)
    check_patch_options(options, is_apply=media == APPLY)
    if media == APPLY:
        return apply(backend, target, decode_yaml(body), options)
    live = backend.read(target.kind, target.namespace, target.name)
    wanted = patched(target.kind, live, media, body)
    try:
        wanted = identified(target, wanted)
        return change(backend, target, live, wanted, options)
    except Unfit as error:
        shown = body.decode() if media == STRATEGIC else orjson.dumps(wanted).decode()
        raise invalid(Named("", "", ""), [invalid_value("patch", shown, error.texts)]) from None


def patched(kind: Kind, live: Obj, media: str, body: bytes) -> Any:
    """`live` with the patch applied. Raises Refused."""
    rules: dict[str, Callable[[Any], Obj]] = {
        JSON_PATCH: lambda value: json_patch(live, value),
        MERGE_PATCH: lambda value: merge_patch(live, value),
        STRATEGIC: lambda value: strategic_merge(live, value, schema_of(kind)),
    }
    value = decode_json(body)
    if media == STRATEGIC and not isinstance(value, dict):
        raise bad_request("the patch must be an object")
    try:
        return rules[media](value)
    except InvalidInput as error:
        raise refused_by(error) from None


def identified(target: Target, wanted: Any) -> Obj:
    """The patched object, checked to be still the same one."""
    obj = check_type(target.kind, wanted)
    check_identity(target, obj)
    return obj


def apply(backend: Backend, target: Target, config: Any, options: WriteOptions) -> Written:
    """Server-side apply; an object that is not there is created. Raises Refused."""
    kind = target.kind
    if not isinstance(config, dict):
        raise bad_request("the body of an apply must be an object")
    config = {**config, "metadata": dict(config.get("metadata") or {})}
    found = str(config.get("apiVersion") or ""), config.get("kind") or ""
    if found != (kind.api_version, kind.kind):
        group, version = split_api_version(found[0])
        raise bad_request(f"invalid object type: {group}/{version}, Kind={found[1]}")
    check_identity(target, {"metadata": {"name": target.name, **config["metadata"]}})
    record = backend.store.get(kind.shelf, target.namespace, target.name)
    if record is None:
        if target.subresource and not kind.create_on_update:
            raise not_found(kind.named(target.name))
        return _apply_new(backend, target, config, options)
    live = backend.read(kind, target.namespace, target.name)
    check_versions(kind, live, config)
    obj = _applied(backend, target, live, config, options, shape(backend, target, live))
    return finish_change(backend, target, live, obj, options)


def _apply_new(backend: Backend, target: Target, config: Obj, options: WriteOptions) -> Written:
    kind = target.kind
    if uid := config["metadata"].get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(kind.named(target.name), why)
    check_namespace(backend, kind, target.namespace, config)

    def finish(merged: Obj) -> Obj:
        metadata = {**(merged.get("metadata") or {}), "name": target.name, "resourceVersion": ""}
        if kind.namespaced:
            metadata["namespace"] = target.namespace
        stamped = {**merged, "metadata": new_metadata(backend, kind, metadata)}
        return complete_new(backend, kind, settle(kind, strip_status(kind, stamped)))

    obj = _applied(backend, target, None, config, options, finish)
    check_new(kind, obj)
    return Written(save(backend, kind, obj, options), created=True, warnings=advice(kind, obj))


def _applied(
    backend: Backend, target: Target, live: Obj | None, config: Obj, options: WriteOptions, finish: Callable[[Obj], Obj]
) -> Obj:
    kind = target.kind
    try:
        writer = writer_of(kind, options, target.subresource, backend.clock.now())
        return server_side_apply(live, config, writer, finish=finish, force=options.force)
    except ApplyConflict as error:
        causes = [{"reason": c.reason, "message": c.message, "field": c.field} for c in error.causes]
        raise Refused(409, "Conflict", error.message, details={"causes": causes}) from None
    except InvalidInput as error:
        raise refused_by(error) from None
