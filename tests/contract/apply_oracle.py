"""Runs the table of `apply_cases` against a real or the embedded API server, or replays it through our functions."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, ShipwayError
from shipway.kube.objects.apply import LAST_APPLIED, ApplyConflict, Writer, record_update, server_side_apply
from shipway.kube.objects.field_sets import FieldSet, field_set
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.scale_ownership import record_scale
from shipway.kube.objects.schema import Schema, builtin_schema, crd_schema
from shipway.kube.objects.structural import fill_defaults, prune, validate
from shipway.kube.objects.views import copy_obj
from tests.contract.apply_writes import API_VERSIONS, WIDGET_SCHEMA, Case, Write, gadget_crd, widget_crd
from tests.contract.servers import Server

NAMESPACE = "apply-oracle"

_SERVER_KEPT = ("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")
_JSON = "application/json"
_CONTENT_TYPES = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


def body_of(case: Case, write: Write) -> Any:
    """The request body: the case's own words plus what identifies the object."""
    if write.verb not in ("apply", "create", "replace"):
        return write.body
    api_version, _ = API_VERSIONS[case.kind]
    metadata = {**write.body.get("metadata", {}), "name": case.name, "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": case.kind, **write.body, "metadata": metadata}


def masked(obj: Obj) -> Obj:
    """What can be compared: without what the server keeps for itself, entries in a fixed order, times as "T" or absent."""
    obj = copy_obj(obj)
    metadata = obj.get("metadata", {})
    for key in _SERVER_KEPT:
        metadata.pop(key, None)
    entries = [entry for entry in metadata.pop("managedFields", []) if entry["manager"] != "kube-controller-manager"]
    for entry in entries:
        if "time" in entry:
            entry["time"] = "T"
    if entries:
        metadata["managedFields"] = sorted(entries, key=lambda e: (e["operation"], e["manager"], e.get("subresource", "")))
    if obj.get("kind") == "Deployment":
        obj["status"] = {}
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        if metadata.get("annotations") == {}:
            del metadata["annotations"]
    return obj


def refusal(message: str, causes: list[Obj]) -> Obj:
    if " is invalid: [" in message:  # a real server lists several in any order; the causes are compared
        message = message.partition("[")[0]
    return {"error": message, "causes": sorted(causes, key=lambda c: (c["message"], c["field"]))}


# --- servers ---------------------------------------------------------------------------------------------------------------

Send = Callable[[str, str, bytes, str], Awaitable[tuple[int, Obj]]]
"""Method, path with query, body and content type to status and answer."""


def sending(server: Server) -> Send:
    """To a server,."""

    async def send(method: str, path: str, body: bytes, content_type: str) -> tuple[int, Obj]:
        reply = await server.ask(method, path, {"content-type": content_type}, body)
        return reply.status, json.loads(reply.body) if reply.body.startswith(b"{") else {"message": reply.body.decode()}

    return send


