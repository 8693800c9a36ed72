"""What a repository's own objects do not hold: the content of its submodules, and of its large files.

Snapshots read without waiting, on any thread. What is not here yet they want (`Wanted`), and the read is done again once it has
been brought: `supplied`. Since a submodule's commit and a pointer's hash name their content, this changes no answer.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

import pygit2
from msgspec import Struct

from shipway.adapters.git.lfs import Pointer
from shipway.adapters.git.modules import MAX_DEPTH, module_url
from shipway.base.errors import InvalidInput, Unavailable

Made = TypeVar("Made")
MAX_ROUNDS = 500
"""Submodules and large files that one read may want."""


class Lender(NamedTuple):
    """A repository whose login opens the submodules below it that lie at the same host, and the AppProject that the login is
    for ("" for all)."""

    repo_url: str
    project: str


class Want(Struct, frozen=True):
    """A commit of a submodule, or a large file of a repository, as an AppProject may have it."""

    repo_url: str
    commit: str = ""
    pointer: Pointer | None = None
    project: str = ""
    lender: Lender | None = None


class Wanted(Unavailable):
    """Something must be fetched first."""

    def __init__(self, what: Want) -> None:
        super().__init__(f"{what.commit or 'a large file'} is not here yet", reason="NotMirrored")
        self.what = what


class Stock(Protocol):
    """What is here. Each method raises `Wanted` for what is not."""

    def module(self, repo_url: str, commit: str, lender: Lender) -> pygit2.Repository | None:
        """A repository that holds `commit`, with a handle of its own; None: submodules are switched off."""
        ...

    def large(self, repo_url: str, pointer: Pointer, project: str) -> bytes | None:
        """A large file, for an AppProject; None: this repository's are not fetched."""
        ...


class Beyond:
    """What lies beyond one repository. `project`: for whom alone its login is, "" for all; `outermost`: who lends its
    submodules a login, when it is a submodule itself."""

    def __init__(self, repo_url: str, stock: Stock, depth: int = 0, project: str = "", outermost: Lender | None = None) -> None:
        self._repo_url = repo_url
        self._stock = stock
        self._depth = depth
        self._project = project
        self._lender = outermost or Lender(repo_url, project)

    def module(self, gitmodules: bytes, path: str, commit: str) -> "tuple[pygit2.Repository, Beyond] | None":
        """The submodule at `path`; None where submodules are switched off. Raises `InvalidInput` (InvalidSubmodule)."""
        url = module_url(gitmodules, path, self._repo_url)
        if self._depth >= MAX_DEPTH:
            raise InvalidInput(f"submodule {path}: more than {MAX_DEPTH} inside of one another", reason="InvalidSubmodule")
        repository = self._stock.module(url, commit, self._lender)
        return (repository, Beyond(url, self._stock, self._depth + 1, outermost=self._lender)) if repository else None

    def large(self, pointer: Pointer) -> bytes | None:
        return self._stock.large(self._repo_url, pointer, self._project)


async def supplied(attempt: Callable[[], Awaitable[Made]], supply: Callable[[Want], Awaitable[None]]) -> Made:
    """What `attempt` makes, once `supply` has brought what it wants."""
    wanted: set[Want] = set()
    while True:
        try:
            return await attempt()
        except Wanted as want:
            if want.what in wanted or len(wanted) >= MAX_ROUNDS:
                raise
            wanted.add(want.what)
            await supply(want.what)
