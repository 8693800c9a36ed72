"""Pruning, defaulting and validation of custom resources, and what a CRD's schema may be, judged by a real API server.

`UPDATE_GOLDEN=1 .venv/bin/pytest tests/contract/test_structural_oracle.py` records its answers anew.
"""

import asyncio
import json
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.structural import fill_defaults, prune, structural_problems, unknown_fields, validate
from tests.contract.structural_cases import OBJECTS, SCHEMAS, STRICT
from tests.kube.control_plane import ControlPlane

GOLDEN = Path(__file__).parent.parent / "golden" / "structural_oracle.json"
GROUP = "strict.shipway.dev"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PREFIXES = ("spec.versions[0].schema.openAPIV3Schema.", "spec.validation.openAPIV3Schema.")


def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_bytes())


def crd(schema: dict[str, Any], plural: str) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": plural.title()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]},
    }


def thing(spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Strict", "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name: str) -> None:
    recorded, schema, given = golden()["objects"][name], crd_schema(STRICT), thing(OBJECTS[name])
    settled = fill_defaults(prune(given, schema), schema)
    problems = sorted([p.path, p.type, p.detail] for p in validate(settled, schema))
    assert problems == recorded["causes"]
    if not problems:
        assert settled["spec"] == recorded["spec"]
        assert sorted(f'unknown field "{path}"' for path in unknown_fields(given, schema)) == recorded["warnings"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas(name: str) -> None:
    assert sorted([p.path, p.type, p.detail] for p in structural_problems(SCHEMAS[name])) == golden()["schemas"][name]


class _Server:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any], list[str]]:
        async with self._session.post(self._url + path, json=body) as response:
            return response.status, await response.json(), response.headers.getall("Warning", [])

    async def status(self, path: str) -> int:
        async with self._session.get(self._url + path) as response:
            return response.status

    async def judge_object(self, spec: Any) -> dict[str, Any]:
        status, answer, warnings = await self.post(f"/apis/{GROUP}/v1/stricts?dryRun=All&fieldValidation=Warn", thing(spec))
        if status >= 400:
            causes = [[c["field"], c["reason"], c["message"]] for c in answer["details"]["causes"]]
            return {"causes": sorted(c for c in causes if "some validation rules were not checked" not in c[2])}
        shown = sorted(json.loads(text.removeprefix("299 - ")) for text in warnings)
        return {"causes": [], "spec": answer["spec"], "warnings": shown}

    async def judge_schema(self, schema: Any) -> list[list[str]]:
        status, answer, _ = await self.post(f"{CRDS}?dryRun=All", crd(schema, "judged"))
        causes = answer["details"]["causes"] if status >= 400 else []
        return sorted([_relative(c["field"]), c["reason"], _relative_text(c["message"])] for c in causes)


def _relative(path: str) -> str:
    for prefix in PREFIXES:
        path = path.removeprefix(prefix)
    return path


def _relative_text(text: str) -> str:
    for prefix in PREFIXES:
        text = text.replace(prefix, "")
    return text.split(": error parsing regexp")[0]  # each engine has its own words for that


@pytest.mark.asyncio(loop_scope="session")
async def test_real_server_still_says_so(real_control_plane: ControlPlane) -> None:
    pki = real_control_plane.folder / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        server = _Server(session, real_control_plane.url)
        await server.post(CRDS, crd(STRICT, "stricts") | {"spec": {**crd(STRICT, "stricts")["spec"], "names": _NAMES}})
        async with asyncio.timeout(30):
            while await server.status(f"/apis/{GROUP}/v1/stricts") != 200:
                await asyncio.sleep(0.1)
        answers = {
            "objects": {name: await server.judge_object(spec) for name, spec in OBJECTS.items()},
            "schemas": {name: await server.judge_schema(schema) for name, schema in SCHEMAS.items()},
        }
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")
    assert answers == golden()


_NAMES = {"plural": "stricts", "kind": "Strict"}
