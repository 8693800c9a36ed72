"""Beside a live Argo CD: its Applications are looked at and reported on, taken over one by one, and given back."""

import asyncio
from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, STATEFUL_SETS
from shipway.base.clock import Clock
from shipway.gitops.application.shadow import Shadow
from shipway.gitops.handover import LABEL
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, resource_version_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.gitops_objects import config, deployment
from tests.sim.gitops_world import SETTINGS, World, application, simulate, world

SKIP = "argocd.argoproj.io/skip-reconcile"
TAKEN: Obj = {"metadata": {"annotations": {SKIP: "true"}, "labels": {LABEL: "true"}}}
GIVEN_BACK: Obj = {"metadata": {"annotations": {SKIP: None}, "labels": {LABEL: None}}}


async def argo_cd(there: World, replicas: int = 1) -> None:
    labels = {"app.kubernetes.io/name": "argocd-application-controller"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    meta = {"name": "argocd-application-controller", "namespace": "argocd", "labels": labels}
    spec = {"replicas": replicas, "serviceName": "x", "selector": {"matchLabels": labels}, "template": pod}
    await there.user.create(STATEFUL_SETS, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec})


async def scaled(there: World, replicas: int) -> None:
    body = {"spec": {"replicas": replicas}}
    await there.user.patch(STATEFUL_SETS, "argocd", "argocd-application-controller", body)


async def applied_by_argo_cd(there: World, *objects: Obj, status: str = "Synced", **said: Any) -> Obj:
    """The objects as Argo CD applies them, and its Application with what it says of them; its version."""
    theirs = Client(there.engine, user_agent="argocd", manager="argocd-controller")
    rows: list[Obj] = []
    for obj in objects:
        kind, name = obj["kind"], obj["metadata"]["name"]
        group = obj["apiVersion"].rpartition("/")[0]
        mark = {"argocd.argoproj.io/tracking-id": f"shop:{group}/{kind}:shop/{name}"}
        body = {**obj, "metadata": {**obj["metadata"], "namespace": "shop", "annotations": mark}}
        await theirs.create(DEPLOYMENTS if group else CONFIG_MAPS, body)
        rows.append({"group": group, "kind": kind, "namespace": "shop", "name": name, "version": "v1", "status": "Synced"})
    result = {"revision": there.repository.head, "resources": rows}
    state = {"phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:05Z"}
    state = {**state, "operation": {"sync": {}}, "syncResult": result}
    sync = {"status": status, "revision": there.repository.head}
    told = {"sync": sync, "health": {"status": "Healthy"}, "resources": rows, "operationState": state, **said}
    created = await there.user.create(APPLICATIONS, {**application(), "status": told})
    there.engine.writes.clear()
    return created


async def shadow(there: World) -> Shadow:
    await there.settle(5)
    (one,) = there.shadows.all
    return one


@pytest.mark.proves("001-17")
def test_an_application_of_a_live_argo_cd_is_compared_and_not_touched() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        before = await applied_by_argo_cd(there, config())
        seen = await shadow(there)
        assert (seen.agreement, seen.differences, seen.would) == ("agrees", (), ())
        assert (seen.theirs.sync, seen.ours.sync) == ("Synced", "Synced")
        assert seen.deploy is not None
        assert seen.deploy.differences == ()
        assert "shipway app takeover shop" in seen.reason
        assert there.engine.writes == []
        assert resource_version_of(await there.app()) == resource_version_of(before)
        assert 'shipway_shadow_applications{agreement="agrees"} 1.0' in there.scraped()

    simulate(story, [config()])


@pytest.mark.proves("001-17")
def test_what_differs_is_named() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        await applied_by_argo_cd(there, config(), config("gone"))
        seen = await shadow(there)
        assert seen.agreement == "differs"
        assert seen.differences == (
            "sync: the status says Synced, Shipway OutOfSync",
            "ConfigMap shop/gone: the status says Synced, Shipway OutOfSync (not in Git)",
            "ConfigMap shop/more: only Shipway lists it",
        )
        assert seen.would == ("sync ConfigMap/more, ConfigMap/gone",)
        assert seen.deploy is not None
        assert seen.deploy.differences == (
            "ConfigMap shop/gone: was applied, Shipway does not render it",
            "ConfigMap shop/more: Shipway renders it, was not applied",
        )
        assert there.engine.writes == []

    simulate(story, [config(), config("more")])


