"""Asks an API server for its judgement of the custom resources and CRD schemas of `structural_cases`."""

import asyncio
import json
from typing import Any

from tests.contract.servers import Reply, Server
from tests.contract.structural_cases import STRICT

GROUP = "strict.shipway.dev"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PREFIXES = ("spec.versions[0].schema.openAPIV3Schema.", "spec.validation.openAPIV3Schema.")
_PATIENCE = 60.0


def crd(schema: dict[str, Any], plural: str, kind: str) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]},
    }


def thing(spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Strict", "metadata": {"name": "x"}, "spec": spec}


async def prepare(server: Server) -> None:
    """Serves the kind that all objects are of."""
    await _post(server, CRDS, crd(STRICT, "stricts", "Strict"))
    async with asyncio.timeout(_PATIENCE):
        while (await server.ask("GET", f"/apis/{GROUP}/v1/stricts", {})).status != 200:
            await asyncio.sleep(0.1)


async def judge_object(server: Server, spec: Any) -> dict[str, Any]:
    """What is wrong with an object, or what is stored of it and what it is warned of."""
    reply = await _post(server, f"/apis/{GROUP}/v1/stricts?dryRun=All&fieldValidation=Warn", thing(spec))
    answer = json.loads(reply.body)
    if reply.status >= 400:
        causes = [[c["field"], c["reason"], c["message"]] for c in answer["details"]["causes"]]
        return {"causes": sorted(c for c in causes if "some validation rules were not checked" not in c[2])}
    warning = reply.headers.get("warning", "")
    shown = sorted(json.loads(text) for text in warning.removeprefix("299 - ").split(", 299 - ")) if warning else []
    return {"causes": [], "spec": answer["spec"], "warnings": shown}


async def judge_schema(server: Server, schema: Any) -> list[list[str]]:
    """What is wrong with a schema."""
    reply = await _post(server, f"{CRDS}?dryRun=All", crd(schema, "judged", "Judged"))
    causes = json.loads(reply.body)["details"]["causes"] if reply.status >= 400 else []
    return sorted([_relative(c["field"]), c["reason"], _relative_text(c["message"])] for c in causes)


async def _post(server: Server, path: str, body: Any) -> Reply:
    return await server.ask("POST", path, {"content-type": "application/json"}, json.dumps(body).encode())


def _relative(path: str) -> str:
    for prefix in PREFIXES:
        path = path.removeprefix(prefix)
    return path


def _relative_text(text: str) -> str:
    for prefix in PREFIXES:
        text = text.replace(prefix, "")
    return text.split(": error parsing regexp")[0]  # each engine has its own words for that
