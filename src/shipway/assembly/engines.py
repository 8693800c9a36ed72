"""`shipway run`: the engines against any cluster, until cancelled.

Start-up asks for as little as it can: what is missing (CRDs, where asked; the namespace; the `default` AppProject) is
created, what is there stays. A second process on the same namespace waits for the Lease of the first.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from msgspec import Struct

from shipway.adapters.git.mirrors import Mirrors
from shipway.api.crds import load_crds
from shipway.api.kinds import APP_PROJECTS, CRDS, NAMESPACES, SECRETS
from shipway.assembly.measuring import MetricServers
from shipway.assembly.neighbours import find_neighbours
from shipway.assembly.sources import Sources, is_same_repository
from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from shipway.gitops.asks import DryRunAsk, HeadAsk, RenderAsk
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import condition_of, name_of
from shipway.kube.runtime.controller import Controller, Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.leader import Leadership, LeaseName
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.waiting import One, wait_until
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.settings import RolloutSettings
from shipway.server.http import HttpServer
from shipway.server.webhook import PushEvent

log = structlog.get_logger()

ENGINES = ("gitops", "rollouts")
LEASE = "shipway"
KEY_SECRET = "shipway-applied-key"
"""Secret of the installation: keys the hash of what was applied, so that a Secret cannot be guessed from it."""


class RunSettings(Struct, frozen=True):
    """The flags of `shipway run`; `listen` is host:port, port 0 for any free one."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "argocd"
    engines: tuple[str, ...] = ENGINES
    install_crds: bool = False
    listen: str = "127.0.0.1:8080"
    instance_id: str = ""
    is_read_only: bool = False
    cache: Path = Path(".cache")


