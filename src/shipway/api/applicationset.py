"""ApplicationSet (`argoproj.io/v1alpha1`) as a typed, frozen view over the plain object that users write.

Generators are typed down to their own block; what a template holds stays raw, since it is only text until it is filled.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from shipway.api.application import located
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

Values = dict[str, str]
AppsSync = Literal["create-only", "create-update", "create-delete", "sync", ""]


class ListGenerator(Struct, frozen=True, rename="camel"):
    """One entry an element; `elements_yaml` is a list of more of them, as text."""

    elements: tuple[dict[str, Any], ...] | None = None
    elements_yaml: str = ""


class ClusterGenerator(Struct, frozen=True, rename="camel"):
    """One entry a cluster that the selector picks; all of them in one with `flat_list`."""

    selector: dict[str, Any] | None = None
    values: Values | None = None
    flat_list: bool = False


class PathPattern(Struct, frozen=True):
    path: str
    exclude: bool = False


class GitGenerator(Struct, frozen=True, rename="camel"):
    """One entry a folder, or one a file (one for each element of a list in it)."""

    repo_url: str = field(name="repoURL")
    revision: str = ""
    directories: tuple[PathPattern, ...] | None = None
    files: tuple[PathPattern, ...] | None = None
    path_param_prefix: str = ""
    values: Values | None = None
    requeue_after_seconds: int | None = None


class TokenRef(Struct, frozen=True, rename="camel"):
    """Where the token of a forge lies: a key of a Secret beside the set."""

    secret_name: str
    key: str


class ForgeRepository(Struct, frozen=True, rename="camel"):
    """A repository at GitHub or Gitea (`owner`, `repo`) or at GitLab (`project`)."""

    owner: str = ""
    repo: str = ""
    project: str | int = ""
    api: str = ""
    token_ref: TokenRef | None = None
    app_secret_name: str = ""
    labels: tuple[str, ...] | None = None
    pull_request_state: str = ""
    insecure: bool = False


class PullRequestFilter(Struct, frozen=True, rename="camel"):
    """Regular expressions that all have to be found."""

    branch_match: str | None = None
    target_branch_match: str | None = None
    title_match: str | None = None


class PullRequestGenerator(Struct, frozen=True, rename="camel"):
    """One entry an open pull request; of several filters one is enough."""

    github: ForgeRepository | None = None
    gitlab: ForgeRepository | None = None
    gitea: ForgeRepository | None = None
    filters: tuple[PullRequestFilter, ...] | None = None
    values: Values | None = None
    requeue_after_seconds: int | None = None
    continue_on_repo_not_found_error: bool = False


class ForgeOrganization(Struct, frozen=True, rename="camel"):
    """All repositories of an `organization` (GitHub), a `group` (GitLab) or an `owner` (Gitea)."""

    organization: str = ""
    group: str = ""
    owner: str = ""
    api: str = ""
    token_ref: TokenRef | None = None
    app_secret_name: str = ""
    all_branches: bool = False
    include_subgroups: bool = False
    include_shared_projects: bool | None = None
    topic: str = ""
    insecure: bool = False


class ScmFilter(Struct, frozen=True, rename="camel"):
    """All of what is stated has to be so."""

    repository_match: str | None = None
    paths_exist: tuple[str, ...] | None = None
    paths_do_not_exist: tuple[str, ...] | None = None
    label_match: str | None = None
    branch_match: str | None = None


class ScmGenerator(Struct, frozen=True, rename="camel"):
    """One entry a branch; of several filters one is enough."""

    github: ForgeOrganization | None = None
    gitlab: ForgeOrganization | None = None
    gitea: ForgeOrganization | None = None
    filters: tuple[ScmFilter, ...] | None = None
    clone_protocol: str = ""
    values: Values | None = None
    requeue_after_seconds: int | None = None


class ConfigMapRef(Struct, frozen=True):
    name: str


class PluginInput(Struct, frozen=True):
    """What the plugin is told, of any shape."""

    parameters: dict[str, Any] | None = None


class PluginGenerator(Struct, frozen=True, rename="camel"):
    """One entry for each set of parameters that a plugin answers; the ConfigMap says where it is and how to log in."""

    config_map_ref: ConfigMapRef
    input: PluginInput | None = None
    values: Values | None = None
    requeue_after_seconds: int | None = None


class DecisionGenerator(Struct, frozen=True, rename="camel"):
    """One entry for each cluster that the status of an object names; the ConfigMap says of which kind and how."""

    config_map_ref: str
    name: str = ""
    label_selector: dict[str, Any] | None = None
    values: Values | None = None
    requeue_after_seconds: int | None = None


class Generator(Struct, frozen=True, rename="camel"):
    """One generator: exactly one of its blocks is there. `matrix` and `merge` hold further ones."""

    list: ListGenerator | None = None
    clusters: ClusterGenerator | None = None
    git: GitGenerator | None = None
    matrix: dict[str, Any] | None = None
    merge: dict[str, Any] | None = None
    scm_provider: ScmGenerator | None = None
    pull_request: PullRequestGenerator | None = None
    cluster_decision_resource: DecisionGenerator | None = None
    plugin: PluginGenerator | None = None
    selector: dict[str, Any] | None = None


class SetSyncPolicy(Struct, frozen=True, rename="camel"):
    applications_sync: AppsSync = ""
    preserve_resources_on_deletion: bool = False


class PreservedFields(Struct, frozen=True):
    annotations: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None


class IgnoredInApplications(Struct, frozen=True, rename="camel"):
    """Fields of generated Applications (of `name`, or of all) that others may change."""

    name: str = ""
    json_pointers: tuple[str, ...] | None = None
    jq_path_expressions: tuple[str, ...] | None = None


class MatchExpression(Struct, frozen=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class RollingStep(Struct, frozen=True, rename="camel"):
    match_expressions: tuple[MatchExpression, ...] | None = None
    max_update: int | str | None = None


class RollingSync(Struct, frozen=True):
    steps: tuple[RollingStep, ...] | None = None


class Strategy(Struct, frozen=True, rename="camel"):
    type: str = ""
    rolling_sync: RollingSync | None = None
    deletion_order: str = ""


class ApplicationSetSpec(Struct, frozen=True, rename="camel"):
    generators: tuple[dict[str, Any], ...]
    template: dict[str, Any]
    go_template: bool = False
    go_template_options: tuple[str, ...] | None = None
    template_patch: str | None = None
    sync_policy: SetSyncPolicy | None = None
    strategy: Strategy | None = None
    preserved_fields: PreservedFields | None = None
    ignore_application_differences: tuple[IgnoredInApplications, ...] | None = None

    @property
    def policy(self) -> SetSyncPolicy:
        return self.sync_policy or SetSyncPolicy()

    @property
    def may_update(self) -> bool:
        return self.policy.applications_sync in ("", "sync", "create-update")

    @property
    def may_delete(self) -> bool:
        return self.policy.applications_sync in ("", "sync", "create-delete")


KINDS = ("list", "clusters", "git", "matrix", "merge", "scmProvider", "pullRequest", "clusterDecisionResource", "plugin")
"""The blocks that a generator may have."""


def parse_set(appset: Obj) -> ApplicationSetSpec:
    """The spec of an ApplicationSet. Raises InvalidInput naming the path of the first wrong field."""
    return convert(appset.get("spec") or {}, ApplicationSetSpec, "spec")


def parse_generator(raw: dict[str, Any], where: str) -> Generator:
    """One generator. Raises InvalidInput naming the path of what is wrong with it."""
    blocks = [kind for kind in KINDS if raw.get(kind) is not None]
    if len(blocks) != 1:
        found = f"has {' and '.join(blocks)}" if blocks else f"has none ({', '.join(sorted(raw)) or 'it is empty'})"
        raise InvalidInput(f"{where}: a generator has exactly one of {', '.join(KINDS)}; this one {found}")
    return convert(raw, Generator, where)


def convert(raw: Any, kind: type[Any], where: str) -> Any:
    """`raw` as a struct. Raises InvalidInput naming the path below `where`."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidInput(located(str(error), where), reason="InvalidSpecError") from error
