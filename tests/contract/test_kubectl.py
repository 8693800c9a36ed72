"""The real kubectl against the embedded API server, over HTTPS, as a user runs it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Struct

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls

TOKEN = "let-me-in"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "builtin/echo:v1", ports: [{containerPort: 8080}], resources: {requests: {cpu: 100m}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {color: {type: string, description: what it looks like}}}
"""
WIDGET = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {color: red}}"


class Said(Struct):
    """Exit code and output of one command."""

    code: int
    out: str
    err: str


class Kubectl:
    """kubectl with a kubeconfig and a home of its own."""

    def __init__(self, program: str, home: Path) -> None:
        self._program = program
        self.home = home

    async def __call__(self, *arguments: str, stdin: str = "", seconds: float = 30) -> Said:
        command = (self._program, f"--kubeconfig={self.home}/kubeconfig", f"--cache-dir={self.home}/cache", *arguments)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "KUBE_EDITOR": "sed -i s/shop/store/"},
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def ok(self, *arguments: str, stdin: str = "") -> str:
        """The output of a command that must succeed."""
        said = await self(*arguments, stdin=stdin)
        assert said.code == 0, (arguments, said.err)
        return said.out

    async def json(self, *arguments: str) -> dict[str, Any]:
        return json.loads(await self.ok(*arguments, "-o", "json"))


@pytest_asyncio.fixture
async def kubectl(program: Callable[[str], str], tmp_path: Path) -> AsyncGenerator[Kubectl, None]:
    clock = SystemClock()
    server = await ApiServer.open(path=tmp_path / "state.db", clock=clock, ids=RandomIds())
    tls = ensure_tls(tmp_path / "pki", clock.now())
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(server, tokens={TOKEN: Identity("admin")}, tls=tls))
        write_kubeconfig(tmp_path / "kubeconfig", server=url, token=TOKEN, ca_pem=tls.ca_pem())
        yield Kubectl(program("kubectl"), tmp_path)
    await server.close()


async def test_apply_get_describe_and_delete(kubectl: Kubectl) -> None:
    assert await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\nservice/web created\n"
    assert await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    changed = DEPLOYMENT.replace("echo:v1", "echo:v2")
    assert "deployment.apps/web configured" in await kubectl.ok("apply", "-f", "-", stdin=changed)
    header, row, *_ = (await kubectl.ok("get", "deploy", "-o", "wide")).splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] == ["web", "0/2", "0", "0"]
    assert row.split()[5:] == ["main", "builtin/echo:v2", "app=web"]
    described = await kubectl.ok("describe", "deploy", "web")
    assert "Image:      builtin/echo:v2" in described
    assert "2 desired" in described
    assert "pod" in await kubectl.ok("api-resources", "--no-headers", "-o", "name")
    assert 'deployment.apps "web" deleted' in await kubectl.ok("delete", "deploy", "web", "--wait")
    assert (await kubectl("get", "deploy", "web")).err.startswith("Error from server (NotFound)")


async def test_server_side_apply_and_its_conflicts(kubectl: Kubectl) -> None:
    first = await kubectl.ok("apply", "--server-side", "--field-manager=git", "-f", "-", stdin=DEPLOYMENT)
    assert first == "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    await kubectl.ok("scale", "deploy", "web", "--replicas=5")
    said = await kubectl("apply", "--server-side", "--field-manager=git", "-f", "-", stdin=DEPLOYMENT)
    assert said.code == 1
    assert ".spec.replicas" in said.err
    await kubectl.ok("apply", "--server-side", "--field-manager=git", "--force-conflicts", "-f", "-", stdin=DEPLOYMENT)
    entries = (await kubectl.json("get", "deploy", "web", "--show-managed-fields"))["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == ["git"]


async def test_taking_over_what_was_applied_by_the_client(kubectl: Kubectl) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    await kubectl.ok("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 3"))
    assert (await kubectl.json("get", "deploy", "web"))["spec"]["replicas"] == 3


async def test_diff_and_dry_run_change_nothing(kubectl: Kubectl) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    changed = DEPLOYMENT.replace("echo:v1", "echo:v2")
    assert (await kubectl("diff", "-f", "-", stdin=DEPLOYMENT)).code == 0
    diff = await kubectl("diff", "-f", "-", stdin=changed)
    assert diff.code == 1
    assert "+      - image: builtin/echo:v2" in diff.out
    await kubectl.ok("apply", "--dry-run=server", "-f", "-", stdin=changed)
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl.ok("get", "deploy", "web", "-o", image) == "builtin/echo:v1"


async def test_unknown_fields_are_named(kubectl: Kubectl) -> None:
    said = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replikas: 2"))
    assert said.code == 1
    assert 'unknown field "spec.replikas"' in said.err