@pytest.mark.proves("001-17")
def test_each_deployment_of_argo_cd_is_compared_with_what_is_rendered_here() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        await applied_by_argo_cd(there, config())
        await there.settle(5)
        for second, names in ((10, ("settings", "more")), (20, ("settings",))):
            commit = await there.push([config(), *([config("more")] if len(names) > 1 else [config("other")])])
            rows = [{"kind": "ConfigMap", "version": "v1", "namespace": "shop", "name": name} for name in names]
            state = {"phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": f"2026-01-01T00:00:{second}Z"}
            state = {**state, "operation": {"sync": {}}, "syncResult": {"revision": commit, "resources": rows}}
            await there.user.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": state}})
            await there.settle(5)
        assert [line for line in there.scraped() if line.startswith("shipway_shadow_deploys_total")] == [
            'shipway_shadow_deploys_total{agreement="agrees"} 1.0',
            'shipway_shadow_deploys_total{agreement="differs"} 1.0',
        ]

    simulate(story, [config()])


@pytest.mark.proves("000-19")
@pytest.mark.compat("argocd:annotation.skip-reconcile")
def test_one_is_taken_over_and_given_back_while_argo_cd_runs() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        await applied_by_argo_cd(there, deployment())
        await there.settle(5)
        was = await there.user.get(DEPLOYMENTS, "shop", "web")
        await there.user.patch(APPLICATIONS, "argocd", "shop", TAKEN)
        await there.until(lambda app: "shipway.dev/kinds" in dig(app, "metadata", "annotations", default={}))
        await there.settle(5)
        now = await there.user.get(DEPLOYMENTS, "shop", "web")
        for field in ("uid", "generation"):
            assert was["metadata"][field] == now["metadata"][field]
        assert was["spec"] == now["spec"]
        assert there.shadows.all == []
        await there.push([deployment(replicas=1)])
        await there.synced()
        await there.user.patch(APPLICATIONS, "argocd", "shop", GIVEN_BACK)
        await there.settle(5)
        there.engine.writes.clear()
        await there.push([deployment(replicas=2)])
        assert (await shadow(there)).pending.startswith("its status tells of ")
        assert there.engine.writes == []

    simulate(story, [deployment()])


def test_the_label_alone_takes_nothing_from_a_live_argo_cd() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        await applied_by_argo_cd(there, config())
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {LABEL: "true"}}})
        assert "reconciles it too" in (await shadow(there)).reason
        assert there.engine.writes == []

    simulate(story, [config("other")])


def test_we_come_when_argo_cd_has_gone_and_go_when_it_comes_back() -> None:
    async def story(there: World) -> None:
        await argo_cd(there)
        await there.user.create(APPLICATIONS, application())
        await there.settle(5)
        assert "status" not in await there.app()
        await scaled(there, 0)
        await there.synced()
        await scaled(there, 1)
        await there.settle(5)
        there.engine.writes.clear()
        await there.push([config("new")])
        await there.settle(300)
        assert there.engine.writes == []

    simulate(story, [config()])


class Slow:
    """A transport on which applying an object takes a second."""

    def __init__(self, server: Transport, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self.begun = asyncio.Event()

    async def send(self, request: Request) -> Response:
        if request.method == "PATCH" and "/configmaps/" in request.path and ("dryRun", "All") not in request.query:
            self.begun.set()
            await self._clock.sleep(1.0)
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def test_what_is_given_away_in_the_middle_of_a_sync_gets_no_late_status() -> None:
    slow: list[Slow] = []

    def wrap(server: Transport, clock: Clock) -> Transport:
        slow.append(Slow(server, clock))
        return slow[-1]

    async def main() -> None:
        async with world([config("one"), config("two")], wrap=wrap) as there:
            await there.user.create(APPLICATIONS, application())
            await slow[-1].begun.wait()
            await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {LABEL: "false"}}})
            there.engine.writes.clear()
            await there.settle(60)
            assert [path for _, path in there.engine.writes if "applications" in path] == []

    run_in_virtual_time(main())


@pytest.mark.proves("001-17")
def test_only_those_who_opt_in_are_reconciled() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        assert (await shadow(there)).would == ("sync everything",)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"labels": {LABEL: "true"}}})
        await there.synced()
        assert labels_of(await there.app())[LABEL] == "true"

    simulate(story, [config()], settings=invited())


def invited() -> GitOpsSettings:
    return GitOpsSettings(SETTINGS.namespace, SETTINGS.application_namespaces, key=SETTINGS.key, by_invitation=True)
