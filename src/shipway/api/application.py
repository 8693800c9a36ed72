"""Application and AppProject (`argoproj.io/v1alpha1`) as typed, frozen views over the plain objects that users write.

Unknown fields are tolerated (a newer Argo CD may know them), wrong types are not: the error names the path. What we know
but cannot do yet is not judged here; the GitOps engine refuses it with a condition. The objects stay plain dicts: these
views are only read.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput
from shipway.base.globs import glob_or_regex
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, namespace_of, status_of

IN_CLUSTER_SERVER = "https://kubernetes.default.svc"
DEFAULT_PROJECT = "default"
IN_CLUSTER_NAME = "in-cluster"


class Destination(Struct, frozen=True):
    """`server` or `name`, not both; `namespace` is for namespaced objects that state none."""

    server: str = ""
    name: str = ""
    namespace: str = ""

    @property
    def stated_server(self) -> str:
        """The server, as far as it says; which one another name means, the Secrets of clusters know."""
        return self.server or (IN_CLUSTER_SERVER if self.name in ("", IN_CLUSTER_NAME) else "")

    @property
    def stated_name(self) -> str:
        """The name, as far as it says."""
        return self.name or (IN_CLUSTER_NAME if self.server in ("", IN_CLUSTER_SERVER) else "")


class Source(Struct, frozen=True):
    """Where manifests come from. The tool blocks stay raw: the renderer reads them."""

    repo_url: str = field(name="repoURL", default="")
    path: str = ""
    chart: str = ""
    target_revision: str = field(name="targetRevision", default="")
    tag_prefix: str = field(name="tagPrefix", default="")
    ref: str = ""
    name: str = ""
    directory: dict[str, Any] | None = None
    helm: dict[str, Any] | None = None
    kustomize: dict[str, Any] | None = None
    plugin: dict[str, Any] | None = None


class SyncSource(Struct, frozen=True):
    """Where rendered manifests are kept and synced from. `repo_url` "": the repository that they are rendered from."""

    repo_url: str = field(name="repoURL", default="")
    target_branch: str = field(name="targetBranch", default="")
    path: str = ""


class HydrateTo(Struct, frozen=True, rename="camel"):
    """The branch that they are written to where that is another one: somebody moves them on from there."""

    target_branch: str = ""


class SourceHydrator(Struct, frozen=True, rename="camel"):
    """A source that is rendered into a branch, and the branch that is synced from."""

    dry_source: Source = Source()
    sync_source: SyncSource = SyncSource()
    hydrate_to: HydrateTo | None = None

    @property
    def repo_url(self) -> str:
        """The repository that is written to."""
        return self.sync_source.repo_url or self.dry_source.repo_url

    @property
    def branch(self) -> str:
        """The branch that is written to."""
        return self.hydrate_to.target_branch if self.hydrate_to else self.sync_source.target_branch


class Automated(Struct, frozen=True, rename="camel"):
    """Present means on, unless `enabled` is false."""

    prune: bool | None = None
    self_heal: bool | None = None
    allow_empty: bool | None = None
    enabled: bool | None = None


class Backoff(Struct, frozen=True, rename="camel"):
    """Durations as Go writes them, or bare seconds."""

    duration: str | int = "5s"
    factor: int | None = 2
    max_duration: str | int = "3m"

    def wait(self, tries: int) -> float:
        """Seconds to wait before try number `tries` + 1 (0 = the first retry)."""
        seconds = _seconds(self.duration or "5s") * float(self.factor or 2) ** tries
        return min(seconds, _seconds(self.max_duration or "3m"))


class Retry(Struct, frozen=True, rename="camel"):
    """`limit` < 0 is for ever; `refresh` takes the newest commit at each retry."""

    limit: int = 0
    backoff: Backoff = Backoff()
    refresh: bool = False


class ManagedNamespace(Struct, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SyncPolicy(Struct, frozen=True, rename="camel"):
    automated: Automated | None = None
    sync_options: tuple[str, ...] | None = None
    retry: Retry | None = None
    managed_namespace_metadata: ManagedNamespace | None = None


class IgnoreDifference(Struct, frozen=True, rename="camel"):
    kind: str = ""
    group: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: tuple[str, ...] | None = None
    jq_path_expressions: tuple[str, ...] | None = None
    managed_fields_managers: tuple[str, ...] | None = None


class ApplicationSpec(Struct, frozen=True, rename="camel"):
    destination: Destination = Destination()
    project: str = ""
    source: Source | None = None
    sources: tuple[Source, ...] | None = None
    source_hydrator: SourceHydrator | None = None
    sync_policy: SyncPolicy | None = None
    ignore_differences: tuple[IgnoreDifference, ...] | None = None
    revision_history_limit: int | None = None

    @property
    def repo_urls(self) -> tuple[str, ...]:
        """Every repository that counts: of a hydrator alone where there is one, else of the list, else of the one source."""
        if self.source_hydrator:
            return tuple(dict.fromkeys((self.source_hydrator.dry_source.repo_url, self.source_hydrator.repo_url)))
        return tuple(source.repo_url for source in (self.source, *(self.sources or ())) if source)


class SyncResource(Struct, frozen=True):
    """One object that a selective sync is limited to."""

    kind: str = ""
    name: str = ""
    group: str = ""
    namespace: str = ""


class SyncOperation(Struct, frozen=True, rename="camel"):
    revision: str = ""
    revisions: tuple[str, ...] | None = None
    prune: bool = False
    dry_run: bool = False
    resources: tuple[SyncResource, ...] | None = None
    source: dict[str, Any] | None = None
    sources: tuple[dict[str, Any], ...] | None = None
    manifests: tuple[str, ...] | None = None
    sync_options: tuple[str, ...] | None = None
    sync_strategy: dict[str, Any] | None = None
    auto_heal_attempts_count: int = 0


class InitiatedBy(Struct, frozen=True):
    username: str = ""
    automated: bool = False


class Info(Struct, frozen=True):
    name: str = ""
    value: str = ""


class Operation(Struct, frozen=True, rename="camel"):
    """The `operation` field: writing it with any client is the sync API."""

    sync: SyncOperation | None = None
    initiated_by: InitiatedBy = InitiatedBy()
    info: tuple[Info, ...] | None = None
    retry: Retry = Retry()


class ProjectDestination(Struct, frozen=True):
    server: str = ""
    name: str = ""
    namespace: str = ""


class ProjectKind(Struct, frozen=True):
    group: str = ""
    kind: str = ""
    name: str = ""


class SyncWindow(Struct, frozen=True, rename="camel"):
    """When syncs are allowed or denied: a cron `schedule` and how long it lasts from there, for what the globs fit."""

    kind: str = ""
    schedule: str = ""
    duration: str = ""
    time_zone: str = ""
    applications: tuple[str, ...] | None = None
    namespaces: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None
    manual_sync: bool = False
    sync_overrun: bool = False
    and_operator: bool = False
    description: str = ""


class InheritedWindow(SyncWindow, frozen=True):
    """One that a global project lays on others."""

    inherited_from: str = ""


class ProjectRole(Struct, frozen=True, rename="camel"):
    """Who may do what in a project: Casbin rows, bound to groups."""

    name: str = ""
    description: str = ""
    policies: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None


class DestinationServiceAccount(Struct, frozen=True, rename="camel"):
    """As whom what goes there is synced: globs, and `name` or `namespace:name` of a service account."""

    server: str = ""
    namespace: str = ""
    default_service_account: str = ""


class SignatureKey(Struct, frozen=True):
    """An OpenPGP key that may sign."""

    key_id: str = field(name="keyID")


class ProjectSpec(Struct, frozen=True, rename="camel"):
    source_repos: tuple[str, ...] | None = None
    destinations: tuple[ProjectDestination, ...] | None = None
    cluster_resource_whitelist: tuple[ProjectKind, ...] | None = None
    cluster_resource_blacklist: tuple[ProjectKind, ...] | None = None
    namespace_resource_whitelist: tuple[ProjectKind, ...] | None = None
    namespace_resource_blacklist: tuple[ProjectKind, ...] | None = None
    source_namespaces: tuple[str, ...] | None = None
    sync_windows: tuple[SyncWindow, ...] | None = None
    roles: tuple[ProjectRole, ...] | None = None
    permit_only_project_scoped_clusters: bool = False
    destination_service_accounts: tuple[DestinationServiceAccount, ...] | None = None
    signature_keys: tuple[SignatureKey, ...] | None = None
    source_integrity: dict[str, Any] | None = None
    orphaned_resources: dict[str, Any] | None = None

    def serves(self, namespace: str) -> bool:
        """Whether Applications of a namespace beyond the installation's own may use it. Raises InvalidInput for no pattern."""
        return any(glob_or_regex(one)(namespace) for one in self.source_namespaces or ())