async def prepare(send: Send) -> None:
    """The namespace and the two custom kinds that the cases need."""
    await _post(send, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for crd in (widget_crd(), gadget_crd()):
        await _post(send, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    for plural in ("widgets", "gadgets"):
        async with asyncio.timeout(30):
            while (await send("GET", f"/apis/owners.shipway.dev/v1/namespaces/{NAMESPACE}/{plural}", b"", _JSON))[0] != 200:
                await asyncio.sleep(0.1)


async def _post(send: Send, path: str, body: Obj) -> None:
    await send("POST", path, json.dumps(body).encode(), _JSON)


async def answer(send: Send, case: Case, write: Write) -> Obj:
    """What a server makes of one write: `{"object"}` or `{"error", "causes"}`, and the status."""
    api_version, plural = API_VERSIONS[case.kind]
    group, _ = split_api_version(api_version)
    shelf = f"/{'apis' if group else 'api'}/{api_version}/namespaces/{NAMESPACE}/{plural}"
    path = f"{shelf}/{case.name}" + (f"/{write.subresource}" if write.subresource else "")
    query = f"?fieldManager={write.manager}" + ("&force=true" if write.force else "")
    body = json.dumps(body_of(case, write)).encode()
    if write.verb == "create":
        status, said = await send("POST", shelf + query, body, _JSON)
    elif write.verb == "replace":
        status, said = await send("PUT", path + query, body, _JSON)
    else:
        status, said = await send("PATCH", path + query, body, _CONTENT_TYPES[write.verb])
    if status >= 400:
        return {"status": status, **refusal(said["message"], (said.get("details") or {}).get("causes") or [])}
    _, stored = await send("GET", f"{shelf}/{case.name}", b"", _JSON)
    return {"status": 200, "object": masked(stored)}


# --- our functions ---------------------------------------------------------------------------------------------------------


def schema_of(kind: str) -> Schema:
    api_version, _ = API_VERSIONS[kind]
    group, version = split_api_version(api_version)
    return builtin_schema(group, version, kind) or crd_schema(WIDGET_SCHEMA)


def reset_of(case: Case, subresource: str) -> FieldSet:
    """What each endpoint ignores, as the strategies of the real server have it."""
    if subresource == "status":
        return field_set("spec", "metadata") if case.kind in ("Widget", "Gadget") else field_set("spec", "metadata.labels")
    return field_set("status") if case.kind in ("Widget", "Deployment", "Ingress") and not subresource else {}


def replay(case: Case, live: Obj | None, write: Write, recorded: Obj, now: int) -> Obj:
    """Our answer to one write, given the object as it was and, for defaults only, as the real server left it."""
    api_version, _ = API_VERSIONS[case.kind]
    body = body_of(case, write)
    reset = reset_of(case, write.subresource)
    writer = Writer(write.manager, api_version, schema_of(case.kind), Instant(now), write.subresource, reset)
    try:
        if write.verb == "apply":
            result = server_side_apply(live, body, writer, force=write.force, finish=lambda obj: finished(obj, recorded))
        elif write.subresource == "scale" and live is not None:
            result = record_scale(live, written(live, body, recorded), writer, ("spec", "replicas"))
        else:
            result = record_update(live, written(live, body, recorded), writer)
    except ApplyConflict as conflict:
        causes = [{"reason": c.reason, "message": c.message, "field": c.field} for c in conflict.causes]
        return refusal(conflict.message, causes)
    except InvalidInput as error:
        return refusal(error.message, [])
    except Refused as error:
        return {"invalid": error.message}
    return {"object": result}


class Refused(ShipwayError):
    """The real server merged and then refused the result; what it said then is not ours to know."""


def finished(merged: Obj, recorded: Obj) -> Obj:
    """Defaults. Ours for custom resources; for built-in kinds the server's: whatever the merge states must be in its answer,
    the rest is taken from there."""
    if merged["kind"] in ("Widget", "Gadget"):
        schema = schema_of(merged["kind"])
        settled = fill_defaults(prune(merged, schema), schema, keep_nulls=True)
        if wrong := validate(settled, schema):
            raise Refused(f'{merged["kind"]}.owners.shipway.dev "{merged["metadata"]["name"]}" is invalid: {wrong[0]}')
        return settled
    if "object" not in recorded:
        raise Refused(recorded["error"])
    answer = copy_obj(recorded["object"])
    answer["metadata"].pop("managedFields", None)
    for key, text in merged.pop("stringData", {}).items():
        merged.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    lost = list(missing(merged, answer, ""))
    assert not lost, f"merged, but not in the server's answer: {lost}"
    return answer


def missing(ours: Any, theirs: Any, path: str) -> list[str]:
    """Paths that `ours` states otherwise than `theirs`; what is empty may be absent."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        skipped = _SERVER_KEPT if path == ".metadata" else ("status",) if not path else (LAST_APPLIED,)
        return [gap for k, v in ours.items() if k not in skipped for gap in missing(v, theirs.get(k), f"{path}.{k}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [gap for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) for gap in missing(a, b, f"{path}[{i}]")]
    same = ours == theirs or (not ours and not theirs) or (".limits." in path and _amount(ours) == _amount(theirs))
    return [] if same else [f"{path}: {ours!r}, there {theirs!r}"]


def _amount(quantity: Any) -> Decimal:
    text = str(quantity)
    for suffix, factor in (("m", Decimal("0.001")), ("Mi", Decimal(2**20)), ("Gi", Decimal(2**30))):
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    return Decimal(text)


def written(live: Obj | None, body: Any, recorded: Obj) -> Obj:
    """What an update stores: the server's object, with the managedFields that the request brings along."""
    after = copy_obj(recorded["object"])
    after["metadata"].pop("managedFields", None)
    stated = body.get("metadata", {}) if isinstance(body, dict) else {}
    if "managedFields" in stated:
        after["metadata"]["managedFields"] = stated["managedFields"]
    elif live is not None and "managedFields" in live["metadata"]:
        after["metadata"]["managedFields"] = live["metadata"]["managedFields"]
    return after


def difference(ours: Any, theirs: Any, path: str = "") -> str:
    """The first place where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            if found := difference(ours.get(key), theirs.get(key), f"{path}.{key}"):
                return found
        return ""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return next(
            (found for i, pair in enumerate(zip(ours, theirs, strict=True)) if (found := difference(*pair, f"{path}[{i}]"))),
            "",
        )
    return "" if ours == theirs else f"{path}: {ours!r}, there {theirs!r}"
