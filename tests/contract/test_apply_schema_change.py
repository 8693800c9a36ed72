"""Ownership when a CRD makes granular fields atomic under living objects: the same on a real and on the embedded server."""

import asyncio
import json
from typing import Any

import pytest

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.apply_oracle import Send, masked, sending
from tests.contract.servers import Embedded, Real, admin_session
from tests.kube.control_plane import ControlPlane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SHAPES = "/apis/shapes.shipway.dev/v1/shapes"
SET = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
MAP = {"type": "object", "additionalProperties": {"type": "string"}}
GRANULAR = {
    "map": MAP,
    "list": SET,
    "inner": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
}
ATOMIC = {
    "map": {**MAP, "x-kubernetes-map-type": "atomic"},
    "list": {**SET, "x-kubernetes-list-type": "atomic"},
    "inner": {**GRANULAR["inner"], "x-kubernetes-map-type": "atomic"},
}


def crd(spec: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "shapes.shapes.shipway.dev"},
        "spec": {
            "group": "shapes.shipway.dev",
            "scope": "Cluster",
            "names": {"plural": "shapes", "kind": "Shape"},
            "versions": [version],
        },
    }


async def apply(send: Send, manager: str, spec: dict[str, Any], query: str = "") -> tuple[int, dict[str, Any]]:
    body = {"apiVersion": "shapes.shipway.dev/v1", "kind": "Shape", "metadata": {"name": "x"}, "spec": spec}
    path = f"{SHAPES}/x?fieldManager={manager}{query}"
    return await send("PATCH", path, json.dumps(body).encode(), "application/apply-patch+yaml")


async def history(send: Send) -> list[Any]:
    """Two managers share a granular object; then its fields become atomic and both write again."""
    await send("POST", CRDS, json.dumps(crd(GRANULAR)).encode(), "application/json")
    async with asyncio.timeout(30):
        while (await send("GET", SHAPES, b"", "application/json"))[0] != 200:
            await asyncio.sleep(0.1)
        await apply(send, "m1", {"map": {"a": "1"}, "list": ["x"], "inner": {"a": "1"}})
        await apply(send, "m2", {"map": {"b": "1"}, "list": ["y"], "inner": {"b": "1"}})
        versions = {"spec": {"versions": crd(ATOMIC)["spec"]["versions"]}}
        await send("PATCH", f"{CRDS}/shapes.shapes.shipway.dev", json.dumps(versions).encode(), "application/merge-patch+json")
        while (await apply(send, "m3", {"map": {"c": "1"}}, "&dryRun=All"))[0] != 409:
            await asyncio.sleep(0.1)
    told: list[Any] = []
    for manager, spec, query in (
        ("m1", {"map": {"a": "1", "b": "1"}, "list": ["x", "y"]}, ""),
        ("m2", {"map": {"b": "2"}}, ""),
        ("m2", {"map": {"b": "2"}}, "&force=true"),
        ("m1", {"inner": {"a": "1", "b": "1"}}, "&force=true"),
    ):
        status, said = await apply(send, manager, spec, query)
        told.append([status, masked(said) if status < 400 else said["message"]])
    return told


@pytest.mark.asyncio(loop_scope="session")
async def test_both_servers_fold_what_was_granular(real_control_plane: ControlPlane) -> None:
    server = await ApiServer.open(path=None, clock=SystemClock(), ids=RandomIds())
    async with admin_session(real_control_plane) as session:
        real = await history(sending(Real(session, real_control_plane.url)))
    embedded = await history(sending(Embedded(server)))
    await server.close()
    assert embedded == real