async def run_engines(settings: RunSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Runs until cancelled; `on_ready` is told the server's URL once the engines have their first picture of the world.

    Raises InvalidInput for flags that cannot work, Unavailable when the cluster does not answer."""
    unknown = sorted(set(settings.engines) - set(ENGINES))
    if unknown:
        raise InvalidInput(f"unknown engine {', '.join(unknown)}: choose among {', '.join(ENGINES)}")
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        config = load_kubeconfig(settings.kubeconfig, settings.context)
        client = Client(HttpTransport(config), user_agent="shipway", manager="shipway")
        stack.push_async_callback(client.close)
        await prepare(client, settings)
        process = await stack.enter_async_context(engine_process(client, clock, settings))
        host, _, port = settings.listen.rpartition(":")
        server = HttpServer(process, process.runtime.metrics.registry, process.webhook_secrets)
        await server.start(host or "127.0.0.1", int(port))
        stack.push_async_callback(server.stop)
        log.info("listening", url=server.url)
        await process.run(lambda: on_ready(server.url) if on_ready else None)


async def prepare(client: Client, settings: RunSettings) -> None:
    """Creates what is missing and may be: CRDs where asked, the namespace, the `default` AppProject."""
    if settings.is_read_only:
        return
    if settings.install_crds:
        await install_crds(client)
    await _create_missing(client, NAMESPACES, {"metadata": {"name": settings.namespace}})
    if "gitops" in settings.engines:
        await make_applied_key(client, settings.namespace)
        spec = {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        }
        await _create_missing(
            client, APP_PROJECTS, {"metadata": {"namespace": settings.namespace, "name": "default"}, "spec": spec}
        )


async def install_crds(client: Client) -> None:
    """Creates the definitions that are not there and waits until they are served. An installed one is used as it is."""
    missing: list[str] = []
    for crd in load_crds():
        try:
            await client.create(CRDS, crd)
            missing.append(name_of(crd))
        except Conflict:
            continue
    for name in missing:
        await wait_until(client, One(CRDS, "", name), _is_established, seconds=30)
    log.info("crds_installed", created=len(missing))


def _is_established(crd: Obj | None) -> bool:
    return crd is not None and (condition_of(crd, "Established") or {}).get("status") == "True"


async def _create_missing(client: Client, resource: Any, body: Obj) -> None:
    try:
        await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body})
    except Conflict:
        pass
    except NotFound as error:
        raise Unavailable(
            f"{error.message}: install the CRDs with --install-crds, or Argo CD's own", reason="NoCrds"
        ) from error


class WebhookSecrets:
    """The webhook secrets that Argo CD users keep in the Secret `argocd-secret` beside their Applications."""

    def __init__(self, client: Client, clock: Clock, namespace: str) -> None:
        self._namespace = namespace
        self._informer = Informer(client, SECRETS, field_selector="metadata.name=argocd-secret", clock=clock)

    async def run(self) -> None:
        await self._informer.run()

    def values(self) -> Mapping[str, str]:
        secret = self._informer.get(self._namespace, "argocd-secret")
        return secret_values(secret) if secret else {}


class EngineProcess:
    """The engines of one process, and what the HTTP server asks of them."""

    def __init__(
        self, runtime: Runtime, leadership: Leadership, mirrors: Mirrors, secrets_of_webhooks: WebhookSecrets, clock: Clock
    ) -> None:
        self.runtime = runtime
        self._leadership = leadership
        self._mirrors = mirrors
        self._webhook_secrets = secrets_of_webhooks
        self._clock = clock

    async def run(self, on_ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._webhook_secrets.run()), group.create_task(self._tell_ready(on_ready))]
            await self._leadership.run(self.runtime.run)
            for task in others:
                task.cancel()
        raise Unavailable("leadership was lost: another process took the Lease over, or the API server was away too long")

    async def _tell_ready(self, on_ready: Callable[[], None]) -> None:
        while not self.is_ready():
            await self._clock.sleep(0.02)
        on_ready()

    def is_ready(self) -> bool:
        return self._leadership.is_leader and self.runtime.is_synced

    def pushed(self, event: PushEvent) -> int:
        concerned = [url for url in event.repo_urls if self._mirrors.changed(url)]
        if not concerned:
            return 0
        return self.runtime.refresh(
            lambda ask: isinstance(ask, HeadAsk) and is_same_repository(ask.request.repo_url, concerned)
        )

    def webhook_secrets(self) -> Mapping[str, str]:
        return self._webhook_secrets.values()


@asynccontextmanager
async def engine_process(client: Client, clock: Clock, settings: RunSettings) -> AsyncIterator[EngineProcess]:
    """Builds the engines that were asked for, with everything they ask of the outside."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        sources = await stack.enter_async_context(Sources.open(settings.cache, client, clock))
        metric_servers = MetricServers(client, session, os.environ.get("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", ""))
        resolvers: dict[type[Ask], Resolver] = {
            HeadAsk: sources.head,
            RenderAsk: sources.render,
            DryRunAsk: sources.dry_run,
            MeasureAsk: metric_servers.measure,
        }
        controllers = await _controllers(client, settings)
        reporting = await _engines_that_only_report(client, clock, settings)
        runtime = Runtime(
            client,
            [controller for engine in settings.engines for controller in controllers[engine]],
            clock=clock,
            resolvers=resolvers,
            read_only=[controller.name for engine in reporting for controller in controllers[engine]],
        )
        identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        leadership = Leadership(client, clock, LeaseName(settings.namespace, LEASE, identity))
        webhook_secrets = WebhookSecrets(client, clock, settings.namespace)
        yield EngineProcess(runtime, leadership, sources.mirrors, webhook_secrets, clock)


async def _engines_that_only_report(client: Client, clock: Clock, settings: RunSettings) -> frozenset[str]:
    if settings.is_read_only:
        return frozenset(settings.engines)
    neighbours = [one for one in await find_neighbours(client, clock.now()) if one.engine in settings.engines]
    for neighbour in neighbours:
        log.error("live_neighbour", engine=neighbour.engine, message=neighbour.advice)
    return frozenset(neighbour.engine for neighbour in neighbours)


async def _controllers(client: Client, settings: RunSettings) -> dict[str, list[Controller[Any, Any]]]:
    """The controllers of each engine that was asked for."""
    controllers: dict[str, list[Controller[Any, Any]]] = {}
    if "gitops" in settings.engines:
        key = await applied_key(client, settings.namespace)
        controllers["gitops"] = gitops_controllers(GitOpsSettings(namespace=settings.namespace, key=key))
    if "rollouts" in settings.engines:
        controllers["rollouts"] = [*rollout_controllers(RolloutSettings(settings.instance_id)), AnalysisRunController()]
    return controllers


async def make_applied_key(client: Client, namespace: str) -> None:
    """Makes the installation's key, once, and keeps it in a Secret."""
    meta = {"namespace": namespace, "name": KEY_SECRET}
    fresh = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": secrets.token_hex(32)}}
    with suppress(Conflict):
        await client.create(SECRETS, fresh)


async def applied_key(client: Client, namespace: str) -> bytes:
    """The installation's key; where nothing was ever applied there is none, and any will do."""
    try:
        return secret_values(await client.get(SECRETS, namespace, KEY_SECRET))["key"].encode()
    except NotFound:
        return secrets.token_bytes(32)
