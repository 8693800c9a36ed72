"""Shipway installed on a real control plane as `deploy/` has it, but for the Deployment: its process is the test's.

Who asks for `shipway_account` gets the kubeconfig of the ServiceAccount, which may do exactly what `deploy/` grants.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.kinds import NAMESPACES, SERVICE_ACCOUNTS
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.objects.yaml import dump, load_all

CLOCK = SystemClock()
DEPLOY = Path(__file__).parent.parent.parent / "deploy"
NAMESPACE, ACCOUNT = "argocd", "shipway"
RBAC = {
    kind: Resource("rbac.authorization.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=not kind.startswith("Cluster"))
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
}
RESOURCES = {**RBAC, "Namespace": NAMESPACES, "ServiceAccount": SERVICE_ACCOUNTS}
CHOSEN = ("rbac-objects/roles.yaml",)
MANAGED = ("managed.yaml", *CHOSEN)
"""What the installer of the tests chose to have managed."""


class Access(Struct, frozen=True, order=True):
    """What a rule grants, or a request needs."""

    verb: str
    group: str
    resource: str


async def install(kubeconfig: Path, folder: Path) -> Path:
    """Applies the account and its rules, and returns its kubeconfig once the API server honours them."""
    admin = load_kubeconfig(kubeconfig)
    client = Client(HttpTransport(admin), manager="installer")
    try:
        for obj in documents("namespace.yaml", "service-account.yaml", "engines.yaml", *MANAGED):
            await client.apply(RESOURCES[obj["kind"]], obj, manager="installer")
        token = await token_of(client)
        path = folder / "shipway.kubeconfig"
        write_config(path, server=admin.server, ca=admin.ca_data, token=token)
    finally:
        await client.close()
    await until_granted(path, *CHOSEN)
    return path


@asynccontextmanager
async def granting(kubeconfig: Path, account: Path, *names: str) -> AsyncGenerator[None, None]:
    """What more files grant the account, until the end."""
    client = Client(HttpTransport(load_kubeconfig(kubeconfig)), manager="installer")
    try:
        for obj in documents(*names):
            await client.apply(RESOURCES[obj["kind"]], obj, manager="installer")
        await until_granted(account, *names)
        yield
        for obj in documents(*names):
            await client.delete(RESOURCES[obj["kind"]], "", obj["metadata"]["name"])
    finally:
        await client.close()


def documents(*names: str) -> list[Obj]:
    return [obj for name in names for obj in load_all((DEPLOY / name).read_text())]


def granted(*names: str) -> set[Access]:
    """All that the rules in these files allow."""
    found: set[Access] = set()
    for role in documents(*names):
        for rule in role.get("rules") or ():
            found |= {
                Access(verb, group, resource)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }
    return found


async def token_of(client: Client) -> str:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = await client.raw("POST", path, headers={"content-type": "application/json"}, body=orjson.dumps(body))
    assert answer.status == 201, answer.body
    return orjson.loads(answer.body)["status"]["token"]


def write_config(path: Path, *, server: str, ca: bytes, token: str) -> None:
    """A kubeconfig with a token file beside it, as a pod has one."""
    ca_file, token_file = path.with_suffix(".ca"), path.with_suffix(".token")
    ca_file.write_bytes(ca)
    token_file.write_text(token)
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "it", "user": {"tokenFile": str(token_file)}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": NAMESPACE}}],
    }
    path.write_text(dump(config))


async def until_granted(kubeconfig: Path, *managed: str) -> None:
    """Rules reach the authorizer through caches, and the aggregated ones through a controller."""
    client = Client(HttpTransport(load_kubeconfig(kubeconfig)))
    try:
        for wanted in sorted(granted("engines.yaml", "managed.yaml", *managed)):
            while not await may(client, wanted):
                await CLOCK.sleep(0.05)
    finally:
        await client.close()


async def may(client: Client, wanted: Access) -> bool:
    resource, _, subresource = wanted.resource.partition("/")
    attributes = {"namespace": NAMESPACE, "verb": wanted.verb, "group": wanted.group, "resource": resource}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "subresource": subresource}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await client.raw("POST", path, headers={"content-type": "application/json"}, body=orjson.dumps(body))
    assert answer.status == 201, answer.body
    return orjson.loads(answer.body)["status"]["allowed"]


class Audited:
    """A transport that remembers what access its requests needed, and which were refused."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.used: set[Access] = set()
        self.refused: list[str] = []

    async def send(self, request: Request) -> Response:
        if needed := access(request):
            self.used.add(needed)
        response = await self._server.send(request)
        if response.status == 403 and b" cannot " in response.body:  # a namespace that is going away forbids too
            self.refused.append(f"{request.method} {request.path}")
        return response

    async def close(self) -> None:
        await self._server.close()


def access(request: Request) -> Access | None:
    """What RBAC asks of a request; None for discovery and health, which everybody may have."""
    parts = request.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[3:])
    if parts[0] not in ("api", "apis") or not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    is_watch = ("watch", "true") in request.query
    reading = "watch" if is_watch else "get" if name else "list"
    writing = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return Access(writing.get(request.method, reading), group, f"{resource}/{subresource}" if subresource else resource)
