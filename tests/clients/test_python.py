"""The official Python client and kopf, unmodified, in an environment of their own, on both clusters."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.api.kinds import CRDS, EVENTS
from shipway.assembly.installation import create_missing
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import condition_of, dig, metadata
from shipway.kube.runtime.waiting import One, wait_until
from tests.clients.programs import Program, said_by, started

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
]

FOREIGN = Path(__file__).parent / "foreign"
WIDGETS = Resource("clients.example.com", "v1", "Widget", "widgets")
KEPT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD: Obj = {
    "metadata": {"name": "widgets.clients.example.com"},
    "spec": {
        "group": "clients.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": KEPT, "status": KEPT}}},
            }
        ],
    },
}
on_both = pytest.mark.parametrize("cluster", ["embedded", "real"], indirect=True)


@pytest.fixture
def python(client_program: Callable[[str], Program]) -> Program:
    return client_program("clients/bin/python")


@on_both
@pytest.mark.proves("clients:official-python-client")
async def test_the_official_client(python: Program) -> None:
    script = str(FOREIGN / "official_client.py")
    said = await said_by(python.path, script, python.namespace, env=python.environment)
    assert said.code == 0, said.err
    assert json.loads(said.out) == {
        "typed": {
            "twice": [409, "AlreadyExists"],
            "stale": [409, "Conflict"],
            "listed": [{"a": "1", "b": "2"}],
            "replicas": 2,
            "gone": "Success",
            "absent": [404, "NotFound"],
            "version": "1",
        },
        "watched": [["ADDED", {"a": "Yg=="}], ["MODIFIED", {"a": "Yw=="}], ["DELETED", {"a": "Yw=="}]],
        "rolled_out": 2,
        "dynamically": {"data": {"a": "9", "b": "2"}, "managers": ["git"], "searched": ["deployments"]},
        "at_once": 40,
    }


def is_served(crd: Obj | None) -> bool:
    return crd is not None and (condition_of(crd, "Established") or {}).get("status") == "True"


async def widget_is(client: Client, namespace: str, is_so: Callable[[Obj], bool]) -> Obj:
    found = await wait_until(client, One(WIDGETS, namespace, "w"), lambda obj: obj is not None and is_so(obj), seconds=90)
    assert found
    return found


@on_both
@pytest.mark.proves("clients:kopf")
async def test_an_operator_on_kopf(python: Program, client: Client) -> None:
    namespace = python.namespace
    await create_missing(client, CRDS, CRD)
    await wait_until(client, One(CRDS, "", "widgets.clients.example.com"), is_served)
    kopf = (python.path, "-m", "kopf", "run", "--standalone", f"--namespace={namespace}", str(FOREIGN / "widget_operator.py"))
    async with started(*kopf, env=python.environment) as operator, asyncio.TaskGroup() as group:
        said = group.create_task(operator.communicate())
        meta = {"namespace": namespace, "name": "w"}
        await client.create(
            WIDGETS, {"apiVersion": WIDGETS.api_version, "kind": "Widget", "metadata": meta, "spec": {"color": "late"}}
        )
        painted = await widget_is(client, namespace, lambda w: dig(w, "status", "paint", "color") == "late")
        assert dig(painted, "status", "paint", "retries") == 1
        assert metadata(painted)["finalizers"] == ["clients.example.com/finalizer"]
        await client.patch(WIDGETS, namespace, "w", {"spec": {"color": "blue"}})
        await widget_is(client, namespace, lambda w: dig(w, "status", "paint", "color") == "blue")
        await widget_is(client, namespace, lambda w: dig(w, "status", "ticks") == 2)
        async with asyncio.timeout(60):
            while "painted blue" not in [event["message"] for event in (await client.list(EVENTS, namespace)).items]:
                await asyncio.sleep(0.1)
        await client.delete(WIDGETS, namespace, "w")
        await wait_until(client, One(WIDGETS, namespace, "w"), lambda w: w is None, seconds=90)
        operator.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(said, 60)
    assert operator.returncode == 0, err.decode()
    assert sorted(out.decode().splitlines()) == ["goodbye w", "hello w", "let go of w"]
