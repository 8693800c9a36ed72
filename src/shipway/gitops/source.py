"""From an Application's spec to the questions about its sources, and the refusals of what is not supported.

The canonical source is the JSON of a source without its targetRevision: what a source reads does not depend on where
its branch stands. What names the revision or the cluster is passed only to a source whose render said that it lacks it, so that
a commit hash in the environment does not make every commit a new render.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from shipway.api.application import IN_CLUSTER_SERVER, ApplicationSpec, Destination, Source, SourceHydrator
from shipway.api.sources import (
    ClusterFacts,
    Head,
    HeadRequest,
    KustomizeSettings,
    Lent,
    ProjectFacts,
    RenderRequest,
    SourceType,
)
from shipway.base.errors import InvalidInput
from shipway.gitops.asks import HeadAsk, RenderAsk, canonical
from shipway.gitops.ignore import problem_of
from shipway.gitops.pinned import Pinned, spec_sources
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of

_REF = re.compile(r"[a-zA-Z0-9_-]+")

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
        _check_hydrator(spec.source_hydrator)
    elif spec.sources:
        _check_refs(spec.sources)
        for index, source in enumerate(spec.sources):
            _check_source(source, f"spec.sources[{index}]", is_plural=True)
    elif spec.source is None:
        raise _refusal("spec.source: it is missing: say repoURL and path")
    else:
        _check_source(spec.source, "spec.source", is_plural=False)
    _check_options(spec)


def _check_source(source: Source, where: str, *, is_plural: bool) -> None:
    if not source.repo_url:
        raise _refusal(f"{where}.repoURL is required")
    if source.chart and not source.target_revision:
        raise _refusal(f"{where}.targetRevision is required if the manifest source is a helm chart")
    if source.chart and source.ref:
        raise _refusal(f"{where} has a 'chart' field defined, but Helm charts are not supported for 'ref' sources")
    if not source.path and not source.chart and not (is_plural and source.ref):
        needed = "path, chart or ref" if is_plural else "path or chart"
        raise _refusal(f"{where}.{needed} is required: say which folder of the repository holds the manifests")


def _check_hydrator(hydrator: SourceHydrator) -> None:
    dry, synced = hydrator.dry_source, hydrator.sync_source
    needed = {
        "drySource.repoURL": dry.repo_url,
        "drySource.path": dry.path,
        "syncSource.targetBranch": synced.target_branch,
        "syncSource.path": synced.path,
        "hydrateTo.targetBranch": hydrator.branch,
    }
    for field, value in needed.items():
        if not value:
            raise _refusal(f"spec.sourceHydrator.{field} is required")
    if dry.chart or dry.ref:
        raise _refusal("spec.sourceHydrator.drySource is a folder of a Git repository: `chart` and `ref` have no meaning there")


def _check_refs(sources: Sequence[Source]) -> None:
    names = [source.ref for source in sources if source.ref]
    for name in names:
        if not _REF.fullmatch(name):
            raise _refusal(f"sources.ref {name} cannot contain any special characters except '_' and '-'")
        if names.count(name) > 1:
            raise _refusal(f"invalid sources: multiple sources had the same `ref` key: {name}")


def check_destination(destination: Destination) -> None:
    """One of its two names, not both. Whether there is such a cluster, its Secret says."""
    server, name = destination.server, destination.name
    if server and name:
        raise _refusal(f"application destination can't have both name and server defined: {name} {server}")
    if not server and not name:
        raise _refusal(f"Destination server missing from app spec: set spec.destination.server to {IN_CLUSTER_SERVER}")


def sync_options(spec: ApplicationSpec) -> dict[str, str]:
    """`Name=value` options of the application, the last one winning."""
    options = (spec.sync_policy.sync_options or ()) if spec.sync_policy else ()
    return {name.strip(): value.strip() for name, _, value in (option.partition("=") for option in options)}


def wanted_of(app: Obj) -> Pinned:
    """The application's sources at the revisions that its spec names."""
    sources, is_plural = spec_sources(app)
    return Pinned(sources, tuple(map(wanted_revision, sources)), is_plural)


def wanted_revision(source: Obj) -> str:
    return str(source.get("targetRevision") or "HEAD")


