"""A cluster with a hundred applications is lost and rebuilt empty: how long until it is proved that all is there again.

`APPS=100 make bench NAME=restore`. What `shipway restore` does, without the command. Three objects an application, the engines
as `shipway run`; the lost cluster runs in this process.
"""

import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench.applications import CLOCK, NAMESPACE, application, first_sync, stage
from shipway.api.clusters import Cluster, cluster_secret
from shipway.api.kinds import SECRETS
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.assembly.destinations import applications_at
from shipway.assembly.joining import Joining, described, join
from shipway.assembly.restoring import Restoration, proved
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig

APPS = int(os.environ.get("APPS", "100"))


async def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        home = Path(folder)
        async with stage("embedded", home, APPS) as (client, _, engines, git), AsyncExitStack() as stack:
            life = await stack.enter_async_context(AsyncExitStack())
            member, _ = await joined(client, life, home / "east")
            apps = [application(number, git.url("mono")) for number in range(APPS)]
            for app in apps:
                app["spec"]["destination"] = {"name": "east", "namespace": NAMESPACE}
                app["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true"]
            figures = await first_sync(client, engines, apps)
            port = urlsplit(member.api_url).port or 0
            await life.aclose()
            shutil.rmtree(home / "east")
            member, cluster = await joined(client, stack, home / "east", port)
            before, began = engines.usage().cpu, CLOCK.elapsed()
            waiting = await applications_at(client, "argocd", cluster)
            await Restoration(client, CLOCK, member.client, lambda *_: None).run(waiting)
            took = CLOCK.elapsed() - began
            standings = await proved(member.client, await applications_at(client, "argocd", cluster))
            return {
                "apps": float(APPS),
                "first_sync_seconds": figures["first_sync_seconds"],
                "restored_seconds": took,
                "restored_cpu_seconds": engines.usage().cpu - before,
                "missing_objects": float(sum(len(one.missing or ()) for one in standings)),
            }


async def joined(client: Client, stack: AsyncExitStack, home: Path, port: int = 0) -> tuple[EmbeddedCluster, Cluster]:
    """An empty cluster, and how its Secret describes it from now on."""
    member = await stack.enter_async_context(embedded_cluster(home, CLOCK, api_port=port))
    token = await join(member.client, CLOCK, Joining())
    cluster = described(load_kubeconfig(member.kubeconfig), "east", token, "")
    await client.apply(SECRETS, cluster_secret("argocd", cluster, {}, {}), manager="bench")
    return member, cluster
