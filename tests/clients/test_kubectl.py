"""The real kubectl in two minors, unmodified, as a user runs it: on the embedded cluster and on a real one."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.clients.programs import Program, started
from tests.waiting import comes_to

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.proves("clients:kubectl-in-two-minors"),
]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop, app: web}}
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


CURRENT, OLDER = "kubectl", "kubectl-1.34"


@pytest.fixture
def kubectl(request: pytest.FixtureRequest, client_program: Callable[[str], Program]) -> Program:
    return client_program(request.param)


def on(*where: tuple[str, str]) -> pytest.MarkDecorator:
    """The test on these clusters, each with a kubectl."""
    return pytest.mark.parametrize(("cluster", "kubectl"), where, indirect=True)


# A kubectl costs a tenth of a second of CPU: what differs by neither version nor server is asked once.
everywhere = on(("embedded", CURRENT), ("embedded", OLDER), ("real", CURRENT))
in_both_minors = on(("embedded", CURRENT), ("embedded", OLDER))
on_both = on(("embedded", CURRENT), ("real", CURRENT))
once = on(("embedded", CURRENT))


@everywhere
async def test_apply_get_describe_and_delete(kubectl: Program) -> None:
    assert await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\nservice/web created\n"
    assert await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    changed = DEPLOYMENT.replace("echo:v1", "echo:v2")
    assert "deployment.apps/web configured" in await kubectl.ok("apply", "-f", "-", stdin=changed)
    header, row, *_ = (await kubectl.ok("get", "deploy", "-o", "wide")).splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[0] == "web"
    assert row.split()[5:] == ["main", "builtin/echo:v2", "app=web"]
    described = await kubectl.ok("describe", "deploy", "web")
    assert "Image:      builtin/echo:v2" in described
    assert "2 desired" in described
    assert "pod" in await kubectl.ok("api-resources", "--no-headers", "-o", "name")
    assert 'deployment.apps "web" deleted' in await kubectl.ok("delete", "deploy", "web", "--wait")
    assert (await kubectl("get", "deploy", "web")).err.startswith("Error from server (NotFound)")


@everywhere
async def test_server_side_apply_and_its_conflicts(kubectl: Program) -> None:
    first = await kubectl.ok("apply", "--server-side", "--field-manager=git", "-f", "-", stdin=DEPLOYMENT)
    assert first == "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    await kubectl.ok("scale", "deploy", "web", "--replicas=5")
    said = await kubectl("apply", "--server-side", "--field-manager=git", "-f", "-", stdin=DEPLOYMENT)
    assert said.code == 1
    assert ".spec.replicas" in said.err
    await kubectl.ok("apply", "--server-side", "--field-manager=git", "--force-conflicts", "-f", "-", stdin=DEPLOYMENT)
    entries = (await kubectl.json("get", "deploy", "web", "--show-managed-fields"))["metadata"]["managedFields"]
    owners = {entry["manager"]: entry["operation"] for entry in entries if entry["manager"] in ("git", "kubectl")}
    assert owners == {"git": "Apply"}


@once
async def test_taking_over_what_was_applied_by_the_client(kubectl: Program) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    await kubectl.ok("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 3"))
    assert (await kubectl.json("get", "deploy", "web"))["spec"]["replicas"] == 3


@everywhere
async def test_diff_and_dry_run_change_nothing(kubectl: Program) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    changed = DEPLOYMENT.replace("echo:v1", "echo:v2")
    assert (await kubectl("diff", "-f", "-", stdin=DEPLOYMENT)).code == 0
    diff = await kubectl("diff", "-f", "-", stdin=changed)
    assert diff.code == 1
    assert "+      - image: builtin/echo:v2" in diff.out
    await kubectl.ok("apply", "--dry-run=server", "-f", "-", stdin=changed)
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl.ok("get", "deploy", "web", "-o", image) == "builtin/echo:v1"


@once
async def test_unknown_fields_are_named(kubectl: Program) -> None:
    said = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replikas: 2"))
    assert said.code == 1
    assert 'unknown field "spec.replikas"' in said.err


@everywhere
async def test_patches_of_every_kind(kubectl: Program) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=DEPLOYMENT)
    await kubectl.ok("set", "image", "deploy/web", "main=builtin/echo:v3")
    await kubectl.ok(
        "patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"x:1"}]}}}}'
    )
    await kubectl.ok("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":4}]')
    await kubectl.ok("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    await kubectl.ok("label", "deploy", "web", "tier=front")
    await kubectl.ok("annotate", "deploy", "web", "a-")
    await kubectl.ok("edit", "deploy", "web", KUBE_EDITOR="sed -i s/shop/store/")
    live = await kubectl.json("get", "deploy", "web")
    containers = live["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"main": "builtin/echo:v3", "side": "x:1"}
    assert (live["spec"]["replicas"], live["metadata"]["labels"]) == (4, {"app": "web", "team": "store", "tier": "front"})
    assert "a" not in live["metadata"]["annotations"]


@in_both_minors
async def test_typed_bodies_come_in_protobuf(kubectl: Program) -> None:
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
    listed = await kubectl.ok("get", "secret,deploy,cj,role,rolebinding,ing,svc,pdb,quota,hpa", "-o", "name")
    assert len(listed.splitlines()) == 10
    space = f"{kubectl.namespace}-more"
    assert await kubectl.ok("create", "ns", space) == f"namespace/{space} created\n"
    await kubectl.ok("delete", "ns", space, "--timeout=60s")


@in_both_minors
async def test_explain_and_discovery(kubectl: Program) -> None:
    assert "The deployment strategy" in await kubectl.ok("explain", "deploy.spec.strategy")
    assert "ConfigMap" in await kubectl.ok("api-resources", "--api-group=")
    assert "apps/v1" in (await kubectl.ok("api-versions")).splitlines()
    assert await kubectl.ok("get", "--raw", "/readyz") == "ok"
    assert "Server Version: v1.36" in await kubectl.ok("version")


async def code(kubectl: Program, *arguments: str, stdin: str = "") -> int:
    return (await kubectl(*arguments, stdin=stdin)).code


@on_both
async def test_custom_resources(kubectl: Program) -> None:
    await kubectl.ok("apply", "-f", "-", stdin=CRD)
    await kubectl.ok("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s")
    # A real server serves a kind and publishes its schema a moment after it says that it is established.
    await comes_to(0, lambda: code(kubectl, "apply", "-f", "-", stdin=WIDGET))
    assert (await kubectl.ok("get", "wd")).split() == ["NAME", "COLOR", "w", "red"]
    await comes_to(0, lambda: code(kubectl, "explain", "widget.spec.color"))
    assert "what it looks like" in await kubectl.ok("explain", "widget.spec.color")
    await kubectl.ok("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WIDGET.replace("red", "blue"))
    assert (await kubectl.ok("get", "wd", "-o", "custom-columns=C:.spec.color")).split() == ["C", "blue"]
    await kubectl.ok("delete", "crd", "widgets.example.com")
    assert (await kubectl("get", "wd")).code == 1


@everywhere
async def test_watching(kubectl: Program) -> None:
    await kubectl.ok("create", "cm", "c", "--from-literal=a=b")
    watch = (kubectl.path, "--namespace", kubectl.namespace, "get", "cm", "c", "-w", "-o", "jsonpath={.data.a}{'\\n'}")
    async with asyncio.timeout(60), started(*watch, env=kubectl.environment) as watcher:
        assert watcher.stdout is not None
        assert await watcher.stdout.readline() == b"b\n"
        waiter = kubectl.ok("wait", "--for=jsonpath={.data.a}=z", "cm/c", "--timeout=60s")
        change = kubectl.ok("patch", "cm", "c", "-p", '{"data":{"a":"z"}}')
        assert await asyncio.gather(waiter, change) == ["configmap/c condition met\n", "configmap/c patched\n"]
        assert await watcher.stdout.readline() == b"z\n"


@once
async def test_strangers_stay_outside(kubectl: Program) -> None:
    server = await kubectl.ok("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    stranger = ("--kubeconfig=/dev/null", f"--server={server}", "--insecure-skip-tls-verify", "--token=wrong")
    said = await kubectl.fails(*stranger, "get", "cm")
    assert "Unauthorized" in said or "You must be logged in" in said


@in_both_minors
async def test_output_formats(kubectl: Program) -> None:
    await kubectl.ok("create", "cm", "c", "--from-literal=a=b")
    asked = ("get", "cm", "c", "-o")
    assert json.loads(await kubectl.ok(*asked, "json"))["data"] == {"a": "b"}
    assert (await kubectl.ok(*asked, "yaml")).startswith("apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\n")
    assert await kubectl.ok(*asked, "name") == "configmap/c\n"
    assert (await kubectl.ok(*asked, "wide")).split()[:5] == ["NAME", "DATA", "AGE", "c", "1"]
    assert await kubectl.ok(*asked, "jsonpath={.metadata.name}={.data.a}") == "c=b"
    assert await kubectl.ok(*asked, "go-template={{.kind}} {{.data.a}}") == "ConfigMap b"
    assert (await kubectl.ok(*asked, "custom-columns=N:.metadata.name,A:.data.a")).split() == ["N", "A", "c", "b"]


@everywhere
async def test_a_deployment_is_rolled_out_and_back(kubectl: Program) -> None:
    await kubectl.ok("create", "deployment", "web", "--image=shop/web:v1", "--replicas=2")
    status = ("rollout", "status", "deployment/web", "--timeout=60s")
    assert "successfully rolled out" in await kubectl.ok(*status)
    await kubectl.ok("set", "image", "deployment/web", "web=shop/web:v2")
    assert "successfully rolled out" in await kubectl.ok(*status)
    assert await kubectl.ok("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    assert "successfully rolled out" in await kubectl.ok(*status)
    history = await kubectl.ok("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3"]
    assert "shop/web:v2" in await kubectl.ok("rollout", "history", "deployment/web", "--revision=2")
    assert "rolled back" in await kubectl.ok("rollout", "undo", "deployment/web", "--to-revision=1")
    assert "successfully rolled out" in await kubectl.ok(*status)
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl.ok("get", "deployment", "web", "-o", image) == "shop/web:v1"
    await kubectl.ok("scale", "deployment/web", "--replicas=3")
    await kubectl.ok("wait", "deployment/web", "--for=jsonpath={.status.availableReplicas}=3", "--timeout=60s")
    described = await kubectl.ok("describe", "deployment", "web")
    assert "ScalingReplicaSet" in described
    assert "3 desired | 3 updated | 3 total | 3 available" in described


@on_both
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_sets_are_rolled_out_and_back(kubectl: Program, kind: str) -> None:
    extra = {"StatefulSet": "replicas: 2, serviceName: web, ", "DaemonSet": ""}[kind]
    manifest = DEPLOYMENT.split("---")[0].replace("kind: Deployment", f"kind: {kind}").replace("  replicas: 2\n", "")
    manifest = manifest.replace("  selector: {match", f"  {extra.replace(', ', chr(10) + '  ')}selector: {{match")
    name = f"{kind.lower()}/web"
    status = ("rollout", "status", name, "--timeout=60s")
    await kubectl.ok("apply", "-f", "-", stdin=manifest.replace("builtin/echo", "shop/web"))
    await kubectl.ok(*status)
    await kubectl.ok("set", "image", name, "main=shop/web:v2")
    await kubectl.ok(*status)
    history = await kubectl.ok("rollout", "history", name)
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    assert "rolled back" in await kubectl.ok("rollout", "undo", name)
    await kubectl.ok(*status)
    assert "shop/web:v1" in await kubectl.ok("get", kind.lower(), "web", "-o", "wide")


@once
async def test_logs_of_processes_and_of_simulated_pods(kubectl: Program) -> None:
    await kubectl.ok("create", "deployment", "web", "--image=shop/web:v1")
    await kubectl.ok("rollout", "status", "deployment/web", "--timeout=60s")
    assert "shop/web:v1 is simulated" in await kubectl.ok("logs", "deployment/web")
    assert (await kubectl.ok("logs", "deployment/web", "--tail=1", "--timestamps")).startswith("20")
    assert "shop/web:v1 is simulated" in await kubectl.ok("logs", "-l", "app=web", "--since=1h", "--prefix")
    assert 'pods "absent" not found' in await kubectl.fails("logs", "absent")


@on_both
async def test_what_needs_a_metrics_server_says_so(kubectl: Program) -> None:
    assert await kubectl.fails("top", "pods") == "error: Metrics API not available\n"
