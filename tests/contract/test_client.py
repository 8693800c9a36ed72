"""The client means the same to the embedded API server and to a real one: one story of requests, told as facts by both.

Over the network both times, once with a bearer token and once with an inline client certificate.
"""

import re
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from shipway.api.kinds import CONFIG_MAPS, CRDS, DEPLOYMENTS, LEASES, NAMESPACES, PODS
from shipway.base.clock import SystemClock
from shipway.base.errors import ShipwayError
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.client.errors import FieldConflict
from shipway.kube.client.kubeconfig import ClusterConfig, ExecPlugin, load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Resource
from shipway.kube.objects.views import name_of
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.kube.control_plane import ControlPlane
from tests.waiting import comes_to

SPACE, RIGHTS = "client-contract", "client-rights"
REVIEWS = Resource("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
ABSENT = Resource("example.test", "v1", "Widget", "widgets")


def config_map(name: str, **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": SPACE, "labels": {"color": data.get("color", "red")}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def error(asked: Awaitable[Any]) -> tuple[str, ...]:
    """(class, reason, message) of the failure; the names of conflicting owners where there are some."""
    try:
        await asked
    except FieldConflict as conflict:
        return ("FieldConflict", conflict.reason, *(part for cause in conflict.causes for part in cause))
    except ShipwayError as failure:
        return (type(failure).__name__, failure.reason, re.sub(r"[0-9a-f-]{36}|record \(\d+\)", "X", failure.message))
    return ("none",)


async def first_of(stream: AsyncGenerator[Any, None], number: int) -> list[Any]:
    found = []
    async for event in stream:
        if event.type != "BOOKMARK":
            found.append(event)
        if len(found) == number:
            break
    await stream.aclose()
    return found


async def reads_and_writes(client: Client) -> list[Any]:
    facts: list[Any] = []
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"), manager="one")
    facts.append([made["kind"], made["metadata"]["managedFields"][0]["manager"]])
    facts.append(await error(client.create(CONFIG_MAPS, config_map("a"))))
    facts.append(await error(client.get(CONFIG_MAPS, SPACE, "absent")))
    facts.append(await error(client.get(ABSENT, SPACE, "absent")))
    facts.append(await error(client.create(CONFIG_MAPS, config_map("Not A Name"))))
    stale = {**made, "data": {"x": "2"}, "metadata": {**made["metadata"], "resourceVersion": "1"}}
    facts.append(await error(client.replace(CONFIG_MAPS, stale)))
    replaced = await client.replace(CONFIG_MAPS, {**made, "data": {"x": "2"}})
    facts.append(replaced["data"])
    facts.append((await client.patch(CONFIG_MAPS, SPACE, "a", {"data": {"y": "3"}}))["data"])
    json_patch = [{"op": "replace", "path": "/data/y", "value": "4"}]
    facts.append((await client.patch(CONFIG_MAPS, SPACE, "a", json_patch, type="json", dry_run=True))["data"])
    facts.append((await client.get(CONFIG_MAPS, SPACE, "a"))["data"])
    guarded = {"metadata": {"resourceVersion": "1"}, "data": {"y": "5"}}
    facts.append(await error(client.patch(CONFIG_MAPS, SPACE, "a", guarded)))
    facts.append(await error(client.delete(CONFIG_MAPS, SPACE, "a", uid="someone-else")))
    facts.append(await error(client.delete(CONFIG_MAPS, SPACE, "a", resource_version="1")))
    gone = await client.delete(CONFIG_MAPS, SPACE, "a")
    facts.append([gone["kind"], gone["status"], gone["details"]["uid"] == made["metadata"]["uid"]])
    facts.append(await error(client.delete(CONFIG_MAPS, SPACE, "a")))
    return facts


async def applies(client: Client) -> list[Any]:
    facts: list[Any] = []
    wanted = config_map("b", x="1")
    first = await client.apply(CONFIG_MAPS, wanted, manager="git")
    again = await client.apply(CONFIG_MAPS, wanted, manager="git")
    facts.append(first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"])
    await client.patch(CONFIG_MAPS, SPACE, "b", {"data": {"x": "hand"}}, manager="kubectl-edit")
    facts.append(await error(client.apply(CONFIG_MAPS, wanted, manager="git", force=False)))
    forced = await client.apply(CONFIG_MAPS, wanted, manager="git")
    facts.append([forced["data"], [entry["manager"] for entry in forced["metadata"]["managedFields"]]])
    facts.append(await error(client.apply(CONFIG_MAPS, {**wanted, "bogus": 1}, manager="git")))
    return facts


async def lists_and_watches(client: Client) -> list[Any]:
    facts: list[Any] = []
    for n in range(3):
        await client.create(CONFIG_MAPS, config_map(f"c{n}", color="blue" if n else "red"))
    listing = await client.list(CONFIG_MAPS, SPACE, label_selector="color=blue")
    facts.append([(name_of(one), one["kind"], one["apiVersion"]) for one in listing.items])
    facts.append([name_of(one) for one in (await client.list(CONFIG_MAPS, SPACE, field_selector="metadata.name=c0")).items])
    bare = await client.list(CONFIG_MAPS, SPACE, label_selector="color", metadata_only=True)
    facts.append([(name_of(one), one["kind"], sorted(one)) for one in bare.items if name_of(one).startswith("c")])
    facts.append(await error(client.list(CONFIG_MAPS, SPACE, label_selector="a=(")))
    facts.append(await error(client.list(CONFIG_MAPS, SPACE, field_selector="data.x=1")))
    await client.create(CONFIG_MAPS, config_map("c3", color="blue"))
    await client.patch(CONFIG_MAPS, SPACE, "c3", {"metadata": {"labels": {"color": "green"}}})
    await client.patch(CONFIG_MAPS, SPACE, "c0", {"metadata": {"labels": {"color": "blue"}}})
    await client.delete(CONFIG_MAPS, SPACE, "c1")
    for metadata_only in (False, True):
        stream = client.watch(
            CONFIG_MAPS,
            SPACE,
            resource_version=listing.resource_version,
            label_selector="color=blue",
            metadata_only=metadata_only,
            timeout_seconds=60,
        )
        facts.append([(e.type, name_of(e.obj), e.obj["kind"], sorted(e.obj)) for e in await first_of(stream, 4)])
    labelled = {"label_selector": "color", "timeout_seconds": 3}  # a real namespace gets a ConfigMap when it likes
    stream = client.watch(CONFIG_MAPS, SPACE, resource_version=listing.resource_version, **labelled)
    facts.append(len(await first_of(stream, 99)))
    facts.append(await error(first_of(client.watch(ABSENT, resource_version="1"), 1)))
    return facts


async def kinds(client: Client) -> list[Any]:
    served = await client.discover()
    expected = [CONFIG_MAPS, NAMESPACES, PODS, DEPLOYMENTS, LEASES, CRDS]
    return [[kind in served for kind in expected], len(served) == len(set(served))]


async def pods(client: Client) -> list[Any]:
    return [
        await error(anext(client.logs(SPACE, "absent"))),
        await error(client.evict(SPACE, "absent")),
        await error(client.bind(SPACE, "absent", "nowhere")),
    ]


async def acting(client: Client) -> list[Any]:
    facts: list[Any] = []
    for user in ("system:serviceaccount:shop:deployer", "ann"):
        made = await client.acting_as(user).create(REVIEWS, {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind})
        facts.append([made["status"]["userInfo"][field] for field in ("username", "groups")])
    return facts


async def facts(client: Client) -> dict[str, Any]:
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    stories = (reads_and_writes, applies, lists_and_watches, kinds, pods, acting)
    return {story.__name__: await story(client) for story in stories}


@asynccontextmanager
async def embedded(folder: Path) -> AsyncGenerator[Client, None]:
    clock = SystemClock()
    tls = ensure_tls(folder / "pki", clock.now())
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    async with serve(server, tokens={"sesame": Identity("admin", ("system:masters",))}, tls=tls) as url:
        write_kubeconfig(folder / "config", server=url, token="sesame", ca_pem=tls.ca_pem())
        client = Client(HttpTransport(load_kubeconfig(folder / "config")), user_agent="contract")
        yield client
        await client.close()
    await server.close()


async def test_the_client_means_the_same_to_both(real_control_plane: ControlPlane, tmp_path: Path) -> None:
    async with embedded(tmp_path) as client:
        ours = await facts(client)
    client = Client(HttpTransport(load_kubeconfig(real_control_plane.kubeconfig)), user_agent="contract")
    try:
        theirs = await facts(client)
    finally:
        await client.delete(NAMESPACES, "", SPACE)
        await client.close()
    pairs = [(f"{story} {n}", *pair) for story in theirs for n, pair in enumerate(zip(ours[story], theirs[story], strict=True))]
    found = [f"{where}: ours {mine!r}, theirs {real!r}" for where, mine, real in pairs if mine != real]
    assert not found, "\n" + "\n".join(found)


async def test_a_credential_plugin_may_give_a_client_certificate(real_control_plane: ControlPlane, tmp_path: Path) -> None:
    pki = real_control_plane.folder / "pki"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {
            "clientCertificateData": (pki / "admin.crt").read_text(),
            "clientKeyData": (pki / "admin.key").read_text(),
        },
    }
    (tmp_path / "answer.json").write_bytes(orjson.dumps(answer))
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat {tmp_path}/answer.json\n")
    plugin.chmod(0o700)
    given = load_kubeconfig(real_control_plane.kubeconfig)
    config = ClusterConfig(server=given.server, ca_data=given.ca_data, plugin=ExecPlugin(str(plugin)))
    client = Client(HttpTransport(config))
    for _ in range(2):
        assert await client.get(NAMESPACES, "", "default")
    await client.close()
    assert (tmp_path / "runs").read_text() == "run\n"
    stranger = Client(HttpTransport(ClusterConfig(server=given.server, ca_data=given.ca_data)))
    assert (await error(stranger.get(NAMESPACES, "", "default")))[:2] == ("Denied", "Forbidden")
    await stranger.close()


async def test_rights_are_those_of_whom_it_acts_as(real_control_plane: ControlPlane) -> None:
    """By the server that knows rights: what a sync as a service account may do is what that account may."""
    client = Client(HttpTransport(load_kubeconfig(real_control_plane.kubeconfig)), user_agent="contract")
    deployer = client.acting_as(f"system:serviceaccount:{RIGHTS}:deployer")
    wanted = config_map("a", x="1")
    wanted["metadata"]["namespace"] = RIGHTS
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RIGHTS}})
    try:
        refused = await error(deployer.apply(CONFIG_MAPS, wanted, manager="git", dry_run=True))
        assert refused[:2] == ("Denied", "Forbidden")
        assert f'User "system:serviceaccount:{RIGHTS}:deployer" cannot patch resource "configmaps"' in refused[2]
        place = {"namespace": RIGHTS, "name": "deployer"}
        group = "rbac.authorization.k8s.io"
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]}]
        account = {"kind": "ServiceAccount", "namespace": RIGHTS, "name": "deployer"}
        ref = {"apiGroup": group, "kind": "Role", "name": "deployer"}
        role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": place, "rules": rules}
        binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": place, "roleRef": ref, "subjects": [account]}
        await client.create(ROLES, role)
        await client.create(BINDINGS, binding)
        await comes_to(("none",), lambda: error(deployer.apply(CONFIG_MAPS, wanted, manager="git", dry_run=True)))
        made = await deployer.apply(CONFIG_MAPS, wanted, manager="git")
        assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["git"]
        assert (await error(deployer.get(CONFIG_MAPS, RIGHTS, "a")))[:2] == ("Denied", "Forbidden")
        assert await client.get(CONFIG_MAPS, RIGHTS, "a")
    finally:
        await client.delete(NAMESPACES, "", RIGHTS)
        await client.close()
