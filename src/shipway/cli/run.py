"""`shipway run`: the production process against any cluster."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.assembly import RunSettings, run_engines
from shipway.cli.process import configure_logs, until_stopped

ENGINES = ("gitops", "rollouts")


def run(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "argocd",
    engines: str = ",".join(ENGINES),
    install_crds: bool = False,
    listen: str = "127.0.0.1:8080",
    instance_id: str = "",
    read_only: bool = False,
    cache: Path | None = None,
) -> int:
    """Reconcile Applications and Rollouts of a cluster until stopped.

    Parameters
    ----------
    kubeconfig
        The cluster to work on; KUBECONFIG, ~/.kube/config or the service account of the pod otherwise.
    context
        The context of the kubeconfig; its current one otherwise.
    namespace
        Where Applications and AppProjects live, as in Argo CD. A second process on the same namespace stands by.
    engines
        Which engines to run, separated by commas.
    install_crds
        Install the custom resource definitions that are missing; those that are there stay as they are.
    listen
        Address of /healthz, /readyz, /metrics and the push webhook /api/webhook.
    instance_id
        Only Rollouts with the label argo-rollouts.argoproj.io/controller-instance-id of this value; none: those without.
    read_only
        Observe and report, write nothing.
    cache
        Where mirrors of repositories are kept; a directory of the user's cache otherwise.
    """
    settings = RunSettings(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        engines=tuple(name.strip() for name in engines.split(",") if name.strip()),
        install_crds=install_crds,
        listen=listen,
        instance_id=instance_id,
        read_only=read_only,
        cache=cache or user_cache_path("shipway"),
    )
    configure_logs()
    asyncio.run(until_stopped(run_engines(settings)))
    return 0