async def test_patches_of_every_kind(kubectl: Kubectl) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    await kubectl.ok("set", "image", "deploy/web", "main=builtin/echo:v3")
    await kubectl.ok(
        "patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"x:1"}]}}}}'
    )
    await kubectl.ok("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":4}]')
    await kubectl.ok("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    await kubectl.ok("label", "deploy", "web", "tier=front")
    await kubectl.ok("annotate", "deploy", "web", "a-")
    await kubectl.ok("edit", "deploy", "web")
    live = await kubectl.json("get", "deploy", "web")
    containers = live["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"main": "builtin/echo:v3", "side": "x:1"}
    assert (live["spec"]["replicas"], live["metadata"]["labels"]) == (4, {"team": "store", "tier": "front"})
    assert "a" not in live["metadata"]["annotations"]


async def test_typed_bodies_come_in_protobuf(kubectl: Kubectl) -> None:
    await kubectl.ok("create", "ns", "n")
    await kubectl.ok("create", "configmap", "c", "--from-literal=a=b")
    await kubectl.ok("create", "secret", "generic", "s", "--from-literal=a=b")
    await kubectl.ok("create", "serviceaccount", "me")
    await kubectl.ok("create", "deployment", "d", "--image=builtin/echo:v1", "--replicas=0", "--port=80")
    await kubectl.ok("create", "job", "j", "--image=busybox", "--", "sleep", "1")
    await kubectl.ok("create", "cronjob", "cj", "--image=busybox", "--schedule=* * * * *")
    await kubectl.ok("create", "role", "r", "--verb=get", "--resource=pods")
    await kubectl.ok("create", "rolebinding", "rb", "--role=r", "--serviceaccount=default:me")
    await kubectl.ok("create", "ingress", "i", "--rule=host/path=svc:80")
    await kubectl.ok("create", "service", "clusterip", "cs", "--tcp=80:8080")
    await kubectl.ok("create", "pdb", "p", "--selector=a=b", "--min-available=1")
    await kubectl.ok("create", "quota", "q", "--hard=pods=3")
    await kubectl.ok("autoscale", "deploy", "d", "--max=3", "--cpu=50%")
    assert (await kubectl.ok("create", "token", "me")).count(".") == 2
    assert await kubectl.ok("auth", "can-i", "create", "pods") == "yes\n"
    assert "admin" in await kubectl.ok("auth", "whoami")
    assert (await kubectl.json("get", "cm", "c"))["data"] == {"a": "b"}
    assert (await kubectl.json("get", "secret", "s"))["data"] == {"a": "Yg=="}
    made = (await kubectl.json("get", "deploy", "d"))["spec"]
    assert made["replicas"] == 0
    assert made["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    listed = await kubectl.ok("get", "ns,cm,secret,sa,deploy,job,cj,role,rolebinding,ing,svc,pdb,quota,hpa", "-o", "name")
    assert len(listed.splitlines()) == 5 + 14


async def test_explain_and_discovery(kubectl: Kubectl) -> None:
    assert "The deployment strategy" in await kubectl.ok("explain", "deploy.spec.strategy")
    assert "ConfigMap" in await kubectl.ok("api-resources", "--api-group=")
    assert "apps/v1" in (await kubectl.ok("api-versions")).splitlines()
    assert await kubectl.ok("get", "--raw", "/readyz") == "ok"
    assert "Server Version: v1.36" in await kubectl.ok("version")


async def test_custom_resources(kubectl: Kubectl) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=CRD)
    await kubectl.ok("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=5s")
    await kubectl.ok("apply", "-f", "-", stdin=WIDGET)
    assert (await kubectl.ok("get", "wd")).split() == ["NAME", "COLOR", "w", "red"]
    assert "what it looks like" in await kubectl.ok("explain", "widget.spec.color")
    await kubectl.ok("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WIDGET.replace("red", "blue"))
    assert (await kubectl.ok("get", "wd", "-o", "custom-columns=C:.spec.color")).split() == ["C", "blue"]
    await kubectl.ok("delete", "crd", "widgets.example.com")
    assert (await kubectl("get", "wd")).code == 1


async def test_watching(kubectl: Kubectl) -> None:
    await kubectl.ok("create", "cm", "c", "--from-literal=a=b")
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(kubectl("get", "cm", "-w", "--request-timeout=3s"))
        waiter = group.create_task(kubectl("wait", "--for=jsonpath={.data.a}=z", "cm/c", "--timeout=20s"))
        await kubectl.ok("create", "cm", "d", "--from-literal=a=b")
        await kubectl.ok("patch", "cm", "c", "-p", '{"data":{"a":"z"}}')
    assert waiter.result().code == 0
    assert watcher.result().out.splitlines()[0].split() == ["NAME", "DATA", "AGE"]
    assert {line.split()[0] for line in watcher.result().out.splitlines()[1:]} >= {"c"}


async def test_strangers_stay_outside(kubectl: Kubectl) -> None:
    said = await kubectl("--token=wrong", "get", "pods")
    assert said.code == 1
    assert "Unauthorized" in said.err or "You must be logged in" in said.err


@pytest.mark.parametrize("output", ["json", "yaml", "name", "wide", "jsonpath={.metadata.name}", "go-template={{.kind}}"])
async def test_output_formats(kubectl: Kubectl, output: str) -> None:
    assert await kubectl.ok("get", "svc", "kubernetes", "-o", output)