class InheritingProject(ProjectSpec, frozen=True):
    """A project whose lists hold those of global projects (name, spec) besides its `own`."""

    own: ProjectSpec = ProjectSpec()
    parents: tuple[tuple[str, ProjectSpec], ...] = ()


T = TypeVar("T")


def parse_spec(app: Obj) -> ApplicationSpec:
    """The spec of an Application. Raises InvalidInput naming the path of the first wrong field."""
    return _convert(app.get("spec") or {}, ApplicationSpec, "spec")


def control_namespace_of(application: Obj) -> str:
    """Where its AppProject and the Secrets of clusters are: the namespace of the controller that looked at it, else its own."""
    return status_of(application).get("controllerNamespace") or namespace_of(application)


def cluster_shown(destination: Obj) -> str:
    """How people call the cluster of a `spec.destination` that may not have been read yet."""
    cluster = destination.get("name") or destination.get("server") or ""
    return IN_CLUSTER_NAME if cluster == IN_CLUSTER_SERVER else cluster


def is_automated_in(spec: Obj) -> bool:
    """Whether a spec that may not have been read yet asks for automated sync."""
    automated = dig(spec, "syncPolicy", "automated")
    return automated is not None and dig(automated, "enabled") is not False


def parse_operation(raw: Obj) -> Operation:
    """An `operation` as some client wrote it. Raises InvalidInput naming the path of the first wrong field."""
    return _convert(raw, Operation, "operation")


def parse_project(project: Obj) -> ProjectSpec:
    """The spec of an AppProject. Raises InvalidInput naming the path of the first wrong field."""
    return _convert(project.get("spec") or {}, ProjectSpec, "spec")


def default_project(namespace: str) -> Obj:
    """The project of applications that name none: allows everything, as Argo CD creates it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": DEFAULT_PROJECT, "namespace": namespace},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def _convert(raw: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidInput(located(str(error), where), reason="InvalidSpecError") from error


def located(message: str, where: str) -> str:
    """What msgspec says of a wrong value, in our words.

    `Expected `str`, got `int` - at `$.source.path`` -> `spec.source.path: expected `str`, got `int``.
    """
    what, _, place = message.partition(" - at `$")
    place = place.removesuffix("`")
    return f"{where}{place}: {what[:1].lower()}{what[1:]}"


def _seconds(duration: str | int) -> float:
    if isinstance(duration, int):
        return float(duration)
    try:
        return float(duration) if duration.isdigit() else parse_duration(duration)
    except ValueError as error:
        raise InvalidInput(str(error), reason="InvalidSpecError") from error
