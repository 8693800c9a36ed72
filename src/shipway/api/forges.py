"""Pull requests and branches of a forge: the values that the ApplicationSet engine and the clients of forges exchange."""

from typing import Literal

from msgspec import Struct

from shipway.api.cmd_params import CMD_PARAMS

ALLOWED = "applicationsetcontroller.allowed.scm.providers"
ForgeKind = Literal["github", "gitlab", "gitea"]


class ForgeTerms(Struct, frozen=True):
    """What an installation permits of generators that ask a forge: none at all (`is_enabled`), only at these URLs of APIs
    (`allowed`; anywhere when there are none), only with tokens from Secrets that are marked for it (`is_strict`)."""

    is_enabled: bool = True
    allowed: tuple[str, ...] = ()
    is_strict: bool = False

    def refusal(self, api: str, namespace: str, home: str) -> str:
        """Why a set of `namespace` may not ask the forge at `api` ("": the usual place of its kind); "" when it may.

        `home`: the namespace of the installation. In Argo CD's words, but for sets elsewhere: whoever writes one says where its
        token goes."""
        if not self.is_enabled:
            return "scm providers are disabled"
        if namespace != home and not self.allowed:
            who = f"generators that ask a forge are for sets in {home} only"
            return f"{who}, until {ALLOWED} in ConfigMap {CMD_PARAMS} says which forges may be asked"
        if api and self.allowed and api not in self.allowed:
            one_of = ", ".join(self.allowed)
            return f'scm provider not allowed: scm provider "{api}" not allowed, must use one of the following: {one_of}'
        return ""


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
