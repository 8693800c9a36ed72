"""From an Application's spec to the two questions about its source, and the refusals of what is not supported.

The canonical source is the JSON of `spec.source` without its targetRevision: what a source reads does not depend on where
its branch stands. Build variables are passed only where the source mentions them, so that a commit hash in the environment
does not make every commit a new render.
"""

import re

from shipway.api.application import IN_CLUSTER_NAME, IN_CLUSTER_SERVER, ApplicationSpec, Destination
from shipway.api.sources import Head, HeadRequest, RenderRequest
from shipway.base.errors import InvalidInput
from shipway.gitops.asks import HeadAsk, RenderAsk, canonical
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of

_KNOWN_OPTIONS = frozenset(
    {
        "CreateNamespace",
        "Prune",
        "PruneLast",
        "PrunePropagationPolicy",
        "Delete",
        "Replace",
        "ServerSideApply",
        "ApplyOutOfSyncOnly",
        "Validate",
        "SkipDryRunOnMissingResource",
        "FailOnSharedResource",
        "RespectIgnoreDifferences",
        "ClientSideApplyMigration",
        "Force",
    }
)


def check_spec(spec: ApplicationSpec) -> None:
    """Raises InvalidInput (InvalidSpecError) for what cannot work and for what is not supported yet."""
    check_destination(spec.destination)
    if spec.source_hydrator:
        raise _refusal("spec.sourceHydrator is not supported yet: name the rendered branch in spec.source")
    if spec.sources and len(spec.sources) > 1:
        raise _refusal("spec.sources: several sources are not supported yet: use one spec.source")
    source = spec.source or (spec.sources[0] if spec.sources else None)
    if source is None:
        raise _refusal("spec.source: it is missing: say repoURL and path")
    if not source.repo_url:
        raise _refusal("spec.source.repoURL is required")
    if source.plugin is not None:
        raise _refusal("spec.source.plugin: config management plugins are not supported yet: render with Helm or Kustomize")
    if source.chart:
        raise _refusal("spec.source.chart: chart repositories are not supported yet: put the chart into Git and name its path")
    if not source.path:
        raise _refusal("spec.source.path is required: say which folder of the repository holds the manifests")
    _check_options(spec)


def check_destination(destination: Destination) -> None:
    """Only the cluster we run on, by either of its two names."""
    server, name = destination.server, destination.name
    if server and name:
        raise _refusal(f"application destination can't have both name and server defined: {name} {server}")
    if not server and not name:
        raise _refusal(f"Destination server missing from app spec: set spec.destination.server to {IN_CLUSTER_SERVER}")
    if name and name != IN_CLUSTER_NAME:
        raise _refusal(f"there are no clusters with this name: {name}: only {IN_CLUSTER_NAME} is supported yet")
    if server and server.rstrip("/") != IN_CLUSTER_SERVER:
        raise _refusal(f"cluster {server} is not configured: only {IN_CLUSTER_SERVER} is supported yet")


def sync_options(spec: ApplicationSpec) -> dict[str, str]:
    """`Name=value` options of the application, the last one winning."""
    options = (spec.sync_policy.sync_options or ()) if spec.sync_policy else ()
    return {name.strip(): value.strip() for name, _, value in (option.partition("=") for option in options)}


def raw_source(app: Obj) -> Obj:
    """The source block as the user wrote it."""
    spec = app.get("spec") or {}
    return spec.get("source") or (spec.get("sources") or [{}])[0]


def head_ask(source: Obj, revision: str) -> HeadAsk:
    """Where the source's branch stands, or the commit that `revision` names."""
    body = {key: value for key, value in source.items() if key != "targetRevision"}
    return HeadAsk(HeadRequest(repo_url=source.get("repoURL", ""), revision=revision or "HEAD", source=canonical(body)))


def render_ask(app: Obj, source: Obj, head: Head) -> RenderAsk:
    body = canonical({key: value for key, value in source.items() if key != "targetRevision"})
    destination = (app.get("spec") or {}).get("destination") or {}
    return RenderAsk(
        RenderRequest(
            repo_url=source.get("repoURL", ""),
            trees=head.trees,
            source=body,
            app_name=name_of(app),
            namespace=destination.get("namespace") or "",
            build_env=_build_env(app, source, head, body.decode()),
        )
    )


def _build_env(app: Obj, source: Obj, head: Head, text: str) -> tuple[tuple[str, str], ...]:
    variables = {
        "ARGOCD_APP_NAME": name_of(app),
        "ARGOCD_APP_NAMESPACE": ((app.get("spec") or {}).get("destination") or {}).get("namespace") or "",
        "ARGOCD_APP_PROJECT_NAME": (app.get("spec") or {}).get("project") or "default",
        "ARGOCD_APP_REVISION": head.commit,
        "ARGOCD_APP_REVISION_SHORT": head.commit[:7],
        "ARGOCD_APP_REVISION_SHORT_8": head.commit[:8],
        "ARGOCD_APP_SOURCE_PATH": source.get("path") or "",
        "ARGOCD_APP_SOURCE_REPO_URL": source.get("repoURL") or "",
        "ARGOCD_APP_SOURCE_TARGET_REVISION": source.get("targetRevision") or "",
    }
    mentioned = set(re.findall(r"\$\{?([A-Z0-9_]+)\}?", text))
    return tuple((name, value) for name, value in variables.items() if name in mentioned)


def _check_options(spec: ApplicationSpec) -> None:
    for name, value in sync_options(spec).items():
        if name not in _KNOWN_OPTIONS:
            raise _refusal(f"spec.syncPolicy.syncOptions: {name}={value} is not known: mind the spelling")
        if (name == "Force" and value == "true") or value == "confirm":
            raise _refusal(f"spec.syncPolicy.syncOptions: {name}={value} is not supported yet: remove it")
    for index, rule in enumerate(spec.ignore_differences or ()):
        if rule.jq_path_expressions:
            raise _refusal(
                f"spec.ignoreDifferences[{index}].jqPathExpressions is not supported yet: use jsonPointers or "
                "managedFieldsManagers"
            )


def _refusal(message: str) -> InvalidInput:
    return InvalidInput(message, reason="InvalidSpecError")
