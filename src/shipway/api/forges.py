"""Pull requests of a forge: the values that the ApplicationSet engine and the clients of forges exchange."""

from typing import Literal

from msgspec import Struct

ForgeKind = Literal["github", "gitlab", "gitea"]


class PullRequestsQuery(Struct, frozen=True):
    """Which pull requests are open in a repository? `owner` is empty at GitLab, where `repo` is a project's path or number.

    The token is not here: `secret` and `key` say where it lies, in the namespace of the set; `app_secret` names the Secret with
    a GitHub App whose installation lends one.
    """

    kind: ForgeKind
    owner: str
    repo: str
    api: str = ""
    labels: tuple[str, ...] = ()
    state: str = ""
    secret: str = ""
    key: str = ""
    app_secret: str = ""
    is_insecure: bool = False

    @property
    def place(self) -> str:
        return f"{self.owner}/{self.repo}" if self.owner else self.repo


class PullRequest(Struct, frozen=True, order=True):
    """One that is open, as generators see it."""

    number: int
    title: str
    branch: str
    target_branch: str
    head_sha: str
    labels: tuple[str, ...]
    author: str


class BranchFilter(Struct, frozen=True):
    """All of it has to be so: regular expressions that are found, paths that are there or are not."""

    repository: str = ""
    label: str = ""
    branch: str = ""
    paths_exist: tuple[str, ...] = ()
    paths_do_not_exist: tuple[str, ...] = ()


class BranchesQuery(Struct, frozen=True):
    """Which branches do the repositories of an organization (a group at GitLab) have, that pass one of the filters?

    `all_branches`: not only the default one. The token is not here, see `PullRequestsQuery`.
    """

    kind: ForgeKind
    organization: str
    api: str = ""
    all_branches: bool = False
    clone_protocol: str = ""
    include_subgroups: bool = False
    include_shared: bool = True
    topic: str = ""
    filters: tuple[BranchFilter, ...] = ()
    secret: str = ""
    key: str = ""
    app_secret: str = ""
    is_insecure: bool = False

    @property
    def place(self) -> str:
        return self.organization


class Branch(Struct, frozen=True, order=True):
    """A branch of a repository, as generators see it."""

    organization: str
    repository: str
    branch: str
    sha: str
    url: str
    repository_id: str
    labels: tuple[str, ...]
