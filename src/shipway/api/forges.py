"""Pull requests of a forge: the values that the ApplicationSet engine and the clients of forges exchange."""

from typing import Literal

from msgspec import Struct

ForgeKind = Literal["github", "gitlab", "gitea"]


class PullRequestsQuery(Struct, frozen=True):
    """Which pull requests are open in a repository? `owner` is empty at GitLab, where `repo` is a project's path or number.

    The token is not here: `secret` and `key` say where it lies, in the namespace of the set.
    """

    kind: ForgeKind
    owner: str
    repo: str
    api: str = ""
    labels: tuple[str, ...] = ()
    state: str = ""
    secret: str = ""
    key: str = ""
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
