"""`shipway run`: the production process against any cluster."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.assembly.engines import run_engines
from shipway.assembly.settings import ENGINES, RunSettings
from shipway.cli.process import configure_logs, on_ready_write, until_stopped, with_parent
from shipway.kube.client.pacing import Limits


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """The flags of `shipway run`."""

    kubeconfig: Path | None = None
    "The cluster to work on; KUBECONFIG, ~/.kube/config or the service account of the pod otherwise."
    context: str | None = None
    "The context of the kubeconfig; its current one otherwise."
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "argocd"
    "Where Applications and AppProjects live, as in Argo CD. A second process on the same namespace stands by."
    application_namespaces: str | None = None
    "Further namespaces whose Applications are served, with commas: globs or /regexes/. Otherwise as argocd-cmd-params-cm says."
    engines: str = ",".join(ENGINES)
    "Which engines to run, separated by commas."
    install_crds: bool = False
    "Install the custom resource definitions that are missing; those that are there stay as they are."
    listen: str = "127.0.0.1:8080"
    "Address of /healthz, /readyz, /metrics and the push webhook /api/webhook."
    instance_id: str = ""
    "Only Rollouts whose label argo-rollouts.argoproj.io/controller-instance-id has this value; none: those without it."
    read_only: bool = False
    "Observe and report, write nothing."
    opt_in: bool = False
    "Reconcile only Applications with the label shipway.dev/reconcile=true; compare and report on the others."
    kube_api_qps: float | None = None
    "Requests a second to the API server in the long run; 0: no limit. Without it 100, and no limit for one on this machine."
    kube_api_burst: int = 200
    "Requests that may go at once before that limit counts."
    cache: Path | None = None
    "Where mirrors of repositories are kept; a directory of the user's cache otherwise."
    local_repositories: bool = False
    "Also serve Applications whose repository is a path of this machine. Whoever writes one can read what this process can."
    plugins: Path | None = None
    "A folder of ConfigManagementPlugin, StepPlugin and MetricPlugin files: commands that render, do canary steps and measure."
    history: Annotated[str, Parameter(env_var="SHIPWAY_HISTORY", show_default=False)] = ""
    "postgresql://USER@HOST/DB that keeps what past deployments applied; a file otherwise. Passwords: by SHIPWAY_HISTORY only."
    ledger_keep: str = ""
    "How long the entries of the ledger are kept, like 400d; for ever otherwise. The ten newest of an Application always are."
    argocd_cache: str = ""
    "Where argocd-server is answered in place of Redis (its --redis). Password: REDIS_PASSWORD, or the Secret argocd-redis."
    share: bool = False
    "Share the work with all other processes on the same namespace that say so too, instead of standing by for one of them."
    lease_seconds: Annotated[int, Parameter(show=False)] = 12
    url_file: Annotated[Path | None, Parameter(show=False)] = None
    with_parent: Annotated[bool, Parameter(show=False)] = False


def run(flags: RunFlags | None = None) -> int:
    """Reconcile Applications and Rollouts of a cluster until stopped."""
    chosen = flags or RunFlags()
    settings = RunSettings(
        kubeconfig=chosen.kubeconfig,
        context=chosen.context,
        namespace=chosen.namespace,
        application_namespaces=None if chosen.application_namespaces is None else _comma_list(chosen.application_namespaces),
        engines=_comma_list(chosen.engines),
        install_crds=chosen.install_crds,
        listen=chosen.listen,
        instance_id=chosen.instance_id,
        is_read_only=chosen.read_only,
        by_invitation=chosen.opt_in,
        limits=None if chosen.kube_api_qps is None else Limits(chosen.kube_api_qps, chosen.kube_api_burst),
        cache=chosen.cache or user_cache_path("shipway"),
        lease_seconds=chosen.lease_seconds,
        is_shared=chosen.share,
        allow_local=chosen.local_repositories,
        plugins=chosen.plugins,
        history=chosen.history,
        ledger_keep=chosen.ledger_keep,
        argocd_cache=chosen.argocd_cache,
    )
    configure_logs()
    work = run_engines(settings, on_ready_write(chosen.url_file))
    asyncio.run(until_stopped(with_parent(work) if chosen.with_parent else work))
    return 0


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
