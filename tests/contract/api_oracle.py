"""Runs the table of `api_table` against an API server, real or embedded, and brings the answers into comparable form."""

import asyncio
import json
import re
from typing import Any

import orjson

from shipway.kube.objects.views import dig
from tests.contract.api_table.rules import gauges
from tests.contract.api_table.steps import CRDS, Case, Step, crd
from tests.contract.servers import Server

_PATIENCE = 60.0
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"10\.96\.\d+\.\d+")
_AGES = re.compile(r"\d+s")


async def ask(server: Server, step: Step, path: str, body: Any) -> tuple[int, Any, str]:
    """Code, decoded body and the Warning header of the answer to a step. A body that is text is sent as it is."""
    headers = {"content-type": step.type, "accept": step.accept}
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body) if body is not None else None
    reply = await server.ask(step.method, path, headers, raw)
    return reply.status, _decoded(reply.body), reply.headers.get("warning", "")


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode()


async def prepare(server: Server) -> None:
    """What all cases share."""
    for path, definition in (("oracle.shipway.dev/v1/widgets", crd()), ("rules.shipway.dev/v1/gauges", gauges())):
        code, said, _ = await ask(server, Step("POST", ""), CRDS, definition)
        assert code == 201, said
        while (await ask(server, Step("GET", ""), f"/apis/{path}", None))[0] != 200:
            pass  # a real server takes a moment; every question is a wait


async def run(server: Server, case: Case) -> list[Any]:
    """The masked answers to all steps of a case."""
    namespace = f"case-{case.name}"
    await ask(server, Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    return await run_steps(server, case.steps, namespace)


async def run_steps(server: Server, steps: list[Step], namespace: str) -> list[Any]:
    """The masked answers to steps in a namespace."""
    return [await _run_step(server, step, namespace) for step in steps]


async def _run_step(server: Server, step: Step, namespace: str) -> Any:
    body, path = _filled(step.body, namespace), step.path.replace("{ns}", namespace)
    code, answer, warning = await ask(server, step, path, body)
    async with asyncio.timeout(_PATIENCE):
        while step.until and code != step.until:
            await asyncio.sleep(0.1)
            code, answer, warning = await ask(server, step, path, body)
    return _answer(step, code, answer, warning)


def _filled(value: Any, namespace: str) -> Any:
    return json.loads(json.dumps(value).replace("{ns}", namespace)) if value is not None else None


def _answer(step: Step, code: int, body: Any, warning: str) -> Any:
    if isinstance(body, dict) and step.only:
        body = {key: value for key, value in body.items() if key in step.only}
    if step.at:
        body = dig(body, *step.at)
    found = {"code": code, "body": masked(body)}
    return {**found, "warning": warning} if warning else found


def masked(value: Any, key: str = "") -> Any:
    """What differs from run to run becomes a word; tables keep what people see."""
    if isinstance(value, dict):
        if value.get("kind") == "Table":
            return _table(value)
        return {name: masked(child, name) for name, child in value.items() if not _is_admission(name, child)}
    if isinstance(value, list):
        if key == "causes":
            value = sorted(value, key=lambda cause: (cause.get("field", ""), cause["message"]))
        if key == "managedFields":
            value = sorted(value, key=lambda e: (e["operation"], e["manager"], e.get("subresource", "")))
        return [masked(child) for child in value]
    if isinstance(value, str):
        return _masked_text(value, key)
    return value


def _is_admission(name: str, value: Any) -> bool:
    """What admission plugins add that are off there or have no counterpart here: the default service account of a pod, the
    taint of a node that has not reported yet."""
    if name in ("serviceAccount", "serviceAccountName"):
        return value == "default"
    if name == "storageVersionHash":
        return True
    if name in ("f:serviceAccount", "f:serviceAccountName"):
        return True
    return name == "taints" and value == [{"effect": "NoSchedule", "key": "node.kubernetes.io/not-ready"}]


def _masked_text(value: str, key: str) -> str:
    if key in ("resourceVersion", "continue"):
        return key
    value = value.partition("\n@@")[0]  # a Go diff of internal structs
    return _ADDRESS.sub("ADDRESS", _UID.sub("UID", _TIME.sub("TIME", value)))


def _table(table: dict[str, Any]) -> dict[str, Any]:
    columns = [(c["name"], c["type"], c["format"], c["priority"]) for c in table["columnDefinitions"] or []]
    rows = [[_AGES.sub("AGE", c) if isinstance(c, str) else c for c in row["cells"]] for row in table["rows"]]
    conditions = [row.get("conditions") for row in table["rows"]]
    return masked({"columns": [list(column) for column in columns], "rows": rows, "conditions": conditions})