def is_only_ref(source: Obj) -> bool:
    """A source that lends its files to the others and gives no objects of its own."""
    return bool(source.get("ref")) and not source.get("path") and not source.get("chart")


def borrows(source: Obj) -> bool:
    """Whether a source may read files of the others: value files and file parameters of Helm do. Overrides beside the
    manifests may still make a chart of a source that names no tool."""
    return not is_only_ref(source) and not any(source.get(tool) for tool in ("directory", "kustomize", "plugin"))


def head_ask(source: Obj, revision: str, project: str = "") -> HeadAsk:
    """Where the source's branch stands, or the commit that `revision` names."""
    return HeadAsk(HeadRequest(source.get("repoURL", ""), revision, _body(source), project, _tag_prefix(source)))


def lent_ask(lender: Obj, revision: str, borrower: Obj, project: str = "") -> HeadAsk:
    """The same for a source that lends its files, as far as `borrower` reads them."""
    memory = canonical({"ref": lender.get("ref"), "borrower": _body(borrower).decode()})
    return HeadAsk(HeadRequest(lender.get("repoURL", ""), revision, memory, project, _tag_prefix(lender)))


def _tag_prefix(source: Obj) -> str:
    return str(source.get("tagPrefix") or "")


class Told(Struct, frozen=True):
    """What a source is told because its render said that it lacks it, and `without` which tools every source is rendered."""

    with_revision: bool = False
    cluster: ClusterFacts | None = None
    project: ProjectFacts | None = None
    kustomize: KustomizeSettings | None = None
    without: tuple[SourceType, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


NOTHING = Told()


def render_ask(
    app: Obj,
    source: Obj,
    head: Head,
    lent: tuple[Lent, ...] = (),
    told: Told = NOTHING,
) -> RenderAsk:
    """What the content of a source gives. `told`: what it is known to ask for besides."""
    body = _body(source)
    destination = (app.get("spec") or {}).get("destination") or {}
    return RenderAsk(
        RenderRequest(
            repo_url=source.get("repoURL", ""),
            trees=head.trees,
            source=body,
            app_name=name_of(app),
            namespace=destination.get("namespace") or "",
            build_env=_build_env(app, source, head, with_revision=told.with_revision),
            lent=lent,
            kube_version=told.cluster.kube_version if told.cluster else "",
            api_versions=told.cluster.api_versions if told.cluster else (),
            project=told.project,
            kustomize=told.kustomize,
            without=told.without,
            texts=told.texts,
        )
    )


def _body(source: Obj) -> bytes:
    return canonical({key: value for key, value in source.items() if key != "targetRevision"})


def _build_env(app: Obj, source: Obj, head: Head, *, with_revision: bool) -> tuple[tuple[str, str], ...]:
    variables = {
        "ARGOCD_APP_NAME": name_of(app),
        "ARGOCD_APP_NAMESPACE": ((app.get("spec") or {}).get("destination") or {}).get("namespace") or "",
        "ARGOCD_APP_PROJECT_NAME": (app.get("spec") or {}).get("project") or "default",
        "ARGOCD_APP_SOURCE_PATH": source.get("path") or "",
        "ARGOCD_APP_SOURCE_REPO_URL": source.get("repoURL") or "",
    }
    told = {"ARGOCD_APP_SOURCE_TARGET_REVISION": source.get("targetRevision") or ""}
    lengths = {"ARGOCD_APP_REVISION": None, "ARGOCD_APP_REVISION_SHORT": 7, "ARGOCD_APP_REVISION_SHORT_8": 8}
    told |= {name: head.commit[:length] for name, length in lengths.items()}
    return tuple({**variables, **(told if with_revision else {})}.items())


def _check_options(spec: ApplicationSpec) -> None:
    for name, value in sync_options(spec).items():
        if name not in _KNOWN_OPTIONS:
            raise _refusal(f"spec.syncPolicy.syncOptions: {name}={value} is not known: mind the spelling")
    for index, rule in enumerate(spec.ignore_differences or ()):
        if problem := problem_of(rule):
            raise _refusal(f"spec.ignoreDifferences[{index}].{problem}")


def _refusal(message: str) -> InvalidInput:
    return InvalidInput(message, reason="InvalidSpecError")
